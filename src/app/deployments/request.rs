//! The one way in: a request is looked at, decided on, and stored with its audit event.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use super::proof::{check_commit, check_way_back};
use super::target::{Choice, resolve};
use super::terms::{self, Allowed};
use super::{approval, place};
use crate::app::commits::about_commit;
use crate::app::{App, places};
use crate::domain::{
    Actor, Approval, CommitId, Deployment, DeploymentId, DeploymentState, Environment, EnvironmentId, Error,
    Event, EventKind, Instant, Kind, Lock, Plan, Project, Result, ServerId, ServerState, Strategy, Target,
};
use crate::git::CommitInfo;
use crate::store::deployments::{self, NewDeployment, NewPart, Terms};
use crate::store::{Reader, locks, releases};

/// The longest reason, in characters: a paragraph, not a document.
pub const REASON_LIMIT: usize = 2_000;
/// Who rolls back is in trouble: that goes before what merely waits.
const ROLLBACK_PRIORITY: i32 = 10;

/// What somebody wants deployed.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// Which servers.
    pub choice: Choice,
    /// A commit's hash, whole or shortened.
    pub commit: String,
    /// Why; may be empty.
    pub reason: String,
    /// How it came about.
    pub kind: Kind,
    /// A token of the form it came from: a form sent twice is one request.
    pub request_key: Option<String>,
    /// A strategy other than the environment's; for whoever may `configure` it.
    pub strategy: Option<Strategy>,
    /// When it shall begin; `None`: as soon as it can.
    pub at: Option<Instant>,
    /// Why a lock does not stop it; for whoever may `lock` there.
    pub lock_override: Option<String>,
}

impl DeployRequest {
    /// A regular request for everything in an environment, with nothing special about it.
    pub fn new(
        project: impl Into<String>,
        environment: impl Into<String>,
        commit: impl Into<String>,
    ) -> Self {
        Self {
            project: project.into(),
            environment: environment.into(),
            choice: Choice::All,
            commit: commit.into(),
            reason: String::new(),
            kind: Kind::Regular,
            request_key: None,
            strategy: None,
            at: None,
            lock_override: None,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A new deployment.
    Queued(DeploymentId),
    /// The same was asked for before: by the same form, or it is still waiting.
    AlreadyQueued(DeploymentId),
}

impl Requested {
    /// The deployment, new or not.
    pub fn id(self) -> DeploymentId {
        match self {
            Self::Queued(id) | Self::AlreadyQueued(id) => id,
        }
    }
}

/// Asks for a deployment: it is queued, or scheduled for its time, or waits for an approval.
///
/// # Errors
/// Forbidden by policy, now or at the time it is for (the refusal knows the next instant at which
/// it would not be); unknown project, environment, target or commit; a commit that is not on
/// the environment's branch or may not be promoted yet; a lock; no active server.
pub async fn request(app: &App, actor: &Actor, wanted: DeployRequest) -> Result<Requested> {
    Box::pin(order(app, actor, wanted, Onward::default())).await
}

/// What a request brings with it that goes on from an earlier deployment.
#[derive(Debug, Default)]
pub(super) struct Onward {
    /// That deployment.
    pub origin: Option<DeploymentId>,
    /// Its servers; `None`: as the request chooses.
    pub servers: Option<(Target, Vec<NewPart>)>,
    /// An approval that still counts.
    pub approval: Option<Approval>,
}

/// A request that has been looked at.
struct Wish {
    project: Project,
    environment: Environment,
    target: Target,
    servers: Vec<NewPart>,
    commit: CommitInfo,
    origin: Option<DeploymentId>,
    approval: Option<Approval>,
    plan: Option<Plan>,
}

impl Wish {
    /// The servers that are deployed to.
    fn to_do(&self) -> HashSet<ServerId> {
        let to_do = self.servers.iter().filter(|part| part.skipped.is_none());
        to_do.map(|part| part.server_id).collect()
    }
}

/// [`request`], for one that may go on from an earlier deployment.
pub(super) async fn order(
    app: &App,
    actor: &Actor,
    wanted: DeployRequest,
    onward: Onward,
) -> Result<Requested> {
    let (project, environment) = place(app, &wanted.project, &wanted.environment).await?;
    let resource = places::resource(&project, &environment);
    let allowed = terms::allow(app, actor, &resource, &wanted).await?;
    let (target, servers) = match onward.servers {
        Some(servers) => servers,
        None => resolve(app, &environment, wanted.choice.into()).await?,
    };
    let mirror = app.mirror(&project)?;
    let commit = mirror.resolve(wanted.commit.trim()).await.map_err(about_commit)?;
    if wanted.kind == Kind::Rollback {
        check_way_back(app, &environment, &commit.id, &target).await?;
    } else {
        check_commit(app, &project, &environment, &commit.id).await?;
    }
    let mut wish = Wish {
        target,
        servers,
        commit,
        origin: onward.origin,
        approval: onward
            .approval
            .or_else(|| terms::approval(&environment, wanted.kind, app.now())),
        plan: None,
        project,
        environment,
    };
    // Who approves approves exactly this, and a strategy of one's own has to work at all.
    if wish.approval.is_some() || wanted.strategy.is_some() {
        let (environment, to_do) = (&wish.environment, wish.to_do());
        let how = (wanted.strategy, wanted.kind);
        wish.plan = Some(app.engine.preview(environment, how, &to_do).await?);
    }
    store(app, allowed, wanted, wish).await
}

async fn store(app: &App, allowed: Allowed, wanted: DeployRequest, wish: Wish) -> Result<Requested> {
    let now = app.now();
    let mut change = app.store.change(&allowed.permit, now).await?;
    // First of all: what was asked for before is so, whatever would stand in its way by now.
    if let Some(key) = &wanted.request_key
        && let Some(earlier) = deployments::by_request_key(&change, key).await?
    {
        return Ok(Requested::AlreadyQueued(earlier.id));
    }
    let stopping = locks::stopping(&change, wish.project.id, wish.environment.id, allowed.begins).await?;
    if let Some(lock) = allowed.stopped_by(&stopping) {
        return Err(Error::conflict(locked(lock)));
    }
    if let Some(twin) = twin(&change, &wanted, &wish).await? {
        return Ok(Requested::AlreadyQueued(twin));
    }
    let new = new_deployment(&change, &allowed, wanted, wish, now).await?;
    let deployment = deployments::insert(&change, &new).await?;
    if let Some(passed) = &allowed.lock_override {
        let detail = json!({ "reason": passed.reason, "locks": passed.locks });
        let event = Event::deployment(EventKind::LockOverridden, deployment.id, detail);
        change.also_by(&passed.permit, event);
    }
    approval::supersede(&mut change, &deployment).await?;
    change.commit(Event::requested(&deployment)).await?;
    Ok(Requested::Queued(deployment.id))
}

/// A deployment that waits to do the same under the same terms.
async fn twin(on: &impl Reader, wanted: &DeployRequest, wish: &Wish) -> Result<Option<DeploymentId>> {
    let waits = |state| {
        matches!(
            state,
            DeploymentState::Awaiting | DeploymentState::Scheduled | DeploymentState::Queued
        )
    };
    let alike = |other: &&Deployment| {
        waits(other.state)
            && other.environment_id == Some(wish.environment.id)
            && other.target.is_same(&wish.target)
            && other.commit == wish.commit.id
            && other.scheduled_at == wanted.at
            && other.strategy == wanted.strategy
            && other.lock_override.is_some() == wanted.lock_override.is_some()
            && (other.kind == Kind::Rollback) == (wanted.kind == Kind::Rollback)
    };
    for other in deployments::active(on).await?.iter().filter(alike) {
        let parts = deployments::servers(on, other.id).await?;
        let to_do = parts.iter().filter(|part| part.state == ServerState::Waiting);
        let to_do: HashSet<ServerId> = to_do.filter_map(|part| part.server_id).collect();
        if to_do == wish.to_do() {
            return Ok(Some(other.id));
        }
    }
    Ok(None)
}

async fn new_deployment(
    on: &impl Reader,
    allowed: &Allowed,
    wanted: DeployRequest,
    wish: Wish,
    now: Instant,
) -> Result<NewDeployment> {
    let actor = allowed.permit.actor();
    let kind = match (wanted.kind, wanted.at) {
        (Kind::Regular, Some(_)) => Kind::Scheduled,
        (kind, _) => kind,
    };
    Ok(NewDeployment {
        previous_commit: previous_commit(on, wish.environment.id, &wish.servers).await?,
        project_id: wish.project.id,
        environment_id: wish.environment.id,
        project: wish.project.name.to_string(),
        environment: wish.environment.name.to_string(),
        target: wish.target,
        branch: wish.environment.branch.to_string(),
        commit: wish.commit.id,
        commit_title: wish.commit.title,
        kind,
        actor: actor.name.clone(),
        groups: actor.groups.clone(),
        impersonator: actor.impersonator.clone(),
        reason: wanted.reason.trim().to_owned(),
        permit: Some(allowed.permit.line().clone()),
        queued_at: now,
        scheduled_at: wanted.at,
        terms: Terms {
            origin: wish.origin,
            strategy: wanted.strategy,
            lock_override: allowed.lock_override.as_ref().map(|passed| passed.reason.clone()),
            approval: wish.approval,
            plan: wish.plan,
        },
        priority: if kind == Kind::Rollback {
            ROLLBACK_PRIORITY
        } else {
            0
        },
        request_key: wanted.request_key,
        servers: wish.servers,
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

fn locked(lock: &Lock) -> String {
    let end = lock
        .ends_at
        .map(|end| end.format(" until %Y-%m-%d %H:%M UTC").to_string());
    format!(
        "{} has locked this{}: {}",
        lock.author,
        end.unwrap_or_default(),
        lock.reason
    )
}
