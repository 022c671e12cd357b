//! Configuration by people: what is deployed, where to, and by whom it may be asked.
//!
//! One file per noun. Each has a form as a person fills it in (everything text), a check that
//! turns it into a thing of the domain or into one complaint per field, and the acts: add, edit,
//! delete. An act takes the [`Permit`] for it and stores the change together with its audit
//! event. [`inventory`] reads everything at once, for pages that show how things hang together;
//! [`overview`] tells what of it needs a person.

pub mod clusters;
pub mod environments;
pub mod host_keys;
pub mod inventory;
pub mod overview;
pub mod projects;
pub mod servers;
pub mod users;
pub mod variables;

use serde_json::Value;

use crate::access::Permit;
use crate::domain::{Action, Error, FieldError, Name, Resource, Result};

/// The longest description, in characters: a sentence or two.
const DESCRIPTION_LIMIT: usize = 500;

/// Complaints about a form, gathered so that a person sees all of them at once.
#[derive(Debug, Default)]
pub(super) struct Wrongs(Vec<FieldError>);

impl Wrongs {
    /// `message` is wrong with `field`.
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// The value, or its complaint kept.
    pub(super) fn take<T>(&mut self, field: &str, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|message| self.add(field, message)).ok()
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        field: &str,
        text: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let (least, most) = (range.start(), range.end());
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        let sentence = || format!("Write a whole number from {least} to {most}.");
        self.take(field, number.ok_or_else(sentence))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.0.len()
    }

    /// The error that carries them.
    pub(super) fn into_error(self) -> Error {
        if self.0.is_empty() {
            return Error::internal("a form was refused without a complaint");
        }
        Error::fields(self.0)
    }
}

/// A name as typed: spaces around it are no part of it.
pub(super) fn name(text: &str) -> Result<Name, String> {
    text.trim().parse()
}

/// A name as typed, which is not the `word` that addresses need for `what`.
fn name_but(text: &str, word: &str, what: &str) -> Result<Name, String> {
    let name = name(text)?;
    if name.as_str().eq_ignore_ascii_case(word) {
        return Err(format!("“{word}” stands for {what}; take another name."));
    }
    Ok(name)
}

/// The lines of a text area that say something.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn description(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() > DESCRIPTION_LIMIT {
        return Err(format!("Keep it under {DESCRIPTION_LIMIT} characters."));
    }
    Ok(text.to_owned())
}

/// A mail address as far as it can be told without writing to it.
pub(super) fn mail_address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = || format!("“{}” is not a mail address.", text.escape_debug());
    let (name, host) = text.rsplit_once('@').ok_or_else(wrong)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
    if name.is_empty() || host.is_empty() || text.len() > 254 || text.contains(odd) || name.contains('@') {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// A permit for something else is a fault of the caller, not of the person.
fn demand(permit: &Permit, action: Action, resource: &Resource) -> Result<()> {
    if permit.covers(action, resource) {
        return Ok(());
    }
    let held = permit.resource();
    Err(Error::internal(format!(
        "{resource} was to be changed with a permit for {held}"
    )))
}

/// Whether the permit is one to change servers, clusters and the list of projects.
pub(super) fn demand_everything(permit: &Permit) -> Result<()> {
    demand(permit, Action::Configure, &Resource::Everything)
}

/// Whether the permit is one to change `project`.
fn demand_project(permit: &Permit, project: &Name) -> Result<()> {
    if permit.covers(Action::Configure, &Resource::Everything) {
        return Ok(());
    }
    demand(permit, Action::Configure, &Resource::Project(project.to_string()))
}

/// What an edit changed, by name: `{"port": {"from": 22, "to": 2222}}`.
pub(super) fn changes(before: &Value, after: &Value) -> Value {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return Value::Null;
    };
    let changed = after.iter().filter_map(|(name, now)| {
        let then = before.get(name)?;
        (then != now).then(|| (name.clone(), serde_json::json!({ "from": then, "to": now })))
    });
    Value::Object(changed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_look_like_some() {
        assert_eq!(mail_address(" ops@shop.example ").unwrap(), "ops@shop.example");
        for bad in ["", "ops", "@x", "ops@", "a b@c", "a@b@c", "Ops <ops@x>"] {
            assert!(mail_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let (before, after) = (
            serde_json::json!({"a": 1, "b": 2}),
            serde_json::json!({"a": 1, "b": 3}),
        );
        let told = serde_json::json!({"b": {"from": 2, "to": 3}});
        assert_eq!(changes(&before, &after), told);
    }
}
