//! Requests made out of earlier deployments: the same again, only what failed, only what is left,
//! the way back, the way on. Each is a new deployment that keeps every rule of a request.

use std::collections::HashSet;

use super::proof::source_of;
use super::request::{DeployRequest, Onward, Requested, order};
use super::target::{of_parts, resolve};
use super::{action_for, gone, place_of, resource_now};
use crate::app::App;
use crate::domain::{
    Action, Actor, Approval, Deployment, DeploymentId, DeploymentState, Environment, Error, Kind, Project,
    Resource, Result, ServerId, ServerPart, ServerState, Target,
};
use crate::store::{deployments, environments, releases, servers};

/// The deployment that somebody goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Itself.
    pub id: DeploymentId,
    /// See [`DeployRequest::request_key`].
    pub request_key: Option<String>,
}

impl From<DeploymentId> for Earlier {
    fn from(id: DeploymentId) -> Self {
        Self {
            id,
            request_key: None,
        }
    }
}

/// It with all that a new request takes from it.
struct Start {
    deployment: Deployment,
    /// Where it belongs, by the names of today.
    project: Project,
    environment: Environment,
    resource: Resource,
    request_key: Option<String>,
    /// What the same form has brought about when it was sent before.
    same: Option<Requested>,
}

/// Looks at it, once policy lets `actor` do what `action` makes of its kind. The request asks
/// again; here so that how it stands is told to nobody else.
async fn start(app: &App, actor: &Actor, earlier: Earlier, action: fn(Kind) -> Action) -> Result<Start> {
    let Earlier { id, request_key } = earlier;
    let deployment = deployments::by_id(&app.store, id).await?;
    let resource = resource_now(app, &deployment).await?;
    app.permit(actor, action(deployment.kind), &resource).await?;
    let same = match &request_key {
        Some(key) => deployments::by_request_key(&app.store, key).await?,
        None => None,
    };
    let (project, environment) = place_of(app, &deployment).await?;
    Ok(Start {
        same: same.map(|same| Requested::AlreadyQueued(same.id)),
        deployment,
        project,
        environment,
        resource,
        request_key,
    })
}

/// What an ended deployment has left undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Active servers that failed and don't have its commit since.
    pub failed: HashSet<ServerId>,
    /// All active servers of it that don't have its commit, the failed ones among them.
    pub unfinished: HashSet<ServerId>,
    /// Why nothing can be done about it; a sentence.
    pub obstacle: Option<String>,
}

impl Open {
    fn hindered(why: String) -> Self {
        Self {
            obstacle: Some(why),
            ..Self::default()
        }
    }
}

/// What `deployment`, whose servers are `parts`, has left undone, by what its servers run now.
///
/// # Errors
/// Of the store.
pub async fn open_servers(app: &App, deployment: &Deployment, parts: &[ServerPart]) -> Result<Open> {
    use DeploymentState::{Cancelled, Failed, Interrupted};
    let id = deployment.id;
    let Some(environment) = deployment.environment_id else {
        return Ok(Open::hindered(gone(deployment)));
    };
    if !matches!(deployment.state, Failed | Cancelled | Interrupted) {
        let state = match deployment.state {
            DeploymentState::Succeeded => "has succeeded".to_owned(),
            state => format!("is {}", state.title().to_lowercase()),
        };
        return Ok(Open::hindered(format!(
            "Deployment {id} {state}, so there is nothing of it to take up again."
        )));
    }
    if deployment.started_at.is_none() {
        return Ok(Open::hindered(format!(
            "Deployment {id} never began. Ask for the same again instead."
        )));
    }
    let store = &app.store;
    if let Some(newer) = releases::changed_since(store, environment, id, &deployment.commit).await? {
        return Ok(Open::hindered(format!(
            "Deployment {newer} has put another commit there since. Deploy anew instead, so that not both are mixed."
        )));
    }
    let complete = releases::complete(store, environment).await?;
    let has_it = |id: &ServerId| {
        complete
            .get(id)
            .is_some_and(|(commit, _)| *commit == deployment.commit)
    };
    let active = servers::list(store).await?.into_iter().filter(|one| one.active);
    let active: HashSet<ServerId> = active.map(|one| one.id).collect();
    let mut open = Open::default();
    for part in parts {
        let Some(server) = part.server_id.filter(|id| active.contains(id) && !has_it(id)) else {
            continue;
        };
        open.unfinished.insert(server);
        if part.state == ServerState::Failed {
            open.failed.insert(server);
        }
    }
    Ok(open)
}

/// Does the servers that failed again, and no others.
///
/// # Errors
/// As [`super::request`]; a conflict when none has failed or the environment has moved on.
pub async fn retry(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    take_up(app, actor, earlier.into(), true).await
}

/// Goes on with an interrupted, cancelled or failed deployment from its first unfinished server:
/// servers that have the commit are left alone.
///
/// # Errors
/// As [`super::request`]; a conflict when nothing is left or the environment has moved on.
pub async fn resume(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    take_up(app, actor, earlier.into(), false).await
}

async fn take_up(app: &App, actor: &Actor, earlier: Earlier, only_failed: bool) -> Result<Requested> {
    let start = start(app, actor, earlier, action_for).await?;
    if let Some(same) = start.same {
        return Ok(same);
    }
    let (deployment, id) = (&start.deployment, start.deployment.id);
    let parts = deployments::servers(&app.store, id).await?;
    let open = open_servers(app, deployment, &parts).await?;
    if let Some(obstacle) = open.obstacle {
        return Err(Error::conflict(obstacle));
    }
    let (target, mut servers) = same_servers(app, &start).await?;
    let complete = releases::complete(&app.store, start.environment.id).await?;
    let mut is_whole = true;
    for part in servers.iter_mut().filter(|part| part.skipped.is_none()) {
        let has = complete.get(&part.server_id);
        if let Some((_, since)) = has.filter(|(commit, _)| *commit == deployment.commit) {
            part.skipped = Some(format!("Has it already, since deployment {since}."));
        } else if only_failed && !open.failed.contains(&part.server_id) {
            is_whole = false;
            part.skipped = Some("Left as it is: only the servers that failed are done again.".to_owned());
        }
    }
    let to_do = of_parts(servers.iter().filter(|part| part.skipped.is_none()));
    let Some(to_do) = to_do else {
        return Err(Error::conflict(if only_failed {
            format!("None of the servers of deployment {id} is left failed.")
        } else {
            format!("Every active server of deployment {id} has its commit by now.")
        }));
    };
    let reason = if only_failed {
        format!("The failed servers of deployment {id} again")
    } else {
        format!("What deployment {id} left undone")
    };
    let onward = Onward {
        origin: Some(id),
        servers: Some((if is_whole { target } else { to_do }, servers)),
        approval: still_approved(app, actor, deployment),
    };
    let wanted = DeployRequest {
        // What somebody with the right to had asked for stays so, for those with the same right.
        strategy: deployment
            .strategy
            .filter(|_| app.may(actor, Action::Configure, &start.resource)),
        lock_override: deployment
            .lock_override
            .clone()
            .filter(|_| app.may(actor, Action::Lock, &start.resource)),
        ..start.like(reason)
    };
    Box::pin(order(app, actor, wanted, onward)).await
}

/// The approval of the deployment that is taken up, while it counts: what is left was part of what
/// was approved. Never that of who takes it up.
fn still_approved(app: &App, actor: &Actor, deployment: &Deployment) -> Option<Approval> {
    let approval = deployment.approval.clone()?;
    let (by, _) = approval.given.as_ref()?;
    let own = *by == actor.name || Some(by) == actor.impersonator.as_ref();
    (app.now() < approval.expires_at && !own).then_some(approval)
}

impl Start {
    /// The request for what the deployment was for.
    fn like(&self, reason: String) -> DeployRequest {
        DeployRequest {
            reason,
            request_key: self.request_key.clone(),
            kind: match self.deployment.kind {
                kind @ (Kind::Rollback | Kind::Promotion) => kind,
                Kind::Regular | Kind::Automatic | Kind::Scheduled => Kind::Regular,
            },
            ..DeployRequest::new(
                self.project.name.as_str(),
                self.environment.name.as_str(),
                self.deployment.commit.as_str(),
            )
        }
    }
}

/// Asks for what an ended deployment asked for once more: same commit, same target.
///
/// # Errors
/// As [`super::request`]; the project, environment or target may be gone.
pub async fn again(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    let start = start(app, actor, earlier.into(), action_for).await?;
    if let Some(same) = start.same {
        return Ok(same);
    }
    let wanted = start.like(format!("Once more: deployment {}", start.deployment.id));
    let onward = Onward {
        servers: Some(same_servers(app, &start).await?),
        ..Onward::default()
    };
    Box::pin(order(app, actor, wanted, onward)).await
}

/// Brings what a deployment was for back to the last commit that succeeded there before it and is
/// not its own.
///
/// # Errors
/// As [`super::request`]; a conflict when there is no such commit.
pub async fn roll_back(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    let start = start(app, actor, earlier.into(), |_| Action::Rollback).await?;
    if let Some(same) = start.same {
        return Ok(same);
    }
    let id = start.deployment.id;
    let before = deployments::previous_succeeded(&app.store, id)
        .await?
        .ok_or_else(|| {
            Error::conflict(
                "Nothing else has succeeded in this environment before, so there is nothing to go back to.",
            )
        })?;
    let wanted = DeployRequest {
        commit: before.commit.to_string(),
        kind: Kind::Rollback,
        ..start.like(format!("Back from deployment {id}"))
    };
    let onward = Onward {
        origin: Some(id),
        servers: Some(same_servers(app, &start).await?),
        ..Onward::default()
    };
    Box::pin(order(app, actor, wanted, onward)).await
}

async fn same_servers(app: &App, start: &Start) -> Result<(Target, Vec<deployments::NewPart>)> {
    resolve(app, &start.environment, (&start.deployment.target).into()).await
}

/// Brings what succeeded in one environment to `environment`, which has to come right after it in
/// the promotion chain.
///
/// # Errors
/// As [`super::request`]; a conflict when it has not succeeded, or when that is not what comes next.
pub async fn promote(
    app: &App,
    actor: &Actor,
    earlier: impl Into<Earlier>,
    environment: &str,
) -> Result<Requested> {
    let start = start(app, actor, earlier.into(), |_| Action::View).await?;
    if let Some(same) = start.same {
        return Ok(same);
    }
    let (id, here) = (start.deployment.id, &start.environment);
    if start.deployment.state != DeploymentState::Succeeded {
        return Err(Error::conflict(format!(
            "Deployment {id} has not succeeded, so its commit cannot go on from there."
        )));
    }
    let next = next_environments(app, here).await?;
    if !next.iter().any(|one| one.name.as_str() == environment) {
        return Err(Error::conflict(format!(
            "What comes after {} is not “{environment}”.",
            here.name
        )));
    }
    let wanted = DeployRequest {
        environment: environment.to_owned(),
        kind: Kind::Promotion,
        ..start.like(format!("On from {}, deployment {id}", here.name))
    };
    Box::pin(order(app, actor, wanted, Onward::default())).await
}

/// The environments that come right after this one in the promotion chain of its branch.
///
/// # Errors
/// Of the store.
pub async fn next_environments(app: &App, environment: &Environment) -> Result<Vec<Environment>> {
    let all = environments::list(&app.store, environment.project_id).await?;
    let follows = |one: &&Environment| source_of(&all, one).is_some_and(|source| source.id == environment.id);
    Ok(all.iter().filter(follows).cloned().collect())
}
