//! Looks at the lines of a policy together: circles, roles that nobody has, roles that say nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::files::POLICY;
use super::lines::{Lines, Link};
use super::problem::Problem;

/// How far casbin follows roles of roles; what lies deeper is silently not granted there, so it is
/// an error here.
const DEPTH_LIMIT: usize = 9;

/// Adds to `problems` what is wrong between the lines.
pub(super) fn check(lines: &Lines, problems: &mut Vec<Problem>) {
    circles(&lines.roles, "role", problems);
    circles(&lines.implications, "action", problems);

    let granted: BTreeSet<&str> = lines.roles.iter().map(|link| link.to.as_str()).collect();
    let mut told = BTreeSet::new();
    for rule in lines
        .rules
        .iter()
        .filter(|rule| rule.subject.starts_with("role:"))
    {
        if !granted.contains(rule.subject.as_str()) && told.insert(rule.subject.as_str()) {
            let message = format!("No g line gives “{}” to anybody.", rule.subject);
            problems.push(Problem::warning(POLICY, rule.line.line, message));
        }
    }
    let says = |role: &str| lines.rules.iter().any(|rule| rule.subject == role);
    let holds = |role: &str| lines.roles.iter().any(|link| link.from == role);
    for link in &lines.roles {
        let role = link.to.as_str();
        if !says(role) && !holds(role) && told.insert(role) {
            let message = format!("“{role}” is given here, but no p line speaks of it.");
            problems.push(Problem::warning(POLICY, link.line, message));
        }
    }
}

/// Finds links that lead back to where they began, and chains that are too long.
fn circles(links: &[Link], what: &str, problems: &mut Vec<Problem>) {
    let mut next: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in links {
        next.entry(&link.from).or_default().push(link);
    }
    // The longest way from each name, found from its ends; a name met again on its own way is a
    // circle. The walk keeps its own stack, so that a long file cannot exhaust the thread's.
    let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
    for &start in next.keys() {
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_way: BTreeSet<&str> = [start].into();
        while let Some((name, tried)) = way.last_mut() {
            let links = next.get(*name).map_or(&[][..], Vec::as_slice);
            let Some(link) = links.get(*tried).filter(|_| !depth.contains_key(*name)) else {
                let longest = links.iter().filter_map(|link| depth.get(link.to.as_str())).max();
                let own = longest.map_or(0, |below| below + 1);
                let name = *name;
                depth.entry(name).or_insert(own);
                on_way.remove(name);
                way.pop();
                continue;
            };
            *tried += 1;
            if on_way.contains(link.to.as_str()) {
                let message = format!(
                    "This closes a circle: “{}” leads back to itself. Remove a line of it.",
                    link.to
                );
                problems.push(Problem::error(POLICY, link.line, message));
            } else if !depth.contains_key(link.to.as_str()) {
                on_way.insert(&link.to);
                way.push((&link.to, 0));
            }
        }
        if depth.get(start).is_some_and(|&depth| depth > DEPTH_LIMIT) {
            let line = next[start].first().map_or(0, |link| link.line);
            let message = format!(
                "From “{start}” more than {DEPTH_LIMIT} steps lead from {what} to {what}; make it shorter."
            );
            problems.push(Problem::error(POLICY, line, message));
        }
    }
}
