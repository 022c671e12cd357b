//! The audit log: how use cases write their acts down, and how auditors read them.

use serde_json::{Value, json};

use crate::access::Permit;
use crate::domain::audit::{NewAuditEvent, Outcome};
use crate::domain::{Instant, Refusal};

/// An act that policy allowed and that is done in the same transaction. `action` is noun and verb
/// (`deployment.requested`).
pub fn allowed(permit: &Permit, action: &str, at: Instant, detail: Value) -> NewAuditEvent {
    let actor = permit.actor();
    NewAuditEvent {
        at,
        actor: actor.name.clone(),
        impersonator: actor.impersonator.clone(),
        address: actor.address.clone(),
        action: action.to_owned(),
        resource: permit.resource().to_string(),
        outcome: Outcome::Allowed,
        permit: permit.line().to_string(),
        detail,
    }
}

/// An act that policy refused.
pub fn refused(refusal: &Refusal) -> NewAuditEvent {
    let Refusal {
        actor,
        action,
        resource,
        at,
        ..
    } = refusal;
    NewAuditEvent {
        at: *at,
        actor: actor.name.clone(),
        impersonator: actor.impersonator.clone(),
        address: actor.address.clone(),
        action: format!("{action}.refused"),
        resource: resource.to_string(),
        outcome: Outcome::Refused,
        permit: refusal.sentence(),
        detail: json!({}),
    }
}
