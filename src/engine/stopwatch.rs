//! The time since a beginning, by a clock that nobody sets: a host's clock may jump while something runs, and
//! a step of a second would have taken a day.

use chrono::TimeDelta;

use crate::domain::Instant;

/// Tells the time since an instant by the seconds that have passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopwatch {
    begun: Instant,
    since: tokio::time::Instant,
}

impl Stopwatch {
    /// Starts at `begun`, which is now.
    pub fn since(begun: Instant) -> Self {
        Self {
            begun,
            since: tokio::time::Instant::now(),
        }
    }

    /// The present instant, had nobody set the clock since.
    pub fn now(&self) -> Instant {
        let passed = TimeDelta::from_std(self.since.elapsed()).unwrap_or_default();
        self.begun.checked_add_signed(passed).unwrap_or(self.begun)
    }
}
