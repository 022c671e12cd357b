//! What newer words say in fewer lines, or more exactly.

use std::collections::BTreeMap;

use super::super::files::POLICY;
use super::super::model::CLOSED;
use super::super::problem::Problem;
use super::super::rule::{ANY, Rule};
use super::checked::CheckedPolicy;
use crate::domain::calendar::ALWAYS;
use crate::domain::{Action, Area};

/// As many lines alike are worth a group.
const ALIKE: usize = 4;
/// As many lines that hide one project are worth closing it.
const HIDING: usize = 2;
/// Line numbers in one sentence.
const NAMED: usize = 8;

pub(super) fn check(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let rules = checked.policy.rules();
    if !checked.policy.lines().know_unlock() && rules.iter().any(|rule| rule.action == Action::Lock.as_str())
    {
        let message = "No line mentions “unlock”, so whoever may lock also lifts the locks of others. To take the two apart, write “g2, unlock, lock” and give “unlock” to those who may.";
        problems.push(Problem::note(POLICY, 0, message));
    }
    groups(rules, problems);
    closed(checked, problems);
}

/// The same line for many projects.
fn groups(rules: &[Rule], problems: &mut Vec<Problem>) {
    let mut alike: BTreeMap<[&str; 6], Vec<&Rule>> = BTreeMap::new();
    for rule in rules
        .iter()
        .filter(|rule| rule.project != ANY && Area::parse(&rule.project).is_none())
    {
        let effect = if rule.deny { "deny" } else { "allow" };
        let second = rule.second.as_deref().unwrap_or_default();
        let columns = [&rule.subject, &rule.environment, &rule.action, &rule.window];
        let [subject, environment, action, window] = columns.map(String::as_str);
        let key = [subject, environment, action, window, effect, second];
        alike.entry(key).or_default().push(rule);
    }
    for rules in alike.values().filter(|rules| rules.len() >= ALIKE) {
        let Some(first) = rules.first() else { continue };
        let message = format!(
            "Lines {} differ in the project only: put the projects into a group (“g3, {}, projects:NAME”), and write one line for it.",
            lines(rules),
            first.project
        );
        problems.push(Problem::note(POLICY, first.line.line, message));
    }
}

/// Projects that are hidden from one subject after the other.
fn closed(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let mut hiding: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    let views = [Action::View.as_str(), ANY];
    let hides = |rule: &&Rule| {
        rule.deny
            && rule.project != ANY
            && rule.environment == ANY
            && rule.window == ALWAYS
            && views.contains(&rule.action.as_str())
    };
    for rule in checked.policy.rules().iter().filter(hides) {
        hiding.entry(&rule.project).or_default().push(rule);
    }
    for (project, rules) in hiding.iter().filter(|(_, rules)| rules.len() >= HIDING) {
        let Some(first) = rules.first() else { continue };
        let message = format!(
            "Lines {} hide “{project}” from some, and whoever comes later sees it: “g3, {project}, {CLOSED}” hides it from all whom no line names it for.",
            lines(rules)
        );
        problems.push(Problem::note(POLICY, first.line.line, message));
    }
}

fn lines(rules: &[&Rule]) -> String {
    let shown: Vec<String> = rules
        .iter()
        .take(NAMED)
        .map(|rule| rule.line.line.to_string())
        .collect();
    let more = if rules.len() > NAMED { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}
