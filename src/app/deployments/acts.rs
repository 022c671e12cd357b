//! What a person tells a deployment that waits or runs: end, pause, go on, and the answers to a
//! pause. The wish is stored with its audit event; the worker that has the deployment sees it.

use serde_json::json;

use super::{action_for, resource_now};
use crate::app::{App, watch};
use crate::domain::{
    Action, Actor, Answer, Answered, Deployment, DeploymentId, DeploymentState, Error, Event, EventKind,
    Kind, Result,
};
use crate::store::deployments;

/// Ends a deployment: one that waits at once, a running one as soon as its programs are ended.
///
/// # Errors
/// Forbidden; unknown; ended already.
pub async fn cancel(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    use DeploymentState::{Awaiting, Queued, Scheduled};
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app
        .permit(actor, Action::Cancel, &resource_now(app, &deployment).await?)
        .await?;
    let (now, who) = (app.now(), &permit.actor().name);
    let change = app.store.change(&permit, now).await?;
    // Read again: a worker may have taken or ended it meanwhile.
    let state = deployments::by_id(&change, id).await?.state;
    if state.is_final() {
        return Err(ended(id, state));
    }
    deployments::request_cancel(&change, id, who, now).await?;
    if matches!(state, Awaiting | Queued | Scheduled) {
        let outcome = format!("Cancelled by {who} before it began; no server was touched.");
        deployments::set_state(&change, id, state, DeploymentState::Cancelled, now, &outcome).await?;
    }
    let event = Event::deployment(EventKind::CancelRequested, id, json!({}));
    change.commit(event).await
}

fn ended(id: DeploymentId, state: DeploymentState) -> Error {
    Error::conflict(format!(
        "Deployment {id} has ended already: it {}.",
        match state {
            DeploymentState::Cancelled | DeploymentState::Interrupted =>
                format!("was {}", state.title().to_lowercase()),
            _ => state.title().to_lowercase(),
        }
    ))
}

/// Wishes that a running deployment pauses after its current batch.
///
/// # Errors
/// Forbidden; unknown; a conflict when it does not run.
pub async fn pause(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    set_pause_wish(app, actor, id, true).await
}

/// Takes the wish back, as long as the deployment has not paused yet.
///
/// # Errors
/// As [`pause`]; a conflict when nobody wishes so.
pub async fn unpause_request(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    set_pause_wish(app, actor, id, false).await
}

async fn set_pause_wish(app: &App, actor: &Actor, id: DeploymentId, wish: bool) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    // Who may end it may hold it.
    let permit = app
        .permit(actor, Action::Cancel, &resource_now(app, &deployment).await?)
        .await?;
    let is_last = wish && !watch::now(app, id).await?.may_pause();
    let change = app.store.change(&permit, app.now()).await?;
    let present = deployments::by_id(&change, id).await?;
    match present.state {
        DeploymentState::Running => {}
        DeploymentState::Paused if wish => {
            return Err(Error::conflict(format!("Deployment {id} is paused already.")));
        }
        DeploymentState::Paused => {
            return Err(Error::conflict(format!(
                "Deployment {id} is paused by now. Let it go on from there."
            )));
        }
        state if state.is_final() => return Err(ended(id, state)),
        _ => {
            return Err(Error::conflict(format!(
                "Deployment {id} does not run yet. Cancel it, if it shall not."
            )));
        }
    }
    if is_last {
        return Err(Error::conflict(format!(
            "Deployment {id} is at its last batch, so there is nothing to pause before."
        )));
    }
    if wish == present.pause_requested_by.is_some() {
        let why = if wish { "already" } else { "no longer" };
        return Err(Error::conflict(format!(
            "Deployment {id} is {why} about to pause."
        )));
    }
    let by = wish.then_some(permit.actor().name.as_str());
    deployments::request_pause(&change, id, by).await?;
    let act = if wish {
        EventKind::PauseRequested
    } else {
        EventKind::PauseWithdrawn
    };
    change.commit(Event::deployment(act, id, json!({}))).await
}

/// What policy is asked for when somebody answers a paused deployment so: going on is doing it,
/// stopping is ending it.
pub fn action_of(answer: Answer, kind: Kind) -> Action {
    match answer {
        Answer::Resume | Answer::Retry | Answer::Skip => action_for(kind),
        Answer::RollBack => Action::Rollback,
        Answer::Stop => Action::Cancel,
    }
}

/// Tells a paused deployment what to do.
///
/// # Errors
/// Forbidden; unknown; a conflict when it is not paused any more, does not take this answer, or
/// has one already.
pub async fn answer(app: &App, actor: &Actor, id: DeploymentId, answer: Answer) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let action = action_of(answer, deployment.kind);
    let permit = app
        .permit(actor, action, &resource_now(app, &deployment).await?)
        .await?;
    let now = app.now();
    let change = app.store.change(&permit, now).await?;
    let answered = Answered {
        answer,
        by: permit.actor().name.clone(),
        at: now,
    };
    deployments::answer(&change, id, &answered).await?;
    let detail = json!({ "answer": answer.as_str(), "to": reason(&deployment) });
    let event = Event::deployment(EventKind::DeploymentAnswered, id, detail);
    change.commit(event).await
}

fn reason(deployment: &Deployment) -> serde_json::Value {
    json!(deployment.pause.as_ref().map(|pause| &pause.reason))
}
