//! Counts refusals, so that somebody who asks the same again and again cannot fill the audit log.
//!
//! The first refusal of an account, or of a guest's address, for one action on one resource is
//! recorded at once, and so is the first of an API token from one address. Those that follow within the hour are counted and recorded as one event when the
//! hour ends, or when the deployer stops.

use std::collections::HashMap;

use chrono::TimeDelta;
use parking_lot::Mutex;
use serde_json::json;

use crate::domain::{Action, Actor, ApiToken, Event, EventKind, Instant, Refusal, Resource, Result, TokenId};
use crate::store::{Right, Store};

/// How long repeated refusals are counted before they are recorded.
pub(super) const COUNTED_FOR: TimeDelta = TimeDelta::hours(1);
/// Origins counted separately; refusals of any further origins share one count.
const ORIGINS: usize = 10_000;

/// What is refused.
#[derive(Debug, Clone)]
pub(super) enum Refused {
    /// An act, by policy.
    ByPolicy(Refusal),
    /// A request with an API token.
    Token(RefusedToken),
}

/// An API token that was not accepted.
#[derive(Debug, Clone)]
pub(super) struct RefusedToken {
    /// Where it came from.
    pub address: String,
    /// The token, if there is or was one with this secret.
    pub token: Option<ApiToken>,
    /// A sentence.
    pub why: String,
}

/// Who was refused what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    /// The account, or the address of a guest; `None`: one of too many.
    who: Option<String>,
    what: OfWhat,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OfWhat {
    Act(Action, Resource),
    Token(Option<TokenId>),
}

/// Refusals after the first.
#[derive(Debug)]
struct Repeats {
    refused: Refused,
    since: Instant,
    last: Instant,
    times: u64,
}

impl Refused {
    fn origin(&self) -> Origin {
        match self {
            Self::ByPolicy(refusal) => {
                let actor = &refusal.actor;
                let is_guest = actor.is_guest();
                Origin {
                    who: Some(if is_guest { &actor.address } else { &actor.name }.clone()),
                    what: OfWhat::Act(refusal.action, refusal.resource.clone()),
                }
            }
            Self::Token(refused) => Origin {
                who: Some(refused.address.clone()),
                what: OfWhat::Token(refused.token.as_ref().map(|token| token.id)),
            },
        }
    }

    fn right(&self) -> Right {
        match self {
            Self::ByPolicy(refusal) => refusal.into(),
            Self::Token(refused) => {
                let token = refused.token.as_ref();
                let account = token.and_then(|token| token.account.as_deref());
                let account = account.unwrap_or("(unknown token)");
                Right::at_the_gate(&Actor::guest(&refused.address), format!("user {account}"))
            }
        }
    }

    fn event(&self, now: Instant) -> Event {
        match self {
            Self::ByPolicy(refusal) => Event::refused(refusal, now),
            Self::Token(RefusedToken { token, why, .. }) => {
                let token = token.as_ref().map(|token| token.name.as_str());
                Event::new(EventKind::TokenRefused, json!({ "token": token })).forbidden(why)
            }
        }
    }

    /// The same refusal, repeated `times` from `since` to `last`.
    fn event_of_repeats(&self, times: u64, since: Instant, last: Instant) -> Event {
        match self {
            Self::ByPolicy(refusal) => Event::refused_again(refusal, times, since, last),
            Self::Token(_) => {
                let event = self.event(last).with("repeated", json!(times));
                event.with("since", json!(since)).with("last", json!(last))
            }
        }
    }
}

/// The refusals of the present hour.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counted: Mutex<HashMap<Origin, Repeats>>,
}

impl Refusals {
    /// Whether this is the first refusal of its origin; otherwise it is counted.
    fn is_first(&self, refused: &Refused, now: Instant) -> bool {
        let mut counted = self.counted.lock();
        let mut origin = refused.origin();
        if counted.len() >= ORIGINS && !counted.contains_key(&origin) {
            origin.who = None;
        }
        if let Some(repeats) = counted.get_mut(&origin) {
            repeats.times += 1;
            repeats.last = now;
            return false;
        }
        let repeats = Repeats {
            refused: refused.clone(),
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
pub(super) async fn note(store: &Store, counts: &Refusals, refused: &Refused, now: Instant) -> Result<()> {
    record_repeats(store, counts, now - COUNTED_FOR, now).await?;
    if !counts.is_first(refused, now) {
        return Ok(());
    }
    let change = store.change(refused.right(), now).await?;
    change.commit(refused.event(now)).await
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
        let change = store.change(refused.right(), now).await?;
        change
            .commit(refused.event_of_repeats(times, since, last))
            .await?;
    }
    Ok(())
}
