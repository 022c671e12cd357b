//! What somebody may by one policy and not by another.
//!
//! Both are worked out for every subject, place and action that either can tell apart, in every state
//! of time that either calendar can tell apart, so nothing is left out as long as both have a matcher
//! that was shipped. Every name of a person answers by itself, so names that answer alike answer alike
//! together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::describe::Windows;
use super::grid::{Grid, NOWHERE, OTHER, Spot, WorkedAnswer, crossed};
use super::places::places;
use super::policy::Policy;
use super::rights::people;
use super::rule::Rule;
use super::states::{StateSet, States};
use crate::domain::access::GUEST;
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Action, Instant};

/// What becomes of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Allowed now.
    Gained,
    /// Allowed now without the second person that it took.
    Eased,
    /// Not denied any more: whoever has it by another name may use it.
    Freed,
    /// Not allowed any more.
    Lost,
    /// Only with a second person now.
    Tightened,
    /// Denied now, also to whoever has it by another name.
    Denied,
}

impl Shift {
    /// Whether somebody may more than before.
    pub fn is_gain(self) -> bool {
        matches!(self, Self::Gained | Self::Eased | Self::Freed)
    }

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Eased => "eased",
            Self::Freed => "freed",
            Self::Lost => "lost",
            Self::Tightened => "tightened",
            Self::Denied => "denied",
        }
    }
}

/// A difference between two policies: the same for some people, actions and places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RightsChange {
    pub shift: Shift,
    /// Users and groups; `default` for everybody.
    pub who: Vec<String>,
    pub actions: Vec<Action>,
    /// `project/environment`, `*` for each; `everything` for what belongs to no project.
    pub places: Vec<String>,
    /// The windows in which it is so, in words.
    pub windows: String,
    /// An instant at which it is so.
    pub example: Instant,
}

/// All differences between two policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// Gains first.
    pub differences: Vec<RightsChange>,
    /// Whether nothing is left out; with a matcher of one's own it may be.
    pub is_complete: bool,
}

impl PolicyDiff {
    /// Whether somebody may more than before.
    pub fn has_gain(&self) -> bool {
        self.differences.iter().any(|one| one.shift.is_gain())
    }
}

/// One cell in which two policies differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell<'a> {
    pub spot: Spot<'a>,
    pub action: Action,
    pub shift: Shift,
}

/// Where two policies differ for one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cells<'a> {
    pub differing: BTreeMap<Cell<'a>, StateSet>,
    /// Every spot that either policy can tell apart for the name.
    pub spots: BTreeSet<Spot<'a>>,
}

impl Cells<'_> {
    /// The states in which `cell` differs, at its spot or at the one that stands for it here.
    pub fn at<'s>(&'s self, cell: &Cell<'s>) -> Option<&'s StateSet> {
        let from = Spot {
            project: cell.spot.project,
            environment: "",
        };
        let first = self.spots.range(from..).next();
        let project = match first.is_some_and(|spot| spot.project == cell.spot.project) {
            true => cell.spot.project,
            false => OTHER,
        };
        let environment = match self
            .spots
            .iter()
            .any(|spot| spot.environment == cell.spot.environment)
        {
            true => cell.spot.environment,
            false => OTHER,
        };
        let here = Cell {
            spot: Spot { project, environment },
            ..cell.clone()
        };
        self.differing.get(&here)
    }
}

/// Compares the policies `old` and `new` from `now` on.
pub(super) fn diff(old: &Policy, new: &Policy, now: Instant) -> PolicyDiff {
    let states = States::of(&[&old.calendar, &new.calendar], now);
    let comparison = PolicyComparison::new(old, new, &states);
    let everybody = comparison.cells(GUEST);
    // The same differences, by whom they are about.
    let mut by_cells: BTreeMap<Cells<'_>, Vec<String>> = BTreeMap::new();
    let names: BTreeSet<String> = people(old).into_iter().chain(people(new)).collect();
    // Whom the same rules are about, the same differences are about.
    let mut by_rules: BTreeMap<[Vec<usize>; 2], Vec<String>> = BTreeMap::new();
    for name in names {
        let rules = comparison.rules_of(&name);
        if comparison.may_differ(&rules) {
            by_rules.entry(rules).or_default().push(name);
        }
    }
    for (rules, names) in by_rules {
        let mut cells = comparison.cells_of(&rules);
        for (cell, states) in &mut cells.differing {
            // What changes for everybody is told once.
            if let Some(of_all) = everybody.at(cell) {
                states.take(of_all);
            }
        }
        cells.differing.retain(|_, states| !states.is_empty());
        by_cells.entry(cells).or_default().extend(names);
    }
    for names in by_cells.values_mut() {
        names.sort_unstable();
    }
    by_cells.entry(everybody).or_default().push(GUEST.to_owned());
    let told = by_cells
        .into_iter()
        .flat_map(|(cells, who)| comparison.told(cells, &who));
    let mut differences: Vec<RightsChange> = told.collect();
    differences.sort_by(|one, other| {
        (one.shift, &one.who, &one.places).cmp(&(other.shift, &other.who, &other.places))
    });
    PolicyDiff {
        differences,
        is_complete: old.is_standard() && new.is_standard() && states.is_complete,
    }
}

/// Two policies, prepared for being compared.
pub(super) struct PolicyComparison<'a> {
    old: Grid<'a>,
    new: Grid<'a>,
    states: &'a States,
    calendars: [&'a Policy; 2],
    /// By rule, a number that is the same for rules that mean the same.
    meanings: [Vec<usize>; 2],
}

impl<'a> PolicyComparison<'a> {
    pub fn new(old: &'a Policy, new: &'a Policy, states: &'a States) -> Self {
        let (old_grid, new_grid) = (Grid::new(old, states, 0), Grid::new(new, states, 1));
        let mut known = HashMap::new();
        let meanings = [&old_grid, &new_grid].map(|grid| meanings(grid, &mut known));
        Self {
            old: old_grid,
            new: new_grid,
            states,
            calendars: [old, new],
            meanings,
        }
    }

    /// The rules for `name` in each policy.
    fn rules_of(&self, name: &str) -> [Vec<usize>; 2] {
        [self.old.rules_of(name), self.new.rules_of(name)]
    }

    /// Whether these rules mean something else in each policy.
    fn may_differ(&self, [old_rules, new_rules]: &[Vec<usize>; 2]) -> bool {
        let meant = |rules: &[usize], meanings: &[usize]| {
            let known = rules.iter().filter_map(|rule| meanings.get(*rule).copied());
            known.collect::<BTreeSet<usize>>()
        };
        let [old, new] = &self.meanings;
        meant(old_rules, old) != meant(new_rules, new)
    }

    /// Where both differ for `name`, and in which states.
    pub fn cells(&self, name: &str) -> Cells<'_> {
        self.cells_of(&self.rules_of(name))
    }

    /// Where both differ for somebody whom these rules are about.
    fn cells_of(&self, [old_rules, new_rules]: &[Vec<usize>; 2]) -> Cells<'_> {
        let mut spots = self.old.spots(old_rules);
        spots.extend(self.new.spots(new_rules));
        // One policy may name the project of a difference, and the other one its environment.
        let spots = crossed(&spots);
        let mut differing = BTreeMap::new();
        // The spots of a project follow each other: rules about other projects are passed over once.
        let mut at_hand = (None, Vec::new(), Vec::new());
        for &spot in &spots {
            if at_hand.0 != Some(spot.project) {
                at_hand = (
                    Some(spot.project),
                    self.old.rules_about(old_rules, spot.project),
                    self.new.rules_about(new_rules, spot.project),
                );
            }
            let old_here = about(&self.old, &at_hand.1, spot);
            let new_here = about(&self.new, &at_hand.2, spot);
            if old_here.is_empty() && new_here.is_empty() {
                continue;
            }
            for &action in Action::ALL {
                let before = self.old.answer(&old_here, spot, action);
                let after = self.new.answer(&new_here, spot, action);
                if before == after {
                    continue;
                }
                let shifts = shifts(&before, &after).into_iter();
                for (shift, states) in shifts.filter(|(_, states)| !states.is_empty()) {
                    differing.insert(Cell { spot, action, shift }, states);
                }
            }
        }
        Cells { differing, spots }
    }

    /// The cells as differences: actions and places that share the states are told together.
    fn told(&self, cells: Cells<'_>, who: &[String]) -> Vec<RightsChange> {
        let universe = &cells.spots;
        let mut spots: BTreeMap<(Shift, Action, StateSet), BTreeSet<Spot<'_>>> = BTreeMap::new();
        for (cell, states) in cells.differing {
            spots
                .entry((cell.shift, cell.action, states))
                .or_default()
                .insert(cell.spot);
        }
        let mut actions: BTreeMap<(Shift, StateSet, Vec<String>), Vec<Action>> = BTreeMap::new();
        let mut first: HashMap<(Shift, StateSet, Vec<String>), Spot<'_>> = HashMap::new();
        for ((shift, action, states), spots) in spots {
            let key = (shift, states, places(&spots, universe));
            first
                .entry(key.clone())
                .or_insert_with(|| spots.first().copied().unwrap_or(NOWHERE));
            actions.entry(key).or_default().push(action);
        }
        let difference =
            |((shift, states, places), actions): ((Shift, StateSet, Vec<String>), Vec<Action>)| {
                let spot = first
                    .get(&(shift, states.clone(), places.clone()))
                    .copied()
                    .unwrap_or(NOWHERE);
                let example = states
                    .first()
                    .and_then(|state| self.states.at(state))
                    .unwrap_or_default();
                RightsChange {
                    shift,
                    who: who.to_vec(),
                    windows: self.windows(shift, spot).describe(&states, self.states),
                    actions,
                    places,
                    example,
                }
            };
        actions.into_iter().map(difference).collect()
    }

    /// The windows that describe a difference: of the policy by which it is allowed or denied.
    fn windows(&self, shift: Shift, spot: Spot<'_>) -> Windows {
        let number = match shift {
            Shift::Gained | Shift::Eased | Shift::Tightened | Shift::Denied => 1,
            Shift::Freed | Shift::Lost => 0,
        };
        let resource = spot.resource();
        let calendar = &self.calendars[number].calendar;
        Windows::of(self.states, number, calendar, |freeze| freeze.concerns(&resource))
    }
}

/// By rule, a number for what it means.
fn meanings<'a>(grid: &Grid<'a>, known: &mut HashMap<Meaning<'a>, usize>) -> Vec<usize> {
    let freezes = grid.freezes();
    let meaning = |(index, rule): (usize, &'a Rule)| {
        let is_freeze = rule.window == FREEZE || rule.window.starts_with(ONE_FREEZE);
        let states = grid.window(index, NOWHERE);
        let key = Meaning {
            projects: grid.projects_of(rule),
            environment: &rule.environment,
            actions: grid.bits(index),
            states: (!is_freeze).then_some(states),
            freezes: is_freeze.then(|| (rule.window.as_str(), freezes.clone())),
            deny: rule.deny,
            second: rule.second.as_deref(),
        };
        let next = known.len();
        *known.entry(key).or_insert(next)
    };
    grid.rules().iter().enumerate().map(meaning).collect()
}

/// What a rule says, whatever its subject.
#[derive(PartialEq, Eq, Hash)]
struct Meaning<'a> {
    /// The projects it is about, or those that it leaves out where it is about all.
    projects: (bool, Vec<String>),
    environment: &'a str,
    actions: u32,
    states: Option<StateSet>,
    freezes: Option<(&'a str, Vec<(String, StateSet)>)>,
    deny: bool,
    second: Option<&'a str>,
}

/// How an answer changes, and in which states.
fn shifts(before: &WorkedAnswer, after: &WorkedAnswer) -> Vec<(Shift, StateSet)> {
    let (allowed_before, allowed_after) = (before.allowed(), after.allowed());
    let mut both = allowed_before.clone();
    both.keep(&allowed_after);
    let (mut eased, mut tightened) = (
        after.alone.without(&before.alone),
        before.alone.without(&after.alone),
    );
    for (second, states) in &after.with {
        let known = before.with.iter().find(|(one, _)| one == second);
        let mut new = known.map_or_else(|| states.clone(), |(_, known)| states.without(known));
        new.take(&before.alone);
        eased.add(&new);
    }
    for (second, states) in &before.with {
        let known = after.with.iter().find(|(one, _)| one == second);
        let mut gone = known.map_or_else(|| states.clone(), |(_, known)| states.without(known));
        gone.take(&after.alone);
        tightened.add(&gone);
    }
    eased.keep(&both);
    tightened.keep(&both);
    let mut freed = before.denied.without(&after.denied);
    freed.take(&allowed_after);
    let mut denied = after.denied.without(&before.denied);
    denied.take(&allowed_before);
    vec![
        (Shift::Gained, allowed_after.without(&allowed_before)),
        (Shift::Lost, allowed_before.without(&allowed_after)),
        (Shift::Eased, eased),
        (Shift::Tightened, tightened),
        (Shift::Freed, freed),
        (Shift::Denied, denied),
    ]
}

/// The rules that are about `spot`.
fn about(grid: &Grid<'_>, rules: &[usize], spot: Spot<'_>) -> Vec<usize> {
    let is_about = |rule: &usize| {
        grid.rules()
            .get(*rule)
            .is_some_and(|rule| grid.is_about(rule, spot))
    };
    rules.iter().copied().filter(is_about).collect()
}
