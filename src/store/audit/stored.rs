//! An audit event exactly as it is stored: what its hash covers, and how archives write it.

use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::columns::{instant, micros, word};
use super::super::entities::audit_events::Model;
use crate::domain::{AuditEvent, AuditId, DeploymentId, Instant, NewAuditEvent, Outcome, with_turns_escaped};

/// The form of the hash in events that are appended now. An event without a version has form 1, which does
/// not cover its number.
pub(super) const VERSION: i32 = 2;

/// A row of the log, with its texts as they are stored, whether they make sense or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counted up from 1 without gaps, as far as form 2 goes.
    pub number: i64,
    pub version: i32,
    /// Microseconds since 1970.
    pub happened_at: i64,
    pub actor: String,
    pub impersonator: Option<String>,
    pub address: String,
    pub action: String,
    pub resource: String,
    pub outcome: String,
    pub permit: String,
    /// JSON.
    pub detail: String,
    pub prev_hash: String,
    pub hash: String,
    /// The deployment that the row is filed under. No hash covers it, as [`Self::detail`] says it too.
    pub deployment: Option<i64>,
}

impl StoredEvent {
    /// The event of this number, which follows the one whose hash is `prev_hash`.
    pub(super) fn new(number: i64, prev_hash: String, event: &NewAuditEvent, detail: String) -> Self {
        let mut new = Self {
            number,
            version: VERSION,
            happened_at: micros(event.at),
            actor: event.actor.clone(),
            impersonator: event.impersonator.clone(),
            address: event.address.clone(),
            action: event.action.clone(),
            resource: event.resource.clone(),
            outcome: event.outcome.as_str().into(),
            permit: event.permit.clone(),
            deployment: deployment_of(&event.detail),
            detail,
            prev_hash,
            hash: String::new(),
        };
        new.hash = new.digest();
        new
    }

    /// SHA-256 over everything in the event, written as a JSON list so that no two different events read
    /// alike. Form 2 also covers the number and its own name.
    pub fn digest(&self) -> String {
        let mut said = vec![
            json!(self.prev_hash),
            json!(self.happened_at),
            json!(self.actor),
            json!(self.impersonator),
            json!(self.address),
            json!(self.action),
            json!(self.resource),
            json!(self.outcome),
            json!(self.permit),
            json!(self.detail),
        ];
        if self.version != 1 {
            said.splice(
                0..0,
                [
                    json!("deployer audit event"),
                    json!(self.version),
                    json!(self.number),
                ],
            );
        }
        hex::encode(Sha256::digest(Value::Array(said).to_string()))
    }

    /// Whether its hash fits, and it is filed under the deployment that it is about.
    pub fn is_whole(&self) -> bool {
        let is_filed = || {
            let detail: Value = serde_json::from_str(&self.detail).unwrap_or_default();
            self.deployment == deployment_of(&detail)
        };
        (1..=VERSION).contains(&self.version)
            && self.hash == self.digest()
            && (is_filed() || (self.version == 1 && self.deployment.is_none()))
    }

    /// The deployment that it is filed under.
    pub fn about_deployment(&self) -> Option<DeploymentId> {
        self.deployment.map(DeploymentId)
    }

    /// The event for people. What does not read is shown as it is stored.
    pub fn into_event(self) -> AuditEvent {
        let is_whole = self.is_whole();
        let outcome = word("an outcome", &self.outcome, Outcome::parse);
        AuditEvent {
            id: AuditId(self.number),
            is_whole: is_whole && outcome.is_ok(),
            event: NewAuditEvent {
                at: instant(self.happened_at),
                actor: self.actor,
                impersonator: self.impersonator,
                address: self.address,
                action: self.action,
                resource: self.resource,
                outcome: outcome.unwrap_or(Outcome::Failed),
                permit: self.permit,
                detail: serde_json::from_str(&self.detail).unwrap_or(Value::String(self.detail)),
            },
            prev_hash: self.prev_hash,
            hash: self.hash,
        }
    }

    /// One line of JSON; see [`Self::to_json`].
    pub fn to_line(&self) -> String {
        with_turns_escaped(&self.to_json().to_string())
    }

    /// An object with everything that its hash covers.
    pub fn to_json(&self) -> Value {
        let detail: Value = serde_json::from_str(&self.detail).unwrap_or_default();
        let mut line = json!({
            "number": self.number,
            "at": instant(self.happened_at).to_rfc3339_opts(SecondsFormat::Micros, true),
            "actor": self.actor,
            "impersonator": self.impersonator,
            "address": self.address,
            "action": self.action,
            "resource": self.resource,
            "outcome": self.outcome,
            "permit": self.permit,
            "version": self.version,
            "prev_hash": self.prev_hash,
            "hash": self.hash,
        });
        // What is not written as we write it is kept letter by letter, as the hash covers the letters.
        let usual = detail.to_string();
        if usual != self.detail {
            line["detail_text"] = json!(self.detail);
        }
        line["detail"] = detail;
        line
    }

    /// Reads a line of [`Self::to_line`]; `None` for anything else.
    pub fn from_line(line: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(line).ok()?;
        Some(Self {
            number: line.number,
            version: line.version,
            happened_at: micros(line.at),
            deployment: deployment_of(&line.detail),
            actor: line.actor,
            impersonator: line.impersonator,
            address: line.address,
            action: line.action,
            resource: line.resource,
            outcome: line.outcome,
            permit: line.permit,
            detail: line.detail_text.unwrap_or_else(|| line.detail.to_string()),
            prev_hash: line.prev_hash,
            hash: line.hash,
        })
    }
}

/// The fields of a line that its hash covers; others may stand beside them.
#[derive(Deserialize)]
struct Line {
    number: i64,
    at: Instant,
    actor: String,
    impersonator: Option<String>,
    address: String,
    action: String,
    resource: String,
    outcome: String,
    permit: String,
    detail: Value,
    detail_text: Option<String>,
    version: i32,
    prev_hash: String,
    hash: String,
}

/// The number of the deployment that an event's detail is about.
fn deployment_of(detail: &Value) -> Option<i64> {
    detail.get("deployment").and_then(Value::as_i64)
}

impl From<Model> for StoredEvent {
    fn from(row: Model) -> Self {
        Self {
            number: row.id,
            version: row.hash_version.unwrap_or(1),
            happened_at: row.happened_at,
            actor: row.actor,
            impersonator: row.impersonator,
            address: row.address,
            action: row.action,
            resource: row.resource,
            outcome: row.outcome,
            permit: row.permit,
            detail: row.detail,
            prev_hash: row.prev_hash,
            hash: row.hash,
            deployment: row.deployment_id,
        }
    }
}

impl From<StoredEvent> for Model {
    fn from(event: StoredEvent) -> Self {
        Self {
            id: event.number,
            happened_at: event.happened_at,
            actor: event.actor,
            impersonator: event.impersonator,
            address: event.address,
            action: event.action,
            resource: event.resource,
            outcome: event.outcome,
            permit: event.permit,
            detail: event.detail,
            prev_hash: event.prev_hash,
            hash: event.hash,
            hash_version: Some(event.version),
            deployment_id: event.deployment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> StoredEvent {
        let event = NewAuditEvent {
            at: "2026-11-29T10:00:00.000001Z".parse().unwrap(),
            actor: "alice".into(),
            impersonator: None,
            address: "cli".into(),
            action: "deployment.requested".into(),
            resource: "shop/prod".into(),
            outcome: Outcome::Allowed,
            permit: "policy.csv:3: p, …".into(),
            detail: json!({ "deployment": 7, "reason": "“quoted”" }),
        };
        StoredEvent::new(4, "ab".repeat(32), &event, event.detail.to_string())
    }

    #[test]
    fn a_line_holds_what_the_hash_covers() {
        let event = stored();
        assert!(event.is_whole());
        assert_eq!(StoredEvent::from_line(&event.to_line()), Some(event.clone()));
        let spaced = StoredEvent {
            detail: "{ \"deployment\": 7 }".into(),
            ..event
        };
        assert_eq!(StoredEvent::from_line(&spaced.to_line()), Some(spaced));
        assert_eq!(StoredEvent::from_line("{}"), None);
    }

    #[test]
    fn every_part_of_an_event_is_covered() {
        type Change = fn(&mut StoredEvent);
        let changes: [Change; 13] = [
            |one| one.number += 1,
            |one| one.version = 1,
            |one| one.happened_at += 1,
            |one| one.actor.push('x'),
            |one| one.impersonator = Some("bob".into()),
            |one| one.address.push('x'),
            |one| one.action.push('x'),
            |one| one.resource.push('x'),
            |one| one.outcome = "refused".into(),
            |one| one.permit.push('x'),
            |one| one.detail = "{\"deployment\":7}".into(),
            |one| one.prev_hash = "cd".repeat(32),
            |one| one.deployment = Some(8),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut event = stored();
            change(&mut event);
            assert!(!event.is_whole(), "{at}");
        }
    }
}
