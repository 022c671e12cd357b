//! Names that are nearly others: a letter too much, two changed over, a role without `role:`.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::super::expectations::Expectation;
use super::super::files::{CALENDAR, POLICY, TESTS};
use super::super::problem::Problem;
use super::super::rule::ANY;
use super::super::suspicions::look;
use super::checked::CheckedPolicy;
use crate::domain::access::GUEST;
use crate::domain::{Action, Area, Resource};

/// Where the longer of two names is shorter than this, they differ in one letter and mean different things:
/// `dev`, `qa1`.
const SHORTEST: usize = 4;
/// Names of one kind that are compared with each other.
const NAMES: usize = 3_000;

/// Where a name stands first, and how often it is used.
#[derive(Debug, Clone, Copy)]
struct Use {
    file: &'static str,
    line: u32,
    times: usize,
}

/// The names of one kind.
#[derive(Default)]
struct Names<'a>(BTreeMap<&'a str, Use>);

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str, file: &'static str, line: u32) {
        let new = Use { file, line, times: 0 };
        self.0.entry(name).or_insert(new).times += 1;
    }
}

pub(super) fn check(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let lines = checked.policy.lines();
    let mut projects = Names::default();
    let mut environments = Names::default();
    let mut subjects = Names::default();
    let mut groups = Names::default();
    for rule in &lines.rules {
        let line = rule.line.line;
        for (names, name) in [
            (&mut projects, &rule.project),
            (&mut environments, &rule.environment),
            (&mut subjects, &rule.subject),
        ] {
            if name != ANY {
                names.add(name, POLICY, line);
            }
        }
    }
    for link in &lines.roles {
        subjects.add(&link.from, POLICY, link.line);
        subjects.add(&link.to, POLICY, link.line);
    }
    for link in lines.groups.iter().filter(|link| link.line > 0) {
        projects.add(&link.from, POLICY, link.line);
        groups.add(&link.to, POLICY, link.line);
    }
    let freezes = checked.policy.calendar.freezes.iter();
    for (freeze, &line) in freezes.zip(&checked.calendar.freezes) {
        freeze
            .projects
            .iter()
            .for_each(|name| projects.add(name, CALENDAR, line));
        freeze
            .environments
            .iter()
            .for_each(|name| environments.add(name, CALENDAR, line));
    }
    for names in [&projects, &environments, &subjects] {
        near(names, problems);
    }
    for names in [&projects, &environments] {
        alike(names, problems);
    }
    without_prefix(&subjects, "role:", "a user", "role", problems);
    for (name, used) in groups.0 {
        projects.0.entry(name).or_insert(used);
    }
    without_prefix(&projects, "projects:", "a project", "group of projects", problems);
    tests(checked, &projects, &environments, &subjects, problems);
}

/// Names used once that are nearly one used more often.
fn near(names: &Names<'_>, problems: &mut Vec<Problem>) {
    if names.0.len() > NAMES {
        return;
    }
    for (name, own) in names.0.iter().filter(|(_, own)| own.times == 1) {
        let like = names
            .0
            .iter()
            .filter(|(other, used)| used.times > 1 && is_near(name, other));
        if let Some((other, used)) = like.max_by_key(|(_, used)| used.times) {
            let message = format!(
                "“{name}” is named only here, and “{other}” {} times: is that the one?",
                used.times
            );
            problems.push(Problem::warning(own.file, own.line, message));
        }
    }
}

/// Whether two names differ by one letter, or by two that changed places. Names that differ in digits
/// only are meant to.
pub(super) fn is_near(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let (a, b): (Vec<char>, Vec<char>) = (short.chars().collect(), long.chars().collect());
    if b.len() < SHORTEST || b.len() - a.len().min(b.len()) > 1 || look(one) == look(other) {
        return false;
    }
    let from = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[from..], &b[from..]);
    match (a, b) {
        ([x, a @ ..], [y, b @ ..]) if a.len() == b.len() => {
            let one_letter = a == b && !(x.is_ascii_digit() && y.is_ascii_digit());
            let swapped = matches!((a, b), ([p, a @ ..], [q, b @ ..]) if (x, p) == (q, y) && a == b);
            one_letter || swapped
        }
        (a, [y, b @ ..]) => a == b && !y.is_ascii_digit(),
        _ => false,
    }
}

/// Names that a reader takes for one another, of which each is another project or environment. Subjects
/// are looked at apart.
fn alike(names: &Names<'_>, problems: &mut Vec<Problem>) {
    let mut known: BTreeMap<String, (&str, Use)> = BTreeMap::new();
    let mut in_order: Vec<(&str, Use)> = names.0.iter().map(|(name, own)| (*name, *own)).collect();
    in_order.sort_by_key(|(name, own)| (Reverse(own.times), own.line, *name));
    for (name, own) in in_order {
        match known.entry(look(name)) {
            Entry::Vacant(place) => {
                place.insert((name, own));
            }
            Entry::Occupied(place) => {
                let (other, used) = place.get();
                let message = format!(
                    "“{name}” looks like “{other}” of line {}, and is another one. Write both alike if they are one.",
                    used.line
                );
                problems.push(Problem::warning(own.file, own.line, message));
            }
        }
    }
}

/// What is called like a role or a group, without the beginning that would make it one.
fn without_prefix(names: &Names<'_>, prefix: &str, is: &str, meant: &str, problems: &mut Vec<Problem>) {
    for (name, own) in names.0.iter().filter(|(name, _)| !name.contains(':')) {
        let whole = format!("{prefix}{name}");
        if let Some(used) = names.0.get(whole.as_str()) {
            let message = format!(
                "“{name}” is {is} here; the {meant} of line {} is written “{whole}”.",
                used.line
            );
            problems.push(Problem::warning(own.file, own.line, message));
        }
    }
}

/// A mistyped name in a test that somebody may not do something passes always.
fn tests(
    checked: &CheckedPolicy<'_>,
    projects: &Names<'_>,
    environments: &Names<'_>,
    subjects: &Names<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut told = BTreeSet::new();
    for one in checked.expected {
        if let Some(why) = cannot_fail(one, checked.model.groups) {
            problems.push(Problem::warning(TESTS, one.line, why));
        }
        for (name, kind) in named(one) {
            let known = match kind {
                Kind::Project => projects,
                Kind::Environment => environments,
                Kind::Subject => subjects,
            };
            if known.0.contains_key(name) || !told.insert(name) {
                continue;
            }
            let near = known.0.keys().find(|other| is_near(name, other));
            // Somebody's groups may have lines where they have none themselves.
            let is_alone = !one
                .names
                .iter()
                .any(|name| subjects.0.contains_key(name.as_str()));
            let message = match near {
                Some(near) => format!("No line names “{name}”, but some name “{near}”: is that the one?"),
                None if kind != Kind::Subject => continue,
                None if name.contains(':') => format!("No line names “{name}”."),
                None if is_alone && !one.allowed => format!(
                    "No line names “{name}”, so this only tests what everybody may: write “guest may not …” if that is meant."
                ),
                None => continue,
            };
            problems.push(Problem::warning(TESTS, one.line, message));
        }
    }
}

/// Why an expectation says nothing: what it asks about is asked nowhere.
fn cannot_fail(one: &Expectation, areas: bool) -> Option<String> {
    if !areas {
        return None;
    }
    match &one.resource {
        Resource::Area(area) if !area.actions().contains(&one.action) => {
            let asked: Vec<&str> = area.actions().iter().copied().map(Action::as_str).collect();
            Some(format!(
                "Of “{area}” only {} is ever asked, so nobody may {} it and this tests nothing.",
                asked.join(" or "),
                one.action
            ))
        }
        Resource::Project(project) | Resource::Environment(project, _) => {
            let area = Area::parse(project)?;
            Some(format!(
                "“{area}” means {} here and no project can be called so: write “{area}” alone, or the name of a project.",
                area.title()
            ))
        }
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Project,
    Environment,
    Subject,
}

/// The names in an expectation.
fn named(one: &Expectation) -> Vec<(&str, Kind)> {
    let subjects = one.names.iter().chain(&one.second).map(String::as_str);
    let mut named: Vec<(&str, Kind)> = subjects
        .filter(|name| *name != GUEST)
        .map(|name| (name, Kind::Subject))
        .collect();
    match &one.resource {
        Resource::Everything | Resource::Area(_) => {}
        Resource::Project(project) => named.push((project, Kind::Project)),
        Resource::Environment(project, environment) => {
            named.push((project, Kind::Project));
            named.push((environment, Kind::Environment));
        }
    }
    named
}
