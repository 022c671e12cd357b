//! Which lines the expectations of a policy exercise.

use std::collections::BTreeSet;

use super::expectations::Expectation;
use super::files::POLICY;
use super::model::CLOSED;
use super::policy::Policy;
use super::rule::{PolicyLink, Rule};
use crate::domain::PolicyLine;

impl Policy {
    /// The lines that no expectation exercises: they speak for or against nothing that is expected, nor
    /// do they lead to a line that does.
    pub fn unexercised(&self, expected: &[Expectation]) -> Vec<PolicyLine> {
        let mut used: BTreeSet<u32> = BTreeSet::new();
        for one in expected {
            let (action, resource, at) = (one.action, &one.resource, one.at);
            let verdict = self.decide(&one.names, action, resource, at);
            for (place, action) in self.asked_places(&one.names, action, resource, at, &verdict) {
                let (key, asked) = (self.key(&place), self.asked(action).as_str());
                // What lines for all projects give does not count in a closed one.
                if !one.allowed {
                    used.extend(between(&self.lines().groups, &key, CLOSED));
                }
                for name in &one.names {
                    for (line, _) in self.speaking(name, action, &place, at) {
                        used.insert(line.line.line);
                        let Some(rule) = self.rules().iter().find(|rule| rule.line.line == line.line.line)
                        else {
                            continue;
                        };
                        self.links_to(rule, name, asked, &key, &mut used);
                    }
                }
            }
        }
        let lines = self.lines();
        let of_rules = lines.rules.iter().map(|rule| rule.line.line);
        let links = [&lines.roles, &lines.implications, &lines.groups]
            .into_iter()
            .flatten();
        let mut left: Vec<u32> = of_rules.chain(links.map(|link| link.line)).collect();
        left.retain(|line| *line > 0 && !used.contains(line));
        left.sort_unstable();
        left.dedup();
        let policy = self.files.0.get(POLICY).map(String::as_str).unwrap_or_default();
        let text: Vec<&str> = policy.lines().collect();
        let line = |line: u32| PolicyLine {
            file: POLICY.to_owned(),
            line,
            text: text
                .get(line as usize - 1)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default(),
            policy: None,
        };
        left.into_iter().map(line).collect()
    }

    /// Adds the lines by which `rule` counts for this name, action and project.
    fn links_to(&self, rule: &Rule, name: &str, asked: &str, project: &str, used: &mut BTreeSet<u32>) {
        let lines = self.lines();
        used.extend(between(&lines.roles, name, &rule.subject));
        if rule.action != asked {
            used.extend(between(&lines.implications, &rule.action, asked));
        }
        used.extend(between(&lines.groups, project, &rule.key));
    }
}

/// The lines of the links on any way from one name to another.
fn between(links: &[PolicyLink], from: &str, to: &str) -> Vec<u32> {
    let after = reached(links, from, |link| [&link.from, &link.to]);
    let before = reached(links, to, |link| [&link.to, &link.from]);
    let on_way = |link: &&PolicyLink| after.contains(link.from.as_str()) && before.contains(link.to.as_str());
    links.iter().filter(on_way).map(|link| link.line).collect()
}

/// The names that links lead to from `start`, in the direction of `step`.
fn reached<'l>(
    links: &'l [PolicyLink],
    start: &'l str,
    step: impl Fn(&'l PolicyLink) -> [&'l String; 2],
) -> BTreeSet<&'l str> {
    let (mut reached, mut waiting) = (BTreeSet::from([start]), vec![start]);
    while let Some(name) = waiting.pop() {
        for [here, next] in links.iter().map(&step) {
            if here == name && reached.insert(next.as_str()) {
                waiting.push(next);
            }
        }
    }
    reached
}
