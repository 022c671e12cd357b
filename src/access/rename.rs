//! Finds rules that protect a place under its present name only.

use super::Access;
use super::lines::PolicyLines;
use super::model::CLOSED;
use super::rule::{ANY, Rule};
use crate::domain::{Freeze, Instant, Resource};

impl Access {
    /// What protects `old` and not `new`, as a sentence: a deny line, a freeze, or being closed. A
    /// rename must not free a place from its protection, so future freezes count too.
    pub fn protects_only(&self, old: &Resource, new: &Resource, at: Instant) -> Option<String> {
        let policy = self.in_force();
        let (rules, lines) = (policy.rules(), policy.lines());
        let is_closed = |place: &Resource| lines.is_in(place.project(), CLOSED);
        if is_closed(old) && !is_closed(new) {
            return Some(format!(
                "{} is closed, and {} is not. Add the line “g3, {1}, {CLOSED}” to policy.csv first.",
                old.project(),
                new.project()
            ));
        }
        let lost = rules
            .iter()
            .filter(|rule| rule.deny && applies(rule, old, lines))
            .find(|rule| {
                let replaces =
                    |other: &&Rule| other.deny && applies(other, new, lines) && is_as_wide(other, rule);
                !rules.iter().any(|other| replaces(&other))
            });
        if let Some(rule) = lost {
            return Some(format!(
                "{} applies to {old} and not to {new}. Change the policy first, so that it applies to both.",
                rule.line
            ));
        }
        let freezes = policy.calendar.freezes.iter();
        let lost = freezes
            .filter(|freeze| at < freeze.until)
            .find(|freeze| freeze.concerns(old) && !freeze.concerns(new));
        lost.map(|Freeze { name, .. }| {
            format!(
                "The freeze “{name}” applies to {old} and not to {new}. Wait for its end, or change calendar.toml first, so that it applies to both."
            )
        })
    }
}

/// Whether the columns of `rule` name `place`.
fn applies(rule: &Rule, place: &Resource, lines: &PolicyLines) -> bool {
    let of_project = rule.project == ANY || lines.is_in(place.project(), &rule.project);
    of_project && (rule.environment == ANY || rule.environment == place.environment())
}

/// Whether `other` denies all that `rule` denies, as far as their columns show.
fn is_as_wide(other: &Rule, rule: &Rule) -> bool {
    let covers = |column: &str, of: &str, all: &str| column == all || column == of;
    covers(&other.subject, &rule.subject, ANY)
        && covers(&other.action, &rule.action, ANY)
        && covers(&other.window, &rule.window, crate::domain::calendar::ALWAYS)
}
