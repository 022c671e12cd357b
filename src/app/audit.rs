//! The audit log: how use cases write their acts down, and how auditors read them.

use serde_json::{Value, json};

use super::App;
use crate::access::Permit;
use crate::domain::audit::{AuditEvent, NewAuditEvent, Outcome};
use crate::domain::{Action, Error, Instant, Refusal, Resource, Result};
use crate::store::audit::{self, Filter};
use crate::store::{Page, Paged};

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

/// An act that policy refused `now`; it may have been asked for another time.
pub fn refused(refusal: &Refusal, now: Instant) -> NewAuditEvent {
    let Refusal {
        actor,
        action,
        resource,
        at,
        ..
    } = refusal;
    // Asking and deciding are moments apart when it was asked for now.
    let detail = if *at <= now {
        json!({})
    } else {
        json!({ "for": at })
    };
    NewAuditEvent {
        at: now,
        actor: actor.name.clone(),
        impersonator: actor.impersonator.clone(),
        address: actor.address.clone(),
        action: format!("{action}.refused"),
        resource: resource.to_string(),
        outcome: Outcome::Refused,
        permit: refusal.sentence(),
        detail,
    }
}

/// An act that policy would allow to the holder of `permit`, and that a rule forbids: `why` is the
/// sentence they read.
pub fn forbidden(permit: &Permit, action: &str, at: Instant, why: &str, detail: Value) -> NewAuditEvent {
    NewAuditEvent {
        outcome: Outcome::Refused,
        permit: why.to_owned(),
        ..allowed(permit, action, at, detail)
    }
}

/// A page of `limit` events for somebody who may see everything, newest first.
pub async fn browse(
    app: &App,
    permit: &Permit,
    filter: &Filter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    demand_sight(permit)?;
    audit::list(&app.store, filter, page, limit).await
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every event is as it was recorded.
    Whole {
        /// The number of the last event; 0 before the first.
        last: i64,
        /// Its hash: kept elsewhere, it proves later that nothing up to it was rewritten.
        hash: String,
    },
    /// Something was changed, inserted or removed; the sentence says where.
    Broken(String),
}

/// Walks the whole log and compares every hash.
pub async fn verify(app: &App, permit: &Permit) -> Result<Chain> {
    demand_sight(permit)?;
    if let Some(found) = audit::verify(&app.store).await? {
        return Ok(Chain::Broken(found.reason));
    }
    let (last, hash) = audit::tip(&app.store).await?;
    Ok(Chain::Whole { last, hash })
}

/// Who may see everything may see the log.
fn demand_sight(permit: &Permit) -> Result<()> {
    if permit.covers(Action::View, &Resource::Everything) {
        return Ok(());
    }
    Err(Error::internal(
        "the audit log was to be read with a permit for something else",
    ))
}
