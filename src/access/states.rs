//! The states of time that calendars can tell apart: which windows are open and which freezes are in
//! force together.
//!
//! Whatever is asked about "any time" is asked about each state once. They are found by walking
//! through the days on which something can differ: more than a year from now and from each date that a
//! calendar names, and each yearly holiday on every day of the week, which takes 28 years.

use std::collections::{BTreeSet, HashMap};

use chrono::{Datelike, Duration, NaiveDate};

use crate::domain::calendar::{ALWAYS, FREEZE, ONE_FREEZE, beginning};
use crate::domain::{Calendar, Freeze, Instant};

/// Days walked through from each date: a year with the ends of summer time, and some weeks.
const SPAN_DAYS: i64 = 400;
/// Days before and after a yearly holiday: over midnight, and in every zone.
const AROUND_HOLIDAY: i64 = 2;
/// Years until a date falls on every day of the week, leap days included.
const WEEKDAY_YEARS: i32 = 28;
/// Days walked through in all; with more dates than that, the last ones are left out.
const DAYS_LIMIT: i64 = 20_000;

/// Some of the states, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct StateSet(Vec<u64>);

impl StateSet {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Adds the state of this number.
    pub fn insert(&mut self, state: usize) {
        if let Some(word) = self.0.get_mut(state / 64) {
            *word |= 1 << (state % 64);
        }
    }

    /// Whether `state` is in it.
    #[cfg(test)]
    pub fn contains(&self, state: usize) -> bool {
        let word = self.0.get(state / 64).copied().unwrap_or_default();
        word & (1 << (state % 64)) != 0
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        self.each(other, |own, word| own | word);
    }

    /// Takes those of `other` away.
    pub fn take(&mut self, other: &Self) {
        self.each(other, |own, word| own & !word);
    }

    /// Keeps those that are in `other` too.
    pub fn keep(&mut self, other: &Self) {
        self.each(other, |own, word| own & word);
    }

    fn each(&mut self, other: &Self, change: impl Fn(u64, u64) -> u64) {
        for (own, word) in self.0.iter_mut().zip(&other.0) {
            *own = change(*own, *word);
        }
    }

    /// Those that are not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = self.clone();
        left.take(other);
        left
    }

    /// Whether all are in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, word)| own & !word == 0)
    }

    /// The lowest number in it.
    pub fn first(&self) -> Option<usize> {
        let word = self.0.iter().position(|word| *word != 0)?;
        Some(word * 64 + self.0.get(word)?.trailing_zeros() as usize)
    }
}

/// What is open in each state, by one of the calendars.
#[derive(Debug)]
struct Opens {
    windows: HashMap<String, StateSet>,
    /// In the order of the calendar's freezes.
    freezes: Vec<StateSet>,
}

/// The states that some calendars can tell apart together, from an instant on.
#[derive(Debug)]
pub(super) struct States {
    /// The first instant of each.
    at: Vec<Instant>,
    opens: Vec<Opens>,
    all: StateSet,
    none: StateSet,
    /// Whether no date was left out.
    pub is_complete: bool,
}

impl States {
    /// The states of `calendars` from `now` on.
    pub fn of(calendars: &[&Calendar], now: Instant) -> Self {
        let (spans, is_complete) = spans(calendars, now);
        let mut instants = BTreeSet::new();
        for (from, days) in spans {
            instants.insert(from);
            for calendar in calendars {
                instants.extend(calendar.changes(from, days));
            }
        }
        let (mut known, mut at) = (HashMap::new(), Vec::new());
        for instant in instants {
            let signs: Vec<Vec<bool>> = calendars.iter().map(|one| signs(one, instant)).collect();
            known.entry(signs).or_insert_with(|| {
                at.push(instant);
                at.len() - 1
            });
        }
        let count = at.len();
        let mut all = StateSet::none(count);
        (0..count).for_each(|state| all.insert(state));
        let opens = calendars.iter().enumerate().map(|(number, calendar)| {
            let set = |place: usize| {
                let mut set = StateSet::none(count);
                let open = known.iter().filter(|(signs, _)| signs[number][place]);
                open.for_each(|(_, &state)| set.insert(state));
                set
            };
            let windows = calendar.windows.len();
            Opens {
                windows: calendar
                    .windows
                    .keys()
                    .cloned()
                    .zip((0..windows).map(&set))
                    .collect(),
                freezes: (windows..windows + calendar.freezes.len()).map(&set).collect(),
            }
        });
        Self {
            opens: opens.collect(),
            none: StateSet::none(count),
            at,
            all,
            is_complete,
        }
    }

    /// An instant at which it is so.
    pub fn at(&self, state: usize) -> Option<Instant> {
        self.at.get(state).copied()
    }

    /// The numbers of all states, each with an instant at which it is so.
    pub fn each(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.at.iter().copied().enumerate()
    }

    /// Every state.
    pub fn all(&self) -> &StateSet {
        &self.all
    }

    /// No state.
    pub fn none(&self) -> &StateSet {
        &self.none
    }

    /// The states in which `window` of calendar `number`, which is `calendar`, is open where the freezes
    /// that `concerns` accepts count.
    pub fn open(
        &self,
        number: usize,
        calendar: &Calendar,
        window: &str,
        concerns: impl Fn(&Freeze) -> bool,
    ) -> StateSet {
        let name = window.strip_prefix(ONE_FREEZE);
        if window == ALWAYS {
            return self.all.clone();
        }
        let Some(opens) = self.opens.get(number) else {
            return self.none.clone();
        };
        if window != FREEZE && name.is_none() {
            return opens.windows.get(window).unwrap_or(&self.none).clone();
        }
        let mut open = self.none.clone();
        for (freeze, states) in calendar.freezes.iter().zip(&opens.freezes) {
            if name.is_none_or(|name| name == freeze.name) && concerns(freeze) {
                open.add(states);
            }
        }
        open
    }
}

/// Which windows are open and which freezes are in force, in order.
fn signs(calendar: &Calendar, at: Instant) -> Vec<bool> {
    let windows = calendar.windows.keys().map(|name| calendar.is_open(name, at));
    let freezes = calendar
        .freezes
        .iter()
        .map(|freeze| freeze.from <= at && at < freeze.until);
    windows.chain(freezes).collect()
}

/// The spans to walk through, each from an instant for some days, and whether they are all there are.
fn spans(calendars: &[&Calendar], now: Instant) -> (Vec<(Instant, u16)>, bool) {
    let mut wanted: Vec<(NaiveDate, i64)> = vec![(now.date_naive(), SPAN_DAYS)];
    for calendar in calendars {
        let before = |date: NaiveDate| date.checked_sub_signed(Duration::days(AROUND_HOLIDAY));
        let dates = dates_of(calendar).into_iter().filter_map(before);
        wanted.extend(dates.map(|date| (date, SPAN_DAYS + AROUND_HOLIDAY)));
        for year in now.year()..=now.year() + WEEKDAY_YEARS {
            let yearly = calendar.holidays.yearly.iter();
            let dates = yearly.filter_map(|&(month, day)| NaiveDate::from_ymd_opt(year, month, day));
            wanted.extend(
                dates
                    .filter_map(before)
                    .map(|date| (date, 2 * AROUND_HOLIDAY + 1)),
            );
        }
    }
    wanted.sort_unstable();
    let (mut spans, mut left, mut reached) = (Vec::new(), DAYS_LIMIT, now.date_naive());
    let mut is_complete = true;
    for (date, days) in wanted {
        let Some(end) = date.checked_add_signed(Duration::days(days)) else {
            continue;
        };
        let from = date.max(reached);
        let days = (end - from).num_days();
        if days <= 0 {
            continue;
        }
        if days > left {
            is_complete = false;
            break;
        }
        left -= days;
        reached = end;
        let begins = match beginning(from, chrono_tz::UTC) {
            Some(at) if at > now => at,
            _ => now,
        };
        spans.push((begins, u16::try_from(days + 1).unwrap_or(u16::MAX)));
    }
    (spans, is_complete)
}

/// The dates that a calendar names.
fn dates_of(calendar: &Calendar) -> BTreeSet<NaiveDate> {
    let freezes = calendar
        .freezes
        .iter()
        .flat_map(|freeze| [freeze.from, freeze.until]);
    let windows = calendar.windows.values();
    let ends = windows
        .clone()
        .flat_map(|window| [window.from, window.until])
        .flatten();
    let exceptions = windows.flat_map(|window| window.date_exceptions.keys().copied());
    let instants = freezes.chain(ends).map(|at| at.date_naive());
    let holidays = calendar.holidays.dates.iter().copied();
    instants.chain(exceptions).chain(holidays).collect()
}
