//! When things happened: moments of working days in the weeks before now.
//!
//! The same `now` gives the same moments: a small generator with a fixed seed makes demos repeatable.

use chrono::{Datelike, Duration, Weekday};

use crate::domain::Instant;

/// How far back the sample history goes, in days.
pub const HISTORY_DAYS: i64 = 37;
/// The last commit was made this long ago: recently enough to still want deploying.
const LAST_COMMIT: Duration = Duration::minutes(26);
/// When people begin to work, in hours of the day (UTC).
const MORNING: i64 = 8;
/// How many slots of twenty minutes a working day has.
const SLOTS: i64 = 28;

/// A pseudo-random number generator (linear congruential, with Knuth's constants).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Always the same numbers for the same `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// True `times` in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// A span between two limits, in seconds.
    pub fn seconds(&mut self, least: u64, most: u64) -> Duration {
        let seconds = least + self.below(most - least + 1);
        Duration::seconds(i64::try_from(seconds).unwrap_or_default())
    }
}

/// `count` moments for commits, ascending, the last one shortly before `now`.
pub fn of_commits(now: Instant, count: usize, chance: &mut Chance) -> Vec<Instant> {
    let last = now - LAST_COMMIT;
    let slots = working_slots(now, last - Duration::minutes(30));
    let mut moments: Vec<Instant> = (0..count.saturating_sub(1))
        .map(|number| slots[number * slots.len() / count] + chance.seconds(0, 900))
        .collect();
    moments.push(last);
    moments.truncate(count);
    moments
}

/// The beginnings of all slots of working days from the start of the history until `end`.
fn working_slots(now: Instant, end: Instant) -> Vec<Instant> {
    let midnight = |back: i64| {
        let day = (now - Duration::days(back)).date_naive();
        day.and_time(chrono::NaiveTime::MIN).and_utc()
    };
    (1..=HISTORY_DAYS)
        .rev()
        .map(midnight)
        .filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
        .flat_map(|day| {
            (0..SLOTS).map(move |slot| day + Duration::hours(MORNING) + Duration::minutes(20 * slot))
        })
        .filter(|slot| *slot < end)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_come_one_after_the_other_and_end_now() {
        let now: Instant = "2026-11-22T00:05:00Z".parse().unwrap();
        let moments = of_commits(now, 40, &mut Chance::new(1));
        assert_eq!(moments.len(), 40);
        assert!(moments.is_sorted_by(|a, b| a < b));
        assert!(moments[0] > now - Duration::days(HISTORY_DAYS + 1));
        assert_eq!(moments[39], now - LAST_COMMIT);
    }
}
