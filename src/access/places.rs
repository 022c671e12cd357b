//! Many places in few words.

use std::collections::BTreeSet;

use super::columns::project_of;
use super::grid::{NOWHERE, OTHER, Spot};
use super::rule::ANY;

/// Spots in few words, among all that can be told apart: `*/prod`, `shop/*`, `shop/prod`.
pub(super) fn places<'a>(spots: &BTreeSet<Spot<'a>>, universe: &BTreeSet<Spot<'a>>) -> Vec<String> {
    let mut left = spots.clone();
    let mut told = Vec::new();
    if left.remove(&NOWHERE) {
        told.push("everything".to_owned());
    }
    if take(&mut left, universe, |_| true) {
        told.push("*/*".to_owned());
    }
    let environments: BTreeSet<&str> = left.iter().map(|spot| spot.environment).collect();
    for environment in environments {
        if take(&mut left, universe, |spot| spot.environment == environment) {
            told.push(place_word("*", environment));
        }
    }
    let projects: BTreeSet<&str> = left.iter().map(|spot| spot.project).collect();
    for project in projects {
        let name = match project {
            OTHER => "any other project",
            name => project_of(name).unwrap_or(name),
        };
        if take_project(&mut left, universe, project) {
            told.push(format!("{name}/*"));
        }
    }
    told.extend(left.iter().map(|spot| match (spot.project, spot.environment) {
        (OTHER, environment) => place_word("any other project", environment),
        (project, _) if is_area(spot) => project.trim_start_matches(AREA).to_owned(),
        (project, environment) => place_word(project_of(project).unwrap_or(project), environment),
    }));
    told
}

/// Takes the spots that fit away, if all of the universe are there.
fn take<'a>(
    left: &mut BTreeSet<Spot<'a>>,
    universe: &BTreeSet<Spot<'a>>,
    fits: impl Fn(&Spot<'a>) -> bool,
) -> bool {
    let is_meant = |spot: &Spot<'a>| spot.project != ANY && !is_area(spot) && fits(spot);
    let mut own = universe.iter().filter(|spot| is_meant(spot)).peekable();
    let is_whole = own.peek().is_some() && own.all(|spot| left.contains(spot));
    if is_whole {
        left.retain(|spot| !is_meant(spot));
    }
    is_whole
}

/// The same for the spots of one project, without looking at those of others.
fn take_project<'a>(left: &mut BTreeSet<Spot<'a>>, universe: &BTreeSet<Spot<'a>>, project: &'a str) -> bool {
    let from = Spot {
        project,
        environment: "",
    };
    let own = universe.range(from..).take_while(|spot| spot.project == project);
    let own: Vec<Spot<'a>> = own
        .copied()
        .filter(|spot| spot.project != ANY && !is_area(spot))
        .collect();
    let is_whole = !own.is_empty() && own.iter().all(|spot| left.contains(spot));
    if is_whole {
        own.iter().for_each(|spot| {
            left.remove(spot);
        });
    }
    is_whole
}

/// What the keys of areas begin with.
const AREA: &str = "area:";

fn is_area(spot: &Spot<'_>) -> bool {
    spot.project.starts_with(AREA)
}

fn place_word(project: &str, environment: &str) -> String {
    match environment {
        OTHER => format!("{project}/any other environment"),
        ANY => format!("{project} as a whole"),
        name => format!("{project}/{name}"),
    }
}
