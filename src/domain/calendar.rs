//! The calendar: named windows of time, holidays and freezes, evaluated in one time zone.
//!
//! A window is open when the *wall clock* of the zone reads a time inside one of its hours. Every
//! instant has exactly one reading, so the question is well defined on the days when the clock is
//! put forward or back too: an hour that is skipped is never open, one that comes twice is open
//! twice. Hours that cross midnight belong to the day they begin on: Friday `22:00-06:00` holds on
//! Saturday at 03:00, whether or not Saturday is a day of the window.
//!
//! [`Calendar::changes`] finds the next changes by trying each day's hours in order.

mod changes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike, Weekday};
use chrono_tz::Tz;

use super::{Instant, Resource};

/// The window that is open at every instant.
pub const ALWAYS: &str = "always";
/// The window that is open while a freeze is in force.
pub const FREEZE: &str = "freeze";
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A span of the day in minutes from midnight; it ends on the next day when `until` is not after
/// `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    until: u16,
}

impl Hours {
    fn crosses_midnight(self) -> bool {
        self.until <= self.from
    }

    /// Whether these hours include `minute` of the day on which they begin.
    fn hold(self, minute: u16) -> bool {
        minute >= self.from && (self.crosses_midnight() || minute < self.until)
    }

    /// Whether they include `minute` of the day after the one on which they begin.
    fn hold_over(self, minute: u16) -> bool {
        self.crosses_midnight() && minute < self.until
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            until / 60,
            until % 60
        )
    }
}

impl FromStr for Hours {
    type Err = String;

    /// Reads `08:00-18:30`; `24:00` is the end of the day.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "“{}” is not a span of hours; write it like “08:00-18:30”",
                text.escape_debug()
            )
        };
        let (from, until) = text.split_once('-').ok_or_else(wrong)?;
        let (from, until) = (
            minute_of(from.trim()).ok_or_else(wrong)?,
            minute_of(until.trim()).ok_or_else(wrong)?,
        );
        if from == DAY || from == until {
            return Err(format!(
                "“{text}” holds no time; for a whole day write “00:00-24:00”"
            ));
        }
        Ok(Self { from, until })
    }
}

/// Minutes from midnight of `08:30`, up to `24:00`.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

/// What holidays do to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnHolidays {
    /// It stays closed.
    #[default]
    Closed,
    /// They are days like others.
    Open,
    /// Every holiday is a day of the window, whatever its weekday.
    Added,
}

/// A named, recurring span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The days it opens on, from Monday.
    pub days: [bool; 7],
    /// The hours of such a day.
    pub hours: Vec<Hours>,
    /// What holidays do to it.
    pub holidays: OnHolidays,
    /// Other hours for a day of the week, from Monday. They do not add a day.
    pub weekday_exceptions: [Option<Vec<Hours>>; 7],
    /// Other hours for a date, stronger than everything else; an empty list closes it.
    pub date_exceptions: BTreeMap<NaiveDate, Vec<Hours>>,
}

/// Days on which nobody works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// Days of one year.
    pub dates: BTreeSet<NaiveDate>,
    /// Days of every year: month and day.
    pub yearly: BTreeSet<(u32, u32)>,
}

impl Holidays {
    /// Whether `date` is one.
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.dates.contains(&date) || self.yearly.contains(&(date.month(), date.day()))
    }
}

/// A span of time, once, in which the lines of the policy with window `freeze` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    pub name: String,
    /// From this instant,
    pub from: Instant,
    /// until before this one.
    pub until: Instant,
    /// Why, for those it stops.
    pub reason: String,
    /// The projects it is for; all when empty.
    pub projects: Vec<String>,
    /// The environments it is for; all when empty.
    pub environments: Vec<String>,
}

impl Freeze {
    /// Whether it is in force for `resource` at `at`.
    pub fn holds(&self, resource: &Resource, at: Instant) -> bool {
        self.from <= at && at < self.until && self.concerns(resource)
    }

    /// Whether it is for `resource`, whenever it is in force.
    pub fn concerns(&self, resource: &Resource) -> bool {
        let is_for =
            |listed: &[String], name: &str| listed.is_empty() || listed.iter().any(|one| one == name);
        is_for(&self.projects, resource.project()) && is_for(&self.environments, resource.environment())
    }
}

/// Windows, holidays and freezes in one time zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The time zone of the hours.
    pub zone: Tz,
    /// By name; [`ALWAYS`] and [`FREEZE`] are built in and not among them.
    pub windows: BTreeMap<String, Window>,
    /// Days on which nobody works.
    pub holidays: Holidays,
    /// In the order of the file.
    pub freezes: Vec<Freeze>,
}

impl Calendar {
    /// Whether there is a window of this name.
    pub fn knows(&self, window: &str) -> bool {
        window == ALWAYS || window == FREEZE || self.windows.contains_key(window)
    }

    /// Whether `window` is open at `at`. An unknown one never is. [`FREEZE`] is open here when any
    /// freeze is in force for anything; [`Calendar::freeze_for`] asks for one resource.
    pub fn is_open(&self, window: &str, at: Instant) -> bool {
        match window {
            ALWAYS => true,
            FREEZE => self
                .freezes
                .iter()
                .any(|freeze| freeze.from <= at && at < freeze.until),
            name => self
                .windows
                .get(name)
                .is_some_and(|window| self.window_holds(window, at)),
        }
    }

    /// The freeze in force for `resource` at `at`, the one that lasts longest when there are
    /// several.
    pub fn freeze_for(&self, resource: &Resource, at: Instant) -> Option<&Freeze> {
        self.freezes
            .iter()
            .filter(|freeze| freeze.holds(resource, at))
            .max_by_key(|freeze| freeze.until)
    }

    fn window_holds(&self, window: &Window, at: Instant) -> bool {
        let local = at.with_timezone(&self.zone).naive_local();
        let minute = minute_of_day(local.time());
        let today = local.date();
        let held_over = today.pred_opt().is_some_and(|yesterday| {
            self.hours_on(window, yesterday)
                .iter()
                .any(|hours| hours.hold_over(minute))
        });
        held_over
            || self
                .hours_on(window, today)
                .iter()
                .any(|hours| hours.hold(minute))
    }

    /// The hours that begin on `date`.
    fn hours_on<'w>(&self, window: &'w Window, date: NaiveDate) -> &'w [Hours] {
        if let Some(hours) = window.date_exceptions.get(&date) {
            return hours;
        }
        let day = day_index(date.weekday());
        let holiday = self.holidays.contains(date);
        let opens = match (holiday, window.holidays) {
            (true, OnHolidays::Closed) => false,
            (true, OnHolidays::Added) => true,
            _ => window.days[day],
        };
        match &window.weekday_exceptions[day] {
            _ if !opens => &[],
            Some(hours) if window.days[day] => hours,
            _ => &window.hours,
        }
    }
}

/// The index of a day of the week in arrays from Monday.
pub fn day_index(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}

fn minute_of_day(time: NaiveTime) -> u16 {
    // At most 23 × 60 + 59.
    u16::try_from(time.hour() * 60 + time.minute()).unwrap_or(DAY)
}
