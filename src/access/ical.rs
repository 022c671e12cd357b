//! Reads holidays from an iCalendar file (RFC 5545): the whole-day events in it.
//!
//! Only as much as holidays need: `VEVENT` with `DTSTART` and `DTEND` as dates or as midnights, and
//! events that come back every year. An unsupported recurrence rule, and an event of some hours, are
//! errors: to skip one would lose a holiday and leave a window open.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;

use super::problem::Problem;
use crate::domain::Holidays;

/// The longest event, in days: a company's holidays fit, a mistyped year does not.
const EVENT_LIMIT: u64 = 62;

/// Days of one file: some fifty years of holidays.
const DAYS_LIMIT: usize = 2000;

#[derive(Default)]
struct Event {
    line: u32,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    rule: Option<String>,
    /// How many nested components of the event, such as an alarm, are open.
    inside: u32,
    /// Whether one of its days was complained about.
    is_bad: bool,
}

impl Event {
    fn set(&mut self, name: &str, value: &str, zone: Tz) -> Result<(), String> {
        let is_end = name == "DTEND";
        let field = if is_end { &mut self.end } else { &mut self.start };
        if field.is_some() {
            return Err(format!("This event has a second {name}."));
        }
        *field = Some(day(value, zone, is_end)?);
        Ok(())
    }
}

/// The day that begins at `value`: a date, or midnight by the event's own clock or by that of `zone`. As
/// an end, a minute before midnight is midnight.
fn day(value: &str, zone: Tz, is_end: bool) -> Result<NaiveDate, String> {
    if let Ok(date) = NaiveDate::parse_from_str(value, "%Y%m%d") {
        return Ok(date);
    }
    let plain = value.strip_suffix('Z');
    let read = NaiveDateTime::parse_from_str(plain.unwrap_or(value), "%Y%m%dT%H%M%S").ok();
    // Far away years have no local time in some zones.
    let read = read.filter(|at| (1900..=9999).contains(&at.year()));
    let read = read.ok_or("This is not a date like 20261225.")?;
    let here = zone.from_utc_datetime(&read).naive_local();
    let readings = [plain.map(|_| here), Some(read)];
    let midnight = |at: NaiveDateTime| match (at.time(), is_end) {
        (NaiveTime::MIN, _) => Some(at.date()),
        (time, true) if time.hour() == 23 && time.minute() == 59 => at.date().succ_opt(),
        _ => None,
    };
    let found = readings.into_iter().flatten().find_map(midnight);
    found.ok_or_else(|| {
        "This event does not cover whole days, as a holiday does: make it a whole-day event, or take it out of the file.".to_owned()
    })
}

/// Adds the holidays of the iCalendar text of `file`; times in UTC are read by the clock of `zone`.
pub(super) fn read(file: &str, text: &str, zone: Tz, holidays: &mut Holidays, problems: &mut Vec<Problem>) {
    let mut event: Option<Event> = None;
    let mut any = false;
    for (line, content) in unfolded(text) {
        let Some((head, value)) = content.split_once(':') else {
            continue;
        };
        let (name, _) = head.split_once(';').unwrap_or((head, ""));
        let value = value.trim();
        match (name.to_ascii_uppercase().as_str(), &mut event) {
            ("BEGIN", open) if value.eq_ignore_ascii_case("VEVENT") => {
                if let Some(open) = open {
                    problems.push(Problem::error(file, open.line, "This event has no END:VEVENT."));
                }
                event = Some(Event {
                    line,
                    ..Event::default()
                });
            }
            ("END", Some(_)) if value.eq_ignore_ascii_case("VEVENT") => {
                any = true;
                if let Some(Err(problem)) = event.take().map(|event| add(file, &event, holidays)) {
                    problems.push(problem);
                }
                if holidays.dates.len() + holidays.yearly.len() > crate::sabotage::most("z11", DAYS_LIMIT) {
                    return problems.push(too_many(file, line));
                }
            }
            ("BEGIN", Some(event)) => event.inside += 1,
            ("END", Some(event)) => event.inside = event.inside.saturating_sub(1),
            (_, Some(Event { inside: 1.., .. })) => {}
            (name @ ("DTSTART" | "DTEND"), Some(event)) => {
                if let Err(message) = event.set(name, value, zone) {
                    problems.push(Problem::error(file, line, message));
                    event.is_bad = true;
                }
            }
            ("RRULE", Some(event)) => event.rule = Some(value.to_ascii_uppercase()),
            ("RDATE" | "DURATION" | "EXDATE", Some(_)) => {
                let message =
                    format!("{name} is not supported here; list the days in calendar.toml instead.");
                problems.push(Problem::error(file, line, message));
            }
            _ => {}
        }
    }
    if let Some(open) = &event {
        problems.push(Problem::error(file, open.line, "This event has no END:VEVENT."));
    } else if !any {
        problems.push(Problem::error(
            file,
            0,
            "This is not an iCalendar file with events.",
        ));
    }
}

fn too_many(file: &str, line: u32) -> Problem {
    let message = format!("There are more than {DAYS_LIMIT} holidays: leave out past years.");
    Problem::error(file, line, message)
}

/// Adds one event's days.
fn add(file: &str, event: &Event, holidays: &mut Holidays) -> Result<(), Problem> {
    let wrong = |message: &str| Err(Problem::error(file, event.line, message));
    if event.is_bad {
        return Ok(());
    }
    let Some(start) = event.start else {
        return wrong("This event has no DTSTART.");
    };
    // `DTEND` is the day after the last day; without it, the event lasts one day.
    let end = event.end.or_else(|| start.succ_opt()).filter(|&end| end > start);
    let Some(end) = end.filter(|&end| {
        start
            .checked_add_days(Days::new(if crate::sabotage::on("z10") { 40_000 } else { EVENT_LIMIT }))
            .is_some_and(|limit| end <= limit)
    }) else {
        return wrong("This event ends before it begins, or lasts longer than two months.");
    };
    let days = start.iter_days().take_while(|&day| day < end);
    match event.rule.as_deref() {
        None => holidays.dates.extend(days),
        Some("FREQ=YEARLY" | "FREQ=YEARLY;INTERVAL=1") => {
            holidays.yearly.extend(days.map(|day| (day.month(), day.day())));
        }
        Some(_) => {
            return wrong(
                "Of recurring events only those with RRULE:FREQ=YEARLY are supported; list the others in calendar.toml.",
            );
        }
    }
    Ok(())
}

/// The content lines with their numbers; a line that begins with a space continues the one before.
fn unfolded(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}
