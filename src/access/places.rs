//! Many places in few words.

use std::collections::BTreeSet;

use serde::Serialize;

use super::columns::project_of;
use super::grid::{NOWHERE, OTHER, Spot};
use super::rule::ANY;

/// Names of places that a sentence leaves out of all others one by one; more are counted.
const NAMED: usize = 3;

/// The places that a sentence only counts: `any project but 12 named ones`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedPlaces {
    /// `project` or `environment`.
    pub kind: &'static str,
    pub names: Vec<String>,
}

/// The places that are left out in `told`, words of [`places`], and only counted there.
pub(super) fn left_out(told: &[String], universe: &BTreeSet<Spot<'_>>) -> Vec<NamedPlaces> {
    let is_told = |words: &str| told.iter().any(|one| one.contains(words));
    // Most places are told without.
    if !is_told(COUNTED) {
        return Vec::new();
    }
    let of = |kind, names: BTreeSet<&str>| {
        let is_meant = names.len() > NAMED && is_told(&all_but(kind, &names));
        is_meant.then(|| NamedPlaces {
            kind,
            names: names.into_iter().map(str::to_owned).collect(),
        })
    };
    let (projects, environments) = (named_projects(universe), named_environments(universe));
    let both = [of("project", projects), of("environment", environments)];
    both.into_iter().flatten().collect()
}

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
        Self {
            project: all_but("project", &named_projects(universe)),
            environment: all_but("environment", &named_environments(universe)),
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

fn is_named(name: &&str) -> bool {
    *name != OTHER && *name != ANY
}

fn named_projects<'a>(universe: &BTreeSet<Spot<'a>>) -> BTreeSet<&'a str> {
    let spots = universe.iter().filter(|spot| !is_area(spot));
    let keys = spots.map(|spot| spot.project).filter(is_named);
    keys.map(|key| project_of(key).unwrap_or(key)).collect()
}

fn named_environments<'a>(universe: &BTreeSet<Spot<'a>>) -> BTreeSet<&'a str> {
    universe
        .iter()
        .map(|spot| spot.environment)
        .filter(is_named)
        .collect()
}

/// Words that end what is only counted.
const COUNTED: &str = " named ones";

/// All of a kind but those that are named.
fn all_but(kind: &str, named: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = named.iter().copied().collect();
    match names.as_slice() {
        [] => format!("any {kind}"),
        few if few.len() <= NAMED => format!("any {kind} but {}", few.join(", ")),
        many => format!("any {kind} but {}{COUNTED}", many.len()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_named_places_are_counted_and_listed_beside() {
        let names = ["a", "b", "c", "d", OTHER];
        let told = |names: &[&'static str]| {
            let spot = |project| Spot {
                project,
                environment: "prod",
            };
            let spots: BTreeSet<Spot<'_>> = names.iter().map(|name| spot(*name)).collect();
            let others: BTreeSet<Spot<'_>> = [spot(OTHER)].into();
            let told = places(&others, &spots);
            let left_out = left_out(&told, &spots);
            (told, left_out)
        };
        let few = told(&names[2..]);
        assert_eq!(few, (vec!["any project but c, d/*".to_owned()], Vec::new()));
        let (many, left_out) = told(&names);
        assert_eq!(many, ["any project but 4 named ones/*"]);
        assert_eq!((left_out[0].kind, left_out[0].names.len()), ("project", 4));
        assert_eq!(left_out.len(), 1);
    }
}
