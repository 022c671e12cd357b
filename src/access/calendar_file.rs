//! Reads `calendar.toml` into a [`Calendar`], and reports every mistake with its line.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;
use toml::Spanned;
use toml::Value;

use super::calendar_times::{day_range, plain_date, span_end, wrong_day, wrong_time, zone_like};
use super::columns::{is_name, is_project_group};
use super::files::{CALENDAR, LineStarts, PolicyFiles, Source, read_toml};
use super::ical;
use super::problem::Problem;
use crate::domain::calendar::{ALWAYS, FREEZE};
use crate::domain::{Calendar, Freeze, Holidays, Hours, Instant, OnHolidays, Window};

/// The most files of holidays that one calendar names: each is looked at every second.
const HOLIDAY_FILES_LIMIT: usize = 100;

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
    /// May be left out where the window has a beginning or an end: it is open all day then.
    days: Option<Vec<Spanned<String>>>,
    hours: Option<Vec<Spanned<String>>>,
    from: Option<Spanned<Value>>,
    until: Option<Spanned<Value>>,
    timezone: Option<Spanned<String>>,
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
    from: Spanned<Value>,
    until: Spanned<Value>,
    reason: Spanned<String>,
    #[serde(default)]
    projects: Vec<Spanned<String>>,
    #[serde(default)]
    environments: Vec<Spanned<String>>,
}

/// Where the parts of a calendar stand in the file, counted from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct CalendarLines {
    /// By the name of the window.
    pub windows: BTreeMap<String, u32>,
    /// In the order of the freezes.
    pub freezes: Vec<u32>,
    /// The first of the holidays' dates.
    pub first_date: u32,
    /// The files of holidays that there are.
    pub holidays: PolicyFiles,
    /// The names of all that were looked for.
    pub holiday_names: BTreeSet<String>,
}

/// Reads the calendar of `source` and adds every mistake to `problems`. The calendar may be used
/// only when none of them is an error; its windows have their names in any case. `None`: the file
/// cannot be read at all.
pub(super) fn read(
    text: &str,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Option<(Calendar, CalendarLines)> {
    let Some(file) = read_toml::<File>(CALENDAR, text, problems) else {
        name_wrong_time(text, problems);
        return None;
    };
    let mut reader = Reader {
        starts: LineStarts::of(text),
        problems,
        zone: Tz::UTC,
        holiday_files: PolicyFiles::default(),
        holiday_names: BTreeSet::new(),
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
    let freezes = file.freezes.iter().map(|raw| reader.freeze(raw)).collect();
    let (holiday_files, holiday_names) = (reader.holiday_files, reader.holiday_names);
    let calendar = Calendar {
        zone: reader.zone,
        windows,
        holidays,
        freezes,
    };
    let line = |one: &Spanned<String>| reader.starts.line_at(one.span().start);
    let lines = CalendarLines {
        windows: file
            .windows
            .keys()
            .map(|name| (name.get_ref().clone(), line(name)))
            .collect(),
        first_date: file.holidays.dates.first().map_or(0, line),
        freezes: file.freezes.iter().map(|raw| line(&raw.name)).collect(),
        holidays: holiday_files,
        holiday_names,
    };
    Some((calendar, lines))
}

/// TOML's own words for a day or time that there is not help nobody.
fn name_wrong_time(text: &str, problems: &mut [Problem]) {
    let Some(problem) = problems.last_mut() else {
        return;
    };
    let line = (problem.line as usize).checked_sub(1);
    let value = line
        .and_then(|line| text.lines().nth(line))
        .and_then(|line| line.split_once('='))
        .filter(|(key, _)| ["from", "until"].contains(&key.trim()))
        .and_then(|(_, value)| value.split(['#', ',', '}']).next());
    if let Some(why) = value.and_then(wrong_time) {
        problem.message = why;
    }
}

/// Whether a value is a day without a time.
fn is_day(value: &Value) -> bool {
    matches!(value, Value::Datetime(at) if at.time.is_none())
}

struct Reader<'a> {
    starts: LineStarts,
    problems: &'a mut Vec<Problem>,
    zone: Tz,
    /// What was read beside the calendar.
    holiday_files: PolicyFiles,
    holiday_names: BTreeSet<String>,
}

impl Reader<'_> {
    fn complain<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        let line = self.starts.line_at(at.span().start);
        self.problems.push(Problem::error(CALENDAR, line, message));
    }

    fn zone(&mut self, name: &Spanned<String>) -> Tz {
        name.get_ref().parse().unwrap_or_else(|_| {
            let wrong = name.get_ref().escape_debug();
            let right = match zone_like(name.get_ref()) {
                Some(like) => format!("write “{like}”, if that is meant"),
                None => "write it like “Europe/Paris” or “UTC”".to_owned(),
            };
            self.complain(name, format!("“{wrong}” is not a time zone; {right}."));
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
                    let why = wrong_day(date.get_ref()).unwrap_or_else(|| {
                        format!("“{wrong}” is not a day; write “2026-12-25”, or “12-25” for every year.")
                    });
                    self.complain(date, why);
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
        self.holiday_names.insert(file.clone());
        if self.holiday_names.len() > HOLIDAY_FILES_LIMIT {
            return self.complain(
                name,
                format!("More than {HOLIDAY_FILES_LIMIT} files of holidays: put their days into fewer."),
            );
        }
        match source.read(file) {
            Ok(Some(text)) => {
                ical::read(file, &text, self.zone, holidays, self.problems);
                self.holiday_files.0.insert(file.clone(), text);
            }
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
        let mut window = self.span(name, raw);
        for day in raw.days.iter().flatten() {
            match day_range(day.get_ref()) {
                Some(days) => days.into_iter().for_each(|day| window.days[day] = true),
                None => self.wrong_day(day),
            }
        }
        window.holidays = match raw.holidays.as_ref().map(|word| (word, word.get_ref().as_str())) {
            // A window of whole days, such as a contract, does not close on holidays.
            None if raw.days.is_none() && raw.hours.is_none() => OnHolidays::Open,
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
                _ => match wrong_day(day.get_ref()) {
                    Some(why) => self.complain(day, why),
                    None => self.wrong_day(day),
                },
            }
        }
        (label.clone(), window)
    }

    /// The hours, zone, beginning and end of a window, and all days if it names none.
    fn span(&mut self, name: &Spanned<String>, raw: &RawWindow) -> Window {
        let zone = raw.timezone.as_ref().map(|name| self.zone(name));
        let here = zone.unwrap_or(self.zone);
        let from = raw.from.as_ref().and_then(|at| self.instant(at, here, false));
        let until = raw.until.as_ref().and_then(|at| self.instant(at, here, true));
        if let Some(end) = &raw.until {
            self.in_order("window", from.zip(until), end);
        }
        let is_span = raw.from.is_some() || raw.until.is_some();
        for (what, is_missing) in [("days", raw.days.is_none()), ("hours", raw.hours.is_none())] {
            if is_missing && !is_span {
                self.complain(
                    name,
                    format!("This window has no “{what}”; only one with “from” or “until” is open on all days, all day long, without them."),
                );
            }
        }
        let whole_day = || vec![Hours::WHOLE_DAY];
        Window {
            days: [raw.days.is_none(); 7],
            hours: raw
                .hours
                .as_ref()
                .map_or_else(whole_day, |hours| self.hours(hours)),
            zone,
            from,
            until,
            ..Window::default()
        }
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

    fn freeze(&mut self, raw: &RawFreeze) -> Freeze {
        let is_project = |name: &str| is_name(name) || is_project_group(name);
        let projects = raw.projects.iter().filter(|name| !is_project(name.get_ref()));
        let environments = raw.environments.iter().filter(|name| !is_name(name.get_ref()));
        for name in projects.chain(environments) {
            self.complain(
                name,
                format!("“{}” is not a name.", name.get_ref().escape_debug()),
            );
        }
        for (text, what) in [(&raw.name, "a name"), (&raw.reason, "a reason")] {
            if text.get_ref().trim().is_empty() {
                self.complain(text, format!("A freeze needs {what}."));
            }
        }
        let from = self.instant(&raw.from, self.zone, false);
        let until = self.instant(&raw.until, self.zone, true);
        self.in_order("freeze", from.zip(until), &raw.until);
        let names = |list: &[Spanned<String>]| list.iter().map(|name| name.get_ref().clone()).collect();
        Freeze {
            name: raw.name.get_ref().clone(),
            from: from.unwrap_or_default(),
            until: until.unwrap_or_default(),
            reason: raw.reason.get_ref().clone(),
            projects: names(&raw.projects),
            members: Vec::new(),
            environments: names(&raw.environments),
        }
    }

    /// Complains about `end` where what it ends holds no time.
    fn in_order(&mut self, what: &str, span: Option<(Instant, Instant)>, end: &Spanned<Value>) {
        match span {
            // A day is its whole day as an end, so one before the beginning ends where that begins.
            Some((from, until)) if until < from || until == from && is_day(end.get_ref()) => self.complain(
                end,
                format!("The {what} ends before it begins: “until” has to be later than “from”."),
            ),
            Some((from, until)) if until == from => self.complain(
                end,
                format!("The {what} holds no time, as it ends when it begins: “until” has to be later than “from”."),
            ),
            _ => {}
        }
    }

    fn instant(&mut self, raw: &Spanned<Value>, zone: Tz, end: bool) -> Option<Instant> {
        let read = match raw.get_ref() {
            Value::Datetime(at) => span_end(&at.to_string(), zone, end),
            Value::String(text) => Err(wrong_time(text)
                .unwrap_or_else(|| "A day or time stands without quotes: 2026-12-18T18:00:00.".to_owned())),
            other => Err(format!(
                "“{other}” is not a day or a time; write it like 2026-12-18 or 2026-12-18T18:00:00."
            )),
        };
        match read {
            Ok(at) => Some(at),
            Err(why) => {
                self.complain(raw, why);
                None
            }
        }
    }
}
