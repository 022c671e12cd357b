//! Reads `calendar.toml` into a [`Calendar`], and reports every mistake with its line.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::files::{CALENDAR, Source, line_at, read_toml};
use super::ical;
use super::lines::is_name;
use super::problem::Problem;
use crate::domain::calendar::{ALWAYS, FREEZE, day_index};
use crate::domain::{Calendar, Freeze, Holidays, Hours, Instant, OnHolidays, Window};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    timezone: Spanned<String>,
    #[serde(default)]
    windows: BTreeMap<Spanned<String>, RawWindow>,
    #[serde(default)]
    holidays: RawHolidays,
    #[serde(default)]
    freezes: Vec<RawFreeze>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    days: Vec<Spanned<String>>,
    hours: Vec<Spanned<String>>,
    holidays: Option<Spanned<String>>,
    #[serde(default)]
    exceptions: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawHolidays {
    #[serde(default)]
    dates: Vec<Spanned<String>>,
    #[serde(default)]
    files: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFreeze {
    name: Spanned<String>,
    from: Spanned<Datetime>,
    until: Spanned<Datetime>,
    reason: Spanned<String>,
    #[serde(default)]
    projects: Vec<Spanned<String>>,
    #[serde(default)]
    environments: Vec<Spanned<String>>,
}

/// Reads the calendar of `source` and adds every mistake to `problems`. The calendar may be used
/// only when none of them is an error.
pub(super) fn read(text: &str, source: &Source, problems: &mut Vec<Problem>) -> Calendar {
    let Some(file) = read_toml::<File>(CALENDAR, text, problems) else {
        return Calendar::default();
    };
    let mut reader = Reader {
        text,
        problems,
        zone: Tz::UTC,
    };
    reader.zone = reader.zone(&file.timezone);
    let mut holidays = reader.holidays(&file.holidays);
    for name in &file.holidays.files {
        reader.holiday_file(name, source, &mut holidays);
    }
    let windows = file
        .windows
        .iter()
        .map(|(name, raw)| reader.window(name, raw))
        .collect();
    let freezes = file.freezes.iter().filter_map(|raw| reader.freeze(raw)).collect();
    Calendar {
        zone: reader.zone,
        windows,
        holidays,
        freezes,
    }
}

struct Reader<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    zone: Tz,
}

impl Reader<'_> {
    fn complain<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        let line = line_at(self.text, at.span().start);
        self.problems.push(Problem::error(CALENDAR, line, message));
    }

    fn zone(&mut self, name: &Spanned<String>) -> Tz {
        name.get_ref().parse().unwrap_or_else(|_| {
            let wrong = name.get_ref().escape_debug();
            self.complain(
                name,
                format!("“{wrong}” is not a time zone; write it like “Europe/Paris” or “UTC”."),
            );
            Tz::UTC
        })
    }

    fn holidays(&mut self, raw: &RawHolidays) -> Holidays {
        let mut holidays = Holidays::default();
        for date in &raw.dates {
            // A leap year, so that 29 February is a day that can come back.
            let yearly = NaiveDate::parse_from_str(&format!("2028-{}", date.get_ref()), "%Y-%m-%d");
            match (plain_date(date.get_ref()), yearly) {
                (Some(once), _) => {
                    holidays.dates.insert(once);
                }
                (None, Ok(day)) if date.get_ref().len() == 5 => {
                    use chrono::Datelike as _;
                    holidays.yearly.insert((day.month(), day.day()));
                }
                _ => {
                    let wrong = date.get_ref().escape_debug();
                    self.complain(
                        date,
                        format!("“{wrong}” is not a day; write “2026-12-25”, or “12-25” for every year."),
                    );
                }
            }
        }
        holidays
    }

    fn holiday_file(&mut self, name: &Spanned<String>, source: &Source, holidays: &mut Holidays) {
        let file = name.get_ref();
        if file.contains(['/', '\\', '\0']) || file.starts_with('.') || file.is_empty() {
            let wrong = file.escape_debug();
            return self.complain(
                name,
                format!("“{wrong}” is not the name of a file beside this one."),
            );
        }
        match source.read(file) {
            Ok(Some(text)) => ical::read(file, &text, holidays, self.problems),
            Ok(None) => self.complain(name, format!("There is no file “{file}” beside this one.")),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn window(&mut self, name: &Spanned<String>, raw: &RawWindow) -> (String, Window) {
        let label = name.get_ref();
        if label == ALWAYS || label == FREEZE {
            self.complain(
                name,
                format!("“{label}” is built in; give this window another name."),
            );
        } else if !is_name(label) {
            self.complain(
                name,
                "A window's name is made of letters, digits, “.”, “_” and “-”.",
            );
        }
        let mut window = Window {
            hours: self.hours(&raw.hours),
            ..Window::default()
        };
        for day in &raw.days {
            match day_range(day.get_ref()) {
                Some(days) => days.into_iter().for_each(|day| window.days[day] = true),
                None => self.wrong_day(day),
            }
        }
        window.holidays = match raw.holidays.as_ref().map(|word| (word, word.get_ref().as_str())) {
            None | Some((_, "closed")) => OnHolidays::Closed,
            Some((_, "open")) => OnHolidays::Open,
            Some((_, "added")) => OnHolidays::Added,
            Some((word, _)) => {
                self.complain(word, "“holidays” is “closed”, “open” or “added”.");
                OnHolidays::Closed
            }
        };
        for (day, spans) in &raw.exceptions {
            let spans = self.hours(spans);
            match (day_range(day.get_ref()).as_deref(), plain_date(day.get_ref())) {
                (Some(&[one]), _) => window.weekday_exceptions[one] = Some(spans),
                (_, Some(date)) => {
                    window.date_exceptions.insert(date, spans);
                }
                _ => self.wrong_day(day),
            }
        }
        (label.clone(), window)
    }

    fn wrong_day(&mut self, day: &Spanned<String>) {
        let wrong = day.get_ref().escape_debug();
        self.complain(
            day,
            format!("“{wrong}” is not a day; write “mon”, “tue”, … or “mon-fri”; an exception is for one day or a date like “2026-12-24”."),
        );
    }

    fn hours(&mut self, spans: &[Spanned<String>]) -> Vec<Hours> {
        let mut hours = Vec::new();
        for span in spans {
            match span.get_ref().parse() {
                Ok(good) => hours.push(good),
                Err(why) => self.complain(span, format!("{why}.")),
            }
        }
        hours
    }

    fn freeze(&mut self, raw: &RawFreeze) -> Option<Freeze> {
        for name in raw.projects.iter().chain(&raw.environments) {
            if !is_name(name.get_ref()) {
                self.complain(
                    name,
                    format!("“{}” is not a name.", name.get_ref().escape_debug()),
                );
            }
        }
        for (text, what) in [(&raw.name, "a name"), (&raw.reason, "a reason")] {
            if text.get_ref().trim().is_empty() {
                self.complain(text, format!("A freeze needs {what}."));
            }
        }
        let (from, until) = (self.instant(&raw.from, false)?, self.instant(&raw.until, true)?);
        if until <= from {
            self.complain(&raw.until, "The freeze ends before it begins.");
        }
        let names = |list: &[Spanned<String>]| list.iter().map(|name| name.get_ref().clone()).collect();
        Some(Freeze {
            name: raw.name.get_ref().clone(),
            from,
            until,
            reason: raw.reason.get_ref().clone(),
            projects: names(&raw.projects),
            environments: names(&raw.environments),
        })
    }

    /// The instant of a local time in the file. Where clocks go back and the time occurs twice, the
    /// instant that makes the freeze longer.
    fn instant(&mut self, raw: &Spanned<Datetime>, end: bool) -> Option<Instant> {
        let text = raw.get_ref().to_string();
        let found = match local_time(&text) {
            Some(local) => {
                let mapped = self.zone.from_local_datetime(&local);
                if end { mapped.latest() } else { mapped.earliest() }.map(|at| at.to_utc())
            }
            None => DateTime::parse_from_rfc3339(&text).ok().map(|at| at.to_utc()),
        };
        match found {
            Some(at) if at.second() == 0 && at.nanosecond() == 0 => return found,
            Some(_) => self.complain(raw, "Write it to the minute, with :00 for the seconds."),
            None => self.complain(
                raw,
                format!(
                    "“{text}” is not a time that the clock of {} shows; write it like 2026-12-18T18:00:00.",
                    self.zone
                ),
            ),
        }
        None
    }
}

/// A local time of a TOML date or date and time.
pub(super) fn local_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.replace(' ', "T");
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
        .or_else(|| plain_date(&text)?.and_hms_opt(0, 0, 0))
}

fn plain_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)
}

/// The days of `mon` or `fri-mon`, from Monday.
fn day_range(text: &str) -> Option<Vec<usize>> {
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
