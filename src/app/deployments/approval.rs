//! Approving or rejecting what somebody else requested; and superseding older automatic deployments.

use std::collections::HashSet;

use serde_json::json;

use crate::app::App;
use crate::app::commits::about_commit;
use crate::app::naming::{check_reason, resource_now};
use crate::domain::event::Author;
use crate::domain::user::GivenPassword;
use crate::domain::{
    Action, Actor, ApiToken, Approval, Deployment, DeploymentId, DeploymentState, Error, ErrorKind, Event,
    EventKind, Instant, Kind, Result, ServerId, ServerState, Target, if_found,
};
use crate::store::{Change, Reader, deployments, environments, projects, sealing, tokens, users};

/// Why what awaits its approval cannot be approved as it was requested.
const CHANGED: &str = "What it would do has changed since it was requested: other servers, another address of one, another order, or other settings of the environment or project. Request it again.";

/// Approves a deployment: it becomes scheduled or queued.
///
/// # Errors
/// Forbidden, by policy or because it is one's own; unknown; a conflict when it no longer awaits
/// approval, or would fail once it is approved.
pub async fn approve(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app
        .permit(actor, Action::Approve, &resource_now(app, &deployment).await?)
        .await?;
    // Asked before the change is open, as balancers are asked: an approval that could only fail is not taken.
    awaited(&deployment)?;
    // On the heap: what it asks of balancers is large.
    let in_vain = Box::pin(in_vain(app, &deployment)).await?;
    let now = app.now();
    let mut change = app.store.change(&permit, now).await?;
    let deployment = deployments::by_id(&change, id).await?;
    let approval = awaited(&deployment)?;
    let mut detail = json!({ "commit": deployment.commit.as_str(), "requested_by": deployment.actor });
    if !approval.by.is_empty() {
        detail["of"] = json!(approval.by);
    }
    if let Some(why) = obstacle(app, &change, &deployment, permit.actor()).await? {
        let event = Event::deployment(EventKind::ApprovalRefused, id, detail);
        change.commit(event.forbidden(why.clone())).await?;
        return Err(Error::new(ErrorKind::Forbidden, why));
    }
    if let Some(why) = in_vain {
        return Err(Error::conflict(why));
    }
    let password = given_by_requester(&change, &deployment, permit.actor()).await?;
    let password_given_at = password.map(|(_, given)| given.at);
    if password_given_at.is_some() {
        detail["password_given_at"] = json!(password_given_at);
    }
    let given = Approval {
        password_given_at,
        given: Some((permit.actor().name.clone(), now)),
        impersonator: permit.actor().impersonator.clone(),
        groups: Some(permit.actor().groups.clone()),
        token: permit.actor().token.clone(),
        ..approval
    };
    deployments::approve(&change, id, &given).await?;
    let next = match deployment.scheduled_at {
        Some(at) if at > now => DeploymentState::Scheduled,
        _ => DeploymentState::Queued,
    };
    deployments::set_state(&change, id, DeploymentState::Awaiting, next, now, "").await?;
    let approved = deployments::by_id(&change, id).await?;
    supersede(&mut change, &approved).await?;
    let event = Event::deployment(EventKind::DeploymentApproved, id, detail);
    change.commit(event).await
}

/// Rejects a deployment that awaits approval; the reason may be empty.
///
/// # Errors
/// Forbidden; unknown; a conflict when it no longer awaits approval.
pub async fn reject(app: &App, actor: &Actor, id: DeploymentId, reason: &str) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app
        .permit(actor, Action::Approve, &resource_now(app, &deployment).await?)
        .await?;
    let reason = reason.trim();
    check_reason("reason", reason)?;
    let (now, who) = (app.now(), &permit.actor().name);
    let change = app.store.change(&permit, now).await?;
    awaited(&deployments::by_id(&change, id).await?)?;
    deployments::request_cancel(&change, id, who, now).await?;
    let outcome = match reason {
        "" => format!("Rejected by {who}; no server was touched."),
        reason => format!("Rejected by {who}: {reason}"),
    };
    let (from, to) = (DeploymentState::Awaiting, DeploymentState::Cancelled);
    deployments::set_state(&change, id, from, to, now, &outcome).await?;
    let detail = json!({ "reason": reason, "requested_by": deployment.actor });
    let event = Event::deployment(EventKind::DeploymentRejected, id, detail);
    change.commit(event).await
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

/// Why `actor`, whom policy allows to approve, may not approve this deployment; `None`: they may. An approval
/// takes a second person, so the requester cannot give it: not under their own name, not while acting as
/// somebody else, and not through an account whose password they set or of which they made an API token. Where
/// policy says whose approval it takes, it takes one of those.
pub(in crate::app) async fn obstacle(
    app: &App,
    on: &impl Reader,
    deployment: &Deployment,
    actor: &Actor,
) -> Result<Option<String>> {
    let plain = obstacle_of_names(deployment, actor, app.now());
    if plain.is_some() {
        return Ok(plain);
    }
    let by = deployment
        .approval
        .as_ref()
        .map_or(&[][..], |approval| &approval.by);
    if !by.is_empty() && !app.access.is_one_of(actor, by) {
        return Ok(Some(format!(
            "Deployment {} needs the approval of a second person of {}.",
            deployment.id,
            by.join(" or ")
        )));
    }
    if let Some(shared) = shared_by_token(on, deployment, actor, app.now()).await? {
        let maker = match shared == deployment.actor || Some(&shared) == deployment.impersonator.as_ref() {
            true => format!("{} made an API token of its requester {shared}", actor.name),
            false => format!("its requester {} made an API token of {shared}", deployment.actor),
        };
        return Ok(Some(format!(
            "Deployment {} needs a second person: {maker}. Somebody else has to approve it.",
            deployment.id
        )));
    }
    let given = given_by_requester(on, deployment, actor).await?;
    let given = given.filter(|(_, given)| given.must_change || given.at >= deployment.queued_at);
    Ok(given.map(|(account, given)| {
        format!(
            "Deployment {} needs a second person: its requester {} set the password of {} on {}. Somebody else has to approve it.",
            deployment.id,
            given.by,
            account,
            given.at.format("%Y-%m-%d %H:%M UTC")
        )
    }))
}

/// Who requested `deployment`, and who would approve it: each by their own name, and that of whom they act for.
fn sides<'a>(
    deployment: &'a Deployment,
    actor: &'a Actor,
) -> ([Option<&'a String>; 2], [Option<&'a String>; 2]) {
    let asked = [Some(&deployment.actor), deployment.impersonator.as_ref()];
    (asked, [Some(&actor.name), actor.impersonator.as_ref()])
}

/// The account of one side, requester or approver, of which the other side made an API token that can be used: one
/// person could stand on both. Whom somebody acts as counts on each side, and whoever acts as them.
async fn shared_by_token(
    on: &impl Reader,
    deployment: &Deployment,
    actor: &Actor,
    now: Instant,
) -> Result<Option<String>> {
    let (asked, approves) = sides(deployment, actor);
    for (accounts, makers) in [(approves, asked), (asked, approves)] {
        for account in accounts.into_iter().flatten() {
            let Some(user) = if_found(users::by_name(on, account).await)? else {
                continue;
            };
            let tokens = tokens::usable(on, (Some(user.id), None), now).await?;
            let by_the_other =
                |token: &ApiToken| token.made_by != *account && makers.contains(&Some(&token.made_by));
            if tokens.iter().any(by_the_other) {
                return Ok(Some(account.clone()));
            }
        }
    }
    Ok(None)
}

/// Why a deployment that waits would be refused when its time has come, as a sentence; `None`: as far as can be
/// known now, it would not.
pub(super) async fn refusal_then(app: &App, deployment: &Deployment) -> Result<Option<String>> {
    let Some(at) = deployment.scheduled_at.filter(|at| *at > app.now()) else {
        return app.engine.refusal(deployment).await;
    };
    // A lock may be over by then; what policy says of that time is known.
    let (requester, action) = (deployment.requester(Author::ENGINE), deployment.kind.action());
    let resource = resource_now(app, deployment).await?;
    let asked = app.access.permit(&requester, action, &resource, at);
    Ok(asked.err().map(|refusal| refusal.sentence()))
}

/// Why a deployment that awaits its approval would fail in its check once it is approved, as a sentence; `None`:
/// as far as can be known now, it would not. What was requested is what may be approved: another plan, other
/// settings or another place take another request.
pub(in crate::app) async fn in_vain(app: &App, deployment: &Deployment) -> Result<Option<String>> {
    let (Some(project), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(Some(
            "Its project or environment was deleted meanwhile.".to_owned(),
        ));
    };
    let refusal = refusal_then(app, deployment).await?;
    if refusal.is_some() {
        return Ok(refusal);
    }
    let project = projects::by_id(&app.store, project).await?;
    let environment = environments::by_id(&app.store, environment).await?;
    if let Some(approval) = &deployment.approval {
        let terms = environment.terms(&project);
        if !approval.terms.is_empty() && !sealing::is_digest(&app.store, &approval.terms, &terms) {
            return Ok(Some(CHANGED.to_owned()));
        }
    }
    let commit = async {
        app.mirror(&project)?
            .commit(&deployment.commit)
            .await
            .map_err(about_commit)
    };
    let planned = async {
        commit.await?;
        let parts = deployments::servers(&app.store, deployment.id).await?;
        let waiting = parts.iter().filter(|part| part.state == ServerState::Waiting);
        let to_do: HashSet<ServerId> = waiting.filter_map(|part| part.server_id).collect();
        let strategy = deployment.strategy;
        app.engine.rehearse(&environment, strategy, &to_do).await?;
        app.engine.preview(&environment, strategy, &to_do).await
    };
    let requested = deployments::plan(&app.store, deployment.id).await?;
    match planned.await {
        Ok(plan) => {
            let is_same = requested.is_none_or(|requested| requested.does_the_same_as(&plan));
            Ok((!is_same).then(|| CHANGED.to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
}

/// The password that the requester of `deployment` last gave to an account behind the approval of `actor`, and
/// that account.
async fn given_by_requester(
    on: &impl Reader,
    deployment: &Deployment,
    actor: &Actor,
) -> Result<Option<(String, GivenPassword)>> {
    let (requesters, approves) = sides(deployment, actor);
    for account in approves.into_iter().flatten() {
        let approver = if_found(users::by_name(on, account).await)?;
        let given = approver.and_then(|approver| approver.given_password);
        if let Some(given) = given.filter(|given| requesters.contains(&Some(&given.by))) {
            return Ok(Some((account.clone(), given)));
        }
    }
    Ok(None)
}

fn obstacle_of_names(deployment: &Deployment, actor: &Actor, now: Instant) -> Option<String> {
    if actor.is_guest() {
        return Some("Log in first: an approval needs a name.".to_owned());
    }
    let (asked, approves) = sides(deployment, actor);
    if approves.iter().flatten().any(|one| asked.contains(&Some(*one))) {
        return Some(format!(
            "Deployment {} needs a second person: its requester cannot approve it.",
            deployment.id
        ));
    }
    let expires_at = deployment.approval.as_ref()?.expires_at;
    (now >= expires_at).then(|| {
        format!(
            "The approval deadline of deployment {} was {}. Request it again.",
            deployment.id,
            expires_at.format("%Y-%m-%d %H:%M UTC")
        )
    })
}

/// Cancels waiting automatic deployments to the same environment, whose changes this newer one
/// includes. A newer one that awaits approval leaves alone those already approved.
pub(super) async fn supersede(change: &mut Change, newer: &Deployment) -> Result<()> {
    let states: &[DeploymentState] = match newer.state {
        DeploymentState::Queued => &[DeploymentState::Queued, DeploymentState::Awaiting],
        DeploymentState::Awaiting => &[DeploymentState::Awaiting],
        _ => &[],
    };
    let (Kind::Automatic, Target::Environment, Some(environment)) =
        (newer.kind, &newer.target, newer.environment_id)
    else {
        return Ok(());
    };
    let now = change.now();
    for older in deployments::superseded(change, environment, newer.id, states).await? {
        let outcome = format!("Superseded by deployment {}; no server was touched.", newer.id);
        let to = DeploymentState::Cancelled;
        deployments::set_state(change, older.id, older.state, to, now, &outcome).await?;
        let detail = json!({ "by": newer.id });
        change.also(Event::deployment(
            EventKind::DeploymentSuperseded,
            older.id,
            detail,
        ));
    }
    Ok(())
}
