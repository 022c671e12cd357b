//! The calendar: named windows of time, holidays and freezes.
//!
//! A window is open when the *wall clock* of its zone reads a time inside one of its hours. Every
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

pub use self::changes::beginning;

use super::{Instant, Resource};

/// The window that is open at every instant.
pub const ALWAYS: &str = "always";
/// The window that is open while a freeze is in force.
pub const FREEZE: &str = "freeze";
/// What a line's window begins with when it names one freeze: `freeze:NAME`.
pub const ONE_FREEZE: &str = "freeze:";
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
    /// From midnight to midnight.
    pub const WHOLE_DAY: Self = Self { from: 0, until: DAY };

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
        let wrong = |why: &str| {
            format!(
                "“{}” is not a span of hours{why}; write it like “08:00-18:30”, or “22:00-06:00” over midnight",
                text.escape_debug()
            )
        };
        let (from, until) = text.split_once('-').ok_or_else(|| wrong(""))?;
        let minute = |text: &str| minute_of(text.trim()).map_err(|why| wrong(&format!(": {why}")));
        let (from, until) = (minute(from)?, minute(until)?);
        if from == until {
            return Err(format!(
                "“{text}” holds no time; for a whole day write “00:00-24:00”"
            ));
        }
        if from == DAY {
            return Err(format!(
                "“{text}” begins where its day ends; write “00:00-{}”, with the days after",
                text.split_once('-').map_or("", |(_, until)| until.trim())
            ));
        }
        Ok(Self { from, until })
    }
}

/// Minutes from midnight of `08:30`, up to `24:00`.
///
/// # Errors
/// What is wrong with it, in words without a full stop.
pub fn minute_of(text: &str) -> Result<u16, String> {
    let shown = text.escape_debug();
    let number = |part: &str| {
        let is_short = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_short.then(|| part.parse::<u16>().ok()).flatten()
    };
    let read = text.split_once(':');
    let read = read.and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    let (hour, minute) = read.ok_or_else(|| format!("“{shown}” is not a time like “08:30”"))?;
    let total = hour * 60 + minute;
    match (hour, minute) {
        (_, 60..) => Err(format!("“{shown}” is not a time, as minutes go from 00 to 59")),
        _ if total > DAY => Err(format!("“{shown}” is not a time, as a day ends at 24:00")),
        _ if text.len() < 5 => Err(format!("“{shown}” is written “{hour:02}:{minute:02}”")),
        _ => Ok(total),
    }
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
    /// The time zone of its days and hours; `None`: the calendar's.
    pub zone: Option<Tz>,
    /// It is closed before this instant,
    pub from: Option<Instant>,
    /// and from this one on.
    pub until: Option<Instant>,
}

impl Window {
    /// Whether `at` lies between its beginning and its end.
    fn lasts(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
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
    /// The projects and groups of projects it is for, as written; all when empty.
    pub projects: Vec<String>,
    /// The projects of those groups.
    pub members: Vec<String>,
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
        let names = |listed: &[String], name: &str| listed.iter().any(|one| one == name);
        let (project, environment) = (resource.project(), resource.environment());
        let of_project =
            self.projects.is_empty() || names(&self.projects, project) || names(&self.members, project);
        of_project && (self.environments.is_empty() || names(&self.environments, environment))
    }

    /// The window of lines that apply while it lasts, and during no other freeze.
    pub fn window(&self) -> String {
        format!("{ONE_FREEZE}{}", self.name)
    }
}

/// Windows, holidays and freezes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The time zone of freezes, and of windows that name no other.
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
        let is_freeze = |name| self.freezes.iter().any(|freeze| freeze.name == name);
        window == ALWAYS
            || window == FREEZE
            || window.strip_prefix(ONE_FREEZE).is_some_and(is_freeze)
            || self.windows.contains_key(window)
    }

    /// Whether `window` is open at `at`. An unknown one never is. [`FREEZE`] is open here when any
    /// freeze is in force for anything; [`Calendar::freezes_for`] asks for one resource.
    pub fn is_open(&self, window: &str, at: Instant) -> bool {
        let mut freezes = self
            .freezes
            .iter()
            .filter(|freeze| freeze.from <= at && at < freeze.until);
        match (window, window.strip_prefix(ONE_FREEZE)) {
            (ALWAYS, _) => true,
            (FREEZE, _) => freezes.next().is_some(),
            (_, Some(name)) => freezes.any(|freeze| freeze.name == name),
            (name, None) => self
                .windows
                .get(name)
                .is_some_and(|window| self.window_holds(window, at)),
        }
    }

    /// The freezes in force for `resource` at `at`, in the order of the file.
    pub fn freezes_for(&self, resource: &Resource, at: Instant) -> impl Iterator<Item = &Freeze> {
        self.freezes
            .iter()
            .filter(move |freeze| freeze.holds(resource, at))
    }

    /// The freeze in force for `resource` at `at`, the one that lasts longest when there are
    /// several.
    pub fn freeze_for(&self, resource: &Resource, at: Instant) -> Option<&Freeze> {
        self.freezes_for(resource, at).max_by_key(|freeze| freeze.until)
    }

    /// The time zone of a window's days and hours.
    pub fn zone_of(&self, window: &Window) -> Tz {
        window.zone.unwrap_or(self.zone)
    }

    fn window_holds(&self, window: &Window, at: Instant) -> bool {
        if !window.lasts(at) {
            return false;
        }
        let local = at.with_timezone(&self.zone_of(window)).naive_local();
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
