//! The open database, and how it is opened and closed.

use std::sync::Arc;
use std::time::Duration;

use migrations::{Migrator, MigratorTrait};
use sea_orm::{Database, DatabaseConnection, TransactionTrait};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::ServeLock;
use super::backend::{self, DatabaseLocation, StoreOptions};
use super::bell::{Bell, Ring};
use super::seal::{Seal, SealingKey};
use super::tx::sealed::Connected;
use super::tx::{Reader, Tx};
use crate::domain::{Error, Result};

/// The open database. Cloning it is cheap and shares the connections.
#[derive(Clone)]
pub struct Store {
    db: DatabaseConnection,
    place: Arc<DatabaseLocation>,
    turns: Arc<Semaphore>,
    migration_wait: Duration,
    bell: Bell,
    seal: Seal,
}

impl Store {
    /// Opens the database at `url`; see [`crate::domain::DatabaseUrl`]. An SQLite file is made
    /// when it does not exist; the schema is not ([`Self::migrate`]).
    ///
    /// # Errors
    /// A URL that is not a database's, a directory that does not exist, a file that cannot be
    /// opened: each with a sentence that says what to do.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self> {
        let place = DatabaseLocation::parse(url)?;
        place.can_be_made()?;
        place.keep_private()?;
        Self::connect(place, &options, true).await
    }

    /// Opens the database at `url` for reading, if it exists. Creates no file and changes no setting
    /// of one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_existing(url: &str, options: StoreOptions) -> Result<Option<Self>> {
        let place = DatabaseLocation::parse(url)?;
        if !place.is_there()? {
            return Ok(None);
        }
        Self::connect(place, &options, false).await.map(Some)
    }

    async fn connect(place: DatabaseLocation, options: &StoreOptions, make: bool) -> Result<Self> {
        place.reach().await?;
        let db = Database::connect(place.connect_options(options, make))
            .await
            .map_err(|cause| place.cannot_open(cause))?;
        let turns = Arc::new(Semaphore::new(place.writers(options)));
        Ok(Self {
            db,
            place: Arc::new(place),
            turns,
            migration_wait: options.migration_wait,
            bell: Bell::default(),
            seal: Seal::default(),
        })
    }

    /// Opens a writing transaction. Waits for its turn.
    ///
    /// # Errors
    /// Unavailable when the database is away, or so busy that no turn comes.
    pub(super) async fn begin(&self) -> Result<Tx> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = match self.place.longest_turn() {
            Some(limit) => timeout(limit, turn).await.map_err(|late| {
                Error::unavailable(
                    "The deployer's database is too busy. Nothing was stored; try again in a moment.",
                )
                .because(late)
            })?,
            None => turn.await,
        };
        let transaction = self
            .db
            .begin_with_options(self.place.transaction_options())
            .await?;
        Ok(Tx::new(transaction, turn.map_err(Error::internal)?))
    }

    /// Brings the schema up to date. Several processes may call it at once: they take turns. Where
    /// the database can, all changes are made or none.
    ///
    /// # Errors
    /// Unavailable when another process migrates for longer than [`StoreOptions::migration_wait`].
    pub async fn migrate(&self) -> Result<()> {
        let tx = self.begin().await?;
        backend::lock_migrations(tx.connection(), self.migration_wait).await?;
        let done = Migrator::up(tx.connection(), None).await;
        backend::unlock_migrations(tx.connection(), done.is_ok()).await?;
        done?;
        tx.commit().await
    }

    /// Whether one instance at most serves this database, as with an SQLite file.
    pub fn is_for_one_instance(&self) -> bool {
        self.place.file().is_some()
    }

    /// The schema changes that this database lacks, oldest first. Reads only.
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

    /// Calls `listener` after every write of this process that somebody may wait for.
    pub fn listen(&self, listener: impl Fn(Ring<'_>) + Send + Sync + 'static) {
        self.bell.set(Arc::new(listener));
    }

    /// Seals secrets with the first of `keys` from now on, and opens those sealed with any of them. Every
    /// clone of this store does so.
    pub fn set_sealing_keys(&self, keys: Vec<SealingKey>) {
        self.seal.set(keys);
    }

    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Closes the connections; open transactions are finished first. On SQLite the last one to
    /// close folds the write-ahead log into the file.
    pub async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }
}

impl Reader for Store {}

impl Connected for Store {
    type Connection = DatabaseConnection;
    fn db(&self) -> &DatabaseConnection {
        &self.db
    }
    fn seal(&self) -> &Seal {
        &self.seal
    }
}
