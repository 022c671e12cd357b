//! Closes deployments with the truth: those that ended just now, and those that nobody carries on
//! because their deployer was killed.
//!
//! What is on a server follows from the journal of its steps, in which every act is announced before
//! it is done (`truth`). One that ended in order has said the rest itself. Of one that was torn off,
//! `abandoned` finds out by asking the servers (`inquest`), and puts right what stands at the
//! balancers (`back`), before it is closed and its servers are free for others.

mod abandoned;
mod back;
mod inquest;
mod truth;

pub(super) use abandoned::{put_right, take_all, watch};

use self::inquest::Files;
use super::Inner;
use super::rollout::undo;
use super::run::Ending;
use super::steps::checkout;
use super::stop::{Stop, StopReason};
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{Deployment, DeploymentState, Event, EventKind, Outcome, Result, StepState};
use crate::store::{Change, Lease, Leased, deployments, steps};

/// Closes one deployment whose lease we hold.
///
/// # Errors
/// [`crate::store::Fenced`] when we don't any more; those of the store.
pub(super) async fn close(engine: &Inner, lease: Lease, stop: &Stop, ending: &Ending) -> Result<()> {
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
    change: &Leased<Change>,
    deployment: &Deployment,
    reason: Option<StopReason>,
) -> Result<()> {
    let now = engine.parts.clock.now();
    let files = Files::read(engine, deployment).await?;
    let (ended, state) = match reason {
        Some(StopReason::Cancelled) => (StepState::Cancelled, ServerState::Cancelled),
        Some(_) => (StepState::Interrupted, ServerState::Interrupted),
        None => (StepState::Interrupted, ServerState::Failed),
    };
    for step in files.journal.iter().filter(|step| !step.state.is_final()) {
        let (to, detail) = match step.state {
            StepState::Running => (ended, "It was not seen to end."),
            _ => (StepState::Skipped, "Never begun."),
        };
        steps::finish(change, step.id, to, None, detail, now).await?;
    }
    for part in &files.parts {
        let (to, detail) = match part.state {
            ServerState::Waiting => (
                ServerState::Skipped,
                format!(
                    "Not touched: it runs {}.{}",
                    before(part),
                    files.service_words(part)
                ),
            ),
            ServerState::Running => (state, files.case(part).journal()),
            _ => continue,
        };
        deployments::set_server(change, part.position, to, &detail).await?;
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

fn ended(deployment: &Deployment, state: DeploymentState, outcome: &str) -> Event {
    let how = if matches!(state, DeploymentState::Failed | DeploymentState::Interrupted) {
        Outcome::Failed
    } else {
        Outcome::Allowed
    };
    Event::by_engine(EventKind::of_state(state), deployment, outcome).ended(how)
}
