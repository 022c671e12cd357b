//! Everybody who may do something somewhere, by which lines and in which windows.

use std::collections::BTreeSet;

use serde::Serialize;

use super::columns::TWO_PERSON_ACTIONS;
use super::describe::Windows;
use super::grid::{Grid, Spot};
use super::policy::Policy;
use super::rule::ANY;
use super::states::{StateSet, States};
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
pub(super) fn who(
    policy: &Policy,
    is_standard: bool,
    resource: &Resource,
    actions: &[Action],
    now: Instant,
) -> Holders {
    let states = States::of(&[&policy.calendar], now);
    let search = Search {
        policy,
        resource,
        windows: Windows::of(&states, 0, &policy.calendar, |freeze| freeze.concerns(resource)),
        grid: is_standard.then(|| Grid::new(policy, &states, 0)),
        states: &states,
    };
    let mut holders = Vec::new();
    for &action in actions {
        let of_all = search.rights(GUEST, action);
        holders.extend(search.told(GUEST, action, &of_all));
        for name in people(policy) {
            let own = search.rights(&name, action);
            if own
                .iter()
                .all(|right| of_all.iter().any(|of_all| right.is_part_of(of_all)))
            {
                continue;
            }
            holders.extend(search.told(&name, action, &own));
        }
    }
    Holders {
        place: resource.to_string(),
        holders,
        is_complete: is_standard && states.is_complete,
    }
}

/// The users and groups that lines name, in the order of their names.
pub(super) fn people(policy: &Policy) -> BTreeSet<String> {
    let lines = policy.lines();
    let in_roles = lines.roles.iter().map(|link| &link.from);
    let in_rules = lines.rules.iter().map(|rule| &rule.subject);
    let is_person = |name: &&String| *name != ANY && *name != GUEST && !name.starts_with("role:");
    in_roles.chain(in_rules).filter(is_person).cloned().collect()
}

/// When somebody may do something, with whom, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    states: StateSet,
    with: Vec<String>,
    rules: BTreeSet<usize>,
}

impl Right {
    fn is_part_of(&self, other: &Self) -> bool {
        self.states.is_within(&other.states) && (other.with.is_empty() || other.with == self.with)
    }
}

struct Search<'a> {
    policy: &'a Policy,
    resource: &'a Resource,
    windows: Windows,
    grid: Option<Grid<'a>>,
    states: &'a States,
}

impl Search<'_> {
    fn told(&self, who: &str, action: Action, rights: &[Right]) -> Vec<Holder> {
        let holder = |right: &Right| Holder {
            who: who.to_owned(),
            action,
            windows: self.windows.describe(&right.states, self.states),
            with: right.with.clone(),
            lines: right
                .rules
                .iter()
                .filter_map(|&rule| self.policy.line(rule))
                .collect(),
        };
        rights.iter().map(holder).collect()
    }

    fn rights(&self, name: &str, action: Action) -> Vec<Right> {
        match &self.grid {
            Some(grid) if !matches!(self.resource, Resource::Project(_) | Resource::Area(_)) => {
                self.worked_out(grid, name, action)
            }
            _ => self.asked(name, action),
        }
    }

    fn worked_out(&self, grid: &Grid<'_>, name: &str, action: Action) -> Vec<Right> {
        let key = self.policy.key(self.resource);
        let spot = Spot {
            project: &key,
            environment: self.resource.environment(),
        };
        let takes_two = TWO_PERSON_ACTIONS.contains(&action.as_str());
        let rules = grid.rules_of(name);
        let answer = grid.answer(&rules, spot, action);
        let alone = [(Vec::new(), answer.alone)].into_iter();
        let with = answer
            .with
            .into_iter()
            .map(|(second, states)| (vec![second], states));
        let right = |(with, states): (Vec<String>, StateSet)| {
            let counts = |rule: &usize| {
                let Some(own) = grid.rules().get(*rule) else {
                    return false;
                };
                let mut meets = grid.window(*rule, spot);
                meets.keep(&states);
                let second = own.second.as_slice();
                let fits = !takes_two || second == with.as_slice();
                !own.deny
                    && fits
                    && grid.answers(*rule, action)
                    && grid.is_about(own, spot)
                    && !meets.is_empty()
            };
            Right {
                rules: rules.iter().copied().filter(counts).collect(),
                states,
                with,
            }
        };
        alone
            .chain(with)
            .filter(|(_, states)| !states.is_empty())
            .map(right)
            .collect()
    }

    /// As casbin answers in each state of time.
    fn asked(&self, name: &str, action: Action) -> Vec<Right> {
        let names = if name == GUEST {
            vec![GUEST.to_owned()]
        } else {
            vec![name.to_owned(), GUEST.to_owned()]
        };
        let mut rights: Vec<Right> = Vec::new();
        for (state, at) in self.states.each() {
            let verdict = self.policy.decide(&names, action, self.resource, at);
            let ruling = self.policy.ruling_of(&verdict);
            if !ruling.allowed {
                continue;
            }
            let known = rights.iter().position(|right| right.with == ruling.with);
            let place = known.unwrap_or_else(|| {
                rights.push(Right {
                    states: self.states.none().clone(),
                    with: ruling.with.clone(),
                    rules: BTreeSet::new(),
                });
                rights.len() - 1
            });
            if let Some(right) = rights.get_mut(place) {
                right.states.insert(state);
                right.rules.extend(verdict.rule());
            }
        }
        rights
    }
}
