//! The calendar: windows, freezes, locks and what is scheduled.

use chrono::Weekday;
use poem_openapi::{Object, OpenApi};

use super::Part;
use super::deployments::DeploymentDto;
use super::locks::LockDto;
use crate::app::calendar::{SeenCalendar, freeze_words, seen};
use crate::domain::calendar::{Calendar, Window, day_index};
use crate::domain::{Freeze, Instant};
use crate::web::api::reply::JsonReply;
use crate::web::visitor::Visitor;

/// The calendar, as far as you may see it.
#[derive(Object)]
#[oai(rename = "Calendar")]
struct CalendarDto {
    /// The time zone of what names no other.
    zone: String,
    windows: Vec<WindowDto>,
    freezes: Vec<FreezeDto>,
    /// Locks in force now.
    locks: Vec<LockDto>,
    /// Deployments that wait for their time, the next one first.
    scheduled: Vec<DeploymentDto>,
}

/// A span of time that recurs.
#[derive(Object)]
#[oai(rename = "Window", skip_serializing_if_is_none)]
struct WindowDto {
    name: String,
    is_open: bool,
    /// The days it opens on: `mon`, `tue` …
    days: Vec<String>,
    /// The hours of such a day: `08:00-18:30`.
    hours: Vec<String>,
    zone: String,
    from: Option<Instant>,
    until: Option<Instant>,
}

/// A span of time in which deployments are stopped.
#[derive(Object)]
#[oai(rename = "Freeze")]
struct FreezeDto {
    name: String,
    from: Instant,
    until: Instant,
    reason: String,
    /// What it is for, in words.
    over: String,
    is_in_force: bool,
}

const DAYS: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

impl WindowDto {
    fn new(calendar: &Calendar, name: &str, window: &Window, now: Instant) -> Self {
        let is_day = |day: &&Weekday| window.days.get(day_index(**day)).is_some_and(|opens| *opens);
        Self {
            name: name.to_owned(),
            is_open: calendar.is_open(name, now),
            days: DAYS
                .iter()
                .filter(is_day)
                .map(|day| day.to_string().to_lowercase())
                .collect(),
            hours: window.hours.iter().map(ToString::to_string).collect(),
            zone: calendar.zone_of(window).name().to_owned(),
            from: window.from,
            until: window.until,
        }
    }
}

impl CalendarDto {
    fn new(seen: &SeenCalendar, now: Instant) -> Self {
        let calendar = &seen.calendar;
        let windows = calendar.windows.iter();
        let freeze = |freeze: &Freeze| FreezeDto {
            name: freeze.name.clone(),
            from: freeze.from,
            until: freeze.until,
            reason: freeze.reason.clone(),
            over: freeze_words(freeze),
            is_in_force: freeze.from <= now && now < freeze.until,
        };
        Self {
            zone: calendar.zone.name().to_owned(),
            windows: windows
                .map(|(name, window)| WindowDto::new(calendar, name, window, now))
                .collect(),
            freezes: calendar.freezes.iter().map(freeze).collect(),
            locks: seen.locks.iter().map(LockDto::from).collect(),
            scheduled: seen.scheduled.iter().map(DeploymentDto::from).collect(),
        }
    }
}

/// When deployments are stopped, and when they are not.
pub struct CalendarApi;

#[OpenApi(tag = "Part::Access")]
impl CalendarApi {
    /// Show windows, freezes, locks and what is scheduled
    #[oai(path = "/calendar", method = "get", operation_id = "showCalendar")]
    async fn show(&self, visitor: Visitor) -> poem::Result<JsonReply<CalendarDto>> {
        let found = seen(visitor.app(), visitor.actor()).await?;
        Ok(JsonReply::new(CalendarDto::new(&found, visitor.now())))
    }
}
