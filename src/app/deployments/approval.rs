//! The second person's part: approving or rejecting what somebody else asked for; and what a newer
//! automatic deployment makes pointless.

use serde_json::json;

use super::resource_now;
use super::terms::check_length;
use crate::access::Permit;
use crate::app::{App, audit};
use crate::domain::{
    Action, Actor, Approval, Deployment, DeploymentId, DeploymentState, Error, ErrorKind, Instant, Kind,
    Result, Target,
};
use crate::store::audit as audit_log;
use crate::store::{Tx, deployments};

/// Approves a deployment: it waits for its time, or for its turn.
///
/// # Errors
/// Forbidden, by policy or because it is one's own; unknown; a conflict when it does not await
/// approval any more.
pub async fn approve(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app
        .permit(actor, Action::Approve, &resource_now(app, &deployment).await?)
        .await?;
    let now = app.now();
    let tx = app.store.begin().await?;
    let deployment = deployments::by_id(&tx, id).await?;
    let approval = awaited(&deployment)?;
    let detail = json!({
        "deployment": id, "commit": deployment.commit.as_str(), "requested_by": deployment.actor,
    });
    if let Some(why) = obstacle(&deployment, permit.actor(), now) {
        let event = audit::forbidden(&permit, "deployment.approve_refused", now, &why, detail);
        audit_log::append(&tx, &event).await?;
        tx.commit().await?;
        return Err(Error::new(ErrorKind::Forbidden, why));
    }
    let given = Approval {
        given: Some((permit.actor().name.clone(), now)),
        ..approval
    };
    deployments::approve(&tx, id, &given).await?;
    let next = match deployment.scheduled_at {
        Some(at) if at > now => DeploymentState::Scheduled,
        _ => DeploymentState::Queued,
    };
    deployments::set_state(&tx, id, DeploymentState::Awaiting, next, now, "").await?;
    audit_log::append(&tx, &audit::allowed(&permit, "deployment.approved", now, detail)).await?;
    let approved = deployments::by_id(&tx, id).await?;
    let ended = supersede(&tx, &permit, &approved, now).await?;
    tx.commit().await?;
    for id in ended.into_iter().chain([id]) {
        app.engine.hub().changed(id);
    }
    app.engine.wake();
    Ok(())
}

/// Ends a deployment that awaits approval, with a reason that may be empty.
///
/// # Errors
/// Forbidden; unknown; a conflict when it does not await approval any more.
pub async fn reject(app: &App, actor: &Actor, id: DeploymentId, reason: &str) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app
        .permit(actor, Action::Approve, &resource_now(app, &deployment).await?)
        .await?;
    let reason = reason.trim();
    check_length("reason", reason)?;
    let (now, who) = (app.now(), &permit.actor().name);
    let tx = app.store.begin().await?;
    awaited(&deployments::by_id(&tx, id).await?)?;
    deployments::request_cancel(&tx, id, who, now).await?;
    let outcome = match reason {
        "" => format!("Rejected by {who}; no server was touched."),
        reason => format!("Rejected by {who}: {reason}"),
    };
    let (from, to) = (DeploymentState::Awaiting, DeploymentState::Cancelled);
    deployments::set_state(&tx, id, from, to, now, &outcome).await?;
    let detail = json!({ "deployment": id, "reason": reason, "requested_by": deployment.actor });
    audit_log::append(&tx, &audit::allowed(&permit, "deployment.rejected", now, detail)).await?;
    tx.commit().await?;
    app.engine.hub().changed(id);
    app.engine.wake();
    Ok(())
}

fn awaited(deployment: &Deployment) -> Result<Approval> {
    let awaits = deployment.state == DeploymentState::Awaiting;
    deployment.approval.clone().filter(|_| awaits).ok_or_else(|| {
        Error::conflict(format!(
            "Deployment {} does not await approval: it is {}.",
            deployment.id,
            deployment.state.title().to_lowercase()
        ))
    })
}

/// Why somebody whom policy lets approve may not approve this one; `None`: nothing stands in the
/// way. Two people have to be behind it, so nobody who sat at the request counts, under their own
/// name or another's.
pub(in crate::app) fn obstacle(deployment: &Deployment, actor: &Actor, now: Instant) -> Option<String> {
    if actor.is_guest() {
        return Some("Log in first: an approval needs a name.".to_owned());
    }
    let asked = [Some(&deployment.actor), deployment.impersonator.as_ref()];
    let approves = [Some(&actor.name), actor.impersonator.as_ref()];
    if approves.iter().flatten().any(|one| asked.contains(&Some(*one))) {
        return Some(format!(
            "Deployment {} needs a second person: who asked for it cannot approve it.",
            deployment.id
        ));
    }
    let expires_at = deployment.approval.as_ref()?.expires_at;
    (now >= expires_at).then(|| {
        format!(
            "The time to approve deployment {} ended at {}. Ask for it again.",
            deployment.id,
            expires_at.format("%Y-%m-%d %H:%M UTC")
        )
    })
}

/// Ends older automatic deployments to the same environment that wait, as this newer one brings
/// what they would have brought and more. One that only awaits approval itself leaves alone what
/// is through with that. Returns what it ended.
pub(super) async fn supersede(
    tx: &Tx,
    permit: &Permit,
    newer: &Deployment,
    now: Instant,
) -> Result<Vec<DeploymentId>> {
    let states: &[DeploymentState] = match newer.state {
        DeploymentState::Queued => &[DeploymentState::Queued, DeploymentState::Awaiting],
        DeploymentState::Awaiting => &[DeploymentState::Awaiting],
        _ => &[],
    };
    let (Kind::Automatic, Target::Environment, Some(environment)) =
        (newer.kind, &newer.target, newer.environment_id)
    else {
        return Ok(Vec::new());
    };
    let mut ended = Vec::new();
    for older in deployments::superseded(tx, environment, newer.id, states).await? {
        let outcome = format!("Superseded by deployment {}; no server was touched.", newer.id);
        let to = DeploymentState::Cancelled;
        deployments::set_state(tx, older.id, older.state, to, now, &outcome).await?;
        let detail = json!({ "deployment": older.id, "by": newer.id });
        audit_log::append(tx, &audit::allowed(permit, "deployment.superseded", now, detail)).await?;
        ended.push(older.id);
    }
    Ok(ended)
}
