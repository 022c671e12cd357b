//! Turns database errors into sentences for people.
//!
//! A taken name, a full disk, a busy or missing database have a remedy, and so a sentence of their
//! own. Everything else is a fault of ours, and its cause goes to the log.

use std::fmt::Display;
use std::time::Duration;

use rand::RngExt as _;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::domain::{Error, Result};

/// PostgreSQL's codes for a transaction that collided with another: serialization failure, deadlock.
const COLLISIONS: [&str; 2] = ["40001", "40P01"];
/// The same for MariaDB and MySQL: lock wait timeout, deadlock.
const MYSQL_COLLISIONS: [u16; 2] = [1205, 1213];
/// PostgreSQL's codes for a server that stops, starts, or has no connections left.
const AWAY: [&str; 5] = ["57P01", "57P02", "57P03", "53300", "08006"];
/// The same for MariaDB and MySQL: too many connections, shutting down, connection killed.
const MYSQL_AWAY: [u16; 3] = [1040, 1053, 1927];
/// How often a transaction that collides with others is tried.
const TRIES: u32 = 6;
/// The longest pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        match Trouble::of(&cause) {
            Trouble::Away => Self::unavailable(
                "The deployer's database does not answer. Nothing was stored; try again in a moment.",
            )
            .because(cause),
            Trouble::Collision => Self::unavailable(
                "The deployer's database is busy with the same rows. Nothing was stored; try again in a moment.",
            )
            .because(Collided(cause)),
            Trouble::Full => Self::unavailable(
                "The disk that holds the deployer's database is full. Nothing was stored; make room and try again.",
            )
            .because(cause),
            Trouble::Locked => Self::unavailable(
                "The deployer's database is held by another process. Nothing was stored; try again in a moment.",
            )
            .because(cause),
            Trouble::ReadOnly => Self::unavailable(
                "The deployer's database may not be written. Give the account the deployer runs as the right to write the file and its directory.",
            )
            .because(cause),
            Trouble::Other => Self::internal(cause),
        }
    }
}

/// The kinds of database errors that people can do something about.
enum Trouble {
    Away,
    Collision,
    Full,
    Locked,
    ReadOnly,
    Other,
}

impl Trouble {
    fn of(cause: &DbErr) -> Self {
        if matches!(cause, DbErr::ConnectionAcquire(_)) {
            return Self::Away;
        }
        let (DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver))) = cause
        else {
            return Self::Other;
        };
        match driver.as_ref() {
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed => Self::Away,
            SqlxError::Database(told) => Self::told(told.as_ref()),
            _ => Self::Other,
        }
    }

    /// Reads the database's own error code.
    fn told(error: &dyn DatabaseError) -> Self {
        if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
            return match error.number() {
                number if MYSQL_COLLISIONS.contains(&number) => Self::Collision,
                number if MYSQL_AWAY.contains(&number) => Self::Away,
                _ => Self::Other,
            };
        }
        let code = error.code().unwrap_or_default();
        let text = error.message();
        if COLLISIONS.contains(&code.as_ref()) {
            Self::Collision
        } else if AWAY.contains(&code.as_ref()) {
            Self::Away
        } else if text.contains("database or disk is full") {
            Self::Full
        } else if text.contains("database is locked") {
            Self::Locked
        } else if text.contains("attempt to write a readonly database") {
            Self::ReadOnly
        } else {
            Self::Other
        }
    }
}

/// The database rolled a transaction back because it collided with another one; run again, it may
/// succeed. It is the source of the error.
#[derive(Debug, thiserror::Error)]
#[error("collided with another transaction: {0}")]
pub struct Collided(DbErr);

impl Collided {
    /// Whether `error` means a collision.
    pub fn is(error: &Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

/// Runs a whole transaction, and again while it collides with others. `run` opens and commits it, and
/// does nothing else that must not happen twice.
///
/// # Errors
/// Those of `run`; a collision only after the last try.
pub async fn again<T, F>(run: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut longest = FIRST_PAUSE;
    for _ in 1..TRIES {
        match run().await {
            Err(error) if Collided::is(&error) => tracing::debug!("a transaction is run again: {error}"),
            ended => return ended,
        }
        // The same transactions must not collide again.
        let pause = rand::rng().random_range(Duration::ZERO..longest);
        tokio::time::sleep(pause).await;
        longest *= 2;
    }
    run().await
}

/// “There is already a server “web1”.”
pub fn name_taken(noun: &str, name: impl Display) -> Error {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    Error::field("name", format!("There is already {article} {noun} “{name}”."))
}

/// Replaces a violated unique name by a sentence for people.
pub fn unless_taken<T>(written: Result<T, DbErr>, noun: &str, name: impl Display) -> Result<T> {
    written.map_err(|cause| match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => name_taken(noun, name).because(cause),
        _ => cause.into(),
    })
}

/// A stored value that this program cannot read: something else, or a later version, wrote it.
pub fn unreadable(what: &str, value: impl Display) -> Error {
    Error::internal(format!("the database holds “{value}” as {what}"))
}
