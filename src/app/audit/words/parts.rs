//! The parts of sentences: who, when, why, which values.

use serde_json::Value;

use crate::domain::access::GUEST;
use crate::domain::{Author, Instant, NewAuditEvent};

/// The most changes that a sentence names; the details have them all.
const CHANGES_NAMED: usize = 3;
/// The most items of a list that a sentence names.
const ITEMS_NAMED: usize = 5;
/// The longest value that a sentence quotes, in characters.
const QUOTED: usize = 120;

/// Who did it, as a sentence begins.
pub fn who(event: &NewAuditEvent) -> String {
    let name = match event.actor.as_str() {
        GUEST => format!("Somebody at {}", event.address),
        Author::ENGINE => "The deployer".to_owned(),
        name if event.address == "cli" => format!("{name} (on the deployer's host)"),
        name => name.to_owned(),
    };
    let token = match text(event, "by_token") {
        "" => String::new(),
        token => format!(" (API token {token})"),
    };
    match &event.impersonator {
        Some(through) => format!("{through}{token}, acting as {name},"),
        None => format!("{name}{token}"),
    }
}

/// A text of the detail; empty where there is none.
pub fn text<'a>(event: &'a NewAuditEvent, name: &str) -> &'a str {
    event.detail[name].as_str().unwrap_or_default()
}

/// The deployment that an event is about: `deployment 7`.
pub fn deployment(event: &NewAuditEvent) -> String {
    match event.detail["deployment"].as_i64() {
        Some(id) => format!("deployment {id}"),
        None => "a deployment".to_owned(),
    }
}

/// `: why`, or nothing.
pub fn because(why: &str) -> String {
    match why.trim().trim_end_matches('.') {
        "" => String::new(),
        why => format!(": {}", cut(why)),
    }
}

/// An instant of the detail in words.
pub fn time(value: &Value) -> String {
    let at = value.as_str().and_then(|at| at.parse::<Instant>().ok());
    at.map(full).unwrap_or_default()
}

fn full(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A text short enough for a sentence.
fn cut(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The first items of a list: `a, b and 3 more`.
pub fn items(value: &Value) -> String {
    items_of(value, 0)
}

/// The same of a list from which so many were left out.
pub fn items_of(value: &Value, left_out: usize) -> String {
    let all: Vec<&str> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let first = all
        .iter()
        .take(ITEMS_NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match all.len().saturating_sub(ITEMS_NAMED).saturating_add(left_out) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// One field of an event's detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub name: String,
    /// The value before a change; empty where it is none.
    pub before: String,
    /// The value, or the new one.
    pub value: String,
}

/// Everything in an event's detail, in order; empty values are left out.
pub fn details(event: &NewAuditEvent) -> Vec<Detail> {
    let fields = event.detail.as_object();
    let fields = fields.into_iter().flatten().filter(|(_, value)| !is_empty(value));
    fields.map(|(name, value)| detail(name, value)).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn detail(name: &str, value: &Value) -> Detail {
    let name = name.replace('_', " ");
    match (value.get("from"), value.get("to")) {
        (Some(Value::Array(from)), Some(Value::Array(to))) => changed_list(name, from, to),
        (Some(from), Some(to)) => Detail {
            name,
            before: plain(from),
            value: plain(to),
        },
        _ => Detail {
            name,
            before: String::new(),
            value: plain(value),
        },
    }
}

/// What a change took out of a list, and what it added.
fn changed_list(name: String, from: &[Value], to: &[Value]) -> Detail {
    let without = |all: &[Value], others: &[Value]| {
        let left: Vec<String> = all
            .iter()
            .filter(|one| !others.contains(one))
            .map(plain)
            .collect();
        left.join(", ")
    };
    let (removed, added) = (without(from, to), without(to, from));
    let signed = |sign: &str, text: String| match text.is_empty() {
        true => String::new(),
        false => format!("{sign} {text}"),
    };
    match (removed.is_empty(), added.is_empty()) {
        // The order changed.
        (true, true) => Detail {
            name,
            before: from.iter().map(plain).collect::<Vec<_>>().join(", "),
            value: to.iter().map(plain).collect::<Vec<_>>().join(", "),
        },
        _ => Detail {
            name,
            before: signed("without", removed),
            value: signed("with", added),
        },
    }
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => match text.parse::<Instant>() {
            Ok(at) => full(at),
            Err(_) => text.clone(),
        },
        Value::Array(items) if items.is_empty() => "–".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// `: port 22 → 2222; address a → b and 2 more changes`.
pub fn changes(event: &NewAuditEvent) -> String {
    let all = details(event);
    let change = |one: &Detail| match (one.before.as_str(), cut(&one.value)) {
        ("", value) => format!("{}: {value}", one.name),
        (before, value) => format!("{}: {} → {value}", one.name, cut(before)),
    };
    let named: Vec<String> = all.iter().take(CHANGES_NAMED).map(change).collect();
    match (named.is_empty(), all.len().saturating_sub(CHANGES_NAMED)) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", named.join("; ")),
        (false, 1) => format!(": {}; and 1 more change", named.join("; ")),
        (false, more) => format!(": {}; and {more} more changes", named.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::event;
    use super::*;

    #[test]
    fn who_did_it_is_said_as_it_was() {
        let mut one = event("logout", json!({}));
        one.impersonator = Some("root".into());
        assert_eq!(who(&one), "root, acting as alice,");
        one.impersonator = None;
        one.address = "cli".into();
        assert_eq!(who(&one), "alice (on the deployer's host)");
        one.actor = GUEST.into();
        one.address = "192.0.2.7".into();
        assert_eq!(who(&one), "Somebody at 192.0.2.7");
    }

    #[test]
    fn changes_are_told_from_old_to_new() {
        let change = event(
            "server.changed",
            json!({
                "port": { "from": 22, "to": 2222 }, "active": { "from": true, "to": false },
                "jump_hosts": { "from": ["a", "b"], "to": ["b", "c"] }, "key": { "from": null, "to": "x" },
            }),
        );
        assert_eq!(
            changes(&change),
            ": active: yes → no; jump hosts: without a → with c; key: – → x; and 1 more change"
        );
        let order = json!({ "from": ["a", "b"], "to": ["b", "a"] });
        assert_eq!(detail("order", &order).value, "b, a");
        let many = json!(["1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(items(&many), "1, 2, 3, 4, 5 and 2 more");
    }
}
