//! The calendar as an iCalendar file (RFC 5545), for calendar programs that subscribe to it.

use chrono::{Days, NaiveDate, TimeDelta};
use sha2::{Digest as _, Sha256};

use super::calendar::{SeenCalendar, freeze_words};
use crate::domain::{Deployment, Instant, Lock, Resource};

/// Days before today from which holidays and windows are listed.
const DAYS_BACK: u64 = 30;
/// Days after today up to which holidays and windows are listed.
const DAYS_AHEAD: u64 = 400;
/// Days after today up to which single windows are listed: there is one event for each time they open.
const WINDOW_DAYS: u64 = 60;
/// A scheduled deployment has a beginning only; calendars draw it as this long.
const DRAWN_LENGTH: TimeDelta = TimeDelta::minutes(15);
/// Bytes of a line, after which it is folded.
const LINE_BYTES: usize = 75;

/// What a feed holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedParts {
    pub holidays: bool,
    pub freezes: bool,
    pub locks: bool,
    pub deployments: bool,
    pub windows: bool,
}

impl FeedParts {
    /// Everything but windows, which would fill every day.
    pub const USUAL: Self = Self {
        holidays: true,
        freezes: true,
        locks: true,
        deployments: true,
        windows: false,
    };

    /// The parts that `text` names, with commas between them; the usual ones where it names none.
    ///
    /// # Errors
    /// The name that is no part.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        const NAMES: [&str; 5] = ["holidays", "freezes", "locks", "deployments", "windows"];
        if let Some(odd) = names.iter().find(|name| !NAMES.contains(name)) {
            return Err((*odd).to_owned());
        }
        let has = |name: &str| names.contains(&name);
        Ok(match names.is_empty() {
            true => Self::USUAL,
            false => Self {
                holidays: has("holidays"),
                freezes: has("freezes"),
                locks: has("locks"),
                deployments: has("deployments"),
                windows: has("windows"),
            },
        })
    }
}

/// What a calendar program draws as one thing.
struct FeedEvent {
    /// The same for as long as the event is the same one.
    uid: String,
    /// The lines that say when.
    times: Vec<String>,
    title: String,
    text: String,
    url: Option<String>,
    /// Whether it leaves the reader's own time free.
    is_free: bool,
}

/// The file. `address` makes the address of a deployment's page.
pub fn feed(
    seen: &SeenCalendar,
    parts: FeedParts,
    now: Instant,
    address: impl Fn(&Deployment) -> String,
) -> String {
    let mut events = Vec::new();
    if parts.holidays {
        events.extend(holidays(seen, now));
    }
    if parts.freezes {
        events.extend(freezes(seen));
    }
    if parts.locks {
        events.extend(seen.locks.iter().map(|view| lock(&view.lock, &view.over, now)));
    }
    if parts.deployments {
        let one = |deployment: &Deployment| scheduled(deployment, Some(address(deployment)));
        events.extend(seen.scheduled.iter().filter_map(one));
    }
    if parts.windows {
        events.extend(windows(seen, now));
    }
    let mut text = String::new();
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Deployer//Calendar//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "X-WR-CALNAME:Deployer",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ] {
        push(&mut text, line);
    }
    events.iter().for_each(|event| write(&mut text, event, now));
    push(&mut text, "END:VCALENDAR");
    text
}

fn write(text: &mut String, event: &FeedEvent, now: Instant) {
    push(text, "BEGIN:VEVENT");
    push(text, &format!("UID:{}", event.uid));
    push(text, &format!("DTSTAMP:{}", stamp(now)));
    event.times.iter().for_each(|line| push(text, line));
    push(text, &format!("SUMMARY:{}", escaped(&event.title)));
    if !event.text.is_empty() {
        push(text, &format!("DESCRIPTION:{}", escaped(&event.text)));
    }
    if let Some(url) = &event.url {
        push(text, &format!("URL:{url}"));
    }
    if event.is_free {
        push(text, "TRANSP:TRANSPARENT");
    }
    push(text, "END:VEVENT");
}

fn holidays(seen: &SeenCalendar, now: Instant) -> Vec<FeedEvent> {
    let all = &seen.calendar.holidays;
    let days = days(now, DAYS_AHEAD).filter(|day| all.contains(*day));
    let event = |day: NaiveDate| FeedEvent {
        uid: format!("holiday-{}@deployer", day.format("%Y%m%d")),
        times: whole_day(day),
        title: "Holiday".to_owned(),
        text: String::new(),
        url: None,
        is_free: true,
    };
    days.map(event).collect()
}

fn freezes(seen: &SeenCalendar) -> Vec<FeedEvent> {
    let event = |freeze: &crate::domain::Freeze| FeedEvent {
        uid: uid("freeze", &[&freeze.name, &freeze.from.to_rfc3339()]),
        times: span(freeze.from, freeze.until),
        title: format!("Freeze: {}", freeze.name),
        text: format!("{}. {}", freeze_words(freeze), freeze.reason),
        url: None,
        is_free: true,
    };
    seen.calendar.freezes.iter().map(event).collect()
}

/// A lock without an end is drawn for as long as windows are listed, and says that somebody has to lift it.
fn lock(lock: &Lock, over: &Resource, now: Instant) -> FeedEvent {
    FeedEvent {
        uid: format!("lock-{}@deployer", lock.id),
        times: span(
            lock.created_at,
            lock.ends_at
                .unwrap_or(now.max(lock.created_at) + TimeDelta::days(WINDOW_DAYS.cast_signed())),
        ),
        title: format!("Locked: {over}"),
        text: lock.sentence(&over.to_string()),
        url: None,
        is_free: true,
    }
}

fn scheduled(deployment: &Deployment, url: Option<String>) -> Option<FeedEvent> {
    let at = deployment.scheduled_at?;
    let Deployment {
        project, environment, ..
    } = deployment;
    Some(FeedEvent {
        uid: format!("deployment-{}@deployer", deployment.id),
        times: span(at, at + DRAWN_LENGTH),
        title: format!("Deploy {project}/{environment}"),
        text: format!(
            "Deployment {} of {} {}, requested by {}. {}",
            deployment.id,
            deployment.commit.short(),
            deployment.commit_title,
            deployment.actor,
            deployment.reason
        ),
        url,
        is_free: false,
    })
}

fn windows(seen: &SeenCalendar, now: Instant) -> Vec<FeedEvent> {
    let (from, until) = (
        now - TimeDelta::days(7),
        now + TimeDelta::days(WINDOW_DAYS.cast_signed()),
    );
    let mut events = Vec::new();
    for name in seen.calendar.windows.keys() {
        for (start, end) in seen.calendar.spans_of(name, from, until) {
            events.push(FeedEvent {
                uid: uid("window", &[name, &start.to_rfc3339()]),
                times: span(start, end),
                title: name.clone(),
                text: String::new(),
                url: None,
                is_free: true,
            });
        }
    }
    events
}

fn days(now: Instant, ahead: u64) -> impl Iterator<Item = NaiveDate> {
    let today = now.date_naive();
    let first = today.checked_sub_days(Days::new(DAYS_BACK)).unwrap_or(today);
    let last = today.checked_add_days(Days::new(ahead)).unwrap_or(today);
    first.iter_days().take_while(move |day| *day <= last)
}

fn whole_day(day: NaiveDate) -> Vec<String> {
    let next = day.succ_opt().unwrap_or(day);
    vec![
        format!("DTSTART;VALUE=DATE:{}", day.format("%Y%m%d")),
        format!("DTEND;VALUE=DATE:{}", next.format("%Y%m%d")),
    ]
}

fn span(from: Instant, until: Instant) -> Vec<String> {
    vec![
        format!("DTSTART:{}", stamp(from)),
        format!("DTEND:{}", stamp(until)),
    ]
}

fn stamp(at: Instant) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A name of any length and letters, as a short one of plain letters.
fn uid(kind: &str, parts: &[&str]) -> String {
    let digest = hex::encode(Sha256::digest(parts.join("\n")));
    format!("{kind}-{}@deployer", digest.get(..16).unwrap_or(&digest))
}

/// A text as a value.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.trim().chars() {
        match c {
            '\\' | ';' | ',' => safe.extend(['\\', c]),
            '\n' => safe.push_str("\\n"),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

/// Adds a line, folded where it is long.
fn push(text: &mut String, line: &str) {
    let mut width = 0;
    for c in line.chars() {
        if width + c.len_utf8() > LINE_BYTES {
            text.push_str("\r\n ");
            width = 1;
        }
        text.push(c);
        width += c.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_letters() {
        let mut text = String::new();
        push(&mut text, &format!("SUMMARY:{}", "ä".repeat(100)));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= LINE_BYTES));
        assert_eq!(
            text.replace("\r\n ", "").trim_end(),
            format!("SUMMARY:{}", "ä".repeat(100))
        );
    }

    #[test]
    fn a_text_cannot_become_a_line_of_its_own() {
        assert_eq!(
            escaped("a;b,c\\d\r\nEND:VEVENT\u{7}"),
            "a\\;b\\,c\\\\d\\nEND:VEVENT"
        );
    }

    #[test]
    fn only_parts_that_there_are_can_be_chosen() {
        assert_eq!(FeedParts::parse(" "), Ok(FeedParts::USUAL));
        let some = FeedParts::parse("windows, locks").unwrap();
        assert!(some.windows && some.locks && !some.holidays);
        assert_eq!(FeedParts::parse("holidays,x"), Err("x".to_owned()));
    }
}
