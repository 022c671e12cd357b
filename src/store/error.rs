//! Turns what the database says into what a person can read.
//!
//! A name that is taken, a disk that is full and a database that is busy have a remedy and so a
//! sentence of their own. Everything else is a fault of ours: the log gets the cause.

use std::fmt::Display;

use sea_orm::{DbErr, SqlErr};

use crate::domain::{Error, Result};

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        let text = cause.to_string();
        if text.contains("database or disk is full") {
            return Self::unavailable(
                "The disk that holds the deployer's database is full. Nothing was stored; make room and try again.",
            )
            .because(cause);
        }
        if text.contains("database is locked") {
            return Self::unavailable(
                "The deployer's database is held by another process. Nothing was stored; try again in a moment.",
            )
            .because(cause);
        }
        if text.contains("attempt to write a readonly database") {
            return Self::unavailable(
                "The deployer's database may not be written. Give the account the deployer runs as the right to write the file and its directory.",
            )
            .because(cause);
        }
        Self::internal(cause)
    }
}

/// The complaint about a name that is taken: “There is already a server “web1”.”
pub fn name_taken(noun: &str, name: impl Display) -> Error {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    Error::field("name", format!("There is already {article} {noun} “{name}”."))
}

/// Passes a write on, with a taken name told as such.
pub fn unless_taken<T>(written: Result<T, DbErr>, noun: &str, name: impl Display) -> Result<T> {
    written.map_err(|cause| match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => name_taken(noun, name).because(cause),
        _ => cause.into(),
    })
}

/// A stored value that this program cannot read: the database was changed by something else, or
/// by a later version.
pub fn unreadable(what: &str, value: impl Display) -> Error {
    Error::internal(format!("the database holds “{value}” as {what}"))
}
