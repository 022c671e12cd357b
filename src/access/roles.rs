//! Checks the lines of a policy together: circles, roles that nobody has, roles without rules.

use std::collections::{BTreeMap, BTreeSet};

use super::files::POLICY;
use super::lines::PolicyLines;
use super::problem::Problem;
use super::rule::PolicyLink;

/// How far casbin follows roles of roles; what lies deeper is silently not granted there, so it is
/// an error here.
const DEPTH_LIMIT: usize = 9;

/// Adds to `problems` what is wrong between the lines.
pub(super) fn check(lines: &PolicyLines, problems: &mut Vec<Problem>) {
    circles(&lines.roles, "role", problems);
    circles(&lines.implications, "action", problems);
    circles(&lines.groups, "group", problems);

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
    let says = |role: &str| {
        let mut rules = lines.rules.iter();
        rules.any(|rule| rule.subject == role || rule.second.as_deref() == Some(role))
    };
    let holds = |role: &str| lines.roles.iter().any(|link| link.from == role);
    for link in &lines.roles {
        let role = link.to.as_str();
        if !says(role) && !holds(role) && told.insert(role) {
            let message = format!("“{role}” is given here, but no p line mentions it.");
            problems.push(Problem::warning(POLICY, link.line, message));
        }
    }
}

/// The names that each name links to.
type Next<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Finds links that lead back to where they began, and chains that are too long.
fn circles(links: &[PolicyLink], what: &str, problems: &mut Vec<Problem>) {
    let mut next = Next::new();
    for link in links {
        if reaches(&next, &link.to, &link.from) {
            let message = format!(
                "This line closes a cycle: “{}” leads back to itself. Remove a line of the cycle.",
                link.to
            );
            problems.push(Problem::error(POLICY, link.line, message));
        } else {
            next.entry(&link.from).or_default().push(&link.to);
        }
    }
    for link in links {
        if is_too_deep(&next, &link.from) {
            let message = format!(
                "The chain from “{}” takes more than {DEPTH_LIMIT} steps from {what} to {what}; shorten it.",
                link.from
            );
            problems.push(Problem::error(POLICY, link.line, message));
            break;
        }
    }
}

fn reaches(next: &Next<'_>, from: &str, to: &str) -> bool {
    let (mut waiting, mut seen) = (vec![from], BTreeSet::new());
    while let Some(name) = waiting.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            waiting.extend(next.get(name).into_iter().flatten());
        }
    }
    false
}

fn is_too_deep(next: &Next<'_>, from: &str) -> bool {
    let mut level = BTreeSet::from([from]);
    for _ in 0..=crate::sabotage::most("u3", DEPTH_LIMIT) {
        level = level
            .into_iter()
            .flat_map(|name| next.get(name).into_iter().flatten().copied())
            .collect();
    }
    !level.is_empty()
}
