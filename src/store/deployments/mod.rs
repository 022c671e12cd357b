//! Deployments: stored, read, moved from state to state.
//!
//! `history` pages through all of them; `overview` has the queries of the pages about projects and
//! environments; `states` alone changes states; `rollouts` keeps the plan, pauses and whether servers
//! get traffic; `left_out` finds servers left out of service; `target` writes and compares targets.

mod history;
mod left_out;
mod overview;
mod past;
mod rollouts;
mod states;
mod target;

pub use history::{history, places};
pub use left_out::{LeftOut, decided_by_hand, left_out, left_out_in, settle};
pub use overview::{
    active, by_ids, durations, last_for_environment, last_for_project, latest, previous_succeeded, progress,
    succeeded_commits,
};
pub use past::{PastDeployment, PastPart, PastStep, insert_past};
pub use rollouts::{
    answer, approve, due, leave_by_hand, plan, request_pause, set_pause, set_plan, set_service, superseded,
    take_answer,
};
pub use states::{request_cancel, set_phase, set_previous_commit, set_server, set_state};

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::columns::{checked, checked_opt, from_json, instant, micros, to_json, word};
use super::entities::deployment_servers as parts;
use super::entities::deployments::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader};
use crate::domain::{
    Approval, CommitId, Deployment, DeploymentId, DeploymentState, EnvironmentId, Error, Instant, Kind,
    Phase, Plan, PolicyLine, ProjectId, Result, ServerId, ServerPart, ServerState, Service, Strategy, Target,
};

/// The states in which something will still happen.
pub const OPEN: [DeploymentState; 5] = [
    DeploymentState::Awaiting,
    DeploymentState::Scheduled,
    DeploymentState::Queued,
    DeploymentState::Running,
    DeploymentState::Paused,
];

/// A deployment about to be asked for. Names are copied, because history outlives what they name.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    pub project_id: ProjectId,
    pub environment_id: EnvironmentId,
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// What is brought to the commit.
    pub target: Target,
    /// The branch the commit was picked from.
    pub branch: String,
    pub commit: CommitId,
    /// The first line of its message.
    pub commit_title: String,
    /// What most servers have now, where known.
    pub previous_commit: Option<CommitId>,
    /// How it came about.
    pub kind: Kind,
    /// Who asks.
    pub actor: String,
    /// The groups that their login told.
    pub groups: Vec<String>,
    /// Who really sits there, if that is somebody else.
    pub impersonator: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// The policy line that allowed it.
    pub permit: Option<PolicyLine>,
    /// When it is asked for.
    pub queued_at: Instant,
    /// When it shall begin; `None`: as soon as it can.
    pub scheduled_at: Option<Instant>,
    /// What is special about it.
    pub terms: Terms,
    /// Higher goes first; 0 is usual.
    pub priority: i32,
    /// A token of the form it came from: the same one twice is the same request.
    pub request_key: Option<String>,
    /// The servers, in the order they are worked on.
    pub servers: Vec<NewPart>,
}

/// What is special about a request; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The deployment it goes on from.
    pub origin: Option<DeploymentId>,
    /// The strategy asked for, where it is not the environment's.
    pub strategy: Option<Strategy>,
    /// Why a lock does not stop it.
    pub lock_override: Option<String>,
    /// The second opinion it needs before it may wait for anything else, or has already.
    pub approval: Option<Approval>,
    /// What will be done, as it was shown to who asked.
    pub plan: Option<Plan>,
}

/// A server of a [`NewDeployment`].
#[derive(Debug, Clone)]
pub struct NewPart {
    pub server_id: ServerId,
    /// Its name.
    pub server: String,
    /// The name of the cluster it is reached through.
    pub cluster: String,
    /// Why it is left alone, if it is.
    pub skipped: Option<String>,
}

impl NewPart {
    fn state(&self) -> ServerState {
        if self.skipped.is_some() {
            ServerState::Skipped
        } else {
            ServerState::Waiting
        }
    }
}

/// What must have no deployment at work before it is deleted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    Project(ProjectId),
    Environment(EnvironmentId),
}

/// Stores a deployment with its servers: as awaiting an approval that is not given yet, as
/// scheduled when it has a time, otherwise as queued.
///
/// # Errors
/// A conflict when the same form was sent before; see [`by_request_key`].
pub async fn insert(change: &Change, new: &NewDeployment) -> Result<Deployment> {
    if let Some(key) = &new.request_key
        && let Some(earlier) = by_request_key(change, key).await?
    {
        return Err(Error::conflict(format!(
            "This form was already sent: it became deployment {}.",
            earlier.id
        )));
    }
    let row = new_row(new)?.insert(change.connection()).await?;
    let servers = new
        .servers
        .iter()
        .zip(0..)
        .map(|(part, position)| parts::ActiveModel {
            deployment_id: Set(row.id),
            position: Set(position),
            server_id: Set(Some(part.server_id.0)),
            server_name: Set(part.server.clone()),
            cluster_name: Set(part.cluster.clone()),
            state: Set(part.state().as_str().into()),
            previous_commit: Set(None),
            detail: Set(part.skipped.clone().unwrap_or_default()),
            batch: Set(new
                .terms
                .plan
                .as_ref()
                .and_then(|plan| batch_of(plan, part.server_id))),
            service: Set(None),
        });
    if !new.servers.is_empty() {
        parts::Entity::insert_many(servers)
            .exec_without_returning(change.connection())
            .await?;
    }
    from_row(row)
}

/// One by its number.
pub async fn by_id(on: &impl Reader, id: DeploymentId) -> Result<Deployment> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map_or_else(|| Err(Error::not_found(format!("deployment {id}"))), from_row)
}

/// What an earlier sending of the same form became.
pub async fn by_request_key(on: &impl Reader, key: &str) -> Result<Option<Deployment>> {
    let row = Entity::find()
        .filter(Column::RequestKey.eq(key))
        .one(on.db())
        .await?;
    row.map(from_row).transpose()
}

/// Its servers, in order.
pub async fn servers(on: &impl Reader, id: DeploymentId) -> Result<Vec<ServerPart>> {
    let rows = parts::Entity::find()
        .filter(parts::Column::DeploymentId.eq(id.0))
        .order_by_asc(parts::Column::Position)
        .all(on.db())
        .await?;
    rows.into_iter().map(part).collect()
}

/// Refuses, with a sentence, while a deployment in `scope` is not finished.
pub(super) async fn none_at_work(change: &Change, scope: Scope, name: impl std::fmt::Display) -> Result<()> {
    let open = Entity::find().filter(Column::State.is_in(OPEN.map(DeploymentState::as_str)));
    let open = match scope {
        Scope::Project(id) => open.filter(Column::ProjectId.eq(id.0)),
        Scope::Environment(id) => open.filter(Column::EnvironmentId.eq(id.0)),
    };
    match open.count(change.connection()).await? {
        0 => Ok(()),
        _ => Err(Error::conflict(format!(
            "“{name}” has deployments that are waiting or running. Cancel them or let them end first."
        ))),
    }
}

fn new_row(new: &NewDeployment) -> Result<ActiveModel> {
    let needs_approval = |approval: &Approval| approval.given.is_none();
    let state = match (&new.terms.approval, new.scheduled_at) {
        (Some(approval), _) if needs_approval(approval) => DeploymentState::Awaiting,
        (_, Some(_)) => DeploymentState::Scheduled,
        (_, None) => DeploymentState::Queued,
    };
    let row = ActiveModel {
        id: NotSet,
        project_id: Set(Some(new.project_id.0)),
        environment_id: Set(Some(new.environment_id.0)),
        project: Set(new.project.clone()),
        environment: Set(new.environment.clone()),
        state: Set(state.as_str().into()),
        kind: Set(new.kind.as_str().into()),
        phase: Set(Phase::Check.as_str().into()),
        priority: Set(new.priority),
        actor: Set(new.actor.clone()),
        actor_groups: Set(Some(to_json(&new.groups)?)),
        impersonator: Set(new.impersonator.clone()),
        branch: Set(new.branch.clone()),
        commit_hash: Set(new.commit.to_string()),
        previous_commit: Set(new.previous_commit.as_ref().map(CommitId::to_string)),
        queued_at: Set(micros(new.queued_at)),
        scheduled_at: Set(new.scheduled_at.map(micros)),
        started_at: Set(None),
        finished_at: Set(None),
        cancel_requested_at: Set(None),
        cancelled_by: Set(None),
        worker: Set(None),
        lease_until_at: Set(None),
        fence: Set(0),
        last_line: Set(0),
        request_key: Set(new.request_key.clone()),
        commit_title: Set(new.commit_title.clone()),
        reason: Set(new.reason.clone()),
        permit: Set(new.permit.as_ref().map(to_json).transpose()?),
        outcome: Set(String::new()),
        plan: Set(new.terms.plan.as_ref().map(to_json).transpose()?),
        origin_id: Set(new.terms.origin.map(|id| id.0)),
        strategy: Set(new.terms.strategy.as_ref().map(to_json).transpose()?),
        lock_override: Set(new.terms.lock_override.clone()),
        approval: Set(new.terms.approval.as_ref().map(to_json).transpose()?),
        pause_requested_by: Set(None),
        pause: Set(None),
        answer: Set(None),
        ..Default::default()
    };
    target::write(row, &new.target)
}

pub(super) fn from_row(row: Model) -> Result<Deployment> {
    Ok(Deployment {
        id: DeploymentId(row.id),
        target: target::read(&row)?,
        project_id: row.project_id.map(ProjectId),
        environment_id: row.environment_id.map(EnvironmentId),
        project: row.project,
        environment: row.environment,
        branch: row.branch,
        commit: checked("a commit", &row.commit_hash)?,
        commit_title: row.commit_title,
        previous_commit: checked_opt("a commit", row.previous_commit.as_deref())?,
        kind: word("a kind", &row.kind, Kind::parse)?,
        state: word("a state", &row.state, DeploymentState::parse)?,
        phase: word("a phase", &row.phase, Phase::parse)?,
        actor: row.actor,
        groups: opt_json("groups", row.actor_groups.as_deref())?.unwrap_or_default(),
        impersonator: row.impersonator,
        reason: row.reason,
        permit: opt_json("a permit", row.permit.as_deref())?,
        queued_at: instant(row.queued_at),
        scheduled_at: row.scheduled_at.map(instant),
        started_at: row.started_at.map(instant),
        finished_at: row.finished_at.map(instant),
        cancelled_by: row.cancelled_by,
        outcome: row.outcome,
        origin: row.origin_id.map(DeploymentId),
        strategy: opt_json("a strategy", row.strategy.as_deref())?,
        lock_override: row.lock_override,
        approval: opt_json("an approval", row.approval.as_deref())?,
        pause_requested_by: row.pause_requested_by,
        pause: opt_json("a pause", row.pause.as_deref())?,
        last_line: row.last_line,
    })
}

fn opt_json<T: serde::de::DeserializeOwned>(what: &'static str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| from_json(what, text)).transpose()
}

fn batch_of(plan: &Plan, server: ServerId) -> Option<i32> {
    i32::try_from(plan.batch_of(server)?).ok()
}

fn part(row: parts::Model) -> Result<ServerPart> {
    Ok(ServerPart {
        batch: row.batch,
        left_alone: false,
        service: word(
            "a server's service",
            row.service.as_deref().unwrap_or_default(),
            Service::parse,
        )?,
        server_id: row.server_id.map(ServerId),
        server: row.server_name,
        cluster: row.cluster_name,
        position: row.position,
        state: word("a server's state", &row.state, ServerState::parse)?,
        previous_commit: checked_opt("a commit", row.previous_commit.as_deref())?,
        detail: row.detail,
    })
}
