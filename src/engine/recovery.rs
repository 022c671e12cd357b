//! Closes deployments with the truth: those that ended just now, and at a start those that an
//! earlier process left running when it was killed.
//!
//! What is on a server follows from the journal of its steps: a step that was begun and not ended
//! may have done anything between nothing and all of its work, one before it is done, one after it
//! was never begun.

use std::sync::Arc;

use super::events::event;
use super::rollout::undo;
use super::run::Ending;
use super::steps::checkout;
use super::stop::{Stop, StopReason};
use super::{Inner, Settings};
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{Deployment, DeploymentState, Outcome, Result, Step, StepKind, StepState, SyncMethod};
use crate::store::queue::{self, Abandoned, Claimed};
use crate::store::{Lease, LeasedTx, audit, deployments, projects, steps};

/// Closes one deployment whose lease we hold.
///
/// # Errors
/// [`crate::store::Fenced`] when we don't any more; those of the store.
pub(super) async fn close(engine: &Inner, lease: Lease, stop: &Stop, ending: &Ending) -> Result<()> {
    let store = &engine.parts.store;
    let id = lease.deployment;
    let deployment = deployments::by_id(store, id).await?;
    let (state, mut outcome) = ending.close(stop, deployment.cancelled_by.as_deref());
    let tx = store.begin_leased(lease).await?;
    settle(engine, &tx, &deployment, stop.reason()).await?;
    if let Some(undo) = ending.undo() {
        let what = undo::queue(&tx, &deployment, undo, engine.parts.clock.now()).await?;
        outcome = format!("{outcome} {what}");
    }
    finish(engine, &tx, &deployment, state, &outcome).await?;
    tx.commit().await?;
    tracing::info!(
        deployment = id.0,
        state = state.as_str(),
        outcome,
        "deployment ended"
    );
    Ok(())
}

/// Closes everything an earlier process of this installation left running.
pub(super) async fn close_interrupted(engine: &Arc<Inner>) -> Result<()> {
    let store = &engine.parts.store;
    let Settings { instance, lease, .. } = &engine.parts.settings;
    let now = engine.parts.clock.now();
    for claimed in queue::take_over(store, Abandoned::All, instance, now, *lease).await? {
        let Claimed { deployment, lease } = claimed;
        let outcome = "Interrupted: the deployer stopped while it ran. Each server says what is on it.";
        let tx = store.begin_leased(lease).await?;
        settle(engine, &tx, &deployment, Some(StopReason::Shutdown)).await?;
        finish(engine, &tx, &deployment, DeploymentState::Interrupted, outcome).await?;
        tx.commit().await?;
        tracing::warn!(
            deployment = deployment.id.0,
            "an interrupted deployment was closed"
        );
        engine.hub.changed(deployment.id);
    }
    Ok(())
}

/// Removes the exported trees of an earlier process: at a start nothing runs that could need them.
pub(super) async fn clear_trees(engine: &Inner) {
    let trees = checkout::trees(&engine.parts.settings);
    let removal = {
        let trees = trees.clone();
        tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(&trees) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    };
    match removal.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(path = %trees.display(), %error, "old exported trees could not be removed")
        }
        Err(error) => tracing::warn!(%error, "old exported trees could not be removed"),
    }
}

/// Gives every step and server that is not final its last word.
async fn settle(
    engine: &Inner,
    tx: &LeasedTx,
    deployment: &Deployment,
    reason: Option<StopReason>,
) -> Result<()> {
    let store = &engine.parts.store;
    let now = engine.parts.clock.now();
    let journal = steps::list(store, deployment.id).await?;
    let (ended, state) = match reason {
        Some(StopReason::Cancelled) => (StepState::Cancelled, ServerState::Cancelled),
        Some(_) => (StepState::Interrupted, ServerState::Interrupted),
        None => (StepState::Interrupted, ServerState::Failed),
    };
    for step in journal.iter().filter(|step| !step.state.is_final()) {
        let (to, detail) = match step.state {
            StepState::Running => (ended, "It was not seen to end."),
            _ => (StepState::Skipped, "Never begun."),
        };
        steps::finish(tx, step.id, to, None, detail, now).await?;
    }
    let method = match deployment.project_id {
        // Without its project all is said but what depends on the way it was deployed.
        Some(id) => projects::by_id(store, id)
            .await
            .ok()
            .map(|project| project.method),
        None => None,
    };
    for part in deployments::servers(store, deployment.id).await? {
        let (to, detail) = match part.state {
            ServerState::Waiting => (
                ServerState::Skipped,
                format!("Not touched: it runs {}.", before(&part)),
            ),
            ServerState::Running => {
                let steps = journal.iter().filter(|step| step.server_id == part.server_id);
                (state, truth(&part, steps, method, deployment))
            }
            _ => continue,
        };
        deployments::set_server(tx, part.position, to, &detail).await?;
    }
    Ok(())
}

/// The release a server had before, in words.
fn before(part: &ServerPart) -> String {
    before_words(part.previous_commit.as_ref().map(|commit| commit.as_str()))
}

/// The same, of a commit as a server tells it.
pub(super) fn before_words(commit: Option<&str>) -> String {
    match commit {
        Some(commit) => format!("{} as before", commit.get(..8).unwrap_or(commit)),
        None => "what it ran before".to_owned(),
    }
}

/// What is on a server that was being worked on, and what to do.
fn truth<'a>(
    part: &ServerPart,
    steps: impl Iterator<Item = &'a Step>,
    method: Option<SyncMethod>,
    deployment: &Deployment,
) -> String {
    let last = steps
        .filter(|step| step.started_at.is_some())
        .max_by_key(|step| step.position);
    let (commit, before) = (deployment.commit.short(), before(part));
    let in_place = method == Some(SyncMethod::InPlace);
    match last.map(|step| (step.kind, step.state.is_final())) {
        None | Some((StepKind::Inspect, _)) => format!("Not touched: it runs {before}."),
        Some((StepKind::Sync, _)) if !in_place => {
            format!("It runs {before}; the new release was not put in use.")
        }
        Some((StepKind::Sync, false)) => format!(
            "Its files were being changed to {commit}: some may be new and some old. Deploy again to make them whole."
        ),
        Some((StepKind::Activate, false)) => format!(
            "The switch to {commit} was being made: it runs either that or {before}. Deploy again to be sure."
        ),
        Some((StepKind::Sync | StepKind::Activate, true)) => {
            format!("It runs {commit}, but its deploy.sh and tests were not run. Deploy again to run them.")
        }
        Some((kind, false)) => {
            format!(
                "It runs {commit}, but {} was not seen to end. Deploy again to run it whole.",
                kind.title()
            )
        }
        Some((kind, true)) => format!(
            "It runs {commit}; {} was the last thing done there.",
            kind.title()
        ),
    }
}

async fn finish(
    engine: &Inner,
    tx: &LeasedTx,
    deployment: &Deployment,
    state: DeploymentState,
    outcome: &str,
) -> Result<()> {
    let now = engine.parts.clock.now();
    deployments::set_state(tx, deployment.id, deployment.state, state, now, outcome).await?;
    let how = if matches!(state, DeploymentState::Failed | DeploymentState::Interrupted) {
        Outcome::Failed
    } else {
        Outcome::Allowed
    };
    let event = event(deployment, state.as_str(), how, outcome, now);
    audit::append(tx, &event).await?;
    Ok(())
}
