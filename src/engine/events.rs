//! What the engine itself writes into the audit log: nobody pressed a button, so it names the
//! engine as where it came from, and whose deployment it is as the actor.

use serde_json::json;

use crate::domain::{Deployment, Instant, NewAuditEvent, Outcome};

/// How the engine names itself where a person's address would stand.
const ENGINE: &str = "engine";

/// An event of `deployment`: `action` as in `deployment.paused`, and a sentence.
pub(super) fn event(
    deployment: &Deployment,
    action: &str,
    outcome: Outcome,
    sentence: &str,
    at: Instant,
) -> NewAuditEvent {
    let permit = deployment.permit.as_ref();
    NewAuditEvent {
        at,
        actor: deployment.actor.clone(),
        impersonator: deployment.impersonator.clone(),
        address: ENGINE.to_owned(),
        action: format!("deployment.{action}"),
        resource: format!("{}/{}", deployment.project, deployment.environment),
        outcome,
        permit: permit.map(ToString::to_string).unwrap_or_default(),
        detail: json!({
            "deployment": deployment.id, "commit": deployment.commit.as_str(), "outcome": sentence,
        }),
    }
}
