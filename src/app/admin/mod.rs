//! Configuration: projects, environments, servers, clusters, users.
//!
//! One file per noun. Commands (`ServerSpec`, `EnvironmentSpec`, …) are typed, and their values
//! ([`values`]) keep the rules of each field, whether they came from a form or from a program. A
//! command takes the [`Permit`] for it and stores the change together with its audit event.
//! [`inventory`] reads everything at once, for pages that show how things hang together;
//! [`overview`] lists what needs a person, [`first_steps`] what is still to do before the first
//! deployment.

pub mod clusters;
pub mod environments;
pub mod first_steps;
mod grounds;
pub mod host_keys;
pub mod inventory;
pub mod jump_hosts;
pub mod keys;
pub mod many_servers;
pub mod overview;
pub mod projects;
mod renames;
pub mod server_events;
pub mod servers;
pub mod users;
pub mod values;
pub mod variable_lines;
pub mod variables;

use serde_json::Value;

use crate::access::Permit;
use crate::domain::{Action, Area, Error, Name, Resource, Result};

/// Refuses a name equal to `word`, which page addresses use for `what`.
fn demand_other_name(name: &Name, word: &str, what: &str) -> Result<()> {
    if name.as_str().eq_ignore_ascii_case(word) {
        let message = format!("“{word}” stands for {what}; choose another name.");
        return Err(Error::field("name", message));
    }
    Ok(())
}

/// Checks the form of an e-mail address; nothing is sent to it.
pub(super) fn mail_address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = || format!("“{}” is not an e-mail address.", text.escape_debug());
    let (name, host) = text.rsplit_once('@').ok_or_else(wrong)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
    if name.is_empty() || host.is_empty() || text.len() > 254 || text.contains(odd) || name.contains('@') {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// A permit for something else is a bug in the caller, not the user's mistake.
pub(super) fn demand(permit: &Permit, action: Action, resource: &Resource) -> Result<()> {
    if permit.covers(action, resource) {
        return Ok(());
    }
    let held = permit.resource();
    Err(Error::internal(format!(
        "{action} on {resource} was to be done with a permit for {held}"
    )))
}

/// Demands a permit to read `area`.
pub(super) fn demand_reading(permit: &Permit, area: Area) -> Result<()> {
    if permit.reads(area) {
        return Ok(());
    }
    let held = permit.resource();
    Err(Error::internal(format!(
        "{} was to be read with a permit for {held}",
        area.title()
    )))
}

/// Demands the permit to change servers, clusters and the list of projects.
pub(super) fn demand_everything(permit: &Permit) -> Result<()> {
    demand(permit, Action::Configure, &Resource::Everything)
}

/// Demands the permit to change users.
pub(super) fn demand_administer(permit: &Permit) -> Result<()> {
    demand(permit, Action::Administer, &Resource::Everything)
}

/// Demands a permit to change `project`.
fn demand_project(permit: &Permit, project: &Name) -> Result<()> {
    demand(permit, Action::Configure, &Resource::Project(project.to_string()))
}

/// The fields that differ: `{"port": {"from": 22, "to": 2222}}`.
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
