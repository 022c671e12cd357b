//! Finds rules that protect a place under its present name only.

use super::Access;
use super::lines::{ANY, Rule};
use crate::domain::{Freeze, Instant, Resource};

impl Access {
    /// The first deny line or freeze that applies to `old` and not to `new`, as a sentence. A rename
    /// must not free a place from its protection, so future freezes count too.
    pub fn protects_only(&self, old: &Resource, new: &Resource, at: Instant) -> Option<String> {
        let policy = self.in_force();
        let rules = policy.rules();
        let lost = rules
            .iter()
            .filter(|rule| rule.deny && applies(rule, old))
            .find(|rule| {
                let replaces = |other: &&Rule| other.deny && applies(other, new) && is_as_wide(other, rule);
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
fn applies(rule: &Rule, place: &Resource) -> bool {
    let names = |column: &str, name: &str| column == ANY || column == name;
    names(&rule.project, place.project()) && names(&rule.environment, place.environment())
}

/// Whether `other` denies all that `rule` denies, as far as their columns show.
fn is_as_wide(other: &Rule, rule: &Rule) -> bool {
    let covers = |column: &str, of: &str, all: &str| column == all || column == of;
    covers(&other.subject, &rule.subject, ANY)
        && covers(&other.action, &rule.action, ANY)
        && covers(&other.window, &rule.window, crate::domain::calendar::ALWAYS)
}
