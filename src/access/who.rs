//! Everybody who may do something somewhere, by which lines and in which windows.

use serde::Serialize;

use super::policy::Policy;
use super::rights::{RightsSearch, TimedRight, people};
use super::states::States;
use crate::domain::access::GUEST;
use crate::domain::{Action, Instant, PolicyLine, Resource};

/// Somebody who may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// A user or a group; `default` for everybody.
    pub who: String,
    pub action: Action,
    /// The windows in which they may, in words.
    pub windows: String,
    /// Of whom a second person has to be; empty: nobody else is needed.
    pub with: Vec<String>,
    /// The lines that allow it.
    pub lines: Vec<PolicyLine>,
}

/// Everybody who may do something somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holders {
    /// The place, in words.
    pub place: String,
    pub holders: Vec<Holder>,
    /// Whether nobody is missing: with a changed matcher only those are known whom a line names, as
    /// it may give something to others.
    pub is_complete: bool,
}

/// Everybody whom policy names and who may do one of `actions` on `resource` at some time from `now`
/// on. What everybody may is told once.
pub(super) fn who(policy: &Policy, resource: &Resource, actions: &[Action], now: Instant) -> Holders {
    let states = States::of(&[&policy.calendar], now);
    let search = RightsSearch::new(policy, resource, actions, &states);
    let (of_all, people) = (search.of(GUEST), people(policy));
    let mut holders = Vec::new();
    for (number, &action) in actions.iter().enumerate() {
        let everybody = of_all.get(number).map_or(&[][..], Vec::as_slice);
        holders.extend(told(&search, GUEST, action, everybody));
        for name in &people {
            let own = search.of(name);
            let own = own.get(number).map_or(&[][..], Vec::as_slice);
            if !is_within(own, everybody) {
                holders.extend(told(&search, name, action, own));
            }
        }
    }
    Holders {
        place: resource.to_string(),
        holders,
        is_complete: policy.is_standard() && states.is_complete,
    }
}

/// Whether everybody has these rights.
pub(super) fn is_within(own: &[TimedRight], of_all: &[TimedRight]) -> bool {
    let is_known = |right: &TimedRight| of_all.iter().any(|of_all| right.is_part_of(of_all));
    own.iter().all(is_known)
}

fn told(search: &RightsSearch<'_>, who: &str, action: Action, rights: &[TimedRight]) -> Vec<Holder> {
    let holder = |right: &TimedRight| Holder {
        who: who.to_owned(),
        action,
        windows: search.windows(right),
        with: right.with.clone(),
        lines: search.lines(right),
    };
    rights.iter().map(holder).collect()
}
