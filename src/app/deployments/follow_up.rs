//! Requests made out of earlier deployments: redeploy, retry, resume, roll back, promote. Each is a
//! new deployment and keeps every rule of a request.

use std::collections::HashSet;

use super::deploy_request::{DeployRequest, Requested};
use super::proof::source_of;
use super::request::{FollowUp, submit};
use super::target::{of_parts, resolve};
use super::way_back::way_back;
use crate::app::App;
use crate::app::naming::{gone, place_of, resource_now};
use crate::domain::{
    Action, Actor, Approval, Deployment, DeploymentId, DeploymentState, Environment, Error, ErrorKind, Kind,
    Project, Resource, Result, ServerId, ServerPart, ServerState, Target,
};
use crate::store::{deployments, environments, releases, servers, users};

/// The deployment that a request follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub id: DeploymentId,
    /// See [`DeployRequest::request_key`].
    pub request_key: Option<String>,
    /// What the requester adds to the reason; may be empty.
    pub reason: String,
}

impl From<DeploymentId> for Earlier {
    fn from(id: DeploymentId) -> Self {
        Self {
            id,
            request_key: None,
            reason: String::new(),
        }
    }
}

/// The earlier deployment, with what a new request takes from it.
struct Origin {
    deployment: Deployment,
    /// By its present name, as all that follows.
    project: Project,
    environment: Environment,
    resource: Resource,
    request_key: Option<String>,
    /// See [`Earlier::reason`].
    reason: String,
    /// The deployment that the same form requested before.
    repeated: Option<Requested>,
}

/// Reads it, once policy allows `actor` the action for its kind. The request asks again; asking
/// here keeps its state from everybody else.
async fn open(app: &App, actor: &Actor, earlier: Earlier, action: fn(Kind) -> Action) -> Result<Origin> {
    let Earlier {
        id,
        request_key,
        reason,
    } = earlier;
    let deployment = deployments::by_id(&app.store, id).await?;
    let resource = resource_now(app, &deployment).await?;
    app.permit(actor, action(deployment.kind), &resource).await?;
    let same = match &request_key {
        Some(key) => deployments::by_request_key(&app.store, key).await?,
        None => None,
    };
    let (project, environment) = place_of(app, &deployment).await?;
    Ok(Origin {
        repeated: same.map(|same| Requested::Known(same.id)),
        deployment,
        project,
        environment,
        resource,
        request_key,
        reason,
    })
}

/// What a finished deployment left undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Active servers that failed and still do not run its commit.
    pub failed: HashSet<ServerId>,
    /// All its active servers that do not run its commit, the failed ones included.
    pub unfinished: HashSet<ServerId>,
    /// Why it cannot be retried or resumed; a sentence.
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

/// What `deployment`, whose servers are `parts`, left undone, judged by what its servers run now.
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
            "Deployment {id} {state}, so there is nothing to retry or resume."
        )));
    }
    if deployment.started_at.is_none() {
        return Ok(Open::hindered(format!(
            "Deployment {id} never began. Redeploy it instead."
        )));
    }
    let store = &app.store;
    if let Some(newer) = releases::changed_since(store, environment, id, &deployment.commit).await? {
        return Ok(Open::hindered(format!(
            "Deployment {newer} has deployed another commit since. Start a new deployment, so that the two are not mixed."
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

/// Deploys again to the servers that failed, and to no others.
///
/// # Errors
/// As [`super::request`]; a conflict when none has failed or the environment has moved on.
pub async fn retry(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    take_up(app, actor, earlier.into(), true).await
}

/// Resumes an interrupted, cancelled or failed deployment at its first unfinished server; skips
/// servers that have the commit.
///
/// # Errors
/// As [`super::request`]; a conflict when nothing is left or the environment has moved on.
pub async fn resume(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    take_up(app, actor, earlier.into(), false).await
}

async fn take_up(app: &App, actor: &Actor, earlier: Earlier, only_failed: bool) -> Result<Requested> {
    let origin = open(app, actor, earlier, Kind::action).await?;
    if let Some(same) = origin.repeated {
        return Ok(same);
    }
    let (deployment, id) = (&origin.deployment, origin.deployment.id);
    let parts = deployments::servers(&app.store, id).await?;
    let open = open_servers(app, deployment, &parts).await?;
    if let Some(obstacle) = open.obstacle {
        return Err(Error::conflict(obstacle));
    }
    let (target, mut servers) = same_servers(app, &origin).await?;
    let complete = releases::complete(&app.store, origin.environment.id).await?;
    let mut is_whole = true;
    for part in servers.iter_mut().filter(|part| !part.is_skipped()) {
        let has = complete.get(&part.server_id);
        if let Some((_, since)) = has.filter(|(commit, _)| *commit == deployment.commit) {
            part.skip(format!("Has this commit since deployment {since}."));
        } else if only_failed && !open.failed.contains(&part.server_id) {
            is_whole = false;
            part.skip("Not part of a retry: it did not fail.");
        }
    }
    let to_do = of_parts(servers.iter().filter(|part| !part.is_skipped()));
    let Some(to_do) = to_do else {
        return Err(Error::conflict(if only_failed {
            format!("Deployment {id} has no failed server left.")
        } else {
            format!("Every active server of deployment {id} has its commit already.")
        }));
    };
    let reason = if only_failed {
        format!("Retry of deployment {id}")
    } else {
        format!("Resumes deployment {id}")
    };
    let follow_up = FollowUp {
        origin: Some(id),
        servers: Some((if is_whole { target } else { to_do }, servers)),
        approval: still_approved(app, actor, deployment).await?,
        overridden_at: Some(deployment.queued_at),
    };
    let wanted = DeployRequest {
        // A privilege used in the earlier request is inherited only by whoever has it too.
        strategy: deployment
            .strategy
            .filter(|_| app.may(actor, Action::Configure, &origin.resource)),
        lock_override: deployment
            .lock_override
            .clone()
            .filter(|_| app.may(actor, Action::Lock, &origin.resource)),
        ..origin.like(reason)
    };
    Box::pin(submit(app, actor, wanted, follow_up)).await
}

/// The approval of the earlier deployment, while it counts: the rest was part of what was approved.
/// Nobody can use their own approval, and that of an account that is gone or disabled counts no more.
async fn still_approved(app: &App, actor: &Actor, deployment: &Deployment) -> Result<Option<Approval>> {
    let Some(approval) = deployment.approval.clone() else {
        return Ok(None);
    };
    let Some((by, _)) = &approval.given else {
        return Ok(None);
    };
    let own = *by == actor.name || Some(by) == actor.impersonator.as_ref();
    if own || app.now() >= approval.expires_at {
        return Ok(None);
    }
    let is_enabled = match users::by_name(&app.store, by).await {
        Ok(user) => !user.disabled,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(is_enabled.then_some(approval))
}

impl Origin {
    /// A request for the same commit in the same environment, for what it is and what its requester
    /// adds.
    fn like(&self, what: String) -> DeployRequest {
        let reason = match self.reason.trim() {
            "" => what,
            added => format!("{what}: {added}"),
        };
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

/// Redeploys: same commit, same target.
///
/// # Errors
/// As [`super::request`]; the project, environment or target may be gone.
pub async fn again(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    let origin = open(app, actor, earlier.into(), Kind::action).await?;
    if let Some(same) = origin.repeated {
        return Ok(same);
    }
    let wanted = origin.like(format!("Redeploys deployment {}", origin.deployment.id));
    let follow_up = FollowUp {
        servers: Some(same_servers(app, &origin).await?),
        ..FollowUp::default()
    };
    Box::pin(submit(app, actor, wanted, follow_up)).await
}

/// Rolls the deployment's target back to the last other commit that succeeded there before it.
///
/// # Errors
/// As [`super::request`]; a conflict when there is no such commit, or all servers run it.
pub async fn roll_back(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    let origin = open(app, actor, earlier.into(), |_| Action::Rollback).await?;
    if let Some(same) = origin.repeated {
        return Ok(same);
    }
    let id = origin.deployment.id;
    let parts = deployments::servers(&app.store, id).await?;
    let before = way_back(app, &origin.deployment, &parts).await?;
    let wanted = DeployRequest {
        commit: before.to_string(),
        kind: Kind::Rollback,
        ..origin.like(format!("Rolls back deployment {id}"))
    };
    let follow_up = FollowUp {
        origin: Some(id),
        servers: Some(same_servers(app, &origin).await?),
        ..FollowUp::default()
    };
    Box::pin(submit(app, actor, wanted, follow_up)).await
}

async fn same_servers(app: &App, origin: &Origin) -> Result<(Target, Vec<deployments::NewPart>)> {
    resolve(app, &origin.environment, (&origin.deployment.target).into()).await
}

/// Promotes what succeeded in one environment to `environment`, the next one in the promotion
/// chain.
///
/// # Errors
/// As [`super::request`]; a conflict when it has not succeeded, or when that is not what comes next.
pub async fn promote(
    app: &App,
    actor: &Actor,
    earlier: impl Into<Earlier>,
    environment: &str,
) -> Result<Requested> {
    let origin = open(app, actor, earlier.into(), |_| Action::View).await?;
    if let Some(same) = origin.repeated {
        return Ok(same);
    }
    let (id, here) = (origin.deployment.id, &origin.environment);
    if origin.deployment.state != DeploymentState::Succeeded {
        return Err(Error::conflict(format!(
            "Deployment {id} has not succeeded, so its commit cannot be promoted."
        )));
    }
    let next = next_environments(app, here).await?;
    if !next.iter().any(|one| one.name.as_str() == environment) {
        return Err(Error::conflict(format!(
            "“{environment}” does not come after {} in the promotion chain.",
            here.name
        )));
    }
    let wanted = DeployRequest {
        environment: environment.to_owned(),
        kind: Kind::Promotion,
        ..origin.like(format!("Promoted from {} (deployment {id})", here.name))
    };
    Box::pin(submit(app, actor, wanted, FollowUp::default())).await
}

/// The environments that come right after this one in the promotion chain of its branch.
pub async fn next_environments(app: &App, environment: &Environment) -> Result<Vec<Environment>> {
    let all = environments::list(&app.store, environment.project_id).await?;
    let follows = |one: &&Environment| source_of(&all, one).is_some_and(|source| source.id == environment.id);
    Ok(all.iter().filter(follows).cloned().collect())
}
