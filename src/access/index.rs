//! Which rules can matter to a question, before casbin is asked.
//!
//! Casbin looks at every rule it holds, and evaluates an expression for each. Of thousands of rules a
//! question concerns a handful: those for the subject, its roles or everybody, about the action, and
//! for its place. They are looked up here by subject and action. The rest of the matcher, and what
//! overrides what, stays casbin's: leaving a rule out must never change an answer, so a rule is left out
//! only where the shipped matcher cannot match it. A test compares both over random policies.

use std::collections::{HashMap, HashSet};

use super::lines::PolicyLines;
use super::model::CLOSED;
use super::question::Question;
use super::rule::{ANY, PolicyLink, Rule};
use crate::domain::Action;

/// Finds the rules that a question may match.
pub(super) struct RuleIndex {
    /// Rules by subject and action, in the order of the file.
    rules: HashMap<String, HashMap<String, Vec<Place>>>,
    /// The roles of each name, directly.
    roles: HashMap<String, Vec<String>>,
    /// The actions that imply each action, over others too.
    implied_by: HashMap<String, HashSet<String>>,
    /// The groups of each project, over others too.
    groups: HashMap<String, HashSet<String>>,
}

/// Where a rule counts.
struct Place {
    rule: usize,
    project: String,
    environment: String,
    deny: bool,
    /// Whether it counts for closed projects where it is for every project.
    opens: bool,
}

impl RuleIndex {
    pub fn new(lines: &PolicyLines) -> Self {
        let mut rules: HashMap<String, HashMap<String, Vec<Place>>> = HashMap::new();
        for (index, rule) in lines.rules.iter().enumerate() {
            let of_subject = rules.entry(rule.subject.clone()).or_default();
            of_subject
                .entry(rule.action.clone())
                .or_default()
                .push(place(index, rule));
        }
        let mut roles: HashMap<String, Vec<String>> = HashMap::new();
        for link in &lines.roles {
            roles.entry(link.from.clone()).or_default().push(link.to.clone());
        }
        Self {
            rules,
            roles,
            implied_by: above(&lines.implications, |link| (&link.to, &link.from)),
            groups: above(&lines.groups, |link| (&link.from, &link.to)),
        }
    }

    /// The rules that `question` may match, in the order of the file.
    pub fn candidates(&self, question: &Question<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        let none = HashSet::new();
        let groups = self.groups.get(question.project).unwrap_or(&none);
        let is_closed = groups.contains(CLOSED) || question.project == CLOSED;
        let fits = |place: &Place| {
            place.project == ANY && (place.opens || !is_closed)
                || place.project == question.project
                || groups.contains(&place.project)
        };
        for subject in self.names_of(question.subject) {
            let Some(rules) = self.rules.get(subject) else {
                continue;
            };
            for (action, places) in rules {
                let is_own = action == question.action || action == ANY;
                if !is_own && !self.implies(action, question.action) {
                    continue;
                }
                let here = places.iter().filter(|place| {
                    // What a deny rule denies implies nothing.
                    (is_own || !place.deny)
                        && fits(place)
                        && (place.environment == ANY || place.environment == question.environment)
                });
                found.extend(here.map(|place| place.rule));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The subject, its roles and their roles, and everybody.
    fn names_of<'a>(&'a self, subject: &'a str) -> Vec<&'a str> {
        let mut names = vec![ANY, subject];
        let mut next = 1;
        while let Some(name) = names.get(next) {
            for role in self.roles.get(*name).into_iter().flatten() {
                if !names.contains(&role.as_str()) {
                    names.push(role);
                }
            }
            next += 1;
        }
        names
    }

    fn implies(&self, action: &str, wanted: &str) -> bool {
        self.implied_by
            .get(wanted)
            .is_some_and(|all| all.contains(action))
    }
}

fn place(index: usize, rule: &Rule) -> Place {
    Place {
        rule: index,
        project: rule.key.clone(),
        environment: rule.environment.clone(),
        deny: rule.deny,
        opens: rule.deny || rule.action == Action::Administer.as_str(),
    }
}

/// All names above each name, where `step` leads from a name to the one right above it.
fn above<'a>(
    links: &'a [PolicyLink],
    step: impl Fn(&'a PolicyLink) -> (&'a String, &'a String),
) -> HashMap<String, HashSet<String>> {
    let mut next: HashMap<&str, Vec<&str>> = HashMap::new();
    for (from, to) in links.iter().map(step) {
        next.entry(from).or_default().push(to);
    }
    let reached = |from: &str| {
        let (mut reached, mut waiting) = (HashSet::new(), vec![from]);
        while let Some(name) = waiting.pop() {
            for &to in next.get(name).into_iter().flatten() {
                if reached.insert(to.to_owned()) {
                    waiting.push(to);
                }
            }
        }
        reached
    };
    next.keys()
        .map(|&from| (from.to_owned(), reached(from)))
        .collect()
}
