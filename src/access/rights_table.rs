//! Who may do what at one place, as a table: a row for everybody, one for each role, and one for each set
//! of rights that people have otherwise.

use std::collections::HashMap;

use super::policy::Policy;
use super::rights::{NameRights, RightsSearch, TimedRight, people, roles};
use super::states::{StateSet, States};
use super::who::is_within;
use crate::domain::access::GUEST;
use crate::domain::{Action, Instant, Resource};

/// When something is allowed, and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTime {
    /// Windows in words; or hours of one day, where the table is about a day.
    pub when: String,
    /// Whether it is so at all times.
    pub is_always: bool,
    /// Of whom the second person has to be; empty: nobody else is needed.
    pub with: Vec<String>,
}

/// Those who have the same rights at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsRow {
    /// `default` for everybody, or the role that gives them; `None`: these people have them otherwise.
    pub subject: Option<String>,
    /// The users and groups with exactly these rights, in the order of their names.
    pub people: Vec<String>,
    /// In the order of the table's actions; empty where the action is never allowed.
    pub cells: Vec<Vec<AllowedTime>>,
}

/// Who may do what at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsTable {
    pub actions: Vec<Action>,
    /// Everybody first, then roles, then people; each those with most rights first.
    pub rows: Vec<RightsRow>,
    /// Whether nobody is missing: see [`super::Holders`].
    pub is_complete: bool,
}

/// What tells rights apart: for each action the states and second persons, not the lines.
type Shape = Vec<Vec<(StateSet, Vec<String>)>>;

/// A row before it is put into words.
struct Draft {
    subject: Option<String>,
    rights: NameRights,
    people: Vec<String>,
}

/// Makes the table of `resource` from `now` on, of some of [`Action::ALL`].
pub(super) fn table(policy: &Policy, resource: &Resource, actions: &[Action], now: Instant) -> RightsTable {
    let states = States::of(&[&policy.calendar], now);
    let search = RightsSearch::new(policy, resource, actions, &states);
    let of_all = search.of(GUEST);
    let adds = |rights: &NameRights| {
        let mut pairs = rights.iter().zip(of_all.iter());
        pairs.any(|(own, of_all)| !is_within(own, of_all))
    };
    let has_some = of_all.iter().any(|rights| !rights.is_empty());
    let everybody = has_some.then(|| draft(GUEST.to_owned(), search.of(GUEST)));
    let of_roles = roles(policy).into_iter().map(|role| (search.of(&role), role));
    let of_roles = of_roles.filter(|(rights, _)| adds(rights));
    let mut of_roles: Vec<Draft> = of_roles.map(|(rights, role)| draft(role, rights)).collect();
    of_roles.sort_by_key(|row| std::cmp::Reverse(breadth(&row.rights)));
    let shapes: Vec<Shape> = of_roles.iter().map(|row| shape(&row.rights)).collect();
    let mut others: HashMap<Shape, Draft> = HashMap::new();
    for name in people(policy) {
        let own = search.of(&name);
        if !adds(&own) {
            continue;
        }
        let shape = shape(&own);
        let theirs = policy.roles_of(std::slice::from_ref(&name));
        let mut rows = of_roles.iter_mut().zip(&shapes);
        let found = rows.find(|(row, of_role)| {
            **of_role == shape && row.subject.as_ref().is_some_and(|role| theirs.contains(role))
        });
        match found {
            Some((row, _)) => row.people.push(name),
            None => {
                let row = others.entry(shape).or_insert_with(|| Draft {
                    subject: None,
                    rights: own,
                    people: Vec::new(),
                });
                row.people.push(name);
            }
        }
    }
    let mut others: Vec<Draft> = others.into_values().collect();
    others.sort_by_key(|row| (std::cmp::Reverse(breadth(&row.rights)), row.people.clone()));
    let rows = everybody.into_iter().chain(of_roles).chain(others);
    let row = |row: Draft| RightsRow {
        subject: row.subject,
        people: row.people,
        cells: row.rights.iter().map(|own| cell(&search, &states, own)).collect(),
    };
    RightsTable {
        actions: actions.to_vec(),
        rows: rows.map(row).collect(),
        is_complete: policy.is_standard() && states.is_complete,
    }
}

fn cell(search: &RightsSearch<'_>, states: &States, rights: &[TimedRight]) -> Vec<AllowedTime> {
    let time = |right: &TimedRight| AllowedTime {
        when: search.windows(right),
        is_always: right.states == *states.all(),
        with: right.with.clone(),
    };
    rights.iter().map(time).collect()
}

fn breadth(rights: &NameRights) -> usize {
    rights.iter().filter(|own| !own.is_empty()).count()
}

fn draft(subject: String, rights: NameRights) -> Draft {
    Draft {
        subject: Some(subject),
        rights,
        people: Vec::new(),
    }
}

fn shape(rights: &NameRights) -> Shape {
    let of_action = |own: &Vec<TimedRight>| {
        let mut shape: Vec<(StateSet, Vec<String>)> = own
            .iter()
            .map(|right| (right.states.clone(), right.with.clone()))
            .collect();
        shape.sort_unstable();
        shape
    };
    rights.iter().map(of_action).collect()
}
