//! When a calendar may change: the ends of its hours and freezes, and the clock's own jumps.

use chrono::{Duration, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::super::Instant;
use super::{Calendar, DAY};

impl Calendar {
    /// Every instant later than `after`, within `days` days, at which any window or freeze may
    /// open or close, in order. Between two of them nothing changes.
    pub fn changes(&self, after: Instant, days: u16) -> Vec<Instant> {
        let end = after + Duration::days(i64::from(days));
        let mut instants: Vec<Instant> = Vec::new();
        for zone in self.zones() {
            let today = after.with_timezone(&zone).date_naive();
            // One local day more at each end: where the clock is put back at midnight, a reading of
            // yesterday can still come.
            let dates =
                (-1..=i64::from(days) + 1).filter_map(|n| today.checked_add_signed(Duration::days(n)));
            instants.extend(dates.flat_map(|date| self.changes_on(date, zone)));
        }
        let bounds = self
            .windows
            .values()
            .flat_map(|window| [window.from, window.until]);
        instants.extend(bounds.flatten());
        instants.extend(self.freezes.iter().flat_map(|freeze| [freeze.from, freeze.until]));
        instants.retain(|&at| at > after && at <= end);
        instants.sort_unstable();
        instants.dedup();
        instants
    }

    /// When `window` is open between two instants: spans in order, cut at both.
    pub fn spans_of(&self, window: &str, from: Instant, until: Instant) -> Vec<(Instant, Instant)> {
        let days = u16::try_from((until - from).num_days() + 1).unwrap_or(u16::MAX);
        let changes = self.changes(from, days).into_iter().filter(|&at| at < until);
        let mut begins: Vec<Instant> = [from].into_iter().chain(changes).collect();
        begins.push(until);
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        for pair in begins.windows(2) {
            let &[start, end] = pair else { continue };
            if start >= end || !self.is_open(window, start) {
                continue;
            }
            match spans.last_mut() {
                Some((_, reached)) if *reached == start => *reached = end,
                _ => spans.push((start, end)),
            }
        }
        spans
    }

    /// The time zones of windows, each once.
    fn zones(&self) -> Vec<Tz> {
        let mut zones = vec![self.zone];
        for zone in self.windows.values().filter_map(|window| window.zone) {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        zones
    }

    /// The changes of one local day of `zone`, of the windows in that zone, in no order.
    fn changes_on(&self, date: NaiveDate, zone: Tz) -> Vec<Instant> {
        let midnight = date.and_time(chrono::NaiveTime::MIN);
        let mut minutes = vec![0];
        for window in self
            .windows
            .values()
            .filter(|window| self.zone_of(window) == zone)
        {
            let yesterday = date.pred_opt().map_or(&[][..], |day| self.hours_on(window, day));
            let over = yesterday
                .iter()
                .filter(|hours| hours.crosses_midnight())
                .map(|hours| hours.until);
            let own = self.hours_on(window, date).iter().flat_map(|hours| {
                [
                    Some(hours.from),
                    (!hours.crosses_midnight()).then_some(hours.until),
                ]
            });
            minutes.extend(over.chain(own.flatten()).filter(|&minute| minute < DAY));
        }
        minutes.sort_unstable();
        minutes.dedup();
        let mut instants = Vec::new();
        for minute in minutes {
            instants.extend(readings(zone, midnight + Duration::minutes(i64::from(minute))));
        }
        instants.extend(clock_jump(zone, midnight));
        instants
    }
}

/// The first instant of a day: some zones put the clock forward over midnight.
pub fn beginning(date: NaiveDate, zone: Tz) -> Option<Instant> {
    const QUARTERS: i64 = 12;
    let midnight = date.and_hms_opt(0, 0, 0)?;
    let times =
        (0..QUARTERS).filter_map(|quarter| midnight.checked_add_signed(Duration::minutes(15 * quarter)));
    let mut read = times.filter_map(|local| zone.from_local_datetime(&local).earliest());
    read.next().map(|at| at.to_utc())
}

/// The instants at which the clock of `zone` reads `local`: one, two when it is put back over it,
/// none when it is put forward over it.
fn readings(zone: Tz, local: NaiveDateTime) -> impl Iterator<Item = Instant> {
    let mapped = zone.from_local_datetime(&local);
    let both = [mapped.earliest(), mapped.latest()];
    both.into_iter().flatten().map(|at| at.to_utc())
}

/// The instant within the local day from `midnight` at which the clock of `zone` is put forward or
/// back, to the minute.
fn clock_jump(zone: Tz, midnight: NaiveDateTime) -> Option<Instant> {
    let offset = |at: Instant| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    // The day lies within this span; a jump just outside it is one more instant at which nothing
    // changes.
    let noon = midnight.and_utc() + Duration::hours(12);
    let noon = noon - Duration::seconds(i64::from(offset(noon).local_minus_utc()));
    let (mut before, mut later) = (noon - Duration::hours(13), noon + Duration::hours(13));
    if offset(before) == offset(later) {
        return None;
    }
    while later - before > Duration::minutes(1) {
        let middle = before + Duration::minutes((later - before).num_minutes() / 2);
        if offset(middle) == offset(before) {
            before = middle;
        } else {
            later = middle;
        }
    }
    Some(later)
}
