//! The one file that knows which database it talks to: URLs, connection options, and the few
//! statements that no portable builder has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{Connection as _, Error as SqlxError, MySqlConnection, PgConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

use tokio::time::{Instant, sleep, timeout_at};

use crate::domain::{DatabaseUrl, Error, Result};

/// How long a statement waits for another process (an administrative command, a backup) that
/// holds the SQLite file. Writers of our own queue before they get here.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a page waits for a free connection before it gives up with an error.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a database server may take to let us in at the start.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries.
const REACH_PAUSE: Duration = Duration::from_millis(500);
/// SQLite's page cache per connection, in KiB: the indexes of some 100,000 deployments.
const CACHE_KIB: u32 = 16 * 1024;
/// How much of the SQLite file is read through memory mapping, in bytes.
const MAPPED_BYTES: u32 = 256 * 1024 * 1024;
/// The number under which PostgreSQL keeps our migration lock; any number nobody else uses.
const MIGRATION_LOCK: i64 = 0x6465_706c_6f79;

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

/// Where the database is.
pub struct Place {
    url: String,
    file: Option<PathBuf>,
}

impl Place {
    /// Looks at a URL before anything is opened.
    pub fn parse(url: &str) -> Result<Self> {
        let told = |what: String| Error::invalid(format!("The address of the database {what}."));
        Ok(match url.parse().map_err(told)? {
            DatabaseUrl::Sqlite(file) => Self {
                url: "sqlite://".into(),
                file: Some(file),
            },
            DatabaseUrl::Server(url) => Self { url, file: None },
        })
    }

    /// Complains if the SQLite file cannot be made for want of a directory.
    pub fn can_be_made(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let directory = file.parent().unwrap_or(file);
        if directory.is_dir() {
            return Ok(());
        }
        Err(Error::unavailable(format!(
            "The database file {} cannot be made: the directory {} does not exist. Create it, owned by the account the deployer runs as.",
            file.display(),
            directory.display()
        )))
    }

    /// Whether there is a database already. What a database server has is seen at opening it.
    pub fn is_there(&self) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        file.try_exists().map_err(|cause| {
            Error::unavailable(format!(
                "The database file {} cannot be looked at: {cause}. Do this as the user the deployer runs as.",
                file.display()
            ))
            .because(cause)
        })
    }

    /// The SQLite file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// How many transactions may write at once.
    pub fn writers(&self, options: &StoreOptions) -> usize {
        match self.file {
            Some(_) => 1,
            // One connection stays for reading.
            None => (options.connections as usize).saturating_sub(1).max(1),
        }
    }

    /// What the pool is made with, to `make` an SQLite file that is not there, or else to change
    /// nothing about the one that is.
    pub fn connect_options(&self, options: &StoreOptions, make: bool) -> ConnectOptions {
        let mut connect = ConnectOptions::new(self.url.clone());
        connect
            .max_connections(options.connections.max(2))
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(self.file.is_none())
            .sqlx_logging(false);
        if let Some(file) = self.file.clone() {
            connect.map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_out_of_its_transaction(connection)))
            });
            connect.map_sqlx_sqlite_opts(move |sqlite| {
                let sqlite = sqlite.filename(&file).create_if_missing(make);
                let sqlite = match make {
                    true => sqlite.journal_mode(SqliteJournalMode::Wal),
                    // Who may write and is the last to close folds the log into the file and removes
                    // it; who may not would leave an empty log where there was none.
                    false => sqlite.read_only(log_of(&file).exists()),
                };
                sqlite
                    .synchronous(SqliteSynchronous::Normal)
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(true)
                    .pragma("cache_size", format!("-{CACHE_KIB}"))
                    .pragma("mmap_size", MAPPED_BYTES.to_string())
                    .pragma("temp_store", "memory")
            });
        }
        connect
    }

    /// Waits until a database server lets us in; it may be starting beside us. A pool would ask it
    /// again and again until its time is over, too, but tells no more than that.
    ///
    /// # Errors
    /// Why it does not let us in.
    pub async fn reach(&self) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let end = Instant::now() + REACH_TIMEOUT;
        loop {
            let cause = match timeout_at(end, self.connect_once()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(cause)) => cause,
                Err(late) => return Err(self.cannot_open(late)),
            };
            if !matches!(cause, SqlxError::Io(_)) || Instant::now() + REACH_PAUSE > end {
                return Err(self.cannot_open(cause));
            }
            sleep(REACH_PAUSE).await;
        }
    }

    async fn connect_once(&self) -> Result<(), SqlxError> {
        if self.url.starts_with("postgres") {
            PgConnection::connect(&self.url).await?.close().await
        } else {
            MySqlConnection::connect(&self.url).await?.close().await
        }
    }

    /// The sentence for a database that does not open.
    pub fn cannot_open(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let what = match &self.file {
            Some(file) => format!(
                "The database file {} cannot be opened. See that it is a SQLite database and that the account the deployer runs as may write it and its directory.",
                file.display()
            ),
            None => "The database does not answer. See that it runs, and that the URL, user and password in the configuration are right.".to_owned(),
        };
        Error::unavailable(what).because(cause)
    }
}

/// Whether a connection that comes back to the pool may be used again. When a disk is full SQLite
/// ends a transaction by itself; the pool then counts it as open for ever, takes the next one for a
/// part of it, and what is “committed” there is neither durable nor lets anybody else write.
async fn is_out_of_its_transaction(connection: &mut SqliteConnection) -> Result<bool, SqlxError> {
    // Waits for a rollback that is still on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLite's write-ahead log of a file.
fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Lets one process migrate while others wait. SQLite's writing transaction is such a lock by
/// itself; PostgreSQL gives one that ends with the transaction; MariaDB one that ends with the
/// connection, which is why it is taken on the transaction's.
pub async fn one_migration_at_a_time(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    let lock = match tx.get_database_backend() {
        DbBackend::Postgres => format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"),
        DbBackend::MySql => "SELECT GET_LOCK('deployer_migration', 60)".to_owned(),
        _ => return Ok(()),
    };
    tx.execute_unprepared(&lock).await.map(drop)
}
