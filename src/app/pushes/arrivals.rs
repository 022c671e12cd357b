//! What this instance keeps in memory about pushes: a bell, and a count of those that nobody signed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::{Instant, ProjectId};

/// Between two rows about pushes of a project that nobody signed.
const BETWEEN_REFUSALS: TimeDelta = TimeDelta::minutes(1);

/// The pushes that arrive at this instance.
#[derive(Debug, Default)]
pub struct Arrivals {
    bell: Notify,
    refused: Mutex<HashMap<ProjectId, Refusals>>,
    fetches: AtomicU64,
}

/// Refused pushes of a project.
#[derive(Debug)]
struct Refusals {
    noted_at: Instant,
    /// Since then, without a row.
    more: u64,
}

impl Arrivals {
    /// Says that one has come.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until one comes.
    pub(super) async fn ringing(&self) {
        self.bell.notified().await;
    }

    /// Counts a refused push of a project, which exists. How many were not noted before it, if it is time for
    /// a row.
    pub(super) fn refuse(&self, project: ProjectId, now: Instant) -> Option<u64> {
        let mut refused = self.refused.lock();
        let Some(known) = refused.get_mut(&project) else {
            let first = Refusals {
                noted_at: now,
                more: 0,
            };
            refused.insert(project, first);
            return Some(0);
        };
        if now - known.noted_at < BETWEEN_REFUSALS {
            known.more = known.more.saturating_add(1);
            return None;
        }
        known.noted_at = now;
        Some(std::mem::take(&mut known.more))
    }

    pub(super) fn count_fetch(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_pushes_are_noted_once_a_minute_with_the_count_of_those_between() {
        let arrivals = Arrivals::default();
        let at = |seconds| Instant::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let (shop, blog) = (ProjectId(1), ProjectId(2));
        assert_eq!(arrivals.refuse(shop, at(0)), Some(0));
        assert_eq!(arrivals.refuse(blog, at(1)), Some(0));
        for second in 1..60 {
            assert_eq!(arrivals.refuse(shop, at(second)), None);
        }
        assert_eq!(arrivals.refuse(shop, at(60)), Some(59));
        assert_eq!(arrivals.refuse(shop, at(61)), None);
        assert_eq!(arrivals.refuse(shop, at(600)), Some(1));
    }
}
