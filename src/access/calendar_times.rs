//! Days and instants as `calendar.toml` and commands write them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::domain::Instant;
use crate::domain::calendar::{beginning, day_index, minute_of};

/// The instant at which something begins or ends: `2026-12-18T18:00:00` by the clock of `zone`, or
/// with an offset of its own. A date without a time is the whole day, so as an end it is the end of
/// that day. Where clocks go back and a time occurs twice, the instant that makes a span longer.
pub(super) fn span_end(text: &str, zone: Tz, is_end: bool) -> Result<Instant, String> {
    if let Some(why) = wrong_time(text) {
        return Err(why);
    }
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

/// What is wrong with a day and time, as a sentence, where that can be told; `None` for a good one, and for
/// what looks like none at all.
pub(super) fn wrong_time(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None if text.contains(':') => ("", Some(text)),
        None => (text, None),
    };
    if date.is_empty() {
        let time = time.filter(|time| time.starts_with(|c: char| c.is_ascii_digit()))?;
        let why = format!(
            "“{time}” has no day: write it like 2026-12-18T18:00:00; hours of every day stand in “hours” of a window."
        );
        return Some(wrong_clock(time).unwrap_or(why));
    }
    let is_day = date.starts_with(|c: char| c.is_ascii_digit());
    let wrong = wrong_day(date).or_else(|| wrong_clock(time.filter(|_| is_day)?));
    wrong.or_else(|| without_year(text))
}

/// What is wrong with the day of `2026-11-31 10:00` or `11-23 10:00`, as a sentence, where that can be told.
pub(super) fn wrong_day_of(text: &str) -> Option<String> {
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    wrong_day(date).or_else(|| without_year(text))
}

/// That a time like `12-18T18:00:00` has no year. Only holidays come back every year.
fn without_year(text: &str) -> Option<String> {
    let (month, rest) = text.split_once('-')?;
    let day = rest.split([' ', 'T', 't']).next()?;
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_without = is_number(month) && is_number(day);
    is_without.then(|| {
        let shown = text.escape_debug();
        format!("“{shown}” has no year: write the year first, as 2026-{shown}.")
    })
}

/// What is wrong with a day like `2026-02-30` or `02-30`, as a sentence.
pub(super) fn wrong_day(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let shown = text.escape_debug();
    let parts: Vec<&str> = text.split(['-', '.', '/']).collect();
    let number = |part: &&str| part.parse::<u32>().ok().filter(|_| part.len() <= 4);
    let numbers: Option<Vec<u32>> = parts.iter().map(number).collect();
    let (year, month, day) = match numbers.as_deref()? {
        // A leap year, so that 29 February is a day that can come back.
        [month, day] => (None, *month, *day),
        [day, month, year] if *year >= 1000 => {
            return Some(format!(
                "“{shown}” is not a day; write the year first: {year}-{month:02}-{day:02}."
            ));
        }
        [year, month, day] => (Some(*year), *month, *day),
        _ => return None,
    };
    if !(1..=12).contains(&month) {
        return Some(format!("“{shown}” is not a day: months go from 01 to 12."));
    }
    let first = NaiveDate::from_ymd_opt(i32::try_from(year.unwrap_or(2028)).ok()?, month, 1)?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    let last = next.pred_opt()?.day();
    if !(1..=last).contains(&day) {
        let month = match year {
            Some(_) => first.format("%B %Y").to_string(),
            None => first.format("%B").to_string(),
        };
        return Some(format!("“{shown}” is not a day: {month} has {last} days."));
    }
    let written = match year {
        Some(year) => format!("{year:04}-{month:02}-{day:02}"),
        None => format!("{month:02}-{day:02}"),
    };
    (written != text).then(|| format!("“{shown}” is not a day; write it as {written}."))
}

/// What is wrong with a time like `25:00:00`, as a sentence.
fn wrong_clock(text: &str) -> Option<String> {
    let clock = text.split(['Z', 'z', '+', '-']).next().unwrap_or_default();
    let end = clock
        .match_indices(':')
        .nth(1)
        .map_or(clock.len(), |(second, _)| second);
    match minute_of(&clock[..end]) {
        Ok(minute) if minute == 24 * 60 => {
            Some("“24:00” ends a day in “hours” only; here, write 00:00 of the next day.".to_owned())
        }
        Ok(_) => None,
        Err(why) => Some(format!("{why}.")),
    }
}

/// The name of the zone that is probably meant by `name`: `Europe/Paris` by `paris`.
pub(super) fn zone_like(name: &str) -> Option<&'static str> {
    let plain = name.trim().replace(' ', "_");
    let mut all = TZ_VARIANTS.iter().map(|zone| zone.name());
    all.find(|zone| {
        let city = zone.rsplit('/').next().unwrap_or(zone);
        zone.eq_ignore_ascii_case(&plain) || city.eq_ignore_ascii_case(&plain)
    })
}
