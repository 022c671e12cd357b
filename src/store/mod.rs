//! What is remembered: the database behind plain functions, one module per noun.
//!
//! A caller sees domain types, a [`Store`] to read from and a [`Tx`] to write in; SQL and
//! sea-orm stay inside. Reading functions take `&impl Reader`, which is the store itself or an
//! open transaction; everything that changes something takes `&Tx`, so that a change and its
//! audit event can only be written together, and so that nobody writes outside a transaction by
//! accident.
//!
//! SQLite admits one writer at a time. [`Store::begin`] lets writers queue for their turn and
//! then opens the transaction as a writing one (`BEGIN IMMEDIATE`): a transaction that starts
//! reading and wants to write later can find itself too late, and SQLite then fails it at once
//! however long it was told to wait. Readers go on beside the writer (WAL).
//!
//! Reading order: [`projects`], [`environments`], [`servers`], [`clusters`], [`balancers`] are
//! the inventory; [`deployments`], [`steps`], [`log`], [`releases`] what happened; [`queue`] is
//! how workers share the work; [`users`], [`tokens`], [`sessions`] the people; [`audit`] and
//! [`locks`] the rest. `backend` is the one file that knows which database it talks to.

mod backend;
mod columns;
mod entities;
mod error;
mod page;
mod serve_lock;
mod tx;

pub mod audit;
pub mod balancers;
pub mod clusters;
pub mod deployments;
pub mod environments;
pub mod locks;
pub mod log;
pub mod observations;
pub mod projects;
pub mod queue;
pub mod releases;
pub mod servers;
pub mod sessions;
pub mod steps;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use migrations::{Migrator, MigratorTrait};
use sea_orm::{Database, DatabaseConnection, TransactionOptions, TransactionTrait};
use tokio::sync::Semaphore;

pub use page::{Page, Paged};
pub use serve_lock::ServeLock;
pub use tx::{Fenced, Lease, LeasedTx, Reader, Tx};

use crate::domain::{Error, Result};
use backend::Place;

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections kept for reading and writing together. A page takes one for a few
    /// milliseconds, so a handful serves many viewers.
    pub connections: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { connections: 8 }
    }
}

/// The open database. Cloning it is cheap and shares the connections.
#[derive(Clone)]
pub struct Store {
    db: DatabaseConnection,
    place: Arc<Place>,
    turns: Arc<Semaphore>,
}

impl Store {
    /// Opens the database at `url`; see [`crate::domain::DatabaseUrl`]. An SQLite file is made
    /// when it does not exist; the schema is not ([`Self::migrate`]).
    ///
    /// # Errors
    /// A URL that is no database's, a directory that does not exist, a file that cannot be
    /// opened: each with a sentence that says what to do.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self> {
        let place = Place::parse(url)?;
        place.can_be_made()?;
        Self::connect(place, &options, true).await
    }

    /// Opens the database at `url` to read from it, if it is there: makes no file and brings no
    /// setting of its own into one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_existing(url: &str, options: StoreOptions) -> Result<Option<Self>> {
        let place = Place::parse(url)?;
        if !place.is_there()? {
            return Ok(None);
        }
        Self::connect(place, &options, false).await.map(Some)
    }

    async fn connect(place: Place, options: &StoreOptions, make: bool) -> Result<Self> {
        place.reach().await?;
        let db = Database::connect(place.connect_options(options, make))
            .await
            .map_err(|cause| place.cannot_open(cause))?;
        let turns = Arc::new(Semaphore::new(place.writers(options)));
        Ok(Self {
            db,
            place: Arc::new(place),
            turns,
        })
    }

    /// Opens a writing transaction, once it is this caller's turn. What is not committed is
    /// rolled back when the `Tx` is dropped.
    pub async fn begin(&self) -> Result<Tx> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(sea_orm::SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.db.begin_with_options(options).await?;
        Ok(Tx::new(transaction, turn))
    }

    /// Brings the schema up to date. Safe to call from several processes at once: they take
    /// turns, and on databases that can, all changes are made or none.
    pub async fn migrate(&self) -> Result<()> {
        let tx = self.begin().await?;
        backend::one_migration_at_a_time(tx.connection()).await?;
        Migrator::up(tx.connection(), None).await?;
        tx.commit().await
    }

    /// The names of the schema changes this database has not got yet, oldest first. Reads only.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        let pending = Migrator::get_pending_migrations_read_only(&self.db).await?;
        Ok(pending.iter().map(|one| one.name().to_owned()).collect())
    }

    /// Claims the database for this process as the one that serves, until the returned lock is
    /// dropped or the process dies. Administrative commands do not take it.
    ///
    /// # Errors
    /// A conflict that names the process which holds it.
    pub fn serve_lock(&self) -> Result<ServeLock> {
        ServeLock::take(self.place.file())
    }

    /// Closes the connections; open transactions are finished first. On SQLite the last one to
    /// close folds the write-ahead log into the file.
    pub async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }

    /// Asks the database for nothing, to see whether it answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.db.ping().await?)
    }
}
