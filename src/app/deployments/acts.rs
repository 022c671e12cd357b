//! Acts on a deployment that waits or runs: cancel, pause, and the answers to a pause. An act is
//! stored with its audit event; the worker that runs the deployment sees it.

use serde_json::json;

use crate::app::naming::{action_of_answer, resource_now};
use crate::app::{App, watch};
use crate::domain::{
    Action, Actor, Answer, Answered, Answerer, Deployment, DeploymentId, DeploymentState, Error, Event,
    EventKind, Result,
};
use crate::engine::Succession;
use crate::store::deployments;

/// Cancels a deployment: a waiting one at once, a running one as soon as its programs are stopped. The
/// commit rings the engine, which stops it (`engine/shared.rs`).
///
/// # Errors
/// Forbidden; unknown; ended already.
pub async fn cancel(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
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
    if state.is_waiting() {
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

/// Has a running deployment pause after its current batch.
///
/// # Errors
/// Forbidden; unknown; a conflict when it is not running.
pub async fn pause(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    set_pause_wish(app, actor, id, true).await
}

/// Withdraws a pause that has not begun yet.
///
/// # Errors
/// As [`pause`]; a conflict when no pause was requested.
pub async fn withdraw_pause(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    set_pause_wish(app, actor, id, false).await
}

async fn set_pause_wish(app: &App, actor: &Actor, id: DeploymentId, wish: bool) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    // Pausing needs the right to cancel.
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
                "Deployment {id} is paused already. Continue it instead."
            )));
        }
        state if state.is_final() => return Err(ended(id, state)),
        _ => {
            return Err(Error::conflict(format!(
                "Deployment {id} is not running yet. Cancel it instead."
            )));
        }
    }
    if is_last {
        return Err(Error::conflict(format!(
            "Deployment {id} is in its last batch, so it cannot pause any more."
        )));
    }
    if wish == present.pause_requested_by.is_some() {
        let why = if wish { "already" } else { "not" };
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

/// Answers a paused deployment.
///
/// # Errors
/// Forbidden; unknown; a conflict when it is no longer paused, the pause does not offer this answer,
/// or was answered already.
pub async fn answer(app: &App, actor: &Actor, id: DeploymentId, answer: Answer) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let action = action_of_answer(answer, deployment.kind);
    let permit = app
        .permit(actor, action, &resource_now(app, &deployment).await?)
        .await?;
    // Whoever ends it takes nothing over.
    let takes_over = answer != Answer::Stop
        && matches!(
            app.engine.succession(&deployment, permit.actor(), action).await?,
            Succession::Answerer { .. }
        );
    let now = app.now();
    let change = app.store.change(&permit, now).await?;
    let answered = Answered {
        answer,
        by: Answerer::Person(permit.actor().name.clone()),
        at: now,
        groups: permit.actor().groups.clone(),
        token: permit.actor().token.clone(),
        impersonator: permit.actor().impersonator.clone(),
        takes_over,
        permit: Some(permit.line().clone()),
    };
    deployments::answer(&change, id, &answered).await?;
    let mut detail = json!({ "answer": answer.as_str(), "to": reason(&deployment) });
    if takes_over {
        detail["takes_over_from"] = json!(deployment.actor);
    }
    let event = Event::deployment(EventKind::DeploymentAnswered, id, detail);
    change.commit(event).await
}

fn reason(deployment: &Deployment) -> serde_json::Value {
    json!(deployment.pause.as_ref().map(|pause| &pause.reason))
}
