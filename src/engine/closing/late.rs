//! A rollback that was due but not queued when the deployer stopped: a server had failed in an environment
//! that rolls back failed rollouts, or a person had chosen to roll back.

use super::history::History;
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{
    Answer, DeploymentState, Kind, OnFailure, OnServer, PastPause, PauseReason, ServerStanding,
};
use crate::engine::ending::{Ending, Undo};
use crate::engine::shared::Shared;
use crate::engine::stop::{Stop, StopReason};
use crate::engine::undo::{self, Touched};

/// What will be undone, and how the deployment ends.
pub(super) struct LateUndo {
    pub undo: Undo,
    pub state: DeploymentState,
    pub sentence: String,
}

/// The rollback that a stopped deployment still has to queue; `None` if none was due, or if the deployment
/// was cancelled.
pub(super) async fn owed(
    engine: &Shared,
    history: &History,
    ending: &Ending,
    stop: &Stop,
) -> Option<LateUndo> {
    let is_stopped =
        matches!(ending, Ending::Stopped) && matches!(stop.reason(), None | Some(StopReason::Shutdown));
    let (project, true) = (history.project.as_ref()?, is_stopped) else {
        return None;
    };
    let (reason, state, why) = wanted(history)?;
    let touched: Vec<Touched> = history
        .parts
        .iter()
        .filter_map(|part| touched(history, part))
        .collect();
    let failed = (&history.deployment, project);
    Some(LateUndo {
        undo: undo::work_out(&engine.parts, failed, &touched, reason).await,
        state,
        sentence: format!("{why} The deployer stopped before it could queue the rollback."),
    })
}

/// Why it is undone, in what state it ends, and a sentence about that.
fn wanted(history: &History) -> Option<(String, DeploymentState, String)> {
    let deployment = &history.deployment;
    if let Some(PastPause { reason, answered, .. }) = deployment.pauses.last()
        && answered.answer == Answer::RollBack
    {
        let by = &answered.by;
        let (state, did) = match reason {
            PauseReason::Failure { .. } => (DeploymentState::Failed, "Stopped"),
            _ => (DeploymentState::Cancelled, "Rolled back"),
        };
        return Some((format!("rolled back by {by}"), state, format!("{did} by {by}.")));
    }
    let on_failure = history.environment.as_ref()?.options.rollout.on_failure;
    let mut failed: Vec<&str> = history
        .parts
        .iter()
        .filter(|part| has_failed(part))
        .map(|part| part.server.as_str())
        .collect();
    failed.sort_unstable();
    let is_wanted = on_failure == OnFailure::RollBack && deployment.kind != Kind::Rollback;
    (is_wanted && !failed.is_empty()).then(|| {
        let why = format!("Failed on {}.", failed.join(", "));
        ("it failed".to_owned(), DeploymentState::Failed, why)
    })
}

/// Whether the release failed there: as the worker saw it, or when what it had not ended was tried again.
fn has_failed(part: &ServerPart) -> bool {
    part.state == ServerState::Failed || matches!(part.on_server, Some(OnServer::Failed(_)))
}

fn touched(history: &History, part: &ServerPart) -> Option<Touched> {
    let on = match part.standing().as_ref().map(ServerStanding::on) {
        Some(on) => on,
        // Still being worked on.
        None if part.on_server.is_none() && part.detail.is_empty() => history.server(part).journal(),
        None => OnServer::Unknown,
    };
    (!on.is_unchanged()).then_some(())?;
    Some(Touched {
        server: part.server_id?,
        name: part.server.clone(),
        cluster: part.cluster.clone(),
        before: part.previous_commit.clone(),
    })
}
