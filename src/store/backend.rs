//! The one file that knows which database it talks to: URLs, connection options, and the few
//! statements that no portable builder has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{Connection as _, Error as SqlxError, MySqlConnection, PgConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqliteTransactionMode, Statement, TransactionOptions,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::columns;
use crate::domain::{self, DatabaseUrl, Error, Result};
use crate::private;

/// How long a statement waits while another process (an administrative command, a backup) holds the
/// SQLite file. Our own writers take turns before that.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a page waits for a free connection to the SQLite file before it gives up with an error.
const FILE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for a database server. A page that asks for two connections then reports within five
/// seconds that the server is away.
const SERVER_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a database server may take to accept the first connection.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries.
const REACH_PAUSE: Duration = Duration::from_millis(500);
/// SQLite's page cache per connection, in KiB: the indexes of some 100,000 deployments.
const CACHE_KIB: u32 = 16 * 1024;
/// How much of the SQLite file is read through memory mapping, in bytes.
const MAPPED_BYTES: u32 = 256 * 1024 * 1024;
/// The number of our migration lock on PostgreSQL; any number nobody else uses.
const MIGRATION_LOCK: i64 = 0x6465_706c_6f79;
/// The lock's name on MariaDB, where locks belong to the server and not to the database.
const MYSQL_MIGRATION_LOCK: &str = "CONCAT('deployer_migration_', MD5(DATABASE()))";
/// Between two tries to get the migration lock.
const MIGRATION_PAUSE: Duration = Duration::from_millis(200);

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections kept for reading and writing together. A page takes one for a few
    /// milliseconds, so a handful serves many viewers.
    pub connections: u32,
    /// How long a start waits for another one that changes the schema.
    pub migration_wait: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            migration_wait: Duration::from_secs(60),
        }
    }
}

/// Where the database is.
pub struct DatabaseLocation {
    url: String,
    file: Option<PathBuf>,
}

impl DatabaseLocation {
    /// Reads a URL. Opens nothing.
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

    /// Refuses an SQLite file whose directory does not exist.
    pub fn can_be_made(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let directory = file.parent().unwrap_or(file);
        if directory.is_dir() {
            return Ok(());
        }
        Err(Error::unavailable(format!(
            "The database file {} cannot be created: the directory {} does not exist. Create it, owned by the account the deployer runs as.",
            file.display(),
            directory.display()
        )))
    }

    /// Creates the SQLite file if need be, and takes the rights of other accounts on it away: it holds
    /// password hashes and secret variables. SQLite gives its log the mode of the file.
    pub fn keep_private(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        private::make_file(file).map_err(|cause| {
            let sentence = format!(
                "The database file {} cannot be created: {cause}. Give its directory to the account the deployer runs as.",
                file.display()
            );
            Error::unavailable(sentence).because(cause)
        })?;
        for part in [file.clone(), log_of(file), beside(file, "-shm")] {
            let was = private::close_to_others(&part).map_err(|cause| {
                let sentence = format!(
                    "Other accounts can read the database file {}, and this cannot be changed: {cause}. Give it to the account the deployer runs as, with mode 0600.",
                    part.display()
                );
                Error::unavailable(sentence).because(cause)
            })?;
            if let Some(mode) = was {
                tracing::warn!(
                    "{} had mode {mode:04o}, so other accounts could read it. It has 0600 now.",
                    part.display()
                );
            }
        }
        Ok(())
    }

    /// Whether the SQLite file exists. A database server shows on opening what it has.
    pub fn is_there(&self) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        file.try_exists().map_err(|cause| {
            Error::unavailable(format!(
                "The database file {} cannot be inspected: {cause}. Do this as the user the deployer runs as.",
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

    /// How long a writer waits for its turn. With SQLite it waits as long as it takes: a turn takes
    /// milliseconds, and a slow disk is no reason to give up.
    pub fn longest_turn(&self) -> Option<Duration> {
        self.file.is_none().then_some(SERVER_ACQUIRE_TIMEOUT)
    }

    /// How transactions begin: on SQLite as writing ones. MariaDB's default isolation would show a
    /// transaction the rows from before it waited for a lock, and lock the gaps between rows.
    pub fn transaction_options(&self) -> TransactionOptions {
        match self.file {
            Some(_) => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            None => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        }
    }

    /// How the pool connects. With `make`, an SQLite file is created; without, an existing one stays
    /// as it is.
    pub fn connect_options(&self, options: &StoreOptions, make: bool) -> ConnectOptions {
        let mut connect = ConnectOptions::new(self.url.clone());
        connect
            .max_connections(options.connections.max(2))
            .min_connections(1)
            .acquire_timeout(match self.file {
                Some(_) => FILE_ACQUIRE_TIMEOUT,
                None => SERVER_ACQUIRE_TIMEOUT,
            })
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
                    // The last writer to close folds the log into the file and removes it; a reader
                    // would leave an empty log behind.
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

    /// Waits until a database server accepts a connection; it may still be starting. A pool would
    /// retry too, but reports only a timeout.
    ///
    /// # Errors
    /// Why the server refuses.
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
                "The database file {} cannot be opened. Check that it is a SQLite database and that the account the deployer runs as may write to it and its directory.",
                file.display()
            ),
            None => "The database does not answer. Check that it runs, and that the URL, user and password in the configuration are right.".to_owned(),
        };
        Error::unavailable(what).because(cause)
    }
}

/// Whether a connection that comes back to the pool may be used again. On a full disk SQLite ends the
/// transaction by itself. The pool still counts it as open and makes the next transaction a part of
/// it: what is “committed” there is lost, and nobody else can write.
async fn is_out_of_its_transaction(connection: &mut SqliteConnection) -> Result<bool, SqlxError> {
    // Waits for a rollback that is still running.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLite's write-ahead log of a file.
fn log_of(file: &Path) -> PathBuf {
    beside(file, "-wal")
}

/// `file` with `end` added to its name.
pub fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The clock that decides about leases: the database server's own, because the clocks of several
/// hosts differ. On SQLite, with one instance, it is `now`.
pub async fn lease_clock(on: &impl ConnectionTrait, now: domain::Instant) -> Result<domain::Instant, DbErr> {
    let backend = on.get_database_backend();
    let clock = match backend {
        DbBackend::Postgres => "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
        DbBackend::MySql => "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
        _ => return Ok(now),
    };
    let row = on.query_one_raw(Statement::from_string(backend, clock)).await?;
    let micros = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(micros.map_or(now, columns::instant))
}

/// Lets the database count on from `id`, which was given to a row of `table` by hand. PostgreSQL alone does
/// not see that by itself; an older version that runs beside this one lets the database count.
pub async fn keep_counting(tx: &DatabaseTransaction, table: &str, id: i64) -> Result<(), DbErr> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), {id})");
    tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .map(drop)
}

/// Lets one process migrate while others wait, for at most `wait`. On SQLite the writing transaction
/// is the lock. PostgreSQL's lock ends with the transaction. MariaDB's ends with the connection, so
/// it is taken on the transaction's connection and released by [`unlock_migrations`].
pub async fn lock_migrations(tx: &DatabaseTransaction, wait: Duration) -> Result<()> {
    let lock = match tx.get_database_backend() {
        DbBackend::Postgres => {
            format!("SELECT CAST(CAST(pg_try_advisory_xact_lock({MIGRATION_LOCK}) AS integer) AS bigint)")
        }
        DbBackend::MySql => format!("SELECT CAST(GET_LOCK({MYSQL_MIGRATION_LOCK}, 0) AS signed)"),
        _ => return Ok(()),
    };
    let end = Instant::now() + wait;
    let mut is_told = false;
    loop {
        let statement = Statement::from_string(tx.get_database_backend(), &lock);
        let row = tx.query_one_raw(statement).await?;
        let got: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
        if got == Some(1) {
            return Ok(());
        }
        if Instant::now() + MIGRATION_PAUSE > end {
            return Err(Error::unavailable(format!(
                "Another process has been changing the database's schema for more than {} s. Wait until it ends or stop it, then start again.",
                wait.as_secs()
            )));
        }
        if !is_told {
            tracing::info!(
                seconds = wait.as_secs(),
                "another process is changing the database's schema; waiting for it"
            );
            is_told = true;
        }
        sleep(MIGRATION_PAUSE).await;
    }
}

/// Releases the lock of [`lock_migrations`]; on MariaDB after the commit, so that others see the
/// changes.
pub async fn unlock_migrations(tx: &DatabaseTransaction, succeeded: bool) -> Result<(), DbErr> {
    if tx.get_database_backend() != DbBackend::MySql {
        return Ok(());
    }
    tx.execute_unprepared(if succeeded { "COMMIT" } else { "ROLLBACK" })
        .await?;
    tx.execute_unprepared(&format!("DO RELEASE_LOCK({MYSQL_MIGRATION_LOCK})"))
        .await
        .map(drop)
}
