//! What a name may do at one place, worked out once for all names that the same lines are about.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::columns::TWO_PERSON_ACTIONS;
use super::describe::Windows;
use super::grid::{Grid, NOWHERE, Spot, WorkedAnswer};
use super::policy::Policy;
use super::rule::ANY;
use super::states::{StateSet, States};
use crate::domain::access::GUEST;
use crate::domain::{Action, PolicyLine, Resource};

/// When somebody may do something, with whom, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimedRight {
    pub states: StateSet,
    /// Of whom the second person has to be; empty: nobody else is needed.
    pub with: Vec<String>,
    pub rules: BTreeSet<usize>,
}

impl TimedRight {
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.states.is_within(&other.states) && (other.with.is_empty() || other.with == self.with)
    }
}

/// The rights of one name: for each action asked about, those it has.
pub(super) type NameRights = Rc<Vec<Vec<TimedRight>>>;

/// Finds the rights of names to do some actions at one place.
pub(super) struct RightsSearch<'a> {
    policy: &'a Policy,
    resource: &'a Resource,
    actions: &'a [Action],
    windows: Windows,
    /// `None` with a matcher of one's own, which only casbin can evaluate.
    grid: Option<Grid<'a>>,
    states: &'a States,
    /// By the rules that are about the place and count for a name.
    known: RefCell<HashMap<Vec<usize>, NameRights>>,
}

impl<'a> RightsSearch<'a> {
    pub fn new(
        policy: &'a Policy,
        resource: &'a Resource,
        actions: &'a [Action],
        states: &'a States,
    ) -> Self {
        Self {
            policy,
            resource,
            actions,
            windows: Windows::of(states, 0, &policy.calendar, |freeze| freeze.concerns(resource)),
            grid: policy.is_standard().then(|| Grid::new(policy, states, 0)),
            states,
            known: RefCell::default(),
        }
    }

    /// The rights of `name`, for each action.
    pub fn of(&self, name: &str) -> NameRights {
        let Some(grid) = &self.grid else {
            return Rc::new(self.all(|action| self.asked(name, action)));
        };
        let key = self.policy.key(self.resource);
        let spots = self.spots(&key);
        let is_about = |rule: &usize| {
            let rule = grid.rules().get(*rule);
            rule.is_some_and(|rule| spots.iter().any(|spot| grid.is_about(rule, *spot)))
        };
        let mut rules = grid.rules_of(name);
        rules.retain(is_about);
        if let Some(known) = self.known.borrow().get(&rules) {
            return Rc::clone(known);
        }
        let rights = Rc::new(match self.resource {
            Resource::Area(_) => self.all(|action| self.asked(name, action)),
            _ => self.all(|action| self.worked_out(grid, &rules, action)),
        });
        self.known.borrow_mut().insert(rules, Rc::clone(&rights));
        rights
    }

    /// The windows of a right, in words.
    pub fn windows(&self, right: &TimedRight) -> String {
        self.windows.describe(&right.states, self.states)
    }

    /// The lines that give a right.
    pub fn lines(&self, right: &TimedRight) -> Vec<PolicyLine> {
        let rules = right.rules.iter();
        rules.filter_map(|&rule| self.policy.line(rule)).collect()
    }

    fn all(&self, rights: impl Fn(Action) -> Vec<TimedRight>) -> Vec<Vec<TimedRight>> {
        self.actions.iter().copied().map(rights).collect()
    }

    /// Where a question about the resource is asked: the place itself first.
    fn spots<'s>(&'s self, key: &'s str) -> Vec<Spot<'s>> {
        let own = Spot {
            project: key,
            environment: self.resource.environment(),
        };
        let parts = match self.resource {
            Resource::Project(_) => Some(self.policy.environments()),
            _ => None,
        };
        let parts = parts.into_iter().flatten().map(|environment| Spot {
            project: key,
            environment,
        });
        let whole = matches!(self.resource, Resource::Area(_)).then_some(NOWHERE);
        [own].into_iter().chain(parts).chain(whole).collect()
    }

    /// As [`Policy::decide`] answers at every instant.
    fn worked_out(&self, grid: &Grid<'_>, rules: &[usize], action: Action) -> Vec<TimedRight> {
        let key = self.policy.key(self.resource);
        let spots = self.spots(&key);
        let Some((own, parts)) = spots.split_first() else {
            return Vec::new();
        };
        let mut answer = grid.answer(rules, *own, action);
        let decides = match (parts, action) {
            (parts, Action::View) => {
                for part in parts {
                    answer.alone.add(&grid.answer(rules, *part, action).alone);
                }
                spots.as_slice()
            }
            (parts, _) => {
                parts
                    .iter()
                    .for_each(|part| self.hold(&mut answer, &grid.answer(rules, *part, action)));
                &spots[..1]
            }
        };
        let alone = [(Vec::new(), answer.alone)].into_iter();
        let with = answer
            .with
            .into_iter()
            .map(|(second, states)| (vec![second], states));
        let all = alone.chain(with).filter(|(_, states)| !states.is_empty());
        all.map(|(with, states)| TimedRight {
            rules: giving(grid, rules, decides, (action, &with, &states)),
            states,
            with,
        })
        .collect()
    }

    /// Takes from what is allowed to a project as a whole what one of its environments does not allow.
    fn hold(&self, whole: &mut WorkedAnswer, part: &WorkedAnswer) {
        let refused = self.states.all().without(&part.allowed());
        whole.alone.take(&refused);
        for (_, states) in &mut whole.with {
            states.take(&refused);
        }
    }

    /// As casbin answers in each state of time.
    fn asked(&self, name: &str, action: Action) -> Vec<TimedRight> {
        let names = if name == GUEST {
            vec![GUEST.to_owned()]
        } else {
            vec![name.to_owned(), GUEST.to_owned()]
        };
        let mut rights: Vec<TimedRight> = Vec::new();
        for (state, at) in self.states.each() {
            let verdict = self.policy.decide(&names, action, self.resource, at);
            let ruling = self.policy.ruling_of(&verdict);
            if !ruling.allowed {
                continue;
            }
            let known = rights.iter().position(|right| right.with == ruling.with);
            let place = known.unwrap_or_else(|| {
                rights.push(TimedRight {
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

/// The rules that allow an action at one of `spots` in some of these states, with these second persons.
fn giving(
    grid: &Grid<'_>,
    rules: &[usize],
    spots: &[Spot<'_>],
    (action, with, states): (Action, &[String], &StateSet),
) -> BTreeSet<usize> {
    let takes_two = TWO_PERSON_ACTIONS.contains(&action.as_str());
    let counts = |rule: &usize| {
        let Some(own) = grid.rules().get(*rule) else {
            return false;
        };
        let fits = !takes_two || own.second.as_slice() == with;
        let meets = |spot: &Spot<'_>| {
            let mut meets = grid.window(*rule, *spot);
            meets.keep(states);
            grid.is_about(own, *spot) && !meets.is_empty()
        };
        !own.deny && fits && grid.answers(*rule, action) && spots.iter().any(meets)
    };
    rules.iter().copied().filter(counts).collect()
}

/// The users and groups that lines name, in the order of their names.
pub(super) fn people(policy: &Policy) -> BTreeSet<String> {
    let is_person = |name: &&String| *name != ANY && *name != GUEST && !name.starts_with(ROLE);
    subjects(policy).filter(is_person).cloned().collect()
}

/// The roles that lines name, in the order of their names.
pub(super) fn roles(policy: &Policy) -> BTreeSet<String> {
    let linked = policy.lines().roles.iter().map(|link| &link.to);
    let all = subjects(policy).chain(linked);
    all.filter(|name| name.starts_with(ROLE)).cloned().collect()
}

/// What roles begin with.
const ROLE: &str = "role:";

fn subjects(policy: &Policy) -> impl Iterator<Item = &String> {
    let lines = policy.lines();
    let in_roles = lines.roles.iter().map(|link| &link.from);
    in_roles.chain(lines.rules.iter().map(|rule| &rule.subject))
}
