//! Reads holidays from an iCalendar file (RFC 5545): the whole-day events in it.
//!
//! Only as much as holidays need: `VEVENT` with its days as dates or as midnights, and events that come
//! back every year. Every property that changes what an event means is understood or refused with its line:
//! to pass over one would lose a holiday and leave a window open, or keep one that was called off.

use std::collections::HashMap;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;

use super::problem::Problem;
use crate::domain::Holidays;

/// The longest event, in days: a company's holidays fit, a mistyped year does not.
const EVENT_LIMIT: u64 = 62;
/// Days of one file: some fifty years of holidays.
const DAYS_LIMIT: usize = 2000;
/// Seconds of a day without a change of clocks.
const DAY_SECONDS: u64 = 86_400;
/// Properties of events that change nothing about which days are holidays. A file may mark its holidays as
/// free time (`TRANSP`).
const HARMLESS: [&str; 29] = [
    "ATTACH",
    "ATTENDEE",
    "CATEGORIES",
    "CLASS",
    "COLOR",
    "COMMENT",
    "CONCEPT",
    "CONFERENCE",
    "CONTACT",
    "CREATED",
    "DESCRIPTION",
    "DTSTAMP",
    "GEO",
    "IMAGE",
    "LAST-MODIFIED",
    "LINK",
    "LOCATION",
    "NAME",
    "ORGANIZER",
    "PRIORITY",
    "REFID",
    "RELATED-TO",
    "REQUEST-STATUS",
    "RESOURCES",
    "SEQUENCE",
    "STYLED-DESCRIPTION",
    "SUMMARY",
    "TRANSP",
    "URL",
];

/// Why a property is not taken.
enum Refusal {
    /// It would change which days are holidays.
    Error(String),
    /// It is not known what it means.
    Unknown(String),
}

#[derive(Default)]
struct Event {
    line: u32,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    /// How many days it lasts, where no end is given.
    days: Option<u64>,
    rule: Option<(u32, String)>,
    is_cancelled: bool,
    /// How many nested components of the event, such as an alarm, are open.
    inside: u32,
    /// Whether one of its properties was complained about.
    is_bad: bool,
}

impl Event {
    fn set(&mut self, line: u32, name: &str, value: &str, zone: Tz) -> Result<(), Refusal> {
        let second = |is_second: bool| match is_second {
            true => Err(Refusal::Error(format!("This event has a second {name}."))),
            false => Ok(()),
        };
        match name {
            "DTSTART" | "DTEND" => {
                let is_end = name == "DTEND";
                let field = if is_end { &mut self.end } else { &mut self.start };
                second(field.is_some())?;
                *field = Some(day(value, zone, is_end).map_err(Refusal::Error)?);
            }
            "DURATION" => {
                second(self.days.is_some())?;
                self.days = Some(whole_days(value).map_err(Refusal::Error)?);
            }
            "RRULE" => {
                second(self.rule.is_some())?;
                self.rule = Some((line, value.to_ascii_uppercase()));
            }
            "STATUS" => match value.to_ascii_uppercase().as_str() {
                "CONFIRMED" => {}
                "CANCELLED" => self.is_cancelled = true,
                status => {
                    let status = status.escape_debug();
                    return Err(Refusal::Error(format!(
                        "Whether this is a holiday is not said by the status “{status}”: make it CONFIRMED or CANCELLED, or take the event out of the file."
                    )));
                }
            },
            "RDATE" | "EXDATE" | "EXRULE" | "RECURRENCE-ID" => {
                return Err(Refusal::Error(format!(
                    "{name} is not supported here; list the days in calendar.toml instead."
                )));
            }
            "UID" => {}
            name if HARMLESS.contains(&name) || name.starts_with("X-") => {}
            name => {
                let name = name.escape_debug();
                return Err(Refusal::Unknown(format!(
                    "“{name}” is not known here, so it changes nothing about this holiday."
                )));
            }
        }
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

/// The days of a duration: `P1D`, `P2W`, `PT24H`.
fn whole_days(value: &str) -> Result<u64, String> {
    let wrong =
        || "A holiday lasts whole days: write its duration like P1D or P1W, or give its DTEND.".to_owned();
    let text = value.to_ascii_uppercase();
    let text = text.strip_prefix('+').unwrap_or(&text);
    let mut seconds = 0_u64;
    let mut number = String::new();
    for letter in text.strip_prefix('P').ok_or_else(wrong)?.chars() {
        let unit = match letter {
            '0'..='9' if number.len() < 9 => {
                number.push(letter);
                continue;
            }
            'T' if number.is_empty() => continue,
            'W' => 7 * DAY_SECONDS,
            'D' => DAY_SECONDS,
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<u64>().map_err(|_| wrong())? * unit;
        number.clear();
    }
    match (seconds / DAY_SECONDS, seconds % DAY_SECONDS) {
        (days @ 1.., 0) if number.is_empty() => Ok(days),
        _ => Err(wrong()),
    }
}

/// Whether a recurrence rule is that of an event that comes back on the same day every year.
fn is_yearly(rule: &str, start: NaiveDate) -> bool {
    let mut is_yearly = false;
    let mut others = rule.split(';').filter(|part| match *part {
        "FREQ=YEARLY" => {
            is_yearly = true;
            false
        }
        "INTERVAL=1" => false,
        part => match part.split_once('=') {
            Some(("WKST", _)) => false,
            Some(("BYMONTH", month)) => month.parse() != Ok(start.month()),
            Some(("BYMONTHDAY", day)) => day.parse() != Ok(start.day()),
            _ => true,
        },
    });
    others.next().is_none() && is_yearly
}

/// Adds the holidays of the iCalendar text of `file`; times in UTC are read by the clock of `zone`.
pub(super) fn read(file: &str, text: &str, zone: Tz, holidays: &mut Holidays, problems: &mut Vec<Problem>) {
    let mut reader = Reader {
        file,
        zone,
        holidays,
        problems,
        event: None,
        seen: HashMap::new(),
        open: Vec::new(),
    };
    let mut any = false;
    for (line, content) in unfolded(text) {
        if content.trim().is_empty() {
            continue;
        }
        let Some((head, value)) = parts(&content) else {
            reader.wrong(line, "This line is no property, as it has no “:”.");
            continue;
        };
        let name = head.split(';').next().unwrap_or_default().to_ascii_uppercase();
        any |= name == "END" && value.eq_ignore_ascii_case("VEVENT") && reader.event.is_some();
        reader.property(line, &name, value.trim());
        if reader.is_full() {
            let message = format!("There are more than {DAYS_LIMIT} holidays: leave out past years.");
            return reader.wrong(line, message);
        }
    }
    let open = reader.event.as_ref().map(|event| event.line);
    if let Some(line) = open {
        reader.wrong(line, "This event has no END:VEVENT.");
    } else if !any {
        reader.wrong(0, "This is not an iCalendar file with events.");
    } else if let Some((line, name)) = reader.open.pop() {
        reader.wrong(
            line,
            format!("The file ends before END:{name}: it may have been cut off."),
        );
    }
}

struct Reader<'a> {
    file: &'a str,
    zone: Tz,
    holidays: &'a mut Holidays,
    problems: &'a mut Vec<Problem>,
    event: Option<Event>,
    /// The identifiers of events, each with the line of the first that has it.
    seen: HashMap<String, u32>,
    /// What was begun outside of events and has not ended, such as the calendar itself.
    open: Vec<(u32, String)>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: u32, message: impl Into<String>) {
        self.problems.push(Problem::error(self.file, line, message));
    }

    fn is_full(&self) -> bool {
        self.holidays.dates.len() + self.holidays.yearly.len() > DAYS_LIMIT
    }

    fn property(&mut self, line: u32, name: &str, value: &str) {
        let is_event = value.eq_ignore_ascii_case("VEVENT");
        match (name, &mut self.event) {
            ("BEGIN", open) if is_event => {
                let unclosed = open.as_ref().map(|open| open.line);
                *open = Some(Event {
                    line,
                    ..Event::default()
                });
                if let Some(unclosed) = unclosed {
                    self.wrong(unclosed, "This event has no END:VEVENT.");
                }
            }
            ("END", Some(_)) if is_event => {
                if let Some(event) = self.event.take() {
                    self.add(&event);
                }
            }
            ("BEGIN", Some(event)) => event.inside += 1,
            ("END", Some(event)) => event.inside = event.inside.saturating_sub(1),
            (_, Some(Event { inside: 1.., .. })) => {}
            (name, Some(event)) => {
                if let Err(refusal) = event.set(line, name, value, self.zone) {
                    event.is_bad |= matches!(refusal, Refusal::Error(_));
                    self.problems.push(match refusal {
                        Refusal::Error(why) => Problem::error(self.file, line, why),
                        Refusal::Unknown(why) => Problem::warning(self.file, line, why),
                    });
                }
                if name == "UID" {
                    self.known_before(line, value);
                }
            }
            ("BEGIN", None) => self.open.push((line, value.to_ascii_uppercase())),
            ("END", None) => {
                let name = value.to_ascii_uppercase();
                if self.open.pop().is_none_or(|(_, open)| open != name) {
                    self.wrong(
                        line,
                        format!("There is no BEGIN:{} to this line.", name.escape_debug()),
                    );
                }
            }
            (name, None) if self.open.len() <= 1 => self.of_calendar(line, name, value),
            (_, None) => {}
        }
    }

    /// Two versions of one event would both count.
    fn known_before(&mut self, line: u32, id: &str) {
        let first = *self.seen.entry(id.to_owned()).or_insert(line);
        if first != line {
            let message = format!(
                "The event of line {first} has the same UID: both are holidays here, also where this one replaces it."
            );
            self.problems.push(Problem::warning(self.file, line, message));
        }
    }

    /// What the calendar says of all its events.
    fn of_calendar(&mut self, line: u32, name: &str, value: &str) {
        let upper = value.to_ascii_uppercase();
        match (name, upper.as_str()) {
            ("METHOD", "PUBLISH" | "REQUEST") | ("CALSCALE", "GREGORIAN") => {}
            ("METHOD" | "CALSCALE", _) => {
                let value = value.escape_debug();
                self.wrong(
                    line,
                    format!("{name}:{value} is not supported here: export the calendar anew, or list the days in calendar.toml."),
                );
            }
            _ => {}
        }
    }

    /// Adds one event's days.
    fn add(&mut self, event: &Event) {
        if event.is_bad || event.is_cancelled {
            return;
        }
        let Some(start) = event.start else {
            return self.wrong(event.line, "This event has no DTSTART.");
        };
        if event.end.is_some() && event.days.is_some() {
            return self.wrong(event.line, "This event has both a DTEND and a DURATION.");
        }
        // `DTEND` is the day after the last day; without it, the event lasts one day.
        let days = Days::new(event.days.unwrap_or(1));
        let end = event.end.or_else(|| start.checked_add_days(days));
        let limit = start.checked_add_days(Days::new(EVENT_LIMIT));
        let Some(end) = end.filter(|&end| end > start && limit.is_some_and(|limit| end <= limit)) else {
            return self.wrong(
                event.line,
                "This event ends before it begins, or lasts longer than two months.",
            );
        };
        let days = start.iter_days().take_while(|&day| day < end);
        match &event.rule {
            None => self.holidays.dates.extend(days),
            Some((_, rule)) if is_yearly(rule, start) => {
                let days = days.map(|day| (day.month(), day.day()));
                self.holidays.yearly.extend(days);
            }
            Some((line, _)) => self.wrong(
                *line,
                "Of recurring events only those with RRULE:FREQ=YEARLY are supported; list the others in calendar.toml.",
            ),
        }
    }
}

/// What stands before the colon of a line, and after it. A quoted parameter may have a colon in it.
fn parts(line: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let colon = line.find(|c| {
        is_quoted ^= c == '"';
        c == ':' && !is_quoted
    })?;
    Some((&line[..colon], &line[colon + 1..]))
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
