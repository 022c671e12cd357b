//! Lets deployments go that wait for a time, and ends those that nobody approved in time.
//!
//! Policy is asked again when the time has come, for who asked: what was allowed on Monday may be
//! forbidden in Saturday's freeze. It then fails with the sentence of the refusal, and does not wait
//! for another time that nobody has chosen.

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use crate::domain::{
    Action, Deployment, DeploymentState, Event, EventKind, Instant, Kind, Outcome, Resource, Result,
};
use crate::store::{Right, deployments};

/// How often it is looked whether something is due. A time is chosen by the minute.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What becomes of an approval that was not given.
const NOT_APPROVED: &str = "Nobody approved it in time; no server was touched.";

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Inner>) {
    loop {
        if let Err(error) = look(&engine).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is due could not be read"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = engine.shutdown.cancelled() => return,
        }
    }
}

async fn look(engine: &Inner) -> Result<()> {
    let now = engine.parts.clock.now();
    for deployment in deployments::due(&engine.parts.store, now).await? {
        let Some((to, sentence)) = next(engine, &deployment, now) else {
            continue;
        };
        // Somebody may just have cancelled or approved it: the next look shows.
        match advance(engine, &deployment, to, &sentence, now).await {
            Ok(()) => {}
            Err(error) => tracing::info!(deployment = deployment.id.0, "{error}"),
        }
    }
    Ok(())
}

/// What becomes of a deployment that waits, if its time has come.
fn next(engine: &Inner, deployment: &Deployment, now: Instant) -> Option<(DeploymentState, String)> {
    if deployment.state == DeploymentState::Awaiting {
        let approval = deployment.approval.as_ref()?;
        let expired = approval.given.is_none() && approval.expires_at <= now;
        return expired.then(|| (DeploymentState::Failed, NOT_APPROVED.to_owned()));
    }
    if deployment.scheduled_at.is_some_and(|at| at > now) {
        return None;
    }
    let actor = deployment.requester("engine");
    let action = match deployment.kind {
        Kind::Rollback => Action::Rollback,
        _ => Action::Deploy,
    };
    let resource = Resource::Environment(deployment.project.clone(), deployment.environment.clone());
    Some(match engine.parts.access.permit(&actor, action, &resource, now) {
        Ok(permit) => (
            DeploymentState::Queued,
            format!(
                "Its time has come, and it is still allowed, by {}.",
                permit.line()
            ),
        ),
        Err(refusal) => (
            DeploymentState::Failed,
            format!(
                "Its time came, but policy does not allow it now: {} No server was touched.",
                refusal.sentence()
            ),
        ),
    })
}

async fn advance(
    engine: &Inner,
    deployment: &Deployment,
    to: DeploymentState,
    sentence: &str,
    now: Instant,
) -> Result<()> {
    let right = Right::of_engine(deployment);
    let change = engine.parts.store.change(right, now).await?;
    deployments::set_state(&change, deployment.id, deployment.state, to, now, sentence).await?;
    let how = match to {
        DeploymentState::Failed => Outcome::Failed,
        _ => Outcome::Allowed,
    };
    let event = Event::by_engine(EventKind::of_state(to), deployment, sentence);
    change.commit(event.ended(how)).await?;
    tracing::info!(
        deployment = deployment.id.0,
        state = to.as_str(),
        sentence,
        "a waiting deployment goes on"
    );
    Ok(())
}
