//! Measures time with a monotonic clock: a host's clock may jump while something runs, and a step of one
//! second would seem to take a day.

use chrono::TimeDelta;

use crate::domain::Instant;

/// The instant at which something began, and the time that has passed since.
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

    /// The present instant, unaffected by changes of the clock.
    pub fn now(&self) -> Instant {
        let passed = TimeDelta::from_std(self.since.elapsed()).unwrap_or_default();
        self.begun.checked_add_signed(passed).unwrap_or(self.begun)
    }
}
