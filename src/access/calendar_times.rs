//! Days and instants as `calendar.toml` and commands write them.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;

use crate::domain::Instant;
use crate::domain::calendar::day_index;

/// The instant at which something begins or ends: `2026-12-18T18:00:00` by the clock of `zone`, or
/// with an offset of its own. A date without a time is the whole day, so as an end it is the end of
/// that day. Where clocks go back and a time occurs twice, the instant that makes a span longer.
pub(super) fn span_end(text: &str, zone: Tz, is_end: bool) -> Result<Instant, String> {
    let unreadable = || {
        format!("“{text}” is not a time that the clock of {zone} shows; write it like 2026-12-18T18:00:00.")
    };
    let found = match (plain_date(text), local_time(text)) {
        (Some(date), _) => {
            let date = if is_end { date.succ_opt() } else { Some(date) };
            date.and_then(|date| beginning(date, zone))
        }
        (None, Some(local)) => {
            let mapped = zone.from_local_datetime(&local);
            let at = if is_end {
                mapped.latest()
            } else {
                mapped.earliest()
            };
            at.map(|at| at.to_utc())
        }
        (None, None) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
    };
    match found.ok_or_else(unreadable)? {
        at if at.second() == 0 && at.nanosecond() == 0 => Ok(at),
        _ => Err("Write it to the minute, with :00 for the seconds.".to_owned()),
    }
}

/// The first instant of a day: some zones put the clock forward over midnight.
pub(super) fn beginning(date: NaiveDate, zone: Tz) -> Option<Instant> {
    const QUARTERS: i64 = 12;
    let midnight = date.and_hms_opt(0, 0, 0)?;
    let times =
        (0..QUARTERS).filter_map(|quarter| midnight.checked_add_signed(Duration::minutes(15 * quarter)));
    let mut read = times.filter_map(|local| zone.from_local_datetime(&local).earliest());
    read.next().map(|at| at.to_utc())
}

/// A local time of a TOML date and time.
fn local_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.replace(' ', "T");
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
}

/// `2026-12-25`, and nothing else.
pub(super) fn plain_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)
}

/// The days of `mon` or `fri-mon`, from Monday.
pub(super) fn day_range(text: &str) -> Option<Vec<usize>> {
    let day = |name: &str| {
        let short = name.len() == 3 && name.bytes().all(|b| b.is_ascii_lowercase());
        short.then(|| name.parse().ok().map(day_index)).flatten()
    };
    match text.split_once('-') {
        None => day(text).map(|one| vec![one]),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            let length = (last + 7 - first) % 7;
            Some((first..=first + length).map(|one| one % 7).collect())
        }
    }
}
