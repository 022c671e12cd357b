//! Asking for deployments and ending them.

mod target;

use std::collections::BTreeMap;

use serde_json::json;

use super::{App, audit};
use crate::access::Permit;
use crate::domain::{
    Action, Actor, ClusterId, CommitId, Deployment, DeploymentId, DeploymentState, Environment,
    EnvironmentId, Error, Kind, Lock, Project, Resource, Result, ServerId, Target,
};
use crate::store::audit as audit_log;
use crate::store::deployments::{self, NewDeployment, NewPart, Terms};
use crate::store::{Tx, environments, locks, projects, releases};

/// The longest reason, in characters: a paragraph, not a document.
pub const REASON_LIMIT: usize = 2_000;
/// Who rolls back is in trouble: that goes before what merely waits.
const ROLLBACK_PRIORITY: i32 = 10;

/// Which servers are meant, as a person chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All of the environment's.
    All,
    /// Those of one cluster.
    Cluster(ClusterId),
    /// One.
    Server(ServerId),
}

impl Choice {
    fn of(target: &Target) -> Self {
        match target {
            Target::Environment => Self::All,
            Target::Cluster { id, .. } => Self::Cluster(*id),
            Target::Server { id, .. } => Self::Server(*id),
        }
    }
}

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
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A new deployment.
    Queued(DeploymentId),
    /// The same was already waiting.
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

/// Queues a deployment.
///
/// # Errors
/// Forbidden by policy; unknown project, environment, target or commit; a commit that is not on
/// the environment's branch or may not be promoted yet; a lock; no active server.
pub async fn request(app: &App, actor: &Actor, wanted: DeployRequest) -> Result<Requested> {
    let (project, environment) = place(app, &wanted.project, &wanted.environment).await?;
    let action = match wanted.kind {
        Kind::Rollback => Action::Rollback,
        _ => Action::Deploy,
    };
    let resource = Resource::Environment(project.name.to_string(), environment.name.to_string());
    let permit = app.permit(actor, action, &resource).await?;
    if wanted.reason.chars().count() > REASON_LIMIT {
        return Err(Error::field(
            "reason",
            format!("Keep the reason under {REASON_LIMIT} characters."),
        ));
    }
    let (target, servers) = target::resolve(app, &environment, wanted.choice).await?;
    let mirror = app.mirror(&project)?;
    let commit = mirror.resolve(wanted.commit.trim()).await?;
    if wanted.kind == Kind::Rollback {
        check_way_back(app, &environment, &commit.id).await?;
    } else {
        check_commit(app, &project, &environment, &commit.id).await?;
    }
    store(
        app,
        permit,
        wanted,
        Wish {
            project,
            environment,
            target,
            servers,
            commit: commit.id,
            title: commit.title,
        },
    )
    .await
}

/// A request that has been looked at.
struct Wish {
    project: Project,
    environment: Environment,
    target: Target,
    servers: Vec<NewPart>,
    commit: CommitId,
    title: String,
}

async fn store(app: &App, permit: Permit, wanted: DeployRequest, wish: Wish) -> Result<Requested> {
    let now = app.now();
    let tx = app.store.begin().await?;
    let (project, environment) = (wish.project.id, wish.environment.id);
    if let Some(lock) = locks::stopping(&tx, project, environment, now).await?.first() {
        return Err(Error::conflict(locked(lock)));
    }
    if let Some(key) = &wanted.request_key
        && let Some(earlier) = deployments::by_request_key(&tx, key).await?
    {
        return Ok(Requested::AlreadyQueued(earlier.id));
    }
    let twin = |other: &Deployment| {
        other.state == DeploymentState::Queued
            && other.environment_id == Some(environment)
            && other.target == wish.target
            && other.commit == wish.commit
    };
    if let Some(twin) = deployments::active(&tx).await?.iter().find(|other| twin(other)) {
        return Ok(Requested::AlreadyQueued(twin.id));
    }
    let actor = permit.actor();
    let new = NewDeployment {
        project_id: wish.project.id,
        environment_id: wish.environment.id,
        project: wish.project.name.to_string(),
        environment: wish.environment.name.to_string(),
        target: wish.target,
        branch: wish.environment.branch.to_string(),
        commit: wish.commit,
        commit_title: wish.title,
        kind: wanted.kind,
        actor: actor.name.clone(),
        impersonator: actor.impersonator.clone(),
        reason: wanted.reason.trim().to_owned(),
        permit: Some(permit.line().clone()),
        queued_at: now,
        terms: Terms::default(),
        scheduled_at: None,
        priority: if wanted.kind == Kind::Rollback {
            ROLLBACK_PRIORITY
        } else {
            0
        },
        previous_commit: previous_commit(&tx, environment, &wish.servers).await?,
        request_key: wanted.request_key,
        servers: wish.servers,
    };
    let id = deployments::insert(&tx, &new).await?.id;
    let detail = json!({
        "deployment": id, "commit": new.commit.as_str(), "target": new.target.to_string(),
        "kind": new.kind.as_str(), "reason": new.reason,
    });
    audit_log::append(&tx, &audit::allowed(&permit, "deployment.requested", now, detail)).await?;
    tx.commit().await?;
    app.engine.hub().changed(id);
    app.engine.wake();
    Ok(Requested::Queued(id))
}

/// What most of the servers run now, as far as is known.
async fn previous_commit(
    tx: &Tx,
    environment: EnvironmentId,
    servers: &[NewPart],
) -> Result<Option<CommitId>> {
    let meant = |server| servers.iter().any(|part| Some(part.server_id) == server);
    let mut counts: BTreeMap<CommitId, usize> = BTreeMap::new();
    for release in releases::current(tx, environment).await? {
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

/// The project and environment of these names.
///
/// # Errors
/// Not found.
pub async fn place(app: &App, project: &str, environment: &str) -> Result<(Project, Environment)> {
    let project = projects::by_name(&app.store, project).await?;
    let environment = environments::by_name(&app.store, project.id, environment).await?;
    Ok((project, environment))
}

/// The rules a commit has to keep: it is on the environment's branch, and it has succeeded in the
/// environment before this one, where there is one of the same branch.
pub(super) async fn check_commit(
    app: &App,
    project: &Project,
    environment: &Environment,
    commit: &CommitId,
) -> Result<()> {
    let mirror = app.mirror(project)?;
    if !mirror.contains(&environment.branch, commit).await? {
        let message = format!(
            "Commit {} is not on branch {}.",
            commit.short(),
            environment.branch
        );
        return Err(Error::field("commit", message));
    }
    if let Some(before) = promotion_source(app, environment).await? {
        let done = deployments::succeeded_commits(
            &app.store,
            before.id,
            Some(environment.branch.as_str()),
            std::slice::from_ref(commit),
        )
        .await?;
        if !done.contains(commit) {
            let message = format!(
                "Commit {} has not been deployed to {} with success yet; that comes before {}.",
                commit.short(),
                before.name,
                environment.name
            );
            return Err(Error::field("commit", message));
        }
    }
    Ok(())
}

/// Whether a commit was ever deployed to the environment with success: only then going there is
/// a way back. Whoever may roll back may do so at hours and from branches that deploying is not
/// allowed at, so nothing new may come in under that name.
///
/// # Errors
/// Of the store.
pub async fn was_here(app: &App, environment: &Environment, commit: &CommitId) -> Result<bool> {
    let found =
        deployments::succeeded_commits(&app.store, environment.id, None, std::slice::from_ref(commit));
    Ok(found.await?.contains(commit))
}

async fn check_way_back(app: &App, environment: &Environment, commit: &CommitId) -> Result<()> {
    if was_here(app, environment, commit).await? {
        return Ok(());
    }
    let message = format!(
        "Commit {} was never deployed to {} with success, so there is no way back to it. Deploy it instead.",
        commit.short(),
        environment.name
    );
    Err(Error::field("commit", message))
}

/// The environment a commit has to succeed in before it may go to this one: of the same project
/// and branch, the nearest one lower in order.
///
/// # Errors
/// Of the store.
pub async fn promotion_source(app: &App, environment: &Environment) -> Result<Option<Environment>> {
    let all = environments::list(&app.store, environment.project_id).await?;
    let lower = all
        .into_iter()
        .filter(|e| e.branch == environment.branch && e.position < environment.position);
    Ok(lower.max_by_key(|e| e.position))
}

/// Ends a deployment: a queued one at once, a running one as soon as its programs are ended.
///
/// # Errors
/// Forbidden; unknown; ended already.
pub async fn cancel(app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let permit = app.permit(actor, Action::Cancel, &resource(&deployment)).await?;
    let (now, who) = (app.now(), &permit.actor().name);
    let tx = app.store.begin().await?;
    // Read again: a worker may have taken or ended it meanwhile.
    let state = deployments::by_id(&tx, id).await?.state;
    if state.is_final() {
        return Err(Error::conflict(format!(
            "Deployment {id} has ended already: it {}.",
            state.title().to_lowercase()
        )));
    }
    deployments::request_cancel(&tx, id, who, now).await?;
    if matches!(state, DeploymentState::Queued | DeploymentState::Scheduled) {
        let outcome = format!("Cancelled by {who} before it began; no server was touched.");
        deployments::set_state(&tx, id, state, DeploymentState::Cancelled, now, &outcome).await?;
    }
    let detail = json!({ "deployment": id });
    audit_log::append(
        &tx,
        &audit::allowed(&permit, "deployment.cancel_requested", now, detail),
    )
    .await?;
    tx.commit().await?;
    app.engine.cancel(id);
    app.engine.hub().changed(id);
    app.engine.wake();
    Ok(())
}

/// What a deployment is about, for policy.
pub fn resource(deployment: &Deployment) -> Resource {
    Resource::Environment(deployment.project.clone(), deployment.environment.clone())
}

/// Asks for what an ended deployment asked for once more: same commit, same target.
///
/// # Errors
/// As [`request`]; the project, environment or target may be gone.
pub async fn again(app: &App, actor: &Actor, id: DeploymentId) -> Result<Requested> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let choice = Choice::of(&deployment.target);
    let kind = if deployment.kind == Kind::Rollback {
        Kind::Rollback
    } else {
        Kind::Regular
    };
    let reason = format!("Once more: deployment {id}");
    let wanted = DeployRequest {
        project: deployment.project,
        environment: deployment.environment,
        choice,
        commit: deployment.commit.to_string(),
        reason,
        kind,
        request_key: None,
    };
    request(app, actor, wanted).await
}

/// Brings what a deployment was for back to the commit that ran there with success before it.
///
/// # Errors
/// As [`request`]; a conflict when there is no such commit.
pub async fn roll_back(app: &App, actor: &Actor, id: DeploymentId) -> Result<Requested> {
    let deployment = deployments::by_id(&app.store, id).await?;
    // Asked again with the request; here so that what was there before is told to nobody else.
    app.permit(actor, Action::Rollback, &resource(&deployment))
        .await?;
    let before = super::watch::before(app, &deployment).await?.ok_or_else(|| {
        Error::conflict(
            "Nothing else has succeeded in this environment before, so there is nothing to go back to.",
        )
    })?;
    let wanted = DeployRequest {
        project: deployment.project,
        environment: deployment.environment,
        choice: Choice::of(&deployment.target),
        commit: before.to_string(),
        reason: format!("Back from deployment {id}"),
        kind: Kind::Rollback,
        request_key: None,
    };
    request(app, actor, wanted).await
}
