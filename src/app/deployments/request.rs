//! Every request comes through here: it is permitted, checked, and stored with its audit event.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use super::approval::{self, refusal_then};
use super::deploy_request::{DeployRequest, Requested};
use super::proof::{check_commit, check_way_back};
use super::rights::{self, Rights};
use super::target::resolve;
use crate::app::App;
use crate::app::commits::{self, about_commit};
use crate::app::naming::{place, resource};
use crate::domain::{
    Actor, Approval, CommitId, Deployment, DeploymentId, Environment, EnvironmentId, Error, Event, EventKind,
    Instant, Kind, Plan, Project, Result, ServerId, ServerState, Target,
};
use crate::git::CommitInfo;
use crate::store::deployments::{self, NewDeployment, NewPart, ROLLBACK_PRIORITY};
use crate::store::{Reader, locks, releases};

/// Requests a deployment: it is queued, scheduled, or waits for an approval.
///
/// # Errors
/// Forbidden by policy, now or at the scheduled time (the refusal knows the next instant at which
/// it would be allowed); unknown project, environment, target or commit; a commit that is not on
/// the environment's branch or may not be promoted yet; a lock; no active server.
pub async fn request(app: &App, actor: &Actor, wanted: DeployRequest) -> Result<Requested> {
    Box::pin(submit(app, actor, wanted, FollowUp::default())).await
}

/// What a request inherits from an earlier deployment.
#[derive(Debug, Default)]
pub(super) struct FollowUp {
    /// The deployment that it follows.
    pub origin: Option<DeploymentId>,
    /// Its servers; `None`: as the request chooses.
    pub servers: Option<(Target, Vec<NewPart>)>,
    /// An approval that still counts.
    pub approval: Option<Approval>,
    /// When the override of locks that it repeats was requested: it covers no lock made later.
    pub overridden_at: Option<Instant>,
}

/// A request that passed all rules, with everything it names looked up.
struct Checked {
    project: Project,
    environment: Environment,
    target: Target,
    servers: Vec<NewPart>,
    commit: CommitInfo,
    origin: Option<DeploymentId>,
    approval: Option<Approval>,
    plan: Option<Plan>,
}

impl Checked {
    /// The servers to deploy to.
    fn to_do(&self) -> HashSet<ServerId> {
        let to_do = self.servers.iter().filter(|part| !part.is_skipped());
        to_do.map(|part| part.server_id).collect()
    }
}

/// As [`request`], for a request that may follow an earlier deployment.
pub(super) async fn submit(
    app: &App,
    actor: &Actor,
    wanted: DeployRequest,
    follow_up: FollowUp,
) -> Result<Requested> {
    let (rights, mut checked) = check(app, actor, &wanted, follow_up).await?;
    // An approval covers exactly this plan, and a one-time strategy may not work at all.
    if checked.approval.is_some() || wanted.strategy.is_some() {
        let (environment, to_do) = (&checked.environment, checked.to_do());
        checked.plan = Some(app.engine.preview(environment, wanted.strategy, &to_do).await?);
    }
    store(app, rights, wanted, checked).await
}

/// Refuses what [`submit`] would refuse now, and what would fail in its check. Stores nothing.
pub(super) async fn rehearse(
    app: &App,
    actor: &Actor,
    wanted: &DeployRequest,
    follow_up: FollowUp,
) -> Result<()> {
    let (rights, checked) = check(app, actor, wanted, follow_up).await?;
    let (environment, to_do) = (&checked.environment, checked.to_do());
    let stopping = locks::stopping(&app.store, checked.project.id, environment.id, rights.begins).await?;
    if let Some(lock) = rights.stopped_by(&stopping) {
        return Err(Error::conflict(lock.sentence("this")));
    }
    app.engine.rehearse(environment, wanted.strategy, &to_do).await
}

async fn check(
    app: &App,
    actor: &Actor,
    wanted: &DeployRequest,
    follow_up: FollowUp,
) -> Result<(Rights, Checked)> {
    let (project, environment) = place(app, &wanted.project, &wanted.environment).await?;
    let resource = resource(&project, &environment);
    let rights = rights::demand(app, actor, &resource, wanted, follow_up.overridden_at).await?;
    let (target, servers) = match follow_up.servers {
        Some(servers) => servers,
        None => resolve(app, &environment, wanted.choice.into()).await?,
    };
    let mirror = commits::ready(app, &project).await?;
    let commit = mirror.resolve(wanted.commit.trim()).await.map_err(about_commit)?;
    if wanted.kind == Kind::Rollback {
        let (place, meant) = ((&project, &environment), (&target, servers.as_slice()));
        check_way_back(app, place, &commit.id, meant).await?;
    } else {
        check_commit(app, &project, &environment, &commit.id).await?;
    }
    let approval = rights::approval(
        app,
        (&project, &environment, wanted.kind),
        &rights.permit,
        follow_up.approval,
    );
    let checked = Checked {
        target,
        servers,
        commit,
        origin: follow_up.origin,
        approval,
        plan: None,
        project,
        environment,
    };
    Ok((rights, checked))
}

async fn store(app: &App, rights: Rights, wanted: DeployRequest, checked: Checked) -> Result<Requested> {
    let dead = dead_twins(app, &wanted, &checked).await?;
    let now = app.now();
    let mut change = app.store.change(&rights.permit, now).await?;
    // This comes before all rules: a form sent twice gets the same answer, even if a lock was made
    // in between.
    if let Some(key) = &wanted.request_key
        && let Some(earlier) = deployments::by_request_key(&change, key).await?
    {
        return Ok(Requested::Known(earlier.id));
    }
    let stopping =
        locks::stopping(&change, checked.project.id, checked.environment.id, rights.begins).await?;
    if let Some(lock) = rights.stopped_by(&stopping) {
        return Err(Error::conflict(lock.sentence("this")));
    }
    if let Some(twin) = twin(&change, &wanted, &checked, &dead).await? {
        return Ok(Requested::Known(twin));
    }
    let new = new_deployment(&change, &rights, wanted, checked, now).await?;
    let deployment = deployments::insert(&change, &new).await?;
    if let Some(passed) = &rights.lock_override {
        let detail = json!({ "reason": passed.reason, "locks": passed.locks });
        let event = Event::deployment(EventKind::LockOverridden, deployment.id, detail);
        change.also_by(&passed.permit, event);
    }
    approval::supersede(&mut change, &deployment).await?;
    change.commit(Event::requested(&deployment)).await?;
    Ok(Requested::New(deployment.id))
}

/// Waiting deployments that would do the same and cannot begin any more, as things stand: their requester or
/// approver may not do it now.
async fn dead_twins(app: &App, wanted: &DeployRequest, checked: &Checked) -> Result<HashSet<DeploymentId>> {
    let mut dead = HashSet::new();
    let waiting = deployments::active(&app.store).await?;
    for other in waiting.iter().filter(|other| is_alike(other, wanted, checked)) {
        if refusal_then(app, other).await?.is_some() {
            dead.insert(other.id);
        }
    }
    Ok(dead)
}

/// Whether a waiting deployment would do the same in the same way, if to the same servers.
fn is_alike(other: &Deployment, wanted: &DeployRequest, checked: &Checked) -> bool {
    other.state.is_waiting()
        && other.environment_id == Some(checked.environment.id)
        && other.target.is_same(&checked.target)
        && other.commit == checked.commit.id
        && other.scheduled_at == wanted.at
        && other.strategy == wanted.strategy
        && other.lock_override.is_some() == wanted.lock_override.is_some()
        && (other.kind == Kind::Rollback) == (wanted.kind == Kind::Rollback)
}

/// A waiting deployment that would do the same in the same way, and is not among the `dead`.
async fn twin(
    on: &impl Reader,
    wanted: &DeployRequest,
    checked: &Checked,
    dead: &HashSet<DeploymentId>,
) -> Result<Option<DeploymentId>> {
    let alike = |other: &&Deployment| is_alike(other, wanted, checked) && !dead.contains(&other.id);
    for other in deployments::active(on).await?.iter().filter(alike) {
        let parts = deployments::servers(on, other.id).await?;
        let to_do = parts.iter().filter(|part| part.state == ServerState::Waiting);
        let to_do: HashSet<ServerId> = to_do.filter_map(|part| part.server_id).collect();
        if to_do == checked.to_do() {
            return Ok(Some(other.id));
        }
    }
    Ok(None)
}

async fn new_deployment(
    on: &impl Reader,
    rights: &Rights,
    wanted: DeployRequest,
    checked: Checked,
    now: Instant,
) -> Result<NewDeployment> {
    let kind = match (wanted.kind, wanted.at) {
        (Kind::Regular, Some(_)) => Kind::Scheduled,
        (kind, _) => kind,
    };
    let (project, environment, commit) = (&checked.project, &checked.environment, checked.commit);
    let deployment = Deployment {
        target: checked.target,
        commit_title: commit.title,
        previous_commit: previous_commit(on, environment.id, &checked.servers).await?,
        kind,
        reason: wanted.reason.trim().to_owned(),
        permit: Some(rights.permit.line().clone()),
        scheduled_at: wanted.at,
        origin: checked.origin,
        strategy: wanted.strategy,
        lock_override: rights.lock_override.as_ref().map(|passed| passed.reason.clone()),
        approval: checked.approval,
        ..Deployment::new(project, environment, commit.id, rights.permit.actor(), now)
    };
    Ok(NewDeployment {
        deployment,
        priority: if kind == Kind::Rollback {
            ROLLBACK_PRIORITY
        } else {
            0
        },
        request_key: wanted.request_key,
        plan: checked.plan,
        servers: checked.servers,
    })
}

/// What most of the servers run now, as far as is known.
async fn previous_commit(
    on: &impl Reader,
    environment: EnvironmentId,
    servers: &[NewPart],
) -> Result<Option<CommitId>> {
    let meant = |server| servers.iter().any(|part| Some(part.server_id) == server);
    let mut counts: BTreeMap<CommitId, usize> = BTreeMap::new();
    for release in releases::current(on, environment).await? {
        if meant(release.server_id) {
            *counts.entry(release.commit).or_default() += 1;
        }
    }
    Ok(counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(commit, _)| commit))
}
