//! How many requests of the JSON API somebody may make: so many in a row, and as many again spread over each
//! minute. Generous, so that a program that runs wild is slowed down and no other one is.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Counters kept before those that have run out are dropped.
const COUNTERS: usize = 10_000;

type Counters = RateLimiter<String, DashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// Counts requests by who makes them.
pub struct RequestRate {
    counters: Counters,
    limit: u32,
}

/// What is left to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLeft {
    /// Requests in a row.
    pub limit: u32,
    /// How many more may follow now.
    pub remaining: u32,
    /// Seconds until all of them are there again.
    pub reset: u64,
    /// Seconds to wait, where this request was one too many.
    pub wait: Option<u64>,
}

impl RequestRate {
    /// Lets everybody make `limit` requests a minute.
    pub fn new(limit: NonZeroU32) -> Self {
        let counters = RateLimiter::dashmap(Quota::per_minute(limit));
        Self {
            counters: counters.with_middleware(),
            limit: limit.get(),
        }
    }

    /// Counts a request of `who`.
    pub fn count(&self, who: &str) -> RateLeft {
        if self.counters.len() > COUNTERS {
            self.counters.retain_recent();
        }
        let left = |remaining: u32, wait| RateLeft {
            limit: self.limit,
            remaining,
            reset: u64::from(self.limit - remaining.min(self.limit)) * 60 / u64::from(self.limit),
            wait,
        };
        match self.counters.check_key(&who.to_owned()) {
            Ok(state) => left(StateSnapshot::remaining_burst_capacity(&state), None),
            Err(busy) => {
                let wait = busy.wait_time_from(DefaultClock::default().now());
                left(0, Some(whole_seconds(wait)))
            }
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_limit_of_their_own() {
        let rate = RequestRate::new(NonZeroU32::new(2).unwrap());
        assert_eq!((rate.count("ada").remaining, rate.count("ada").wait), (1, None));
        let third = rate.count("ada");
        assert!(
            third.wait.is_some_and(|wait| (1..=31).contains(&wait)),
            "{third:?}"
        );
        assert_eq!(rate.count("bob").wait, None);
    }
}
