//! Slows down password guessing.
//!
//! Tries are counted by account and address together, so that a stranger elsewhere does not slow the owner
//! down; by address, against many accounts from one place; and by account, generously, against many places. A
//! try over a limit waits a few seconds and is then served: nobody is locked out. Only when too many tries
//! are waiting already is one turned away. A browser that logged in to the account before is counted on its
//! own.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use crate::domain::names::NAME_LIMIT;

/// Counters kept before those that have run out are dropped.
const COUNTERS: usize = 10_000;

/// Tries in a row, and the pause until one more.
#[derive(Debug, Clone, Copy)]
pub struct TryLimit {
    pub tries: NonZeroU32,
    pub pause: Duration,
}

impl TryLimit {
    const fn new(tries: u32, milliseconds: u64) -> Self {
        let tries = match NonZeroU32::new(tries) {
            Some(tries) => tries,
            None => NonZeroU32::MIN,
        };
        let pause = Duration::from_millis(milliseconds);
        Self { tries, pause }
    }
}

/// How many tries to log in are served at once, and how long the others wait.
#[derive(Debug, Clone, Copy)]
pub struct LoginLimits {
    /// For one account from one address, or from a browser that logged in before. People mistype less
    /// often.
    pub pair: TryLimit,
    /// From one address; an office may share one.
    pub address: TryLimit,
    /// For one account from anywhere.
    pub account: TryLimit,
    /// Codes of a second factor, for one account from anywhere, or from a browser that logged in before. A code
    /// is right by chance once in 300,000 tries.
    pub codes: TryLimit,
    /// Wrong API tokens from one address. A right one is never slowed down.
    pub tokens: TryLimit,
    /// The longest that a try waits.
    pub longest_delay: Duration,
    /// Tries that may wait at once.
    pub waiting: usize,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            pair: TryLimit::new(10, 5_000),
            address: TryLimit::new(40, 2_000),
            account: TryLimit::new(200, 1_000),
            codes: TryLimit::new(10, 60_000),
            tokens: TryLimit::new(20, 3_000),
            longest_delay: Duration::from_secs(10),
            waiting: 64,
        }
    }
}

/// Counts tries by what they have in common.
pub(super) type Counter = DefaultKeyedRateLimiter<String>;

/// Counts tries.
pub(super) struct LoginThrottle {
    by_pair: Counter,
    by_address: Counter,
    by_account: Counter,
    by_codes: Counter,
    waiting: Semaphore,
    longest_delay: Duration,
}

impl LoginThrottle {
    pub fn new(limits: LoginLimits) -> Self {
        Self {
            by_pair: counter(limits.pair),
            by_address: counter(limits.address),
            by_account: counter(limits.account),
            by_codes: counter(limits.codes),
            waiting: Semaphore::new(limits.waiting),
            longest_delay: limits.longest_delay,
        }
    }

    /// Counts a try for the account `name` from `address`, and waits until it may be made. False when
    /// that would take too long. `device` names a browser that logged in to this account before.
    pub async fn admits(&self, name: &str, address: &str, device: Option<&str>) -> bool {
        let account: String = name.to_lowercase().chars().take(NAME_LIMIT).collect();
        if let Some(device) = device {
            return self
                .take_turn(&self.by_pair, format!("{account}\ndevice {device}"))
                .await;
        }
        self.take_turn(&self.by_pair, format!("{account}\n{address}"))
            .await
            && self.take_turn(&self.by_address, address.to_owned()).await
            && self.take_turn(&self.by_account, account).await
    }

    /// Counts a code for the account `name`, and waits until it may be tried. False when that would take too long.
    pub async fn admits_code(&self, name: &str, device: Option<&str>) -> bool {
        let of_device = |device| format!("{name}\ndevice {device}");
        let key = device.map_or_else(|| name.to_owned(), of_device);
        self.take_turn(&self.by_codes, key).await
    }

    async fn take_turn(&self, counter: &Counter, key: String) -> bool {
        if is_within(counter, &key) {
            return true;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return false;
        };
        let clock = DefaultClock::default();
        let give_up = tokio::time::Instant::now() + self.longest_delay;
        while let Err(busy) = counter.check_key(&key) {
            let wait = busy.wait_time_from(clock.now());
            if tokio::time::Instant::now() + wait > give_up {
                return false;
            }
            tokio::time::sleep(wait).await;
        }
        true
    }
}

/// Counts a try, and tells whether it is within the limit.
pub(super) fn is_within(counter: &Counter, key: &String) -> bool {
    if counter.len() > COUNTERS {
        counter.retain_recent();
    }
    counter.check_key(key).is_ok()
}

pub(super) fn counter(limit: TryLimit) -> Counter {
    let quota = Quota::with_period(limit.pause).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    RateLimiter::keyed(quota.allow_burst(limit.tries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(waiting: usize) -> LoginThrottle {
        LoginThrottle::new(LoginLimits {
            pair: TryLimit::new(3, 200),
            address: TryLimit::new(6, 60_000),
            account: TryLimit::new(100, 60_000),
            codes: TryLimit::new(3, 60_000),
            tokens: TryLimit::new(3, 60_000),
            longest_delay: Duration::from_millis(500),
            waiting,
        })
    }

    #[tokio::test]
    async fn a_stranger_elsewhere_does_not_slow_the_owner_down() {
        let throttle = throttle(0);
        for _ in 0..3 {
            assert!(throttle.admits("alice", "192.0.2.1", None).await);
        }
        assert!(!throttle.admits("ALICE", "192.0.2.1", None).await);
        assert!(throttle.admits("alice", "192.0.2.2", None).await);
    }

    #[tokio::test]
    async fn who_is_over_the_limit_waits_and_is_then_served() {
        let throttle = throttle(1);
        for _ in 0..3 {
            assert!(throttle.admits("alice", "192.0.2.1", None).await);
        }
        let begun = std::time::Instant::now();
        let (first, second) = tokio::join!(
            throttle.admits("alice", "192.0.2.1", None),
            throttle.admits("alice", "192.0.2.1", None)
        );
        assert!(first && !second, "one place to wait is for one");
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn an_address_that_is_worn_out_lets_known_browsers_through() {
        let throttle = throttle(0);
        for number in 0..6 {
            assert!(throttle.admits(&format!("user{number}"), "192.0.2.1", None).await);
        }
        assert!(!throttle.admits("alice", "192.0.2.1", None).await);
        for _ in 0..3 {
            assert!(throttle.admits("alice", "192.0.2.1", Some("a")).await);
        }
        assert!(!throttle.admits("alice", "192.0.2.1", Some("a")).await);
    }
}
