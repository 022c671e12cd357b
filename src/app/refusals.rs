//! Counts refusals, so that somebody who asks the same again and again cannot fill the audit log.
//!
//! The first refusal of an account, or of a guest's network, for one thing is recorded at once. Those that
//! follow within the hour are counted and recorded as one event when the hour ends, or when the deployer
//! stops. Failed logins and unknown tokens are counted the same way. Somebody who is refused ever other
//! things, or comes from ever other addresses, runs into limits: what is beyond them shares one count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use chrono::TimeDelta;
use parking_lot::Mutex;

use crate::domain::{Actor, Event, Instant, Refusal, Result};
use crate::store::{Right, Store};

/// How long repeated refusals are counted before they are recorded.
pub(super) const COUNTED_FOR: TimeDelta = TimeDelta::hours(1);
/// Origins counted separately; refusals of any further origins share one count.
const ORIGINS: usize = 10_000;
/// Guests' networks among them.
const NETWORKS: usize = 500;
/// Different things that one account or network is refused, each with a count of its own.
const THINGS: usize = 30;
/// What a shared count is about.
const SEVERAL: &str = "several";
/// Leading bits of an IPv6 address that belong to one customer.
const IPV6_NETWORK: u32 = 64;

/// Who was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Account(String),
    /// Guests at one address, or in one IPv6 network.
    Network(String),
    /// One of too many.
    Others,
}

/// Who was refused what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    who: Who,
    /// The event's name.
    what: String,
    /// What it was about; `None`: one of too many.
    about: Option<String>,
}

/// A refusal that is about to be recorded or counted.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    who: Who,
    about: String,
    right: Right,
    event: Event,
}

impl Refused {
    /// `actor` was refused something about `about`: `event`, recorded with `right`.
    pub fn new(actor: &Actor, about: impl Into<String>, right: Right, event: Event) -> Self {
        let who = match actor.is_guest() {
            true => Who::Network(network(&actor.address)),
            false => Who::Account(actor.name.clone()),
        };
        Self {
            who,
            about: about.into(),
            right,
            event,
        }
    }

    /// Policy refused it at `now`.
    pub fn by_policy(refusal: &Refusal, now: Instant) -> Self {
        let event = Event::refused(refusal, now);
        Self::new(
            &refusal.actor,
            refusal.resource.to_string(),
            refusal.into(),
            event,
        )
    }
}

/// An address, or its network where one customer has many.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let bits = address.to_bits() >> (128 - IPV6_NETWORK) << (128 - IPV6_NETWORK);
            format!("{}/{IPV6_NETWORK}", Ipv6Addr::from_bits(bits))
        }
        _ => address.to_owned(),
    }
}

/// Refusals after the first.
#[derive(Debug)]
struct Repeats {
    refused: Refused,
    since: Instant,
    last: Instant,
    times: u64,
}

/// The refusals of the present hour.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    repeats: HashMap<Origin, Repeats>,
    /// How many things each is refused.
    things: HashMap<Who, usize>,
}

impl Counted {
    /// The count that a refusal belongs to.
    fn origin(&self, refused: &Refused) -> Origin {
        let mut origin = Origin {
            who: refused.who.clone(),
            what: refused.event.name(),
            about: Some(refused.about.clone()),
        };
        if self.repeats.contains_key(&origin) {
            return origin;
        }
        if !self.things.contains_key(&origin.who) {
            let networks = self.things.keys().filter(|who| matches!(who, Who::Network(_)));
            let is_beyond = matches!(origin.who, Who::Network(_)) && networks.count() >= NETWORKS;
            if is_beyond || self.repeats.len() >= ORIGINS {
                origin.who = Who::Others;
                origin.about = None;
            }
        }
        let things = self.things.get(&origin.who).copied().unwrap_or_default();
        if things >= THINGS || self.repeats.len() >= ORIGINS {
            origin.about = None;
        }
        origin
    }

    fn forget(&mut self, until: Instant) -> Vec<Repeats> {
        let taken = self.repeats.extract_if(|_, repeats| repeats.since <= until);
        let taken: Vec<Repeats> = taken.map(|(_, repeats)| repeats).collect();
        if taken.is_empty() {
            return taken;
        }
        self.things.clear();
        for origin in self.repeats.keys() {
            *self.things.entry(origin.who.clone()).or_default() += 1;
        }
        taken
    }
}

impl Refusals {
    /// Whether this is the first refusal of its origin; otherwise it is counted.
    fn is_first(&self, refused: &Refused, now: Instant) -> bool {
        let mut counted = self.counted.lock();
        let origin = counted.origin(refused);
        if let Some(repeats) = counted.repeats.get_mut(&origin) {
            repeats.times += 1;
            repeats.last = now;
            return false;
        }
        let mut refused = refused.clone();
        if origin.about.is_none() {
            refused.event = refused.event.about(SEVERAL);
        }
        let repeats = Repeats {
            refused,
            since: now,
            last: now,
            times: 0,
        };
        *counted.things.entry(origin.who.clone()).or_default() += 1;
        counted.repeats.insert(origin, repeats);
        true
    }

    /// Takes the counts that began before `until`.
    fn take(&self, until: Instant) -> Vec<Repeats> {
        let mut taken = self.counted.lock().forget(until);
        taken.retain(|repeats| repeats.times > 0);
        taken
    }
}

/// Records a refusal, or counts it when it is a repeat.
pub(super) async fn note(store: &Store, counts: &Refusals, refused: Refused, now: Instant) -> Result<()> {
    record_repeats(store, counts, now - COUNTED_FOR, now).await?;
    if !counts.is_first(&refused, now) {
        return Ok(());
    }
    let change = store.change(refused.right, now).await?;
    change.commit(refused.event).await
}

/// Records the counts that began up to `until`.
pub(super) async fn record_repeats(
    store: &Store,
    counts: &Refusals,
    until: Instant,
    now: Instant,
) -> Result<()> {
    for Repeats {
        refused,
        since,
        last,
        times,
    } in counts.take(until)
    {
        let change = store.change(refused.right, now).await?;
        change.commit(refused.event.repeated(times, since, last)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::EventKind;

    fn refused(actor: &Actor, about: &str) -> Refused {
        let event = Event::new(EventKind::LoginFailed, json!({}));
        Refused::new(actor, about, Right::at_the_gate(actor, about), event)
    }

    fn recorded(counts: &Refusals, all: impl Iterator<Item = Refused>) -> usize {
        let now = "2026-11-29T10:00:00Z".parse().unwrap();
        all.filter(|one| counts.is_first(one, now)).count()
    }

    #[test]
    fn nobody_is_recorded_more_often_than_the_limits_say() {
        let counts = Refusals::default();
        let alice = Actor::user("alice", "192.0.2.1");
        let same = (0..1000).map(|_| refused(&alice, "shop/prod"));
        assert_eq!(recorded(&counts, same), 1);
        let other = (0..1000).map(|number| refused(&alice, &format!("place {number}")));
        // One is recorded already; what is beyond shares one count.
        assert_eq!(recorded(&counts, other), THINGS);
        let guests = (0..5000).map(|number| {
            refused(
                &Actor::guest(format!("10.0.{}.{}", number / 250, number % 250)),
                "x",
            )
        });
        assert_eq!(recorded(&counts, guests), NETWORKS + 1);
        let network = (0..1000).map(|number| refused(&Actor::guest(format!("2001:db8::{number:x}")), "x"));
        assert_eq!(recorded(&Refusals::default(), network), 1);
    }

    #[test]
    fn counts_that_are_recorded_make_room() {
        let counts = Refusals::default();
        let alice = Actor::user("alice", "192.0.2.1");
        let places = || (0..1000).map(|number| refused(&alice, &format!("place {number}")));
        assert_eq!(recorded(&counts, places()), THINGS + 1);
        let taken = counts.take("2026-11-29T10:00:00Z".parse().unwrap());
        let times: Vec<u64> = taken.iter().map(|repeats| repeats.times).collect();
        assert_eq!(times, [1000 - THINGS as u64 - 1]);
        assert_eq!(recorded(&counts, places()), THINGS + 1);
    }
}
