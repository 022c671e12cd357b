//! Roles that nobody can have, and actions that nobody's rights lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::super::columns::is_user;
use super::super::files::POLICY;
use super::super::model::CLOSED;
use super::super::problem::Problem;
use super::super::rule::{ANY, PolicyLink, Rule};
use super::super::suspicions::look;
use super::checked::CheckedPolicy;
use super::names::is_near;
use crate::domain::Action;
use crate::domain::access::GUEST;

/// Which action implies which in the shipped policy, beside what `administer` and `view` are part of.
const SHIPPED_IMPLICATIONS: [(&str, &str); 5] = [
    ("configure", "deploy"),
    ("configure", "unlock"),
    ("unlock", "lock"),
    ("deploy", "rollback"),
    ("deploy", "cancel"),
];

pub(super) fn check(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let lines = checked.policy.lines();
    unheld(&lines.roles, problems);
    second_persons(checked, problems);
    implications(&lines.implications, problems);
    stronger(&lines.implications, problems);
    unnamed_groups(checked, problems);
    two_teams(&lines.rules, problems);
}

/// A role that only roles have which nobody has.
fn unheld(links: &[PolicyLink], problems: &mut Vec<Problem>) {
    let is_role = |name: &str| name.starts_with("role:");
    let mut held: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&str> = links
        .iter()
        .map(|link| link.from.as_str())
        .filter(|name| !is_role(name))
        .collect();
    while let Some(name) = waiting.pop() {
        if held.insert(name) {
            waiting.extend(
                links
                    .iter()
                    .filter(|link| link.from == name)
                    .map(|link| link.to.as_str()),
            );
        }
    }
    let mut told = BTreeSet::new();
    for link in links.iter().filter(|link| !held.contains(link.from.as_str())) {
        if !held.contains(link.to.as_str()) && told.insert(&link.to) {
            let message = format!(
                "Nobody has “{}”: it is given to “{}” only, which no user and no group has.",
                link.to, link.from
            );
            problems.push(Problem::warning(POLICY, link.line, message));
        }
    }
}

/// A second person has to be somebody else, and needs the right to approve.
fn second_persons(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let rules = checked.policy.rules();
    let links = &checked.policy.lines().roles;
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for rule in rules {
        let Some(second) = rule.second.as_deref() else {
            continue;
        };
        let approvers = known
            .entry(second)
            .or_insert_with(|| people_with(links, second))
            .clone();
        let own = people_with(links, &rule.subject);
        let lets_approve = || {
            rules
                .iter()
                .any(|other| lets_approve(checked, other, rule, second))
        };
        let action = &rule.action;
        let message = match approvers.first() {
            None => format!(
                "Nobody has “{second}”, so nobody could approve, and this line lets nobody {action}: give it to somebody by a g line."
            ),
            Some(only) if approvers.len() == 1 && is_one_person(only) && own == approvers => format!(
                "Only “{only}” has “{second}”, and nobody approves what they request themselves, so this line lets nobody {action}: give “{second}” to somebody else too."
            ),
            Some(_) if !lets_approve() => format!(
                "Nobody of “{second}” may approve here, so this line lets nobody {action}: give it a line for “approve”."
            ),
            Some(_) => continue,
        };
        problems.push(Problem::warning(POLICY, rule.line.line, message));
    }
}

/// The users and groups that are `name` or have it as a role, over others too.
fn people_with<'l>(links: &'l [PolicyLink], name: &'l str) -> BTreeSet<&'l str> {
    let (mut reached, mut waiting) = (BTreeSet::from([name]), vec![name]);
    while let Some(role) = waiting.pop() {
        for link in links.iter().filter(|link| link.to == role) {
            if reached.insert(&link.from) {
                waiting.push(&link.from);
            }
        }
    }
    reached.retain(|name| !name.starts_with("role:"));
    reached
}

/// Whether a name is one person's: not a group's, nor everybody's.
fn is_one_person(name: &str) -> bool {
    is_user(name) && name != GUEST
}

/// Whether `other` may let somebody of `second` approve what `rule` is about.
fn lets_approve(checked: &CheckedPolicy<'_>, other: &Rule, rule: &Rule, second: &str) -> bool {
    let lines = checked.policy.lines();
    let approve = Action::Approve.as_str();
    let meet = |one: &str, two: &str| one == ANY || two == ANY || one == two;
    let of_project = meet(&other.project, &rule.project)
        || lines.is_in(&rule.project, &other.project)
        || lines.is_in(&other.project, &rule.project);
    let is_here = of_project && meet(&other.environment, &rule.environment);
    let roles = |name: &str| checked.policy.roles_of(&[name.to_owned()]);
    // The members of a role may approve by lines of their own.
    let is_of = |subject: &str| {
        subject == ANY
            || subject == second
            || roles(second).iter().any(|role| role == subject)
            || roles(subject).iter().any(|role| role == second)
    };
    !other.deny
        && is_here
        && (other.action == approve || implies(&lines.implications, &other.action, approve))
        && is_of(&other.subject)
}

/// Whether `from` implies `to`, over others too.
fn implies(links: &[PolicyLink], from: &str, to: &str) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(name) = waiting.pop() {
        if name == to && name != from {
            return true;
        }
        if seen.insert(name) {
            waiting.extend(
                links
                    .iter()
                    .filter(|link| link.from == name)
                    .map(|link| link.to.as_str()),
            );
        }
    }
    false
}

/// What is gone when a `g2` line was taken away.
fn implications(links: &[PolicyLink], problems: &mut Vec<Problem>) {
    let (administer, view) = (Action::Administer.as_str(), Action::View.as_str());
    let unlock = Action::Unlock.as_str();
    let knows_unlock = links.iter().any(|link| link.from == unlock || link.to == unlock);
    for action in Action::ALL.iter().copied() {
        let name = action.as_str();
        if action == Action::Unlock && !knows_unlock {
            continue;
        }
        if action != Action::Administer && !implies(links, administer, name) {
            let message = format!(
                "No g2 line leads from “{administer}” to “{name}”: administrators may not {name} unless a line names it."
            );
            problems.push(Problem::warning(POLICY, 0, message));
        }
        if action != Action::View && !implies(links, name, view) {
            let message = format!(
                "No g2 line leads from “{name}” to “{view}”: whoever may only {name} something does not see it."
            );
            problems.push(Problem::warning(POLICY, 0, message));
        }
    }
}

/// An action that takes along one which the shipped policy keeps apart from it.
fn stronger(links: &[PolicyLink], problems: &mut Vec<Problem>) {
    for link in links.iter().filter(|link| link.line > 0) {
        let (from, to) = (link.from.as_str(), link.to.as_str());
        let is_shipped = to == Action::View.as_str() || SHIPPED_IMPLICATIONS.contains(&(from, to));
        // What administrators have anyway.
        if !is_shipped && from != Action::Administer.as_str() {
            let message = format!(
                "By this line whoever may {from} may {to} as well; the shipped policy keeps that apart. Is it the other way round?"
            );
            problems.push(Problem::warning(POLICY, link.line, message));
        }
    }
}

/// A group of projects that nothing is said about.
fn unnamed_groups(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let lines = checked.policy.lines();
    let own = |group: &str| lines.groups.iter().any(|link| link.from == group);
    let in_rules = |group: &str| lines.rules.iter().any(|rule| rule.project == group);
    let mut told = BTreeSet::new();
    for link in lines
        .groups
        .iter()
        .filter(|link| link.line > 0 && link.to != CLOSED)
    {
        let group = link.to.as_str();
        let mut freezes = checked.policy.calendar.freezes.iter();
        let in_freezes = freezes.any(|freeze| freeze.projects.iter().any(|name| name == group));
        if own(group) || in_rules(group) || in_freezes || !told.insert(group) {
            continue;
        }
        let meant = match is_near(group, CLOSED) || look(group) == look(CLOSED) {
            true => format!(" Is “{CLOSED}” meant? Without it the project is not closed."),
            false => String::new(),
        };
        let message = format!("No line and no freeze names “{group}”, so this line does nothing.{meant}");
        problems.push(Problem::warning(POLICY, link.line, message));
    }
}

/// The lines of a role in one place of the file.
struct Block<'a> {
    first: u32,
    projects: BTreeSet<&'a str>,
}

/// One role whose lines stand in two places and are about different projects: two teams that took
/// the same name would share all rights.
fn two_teams(rules: &[Rule], problems: &mut Vec<Problem>) {
    let mut blocks: BTreeMap<&str, Vec<Block<'_>>> = BTreeMap::new();
    let mut before = "";
    for rule in rules {
        let subject = rule.subject.as_str();
        let of_role = blocks.entry(subject).or_default();
        if before != subject {
            of_role.push(Block {
                first: rule.line.line,
                projects: BTreeSet::new(),
            });
        }
        if let Some(block) = of_role.last_mut() {
            block.projects.insert(&rule.project);
        }
        before = subject;
    }
    for (role, blocks) in blocks.iter().filter(|(name, _)| name.starts_with("role:")) {
        let named = |block: &&Block<'_>| !block.projects.contains(ANY);
        let mut own = blocks.iter().filter(named);
        let Some(first) = own.next() else { continue };
        for block in own.filter(|block| block.projects.is_disjoint(&first.projects)) {
            let message = format!(
                "“{role}” has lines from line {} on for other projects: if these are two teams, give each a role of its own, as they share all rights.",
                first.first
            );
            problems.push(Problem::warning(POLICY, block.first, message));
        }
    }
}
