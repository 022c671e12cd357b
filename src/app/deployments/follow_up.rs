//! Requests made out of earlier deployments: redeploy, retry, resume, roll back, promote. Each is a
//! new deployment and keeps every rule of a request.

use super::deploy_request::{DeployRequest, Requested};
use super::proof::source_of;
use super::request::{FollowUp, rehearse, submit};
use super::target::{of_parts, resolve};
use super::unfinished::{open_servers, superseded};
use super::way_back::way_back;
use crate::app::naming::{place_of, resource_now};
use crate::app::{App, locks};
use crate::domain::{
    Action, Actor, Approval, Deployment, DeploymentId, DeploymentState, Environment, Error, ErrorKind, Kind,
    Project, Resource, Result, Target,
};
use crate::store::{deployments, environments, locks as store_locks, releases, sealing};

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
    /// Under its present name, like the fields below.
    project: Project,
    environment: Environment,
    resource: Resource,
    request_key: Option<String>,
    /// See [`Earlier::reason`].
    reason: String,
    /// The deployment that the same form requested before.
    repeated: Option<Requested>,
}

/// What a request makes of an earlier deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUpAct<'a> {
    /// The same commit to the same servers.
    Again,
    /// To the servers that failed.
    Retry,
    /// To all that were left undone.
    Resume,
    /// Its target back to the last other commit that succeeded there before it.
    RollBack,
    /// To this environment, which comes next.
    Promote(&'a str),
}

impl FollowUpAct<'_> {
    /// The action in the environment of the earlier deployment, of this kind, that it needs.
    fn action(self, kind: Kind) -> Action {
        match self {
            Self::Again | Self::Retry | Self::Resume => kind.action(),
            Self::RollBack => Action::Rollback,
            Self::Promote(_) => Action::View,
        }
    }

    /// The request that it makes.
    async fn request(self, app: &App, actor: &Actor, origin: &Origin) -> Result<(DeployRequest, FollowUp)> {
        match self {
            Self::Again => redeployment(app, origin).await,
            Self::Retry => continuation(app, actor, origin, true).await,
            Self::Resume => continuation(app, actor, origin, false).await,
            Self::RollBack => going_back(app, origin).await,
            Self::Promote(environment) => promotion(app, origin, environment).await,
        }
    }
}

/// Reads it, once policy allows `actor` what the act needs there. The request asks again; asking
/// here keeps its state from everybody else.
async fn open(app: &App, actor: &Actor, earlier: Earlier, act: FollowUpAct<'_>) -> Result<Origin> {
    let Earlier {
        id,
        request_key,
        reason,
    } = earlier;
    let deployment = deployments::by_id(&app.store, id).await?;
    let resource = resource_now(app, &deployment).await?;
    app.permit(actor, act.action(deployment.kind), &resource).await?;
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

async fn send(app: &App, actor: &Actor, earlier: Earlier, act: FollowUpAct<'_>) -> Result<Requested> {
    let origin = open(app, actor, earlier, act).await?;
    if let Some(same) = origin.repeated {
        return Ok(same);
    }
    let (wanted, follow_up) = act.request(app, actor, &origin).await?;
    Box::pin(submit(app, actor, wanted, follow_up)).await
}

/// Why an act on deployment `id` would be refused now, or fail in its check: for a page, which offers
/// only what works. `None`: nothing is known to prevent it.
///
/// # Errors
/// Faults of ours.
pub(in crate::app) async fn act_obstacle(
    app: &App,
    actor: &Actor,
    id: DeploymentId,
    act: FollowUpAct<'_>,
) -> Result<Option<String>> {
    let app = &app.for_a_look();
    let attempt = async {
        let origin = open(app, actor, id.into(), act).await?;
        let (wanted, follow_up) = act.request(app, actor, &origin).await?;
        rehearse(app, actor, &wanted, follow_up).await
    };
    match Box::pin(attempt).await {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
}

/// Deploys again to the servers that failed, and to no others.
///
/// # Errors
/// As [`super::request`]; a conflict when none has failed or the environment has moved on.
pub async fn retry(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    send(app, actor, earlier.into(), FollowUpAct::Retry).await
}

/// Resumes an interrupted, cancelled or failed deployment at its first unfinished server; skips
/// servers that have the commit.
///
/// # Errors
/// As [`super::request`]; a conflict when nothing is left or the environment has moved on.
pub async fn resume(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    send(app, actor, earlier.into(), FollowUpAct::Resume).await
}

async fn continuation(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    only_failed: bool,
) -> Result<(DeployRequest, FollowUp)> {
    let (deployment, id) = (&origin.deployment, origin.deployment.id);
    let parts = deployments::servers(&app.store, id).await?;
    let open = open_servers(app, deployment, &parts).await?;
    if let Some(obstacle) = open.obstacle {
        return Err(Error::conflict(obstacle));
    }
    let (target, mut servers) = same_servers(app, origin).await?;
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
        approval: still_approved(app, actor, origin).await?,
        overridden_at: Some(deployment.queued_at),
    };
    let lock_override = match &deployment.lock_override {
        Some(reason) => {
            let (project, environment) = (origin.project.id, origin.environment.id);
            let stopping = store_locks::stopping(&app.store, project, environment, app.now()).await?;
            locks::may_override(app, actor, &origin.resource, &stopping).then(|| reason.clone())
        }
        None => None,
    };
    let wanted = DeployRequest {
        // The new request inherits a privilege of the earlier one only if its requester has it too.
        strategy: deployment
            .strategy
            .filter(|_| app.may(actor, Action::Configure, &origin.resource)),
        lock_override,
        ..origin.like(reason)
    };
    Ok((wanted, follow_up))
}

/// The approval of the earlier deployment, while it counts: the rest was part of what was approved. Nobody
/// can use their own approval, and the approval of somebody who could not give it any more no longer counts, nor
/// one for other settings or for servers that are reached elsewhere by now.
async fn still_approved(app: &App, actor: &Actor, origin: &Origin) -> Result<Option<Approval>> {
    let deployment = &origin.deployment;
    let Some(approval) = deployment.approval.clone() else {
        return Ok(None);
    };
    let Some((by, _)) = &approval.given else {
        return Ok(None);
    };
    let behind: Vec<&String> = [by].into_iter().chain(&approval.impersonator).collect();
    if behind.iter().any(|one| actor.is_by(one)) || app.now() >= approval.expires_at {
        return Ok(None);
    }
    let lapsed = app.engine.approval_refusal(deployment, &origin.resource);
    let terms = origin.environment.terms(&origin.project);
    let is_same = approval.terms.is_empty() || sealing::is_digest(&app.store, &approval.terms, &terms);
    if lapsed.await?.is_some() || !is_same {
        return Ok(None);
    }
    let moved = app
        .engine
        .is_reached_elsewhere(&origin.environment, deployment.id);
    Ok((!moved.await?).then_some(approval))
}

impl Origin {
    /// A request for the same commit in the same environment. Its reason is `what`, and what the
    /// requester adds.
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
/// As [`super::request`]; the project, environment or target may be gone; a conflict when a later deployment
/// has put another commit there: whoever wants to replace that sees in the deploy form what it removes.
pub async fn again(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    send(app, actor, earlier.into(), FollowUpAct::Again).await
}

async fn redeployment(app: &App, origin: &Origin) -> Result<(DeployRequest, FollowUp)> {
    let parts = deployments::servers(&app.store, origin.deployment.id).await?;
    if let Some(later) = superseded(app, &origin.deployment, &parts).await? {
        return Err(Error::conflict(format!(
            "Nothing was deployed: deployment {} has put {} there since. To replace it, choose {} in the deploy form of {}, which shows what that removes.",
            later.by,
            later.commit.short(),
            origin.deployment.commit.short(),
            origin.environment.name
        )));
    }
    let wanted = origin.like(format!("Redeploys deployment {}", origin.deployment.id));
    let follow_up = FollowUp {
        servers: Some(same_servers(app, origin).await?),
        ..FollowUp::default()
    };
    Ok((wanted, follow_up))
}

/// Rolls the deployment's target back to the last other commit that succeeded there before it.
///
/// # Errors
/// As [`super::request`]; a conflict when there is no such commit, or all servers run it.
pub async fn roll_back(app: &App, actor: &Actor, earlier: impl Into<Earlier>) -> Result<Requested> {
    send(app, actor, earlier.into(), FollowUpAct::RollBack).await
}

async fn going_back(app: &App, origin: &Origin) -> Result<(DeployRequest, FollowUp)> {
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
        servers: Some(same_servers(app, origin).await?),
        ..FollowUp::default()
    };
    Ok((wanted, follow_up))
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
    send(app, actor, earlier.into(), FollowUpAct::Promote(environment)).await
}

async fn promotion(app: &App, origin: &Origin, environment: &str) -> Result<(DeployRequest, FollowUp)> {
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
    Ok((wanted, FollowUp::default()))
}

/// The environments that come right after this one in the promotion chain of its branch.
pub async fn next_environments(app: &App, environment: &Environment) -> Result<Vec<Environment>> {
    let all = environments::list(&app.store, environment.project_id).await?;
    let follows = |one: &&Environment| source_of(&all, one).is_some_and(|source| source.id == environment.id);
    Ok(all.iter().filter(follows).cloned().collect())
}
