//! Ends a deployment in the store: one that has just finished, or one that was abandoned because its
//! deployer was killed.
//!
//! A deployment that ends in order has already recorded what is on its servers. For an abandoned one
//! [`put_right`] comes first: it asks the servers (`report`), compares their answers with the journal
//! of the steps (`finding`), and corrects what the balancers send them (`service`). Only then is the
//! deployment closed and are its servers free for others.

mod finding;
mod history;
mod late;
mod proof;
mod report;
mod service;
mod torn;
mod undo;

use std::time::Duration;

use serde_json::json;

use self::history::History;
pub(super) use self::report::SILENT;
use super::ending::Ending;
use super::shared::Shared;
use super::stop::{Stop, StopReason};
use super::stopwatch::Stopwatch;
use crate::domain::deployment::ServerState;
use crate::domain::{
    Deployment, DeploymentState, Event, EventKind, Instant, OnServer, Outcome, Result, ServerRelease,
    ServiceBefore, StepState,
};
use crate::store::releases::{self, NewRelease};
use crate::store::{Change, Fenced, Lease, Leased, Record, deployments, steps};

/// Closes a deployment, and retries failed writes after each of `pauses`: its servers stay reserved until it
/// is closed. Unless `is_right`, it may have left servers out of service, and those are put right first. `begun` has measured how long it took, where one process carried it out.
pub(super) async fn end(
    engine: &Shared,
    lease: Lease,
    stop: &Stop,
    (ending, begun): (&Ending, Option<Stopwatch>),
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
            close(engine, lease, stop, (ending, begun)).await
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
/// [`Fenced`] when we no longer hold it; those of the store.
async fn close(
    engine: &Shared,
    lease: Lease,
    stop: &Stop,
    (ending, begun): (&Ending, Option<Stopwatch>),
) -> Result<()> {
    let store = &engine.parts.store;
    let id = lease.deployment;
    let deployment = deployments::by_id(store, id).await?;
    let (mut state, mut outcome) = ending.close(stop, deployment.cancelled_by.as_deref());
    let history = History::read(engine, &deployment).await?;
    let late = late::owed(engine, &history, ending, stop).await;
    if let Some(late) = &late {
        (state, outcome) = (late.state, late.sentence.clone());
    }
    let now = engine.parts.clock.now();
    let mut change = store.change_leased(lease, now).await?;
    settle(&change, &history, stop.reason(), now).await?;
    let undo = ending.undo().map(|undo| (undo, false));
    if let Some(undo) = undo.or(late.as_ref().map(|late| (&late.undo, true))) {
        let what = undo::queue(&mut change, &deployment, undo, now).await?;
        outcome = format!("{outcome} {what}");
    }
    let finished = begun.map_or(now, |begun| begun.now());
    deployments::set_state(&change, id, deployment.state, state, finished, &outcome).await?;
    let event = ended(&deployment, state, &outcome).with("finished_at", json!(finished));
    change.commit(event).await?;
    tracing::info!(
        deployment = id.0,
        state = state.as_str(),
        outcome,
        "deployment ended"
    );
    // It is closed: what cannot be read now is no reason to close it again.
    let parts = deployments::servers(store, id).await.unwrap_or_default();
    for part in parts.iter().filter(|part| part.state != ServerState::Succeeded) {
        let stands = part.told(&deployment.commit);
        tracing::info!(deployment = id.0, server = part.server, "{stands}");
    }
    Ok(())
}

/// What is on a server of a deployment that has ended, as it answers now, and whether it may serve with that;
/// `None`: it does not answer.
///
/// # Errors
/// Of the store.
pub(super) async fn look_again(
    engine: &Shared,
    deployment: &Deployment,
    position: i32,
) -> Result<Option<(OnServer, bool)>> {
    let history = History::read(engine, deployment).await?;
    let part = history.parts.iter().find(|part| part.position == position);
    Ok(match part {
        Some(part) => report::look_again(engine, &history, part).await,
        None => None,
    })
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
        deployments::set_server(&record, position, report.state).await?;
        if let Some((on, cause)) = &report.on {
            deployments::set_on_server(&record, position, *on, cause).await?;
        }
        if let Some(service) = report.service {
            deployments::set_service(&record, position, service).await?;
        }
        deployments::set_remains(&record, deployment.id, position, report.remains.as_deref()).await?;
        if let Some(dir) = report.in_use {
            record_release(&record, &history, position, dir, engine.parts.clock.now()).await?;
        }
    }
    deployments::set_pause(&record, None).await?;
    record.commit().await
}

/// Records that the files of the deployment are in use on a server, unless it did so itself.
async fn record_release(
    record: &Leased<Record>,
    history: &History,
    position: i32,
    path: String,
    at: Instant,
) -> Result<()> {
    let deployment = &history.deployment;
    let part = history.parts.iter().find(|part| part.position == position);
    let (Some(environment_id), Some(part)) = (deployment.environment_id, part) else {
        return Ok(());
    };
    let Some(server_id) = part.server_id else {
        return Ok(());
    };
    let current = releases::current(record, environment_id).await?;
    let is_ours =
        |one: &ServerRelease| one.server_id == part.server_id && one.deployment_id == Some(deployment.id);
    if current.iter().any(is_ours) {
        return Ok(());
    }
    let new = NewRelease {
        server_id,
        server: part.server.clone(),
        environment_id,
        branch: deployment.branch.clone(),
        commit: deployment.commit.clone(),
        path,
        at,
    };
    releases::record(record, &new).await.map(drop)
}

/// Gives every step and server that is not final its final state.
async fn settle(
    change: &Leased<Change>,
    history: &History,
    reason: Option<StopReason>,
    now: Instant,
) -> Result<()> {
    let (ended, state) = match reason {
        Some(StopReason::Cancelled) => (StepState::Cancelled, ServerState::Cancelled),
        Some(_) => (StepState::Interrupted, ServerState::Interrupted),
        None => (StepState::Interrupted, ServerState::Failed),
    };
    for step in history.steps.iter().filter(|step| !step.state.is_final()) {
        let (to, detail) = match step.state {
            StepState::Running => (ended, "It is not known to have ended."),
            _ => (StepState::Skipped, "Not started."),
        };
        steps::finish(change, step.id, to, None, detail, now).await?;
    }
    for part in &history.parts {
        let (to, on) = match part.state {
            ServerState::Waiting => (ServerState::Skipped, OnServer::Untouched),
            ServerState::Running => (state, history.server(part).journal()),
            _ => continue,
        };
        deployments::set_server(change, part.position, to).await?;
        deployments::set_on_server(change, part.position, on, "").await?;
        if part.service_before.is_none() && history.is_left_out(part) {
            deployments::set_service_before(change, part.position, ServiceBefore::LeftOut).await?;
        }
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
