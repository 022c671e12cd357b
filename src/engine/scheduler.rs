//! Queues scheduled deployments when their time has come, and ends those that nobody approved in time.
//!
//! Permission is checked again at that time: what was allowed on Monday may be forbidden in Saturday's
//! freeze. The deployment then fails with the sentence of the refusal, as nobody has chosen another
//! time for it.

use std::sync::Arc;
use std::time::Duration;

use super::permission::{self, Permission};
use super::shared::Shared;
use crate::domain::{Deployment, DeploymentState, Event, EventKind, Instant, Outcome, Result};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::{Right, deployments};

/// How often the store is asked for due deployments. Times are chosen to the minute.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(20);
/// The outcome of a deployment that nobody approved.
const NOT_APPROVED: &str = "Nobody approved it in time; no server was touched.";

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let mut applicant = Applicant::new(Job::Scheduler, &engine.parts.settings.instance, LEASE);
    loop {
        if let Err(error) = look_if_mine(&engine, &mut applicant).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is due could not be read"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = engine.shutdown.cancelled() => break,
        }
    }
    applicant.resign(&engine.parts.store).await;
}

async fn look_if_mine(engine: &Shared, applicant: &mut Applicant) -> Result<()> {
    let (store, now) = (&engine.parts.store, engine.parts.clock.now());
    match applicant.lease(store, now).await? {
        Some(lease) => look(engine, lease).await,
        None => Ok(()),
    }
}

async fn look(engine: &Shared, lease: JobLease) -> Result<()> {
    let now = engine.parts.clock.now();
    for deployment in deployments::due(&engine.parts.store, now).await? {
        let Some((to, sentence)) = next(engine, &deployment, now).await? else {
            continue;
        };
        // Somebody may just have cancelled or approved it; the next look shows.
        match advance(engine, lease, &deployment, (to, &sentence), now).await {
            Ok(()) => {}
            Err(error) => tracing::info!(deployment = deployment.id.0, "{error}"),
        }
    }
    Ok(())
}

/// The state that a waiting deployment changes to, if its time has come, and the sentence for it.
async fn next(
    engine: &Shared,
    deployment: &Deployment,
    now: Instant,
) -> Result<Option<(DeploymentState, String)>> {
    if deployment.state == DeploymentState::Awaiting {
        let expired = deployment
            .approval
            .as_ref()
            .is_some_and(|approval| approval.given.is_none() && approval.expires_at <= now);
        return Ok(expired.then(|| (DeploymentState::Failed, NOT_APPROVED.to_owned())));
    }
    if deployment.scheduled_at.is_some_and(|at| at > now) {
        return Ok(None);
    }
    let action = deployment.kind.action();
    Ok(Some(
        match permission::ask(&engine.parts, deployment, action).await? {
            Permission::Granted(line) => (
                DeploymentState::Queued,
                format!("Its start time has come, and it is still allowed by {line}."),
            ),
            Permission::Refused(why) => (
                DeploymentState::Failed,
                format!("Its time came, but it is not allowed now: {why} No server was touched."),
            ),
        },
    ))
}

async fn advance(
    engine: &Shared,
    lease: JobLease,
    deployment: &Deployment,
    (to, sentence): (DeploymentState, &str),
    now: Instant,
) -> Result<()> {
    let (store, right) = (&engine.parts.store, Right::of_engine(deployment));
    let change = store.change_by_job(lease, right, now).await?;
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
