//! Days and instants on the command line.

use chrono::{NaiveDate, NaiveTime};

use crate::domain::Instant;

/// Reads a day, which is its beginning in UTC, or an instant.
pub(super) fn day_or_instant(text: &str) -> Result<Instant, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse()
        .map_err(|_| "write a day as 2026-01-01 or an instant as 2026-01-01T12:00:00Z".to_owned())
}
