//! How domain values are written in columns: instants as microseconds, checked names as text,
//! lists and options as JSON.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::unreadable;
use crate::domain::{Instant, Result};

/// An instant from its column. We never store microseconds beyond the calendar.
pub fn instant(micros: i64) -> Instant {
    DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

/// An instant for its column.
pub fn micros(instant: Instant) -> i64 {
    instant.timestamp_micros()
}

/// A name for its `name_key` column, by which names are compared.
pub fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// A checked text (name, branch, commit) from its column.
pub fn checked<T: FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| unreadable(what, text))
}

/// A checked text that may be missing.
pub fn checked_opt<T: FromStr>(what: &str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| checked(what, text)).transpose()
}

/// A word of a fixed vocabulary from its column; `parse` is that vocabulary's own.
pub fn word<T>(what: &str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| unreadable(what, text))
}

/// A value for its JSON column.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(crate::domain::Error::internal)
}

/// A value from its JSON column.
pub fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| unreadable(what, text).because(cause))
}
