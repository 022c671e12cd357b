//! The one file that knows which database it talks to: URLs, connection options, and the few
//! statements that no portable builder has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

use super::StoreOptions;
use crate::domain::{Error, Result};

/// How long a statement waits for another process (an administrative command, a backup) that
/// holds the SQLite file. Writers of our own queue before they get here.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a page waits for a free connection before it gives up with an error.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// SQLite's page cache per connection, in KiB: the indexes of some 100,000 deployments.
const CACHE_KIB: u32 = 16 * 1024;
/// How much of the SQLite file is read through memory mapping, in bytes.
const MAPPED_BYTES: u32 = 256 * 1024 * 1024;
/// The number under which PostgreSQL keeps our migration lock; any number nobody else uses.
const MIGRATION_LOCK: i64 = 0x6465_706c_6f79;

/// Where the database is.
pub struct Place {
    url: String,
    file: Option<PathBuf>,
}

impl Place {
    /// Looks at a URL before anything is opened.
    pub fn parse(url: &str) -> Result<Self> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("sqlite") => Self::sqlite(url),
            Some("postgres" | "postgresql" | "mysql" | "mariadb") => Ok(Self {
                url: url.replacen("mariadb://", "mysql://", 1),
                file: None,
            }),
            // The URL may hold a password: it is not repeated.
            _ => Err(Error::invalid(
                "The database URL has to begin with “sqlite://”, “postgres://” or “mysql://”.",
            )),
        }
    }

    fn sqlite(url: &str) -> Result<Self> {
        let path = url.trim_start_matches("sqlite://");
        if path.is_empty() || path.starts_with(':') || path.contains('?') {
            return Err(Error::invalid(format!(
                "“{url}” names no database file: write sqlite:///path/to/file.db, without options."
            )));
        }
        let file = PathBuf::from(path);
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            return Err(Error::unavailable(format!(
                "The database file {path} cannot be made: the directory {} does not exist. Create it, owned by the account the deployer runs as.",
                directory.display()
            )));
        }
        Ok(Self {
            url: "sqlite://".into(),
            file: Some(file),
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

    /// What the pool is made with.
    pub fn connect_options(&self, options: &StoreOptions) -> ConnectOptions {
        let mut connect = ConnectOptions::new(self.url.clone());
        connect
            .max_connections(options.connections.max(2))
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(self.file.is_none())
            .sqlx_logging(false);
        if let Some(file) = self.file.clone() {
            connect.map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .filename(&file)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
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

    /// The sentence for a database that does not open.
    pub fn cannot_open(&self, cause: DbErr) -> Error {
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
