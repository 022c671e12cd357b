//! What somebody may by one policy and not by another.
//!
//! Both are worked out for every subject, place and action that either can tell apart, in every state
//! of time that either calendar can tell apart, so nothing is left out as long as both have a matcher
//! that was shipped. Every name of a person answers by itself, so names that answer alike answer alike
//! together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::cells::{Cell, Cells};
use super::describe::Windows;
use super::grid::{Grid, NOWHERE, Spot, crossed};
use super::places::{NamedPlaces, left_out, places};
use super::policy::Policy;
use super::rights::people;
use super::rule::Rule;
use super::seconds::{second_persons, second_shifts, seconded_by};
use super::shift::{Shift, counted, shifts};
use super::states::{StateSet, States};
use crate::domain::access::GUEST;
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Action, Instant};

/// A difference between two policies: the same for some people, actions and places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RightsChange {
    pub shift: Shift,
    /// Users and groups; `default` for everybody.
    pub who: Vec<String>,
    /// Users and groups that it is not about, where it is about everybody: they had it otherwise, or still have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub but: Vec<String>,
    pub actions: Vec<Action>,
    /// `project/environment`, `*` for each; `everything` for what belongs to no project.
    pub places: Vec<String>,
    /// Places that [`Self::places`] leaves out and only counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<NamedPlaces>,
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

    /// How many gain and lose, in words, without names: `2 users or groups gain, 1 loses`.
    pub fn summary(&self) -> String {
        let those = |is_gain: bool| -> BTreeSet<&str> {
            let all = self
                .differences
                .iter()
                .filter(|one| one.shift.is_gain() == is_gain);
            all.flat_map(|one| &one.who).map(String::as_str).collect()
        };
        let gaining = counted(&those(true), ["gains", "gain"], "user or group");
        // The second number is of the same.
        let is_said = gaining.as_ref().is_some_and(|said| said.contains("group"));
        let losing = counted(
            &those(false),
            ["loses", "lose"],
            if is_said { "" } else { "user or group" },
        );
        let told: Vec<String> = gaining.into_iter().chain(losing).collect();
        let mut said = match told.is_empty() {
            true => "nobody gains or loses".to_owned(),
            false => told.join(", "),
        };
        if !self.is_complete {
            said.push_str("; not everything could be compared");
        }
        said
    }
}

/// Whom a difference for everybody is not about, by its cell.
type Exempt<'a> = BTreeMap<Cell<'a>, BTreeSet<String>>;
/// What cells that are told together share: the words for their windows, and whom they are not about.
type ToldCell = (Shift, Action, StateSet, String, BTreeSet<String>);
/// The same with their places, for all actions.
type ToldPlaces = (Shift, StateSet, String, BTreeSet<String>, Vec<String>);

/// Compares the policies `old` and `new` from `now` on; `None` once `gives_up` says so.
pub(super) fn diff(
    (old, new): (&Policy, &Policy),
    now: Instant,
    gives_up: &dyn Fn() -> bool,
) -> Option<PolicyDiff> {
    let states = States::of(&[&old.calendar, &new.calendar], now);
    let mut comparison = PolicyComparison::new(old, new, &states);
    comparison.gives_up = gives_up;
    let everybody = comparison.cells(GUEST);
    // The same differences, by whom they are about.
    let mut by_cells: BTreeMap<Cells<'_>, Vec<String>> = BTreeMap::new();
    let mut exempt = Exempt::new();
    for (rules, names) in comparison.by_rules().into_iter().take_while(|_| !gives_up()) {
        let mut cells = match comparison.may_differ(&rules) {
            true => comparison.cells_of(&rules),
            false => Cells::default(),
        };
        // Whoever keeps it by a name of their own loses nothing.
        let lost = everybody
            .differing
            .iter()
            .filter(|(cell, _)| !cell.shift.is_gain());
        for (cell, _) in lost.filter(|one| !cells.has_all_of(&everybody, *one)) {
            exempt
                .entry(cell.clone())
                .or_default()
                .extend(names.iter().cloned());
        }
        for (cell, states) in &mut cells.differing {
            // What changes for everybody is told once.
            let of_all = Cell {
                spot: everybody.home(cell.spot),
                ..cell.clone()
            };
            let is_exempt = exempt
                .get(&of_all)
                .is_some_and(|exempt| exempt.contains(&names[0]));
            if let Some(of_all) = everybody.at(cell).filter(|_| !is_exempt) {
                states.take(of_all);
            }
        }
        cells.differing.retain(|_, states| !states.is_empty());
        if !cells.differing.is_empty() {
            by_cells.entry(cells).or_default().extend(names);
        }
    }
    for names in by_cells.values_mut() {
        names.sort_unstable();
    }
    if gives_up() {
        return None;
    }
    let mut differences = comparison.told(everybody, &[GUEST.to_owned()], &exempt);
    differences.extend(
        by_cells
            .into_iter()
            .flat_map(|(cells, who)| comparison.told(cells, &who, &Exempt::new())),
    );
    differences.sort_by(|one, other| {
        (one.shift, &one.who, &one.places).cmp(&(other.shift, &other.who, &other.places))
    });
    Some(PolicyDiff {
        differences,
        is_complete: old.is_standard() && new.is_standard() && states.is_complete,
    })
}

/// In each policy: the rules that are about somebody, and those whose second person that one may be.
type RulesOf = [(Vec<usize>, Vec<usize>); 2];

/// The rules about somebody that are about a project.
#[derive(Default)]
struct RulesAtHand<'a> {
    project: Option<&'a str>,
    old: Vec<usize>,
    new: Vec<usize>,
}

/// Two policies, prepared for being compared.
pub(super) struct PolicyComparison<'a> {
    old: Grid<'a>,
    new: Grid<'a>,
    states: &'a States,
    calendars: [&'a Policy; 2],
    /// By rule, a number that is the same for rules that mean the same.
    meanings: [Vec<usize>; 2],
    /// Whether nobody waits for the rest any more: what is found then is not whole.
    gives_up: &'a dyn Fn() -> bool,
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
            gives_up: &|| false,
        }
    }

    /// Everybody whom either policy names. Whom the same rules are about, the same differences are about.
    fn by_rules(&self) -> BTreeMap<RulesOf, Vec<String>> {
        let named = self
            .calendars
            .map(|policy| people(policy).into_iter().chain(second_persons(policy)));
        let names: BTreeSet<String> = named.into_iter().flatten().collect();
        let mut by_rules: BTreeMap<RulesOf, Vec<String>> = BTreeMap::new();
        for name in names {
            by_rules.entry(self.rules_of(&name)).or_default().push(name);
        }
        by_rules
    }

    /// The rules for `name` in each policy, and those whose second person it may be.
    fn rules_of(&self, name: &str) -> RulesOf {
        [&self.old, &self.new].map(|grid| (grid.rules_of(name), seconded_by(grid, name)))
    }

    /// Whether these rules mean something else in each policy.
    fn may_differ(&self, [old_rules, new_rules]: &RulesOf) -> bool {
        let meant = |grid: &Grid<'a>, (own, seconded): &(Vec<usize>, Vec<usize>), meanings: &[usize]| {
            let meaning = |rule: usize| meanings.get(rule).copied();
            let own = own.iter().filter_map(|rule| meaning(*rule));
            let seconded = seconded.iter().filter_map(|&rule| {
                let subject = grid.rules().get(rule)?.subject.as_str();
                Some((subject, meaning(rule)?))
            });
            (
                own.collect::<BTreeSet<usize>>(),
                seconded.collect::<BTreeSet<(&str, usize)>>(),
            )
        };
        let [old, new] = &self.meanings;
        meant(&self.old, old_rules, old) != meant(&self.new, new_rules, new)
    }

    /// Where both differ for `name`, and in which states.
    pub fn cells(&self, name: &str) -> Cells<'_> {
        self.cells_of(&self.rules_of(name))
    }

    /// Where both differ for somebody whom these rules are about.
    fn cells_of(&self, [(old_rules, old_seconded), (new_rules, new_seconded)]: &RulesOf) -> Cells<'_> {
        let mut spots = self.old.spots(old_rules);
        spots.extend(self.new.spots(new_rules));
        for (grid, seconded) in [(&self.old, old_seconded), (&self.new, new_seconded)] {
            if !seconded.is_empty() {
                spots.extend(grid.spots(seconded));
            }
        }
        // One policy may name the project of a difference, and the other one its environment.
        let spots = crossed(&spots);
        let mut at_hand = RulesAtHand::default();
        let mut differing = BTreeMap::new();
        for &spot in spots.iter().take_while(|_| !(self.gives_up)()) {
            // The spots of a project follow each other: rules about other projects are passed over once.
            if at_hand.project != Some(spot.project) {
                at_hand = RulesAtHand {
                    project: Some(spot.project),
                    old: self.old.rules_about(old_rules, spot.project),
                    new: self.new.rules_about(new_rules, spot.project),
                };
            }
            let old_here = about(&self.old, &at_hand.old, spot);
            let new_here = about(&self.new, &at_hand.new, spot);
            let old_seconds = about(&self.old, old_seconded, spot);
            let new_seconds = about(&self.new, new_seconded, spot);
            let mut here = |action, shifts: Vec<(Shift, StateSet)>| {
                let told = shifts.into_iter().filter(|(_, states)| !states.is_empty());
                differing.extend(told.map(|(shift, states)| (Cell { spot, action, shift }, states)));
            };
            if !old_seconds.is_empty() || !new_seconds.is_empty() {
                for &action in Action::ALL {
                    let (old, new) = ((&self.old, &old_seconds[..]), (&self.new, &new_seconds[..]));
                    here(action, second_shifts(old, new, (spot, action)).into());
                }
            }
            if old_here.is_empty() && new_here.is_empty() {
                continue;
            }
            for &action in Action::ALL {
                let before = self.old.answer(&old_here, spot, action);
                let after = self.new.answer(&new_here, spot, action);
                if before != after {
                    here(action, shifts(&before, &after));
                }
            }
        }
        Cells { differing, spots }
    }

    /// The cells as differences: actions and places that share the states, and the words for them, are told
    /// together. `exempt`: by cell, whom it is not about although they are of `who`.
    fn told(&self, cells: Cells<'_>, who: &[String], exempt: &Exempt<'_>) -> Vec<RightsChange> {
        let universe = &cells.spots;
        let mut by_words: BTreeMap<ToldCell, BTreeSet<Spot<'_>>> = BTreeMap::new();
        for (cell, states) in cells.differing {
            let words = self.windows(cell.shift, cell.spot).describe(&states, self.states);
            let but = exempt.get(&cell).cloned().unwrap_or_default();
            let key = (cell.shift, cell.action, states, words, but);
            by_words.entry(key).or_default().insert(cell.spot);
        }
        let mut actions: BTreeMap<ToldPlaces, Vec<Action>> = BTreeMap::new();
        for ((shift, action, states, words, but), spots) in by_words {
            let key = (shift, states, words, but, places(&spots, universe));
            actions.entry(key).or_default().push(action);
        }
        let difference = |(key, actions): (ToldPlaces, Vec<Action>)| {
            let (shift, states, windows, but, places) = key;
            let example = states.first().and_then(|state| self.states.at(state));
            RightsChange {
                shift,
                who: who.to_vec(),
                but: but.into_iter().collect(),
                windows,
                actions,
                left_out: left_out(&places, universe),
                places,
                example: example.unwrap_or_default(),
            }
        };
        actions.into_iter().map(difference).collect()
    }

    /// The windows that describe a difference: of the policy by which it is allowed or denied.
    fn windows(&self, shift: Shift, spot: Spot<'_>) -> Windows {
        let number = match shift {
            Shift::Gained | Shift::Eased | Shift::MaySecond | Shift::Tightened | Shift::Denied => 1,
            Shift::Freed | Shift::Lost | Shift::MaySecondNoMore => 0,
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

/// The rules that are about `spot`.
fn about(grid: &Grid<'_>, rules: &[usize], spot: Spot<'_>) -> Vec<usize> {
    let is_about = |rule: &usize| {
        grid.rules()
            .get(*rule)
            .is_some_and(|rule| grid.is_about(rule, spot))
    };
    rules.iter().copied().filter(is_about).collect()
}
