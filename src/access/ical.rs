//! Reads holidays from an iCalendar file (RFC 5545): the whole-day events in it.
//!
//! Only as much as holidays need: `VEVENT` with `DTSTART` and `DTEND` as dates, and events that come
//! back every year. An unsupported recurrence rule is an error: to skip it would lose a holiday and
//! leave a window open.

use chrono::{Datelike, Days, NaiveDate};

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
    timed: bool,
    /// How many nested components of the event, such as an alarm, are open.
    inside: u32,
}

impl Event {
    fn set(&mut self, name: &str, date: Option<NaiveDate>) -> Result<(), String> {
        let field = if name == "DTSTART" {
            &mut self.start
        } else {
            &mut self.end
        };
        if field.is_some() {
            return Err(format!("This event has a second {name}."));
        }
        *field = date;
        Ok(())
    }
}

/// Adds the holidays of the iCalendar text of `file`.
pub(super) fn read(file: &str, text: &str, holidays: &mut Holidays, problems: &mut Vec<Problem>) {
    let mut event: Option<Event> = None;
    let mut any = false;
    for (line, content) in unfolded(text) {
        let Some((head, value)) = content.split_once(':') else {
            continue;
        };
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
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
                if holidays.dates.len() + holidays.yearly.len() > DAYS_LIMIT {
                    return problems.push(too_many(file, line));
                }
            }
            ("BEGIN", Some(event)) => event.inside += 1,
            ("END", Some(event)) => event.inside = event.inside.saturating_sub(1),
            (_, Some(Event { inside: 1.., .. })) => {}
            (name @ ("DTSTART" | "DTEND"), Some(event)) => {
                let date = NaiveDate::parse_from_str(value, "%Y%m%d").ok();
                event.timed |= parameters.to_ascii_uppercase().contains("DATE-TIME") || value.contains('T');
                if let Err(message) = event.set(name, date) {
                    problems.push(Problem::error(file, line, message));
                }
                if date.is_none() && !event.timed {
                    problems.push(Problem::error(file, line, "This is not a date like 20261225."));
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
    if event.timed {
        return Err(Problem::warning(
            file,
            event.line,
            "This event does not cover whole days, so it is ignored.",
        ));
    }
    let Some(start) = event.start else {
        return wrong("This event has no DTSTART.");
    };
    // `DTEND` is the day after the last day; without it, the event lasts one day.
    let end = event.end.or_else(|| start.succ_opt()).filter(|&end| end > start);
    let Some(end) = end.filter(|&end| {
        start
            .checked_add_days(Days::new(EVENT_LIMIT))
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
