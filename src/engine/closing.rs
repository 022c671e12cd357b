//! Ends a deployment in the store: one that came to its end just now, or one that was abandoned
//! because its deployer was killed.
//!
//! A deployment that ends in order has already recorded what is on its servers. For an abandoned one
//! [`put_right`] comes first: it asks the servers (`report`), compares their answers with the journal
//! of the steps (`finding`), and corrects what the balancers send them (`service`). Only then is the
//! deployment closed and are its servers free for others.

mod finding;
mod history;
mod proof;
mod report;
mod service;
mod undo;

use std::time::Duration;

use self::history::History;
use super::ending::Ending;
use super::shared::Shared;
use super::stop::{Stop, StopReason};
use super::words::OnServer;
use crate::domain::deployment::ServerState;
use crate::domain::{Deployment, DeploymentState, Event, EventKind, Outcome, Result, StepState};
use crate::store::{Change, Fenced, Lease, Leased, deployments, steps};

/// Closes a deployment, and tries again after each of `pauses` what cannot be written: until it is closed,
/// its servers are kept from everybody. Unless `is_right`, it may have left servers out of service, and
/// that is put right first.
pub(super) async fn end(
    engine: &Shared,
    lease: Lease,
    stop: &Stop,
    ending: &Ending,
    mut is_right: bool,
    pauses: impl Iterator<Item = Duration>,
) {
    let id = lease.deployment.0;
    for pause in pauses {
        let closing = async {
            if !is_right {
                put_right(engine, lease).await?;
                is_right = true;
            }
            close(engine, lease, stop, ending).await
        };
        let Err(error) = Box::pin(closing).await else {
            return;
        };
        if Fenced::is(&error) {
            tracing::error!(
                deployment = id,
                "another instance holds this deployment now; nothing more is written"
            );
            return;
        }
        tracing::warn!(
            deployment = id,
            error = &error as &dyn std::error::Error,
            "the deployment could not be closed"
        );
        tokio::time::sleep(pause).await;
    }
    tracing::error!(deployment = id, "it is left to whoever takes it over");
}

/// Closes a deployment whose lease we hold.
///
/// # Errors
/// [`Fenced`] when we don't any more; those of the store.
async fn close(engine: &Shared, lease: Lease, stop: &Stop, ending: &Ending) -> Result<()> {
    let store = &engine.parts.store;
    let id = lease.deployment;
    let deployment = deployments::by_id(store, id).await?;
    let (state, mut outcome) = ending.close(stop, deployment.cancelled_by.as_deref());
    let now = engine.parts.clock.now();
    let mut change = store.change_leased(lease, now).await?;
    settle(engine, &change, &deployment, stop.reason()).await?;
    if let Some(undo) = ending.undo() {
        let what = undo::queue(&mut change, &deployment, undo, now).await?;
        outcome = format!("{outcome} {what}");
    }
    deployments::set_state(&change, id, deployment.state, state, now, &outcome).await?;
    change.commit(ended(&deployment, state, &outcome)).await?;
    tracing::info!(
        deployment = id.0,
        state = state.as_str(),
        outcome,
        "deployment ended"
    );
    Ok(())
}

/// Finds out what is on the servers of an abandoned deployment, corrects their balancers and stores the
/// reports. Servers that did not answer are described from the journal when the deployment is closed.
///
/// # Errors
/// [`Fenced`] when somebody else holds it; those of the store.
async fn put_right(engine: &Shared, lease: Lease) -> Result<()> {
    let store = &engine.parts.store;
    let deployment = deployments::by_id(store, lease.deployment).await?;
    let history = History::read(engine, &deployment).await?;
    let reports = report::all(engine, lease, &history).await;
    let record = store.record_leased(lease).await?;
    for (position, report) in reports {
        deployments::set_server(&record, position, report.state, &report.detail).await?;
        if let Some(service) = report.service {
            deployments::set_service(&record, position, service).await?;
        }
    }
    deployments::set_pause(&record, None).await?;
    record.commit().await
}

/// Gives every step and server that is not final its final state.
async fn settle(
    engine: &Shared,
    change: &Leased<Change>,
    deployment: &Deployment,
    reason: Option<StopReason>,
) -> Result<()> {
    let now = engine.parts.clock.now();
    let history = History::read(engine, deployment).await?;
    let (ended, state) = match reason {
        Some(StopReason::Cancelled) => (StepState::Cancelled, ServerState::Cancelled),
        Some(_) => (StepState::Interrupted, ServerState::Interrupted),
        None => (StepState::Interrupted, ServerState::Failed),
    };
    for step in history.steps.iter().filter(|step| !step.state.is_final()) {
        let (to, detail) = match step.state {
            StepState::Running => (ended, "It was not seen to end."),
            _ => (StepState::Skipped, "Not started."),
        };
        steps::finish(change, step.id, to, None, detail, now).await?;
    }
    for part in &history.parts {
        let (to, detail) = match part.state {
            ServerState::Waiting => (
                ServerState::Skipped,
                format!(
                    "{}{}",
                    OnServer::of(&deployment.commit, part).untouched(),
                    history.service_words(part)
                ),
            ),
            ServerState::Running => (state, history.server(part).journal()),
            _ => continue,
        };
        deployments::set_server(change, part.position, to, &detail).await?;
    }
    Ok(())
}

fn ended(deployment: &Deployment, state: DeploymentState, outcome: &str) -> Event {
    let how = if matches!(state, DeploymentState::Failed | DeploymentState::Interrupted) {
        Outcome::Failed
    } else {
        Outcome::Allowed
    };
    Event::by_engine(EventKind::of_state(state), deployment, outcome).ended(how)
}
