//! Counts refusals, so that somebody who asks the same again and again cannot fill the audit log.
//!
//! The first refusal of an account, or of a guest's address, for one action on one resource is
//! recorded at once. Those that follow within the hour are counted and recorded as one event when the
//! hour ends, or when the deployer stops.

use std::collections::HashMap;

use chrono::TimeDelta;
use parking_lot::Mutex;

use crate::domain::{Action, Event, Instant, Refusal, Resource, Result};
use crate::store::Store;

/// How long repeated refusals are counted before they are recorded.
pub(super) const COUNTED_FOR: TimeDelta = TimeDelta::hours(1);
/// Origins counted separately; refusals of any further origins share one count.
const ORIGINS: usize = 10_000;

/// Who was refused what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    /// The account, or the address of a guest; `None`: one of too many.
    who: Option<String>,
    action: Action,
    resource: Resource,
}

/// Refusals after the first.
#[derive(Debug)]
struct Repeats {
    refusal: Refusal,
    since: Instant,
    last: Instant,
    times: u64,
}

/// The refusals of the present hour.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counted: Mutex<HashMap<Origin, Repeats>>,
}

impl Refusals {
    /// Whether this is the first refusal of its origin; otherwise it is counted.
    fn is_first(&self, refusal: &Refusal, now: Instant) -> bool {
        let mut counted = self.counted.lock();
        let actor = &refusal.actor;
        let who = if actor.is_guest() {
            &actor.address
        } else {
            &actor.name
        };
        let mut origin = Origin {
            who: Some(who.clone()),
            action: refusal.action,
            resource: refusal.resource.clone(),
        };
        if counted.len() >= ORIGINS && !counted.contains_key(&origin) {
            origin.who = None;
        }
        if let Some(repeats) = counted.get_mut(&origin) {
            repeats.times += 1;
            repeats.last = now;
            return false;
        }
        let repeats = Repeats {
            refusal: refusal.clone(),
            since: now,
            last: now,
            times: 0,
        };
        counted.insert(origin, repeats);
        true
    }

    /// Takes the counts that began before `until`.
    fn take(&self, until: Instant) -> Vec<Repeats> {
        let mut counted = self.counted.lock();
        let taken = counted.extract_if(|_, repeats| repeats.since <= until);
        taken
            .map(|(_, repeats)| repeats)
            .filter(|repeats| repeats.times > 0)
            .collect()
    }
}

/// Records a refusal, or counts it when it is a repeat.
pub(super) async fn note(store: &Store, counts: &Refusals, refusal: &Refusal, now: Instant) -> Result<()> {
    record_repeats(store, counts, now - COUNTED_FOR, now).await?;
    if !counts.is_first(refusal, now) {
        return Ok(());
    }
    let change = store.change(refusal, now).await?;
    change.commit(Event::refused(refusal, now)).await
}

/// Records the counts that began up to `until`.
pub(super) async fn record_repeats(
    store: &Store,
    counts: &Refusals,
    until: Instant,
    now: Instant,
) -> Result<()> {
    for Repeats {
        refusal,
        since,
        last,
        times,
    } in counts.take(until)
    {
        let change = store.change(&refusal, now).await?;
        change
            .commit(Event::refused_again(&refusal, times, since, last))
            .await?;
    }
    Ok(())
}
