//! Who may be the second person that lines take, by one policy and not by another.
//!
//! Told whether or not the same name may approve there: the right to approve may come from another name of
//! the same person, such as a group of the login.

use super::columns::TWO_PERSON_ACTIONS;
use super::grid::{Grid, Spot};
use super::policy::Policy;
use super::shift::Shift;
use super::states::StateSet;
use crate::domain::Action;

/// The users and groups that lines name as a second person.
pub(super) fn second_persons(policy: &Policy) -> impl Iterator<Item = String> {
    let named = policy.rules().iter().filter_map(|rule| rule.second.as_ref());
    named.filter(|name| !name.starts_with("role:")).cloned()
}

/// The rules whose second person may be somebody of this one name, in the order of the file.
pub(super) fn seconded_by(grid: &Grid<'_>, name: &str) -> Vec<usize> {
    let names = grid.names_of(name);
    let rules = grid.rules().iter().enumerate();
    let takes_them = rules.filter(|(_, rule)| {
        let second = rule.second.as_deref();
        !rule.deny && second.is_some_and(|second| names.contains(&second))
    });
    takes_them.map(|(index, _)| index).collect()
}

/// What becomes of the power to be the second person of `action` at `spot`, where `old` and `new` are each a
/// policy with the rules whose second person somebody may be.
///
/// It is no gain where the requester needed nobody before, and no loss where they need nobody now.
pub(super) fn second_shifts(
    (old, old_rules): (&Grid<'_>, &[usize]),
    (new, new_rules): (&Grid<'_>, &[usize]),
    (spot, action): (Spot<'_>, Action),
) -> [(Shift, StateSet); 2] {
    let gained = added((old, old_rules), (new, new_rules), (spot, action));
    let lost = added((new, new_rules), (old, old_rules), (spot, action));
    [(Shift::MaySecond, gained), (Shift::MaySecondNoMore, lost)]
}

/// When a rule of `there` takes the second person, and neither a rule of `here` does nor its subject may
/// without one.
fn added(
    (here, here_rules): (&Grid<'_>, &[usize]),
    (there, there_rules): (&Grid<'_>, &[usize]),
    (spot, action): (Spot<'_>, Action),
) -> StateSet {
    let mut added = here.states().none().clone();
    if !TWO_PERSON_ACTIONS.contains(&action.as_str()) {
        return added;
    }
    let mut known = added.clone();
    for (_, states) in taken(here, here_rules, (spot, action)) {
        known.add(&states);
    }
    for (subject, mut states) in taken(there, there_rules, (spot, action)) {
        states.take(&known);
        states.take(&here.answer(&here.rules_of(subject), spot, action).alone);
        added.add(&states);
    }
    added
}

/// Whose requests of `action` at `spot` each of `rules` lets wait for its second person, and when.
fn taken<'a>(
    grid: &'a Grid<'_>,
    rules: &[usize],
    (spot, action): (Spot<'_>, Action),
) -> Vec<(&'a str, StateSet)> {
    let mut found = Vec::new();
    for &index in rules {
        let Some(rule) = grid.rules().get(index) else {
            continue;
        };
        if !grid.answers(index, action) || !grid.is_about(rule, spot) {
            continue;
        }
        let subject = rule.subject.as_str();
        let mut states = grid.window(index, spot);
        states.take(&grid.answer(&grid.rules_of(subject), spot, action).denied);
        found.push((subject, states));
    }
    found
}
