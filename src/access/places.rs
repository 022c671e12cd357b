//! Many places in few words.

use std::collections::BTreeSet;

use super::columns::project_of;
use super::grid::{NOWHERE, OTHER, Spot};
use super::rule::ANY;

/// Names of places that are left out of all others, one by one.
const NAMED: usize = 8;

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
    let others = Others::of(universe);
    let environments: BTreeSet<&str> = left.iter().map(|spot| spot.environment).collect();
    for environment in environments {
        if take(&mut left, universe, |spot| spot.environment == environment) {
            told.push(match environment {
                ANY => "* as a whole".to_owned(),
                environment => format!("*/{}", others.environment(environment)),
            });
        }
    }
    let projects: BTreeSet<&str> = left.iter().map(|spot| spot.project).collect();
    for project in projects {
        if take_project(&mut left, universe, project) {
            told.push(format!("{}/*", others.project(project)));
        }
    }
    // Those that are named come before all others.
    let (unnamed, named): (Vec<&Spot<'_>>, Vec<&Spot<'_>>) = left
        .iter()
        .partition(|spot| spot.project == OTHER || spot.environment == OTHER);
    told.extend(named.into_iter().chain(unnamed).map(|spot| match spot {
        spot if is_area(spot) => spot.project.trim_start_matches(AREA).to_owned(),
        spot => match spot.environment {
            ANY => format!("{} as a whole", others.project(spot.project)),
            environment => format!(
                "{}/{}",
                others.project(spot.project),
                others.environment(environment)
            ),
        },
    }));
    told
}

/// What stands for the places that nothing names: `any project`, or `any project but shop`.
struct Others {
    project: String,
    environment: String,
}

impl Others {
    fn of(universe: &BTreeSet<Spot<'_>>) -> Self {
        let is_named = |name: &&str| *name != OTHER && *name != ANY;
        let projects = universe
            .iter()
            .filter(|spot| !is_area(spot))
            .map(|spot| spot.project);
        let projects: BTreeSet<&str> = projects.filter(is_named).collect();
        let environments = universe.iter().map(|spot| spot.environment);
        let environments: BTreeSet<&str> = environments.filter(is_named).collect();
        let bare = projects.into_iter().map(|key| project_of(key).unwrap_or(key));
        Self {
            project: all_but("project", bare.collect()),
            environment: all_but("environment", environments),
        }
    }

    fn project<'n>(&'n self, name: &'n str) -> &'n str {
        match name {
            OTHER => &self.project,
            name => project_of(name).unwrap_or(name),
        }
    }

    fn environment<'n>(&'n self, name: &'n str) -> &'n str {
        if name == OTHER { &self.environment } else { name }
    }
}

/// All of a kind but those that are named.
fn all_but(kind: &str, named: BTreeSet<&str>) -> String {
    let first: Vec<&str> = named.iter().copied().take(NAMED).collect();
    match (first.as_slice(), named.len().saturating_sub(NAMED)) {
        ([], _) => format!("any {kind}"),
        (first, 0) => format!("any {kind} but {}", first.join(", ")),
        (first, more) => format!("any {kind} but {} and {more} more", first.join(", ")),
    }
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
