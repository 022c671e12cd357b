//! Deployments: stored, read, moved from state to state.
//!
//! `history` pages through all of them; `overview` has the queries of the pages about projects and
//! environments; `states` alone changes states; `rollouts` keeps the plan, pauses and whether servers
//! get traffic; `left_out` finds servers left out of service, `held_out` knows at which endpoints they are,
//! `hand_acts` what people have begun at balancers, `half_changed` whose files are of two releases,
//! `remains` what is left on servers, `unfinished` which releases hold back other environments; `target` writes and compares targets; `past` brings in deployments of another installation.

mod half_changed;
mod hand_acts;
mod held_out;
mod history;
mod left_out;
mod overview;
mod past;
mod remains;
mod rollouts;
mod states;
mod target;
mod unfinished;

pub use half_changed::half_changed;
pub use hand_acts::{
    HandAct, HandActId, begin_hand_act, end_hand_act, hand_acts, lose_hand_acts_at_start, lost_hand_acts,
};
pub use held_out::{HeldOut, forget, held_out, hold_out, let_in};
pub use history::{history, places};
pub use left_out::{LeftOut, decided_by_hand, find_again, left_out, left_out_in, residues, settle};
pub use overview::{
    active, by_ids, durations, has_success, last_for_environment, last_for_project, last_on, latest,
    previous_succeeded, progress, succeeded_commits,
};
pub use past::{PastDeployment, PastStep, insert_past};
pub use remains::{LeftThere, left_there, set_remains};
pub use rollouts::{
    Footing, answer, answer_given, approve, change_pause, due, end_pause, footing, forget_ended_pause,
    leave_by_hand, note_take_over, plan, remember_answer, request_pause, set_footing, set_pause, set_plan,
    set_service, set_service_before, set_tree_digest, superseded, tree_digest, unfollowed_answer,
};
pub use states::{
    request_cancel, set_left_mixed, set_on_server, set_phase, set_previous_commit, set_server, set_state,
};
pub use unfinished::unfinished_elsewhere;

use std::collections::HashMap;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::columns::{checked, checked_opt, from_json, instant, micros, to_json, word};
use super::entities::deployment_servers as parts;
use super::entities::deployments::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, insert_all};
use crate::domain::{
    Approval, CommitId, Deployment, DeploymentId, DeploymentState, EnvironmentId, Error, Kind, OnServer,
    Phase, Plan, ProjectId, Result, ServerId, ServerPart, ServerState, Service, ServiceBefore,
};

/// The states in which something will still happen.
pub const OPEN: [DeploymentState; 5] = [
    DeploymentState::Awaiting,
    DeploymentState::Scheduled,
    DeploymentState::Queued,
    DeploymentState::Running,
    DeploymentState::Paused,
];

/// A rollback means trouble, so it overtakes what merely waits.
pub const ROLLBACK_PRIORITY: i32 = 10;

/// A deployment about to be stored.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// The deployment; its `id` is assigned when it is stored.
    pub deployment: Deployment,
    /// Higher goes first; 0 is usual.
    pub priority: i32,
    /// A token of the form it came from: the same one twice is the same request.
    pub request_key: Option<String>,
    /// The plan, as the requester was shown it.
    pub plan: Option<Plan>,
    /// The servers, in the order they are worked on.
    pub servers: Vec<NewPart>,
}

impl NewDeployment {
    /// A deployment of usual priority that comes from no form.
    pub fn new(deployment: Deployment, servers: Vec<NewPart>) -> Self {
        Self {
            deployment,
            priority: 0,
            request_key: None,
            plan: None,
            servers,
        }
    }
}

/// A server of a [`NewDeployment`].
#[derive(Debug, Clone)]
pub struct NewPart {
    pub server_id: ServerId,
    /// Its name.
    pub server: String,
    /// The name of the cluster it is reached through.
    pub cluster: String,
    pub state: ServerState,
    /// What was on it before, where known.
    pub previous_commit: Option<CommitId>,
    /// What is on it, where that is known already.
    pub on_server: Option<OnServer>,
    /// Why it is left alone, or how it came so; may be empty.
    pub cause: String,
}

impl NewPart {
    /// A server to deploy to.
    pub fn new(server_id: ServerId, server: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self {
            server_id,
            server: server.into(),
            cluster: cluster.into(),
            state: ServerState::Waiting,
            previous_commit: None,
            on_server: None,
            cause: String::new(),
        }
    }

    /// Leaves it alone, and says why.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.state = ServerState::Skipped;
        self.on_server = Some(OnServer::LeftAlone);
        self.cause = why.into();
    }

    /// Whether it is left alone.
    pub fn is_skipped(&self) -> bool {
        self.state == ServerState::Skipped
    }
}

/// What must have no deployment at work before it is deleted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    Project(ProjectId),
    Environment(EnvironmentId),
}

/// Stores a request with its servers; see [`first_state`] for its state.
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
    let row = ActiveModel {
        state: Set(first_state(&new.deployment).as_str().into()),
        ..to_row(new)?
    };
    let row = row.insert(change.connection()).await?;
    insert_parts(change, row.id, new).await?;
    from_row(row)
}

/// A request begins as awaiting an approval that is not given yet, as scheduled, or as queued.
fn first_state(request: &Deployment) -> DeploymentState {
    match (&request.approval, request.scheduled_at) {
        (Some(Approval { given: None, .. }), _) => DeploymentState::Awaiting,
        (_, Some(_)) => DeploymentState::Scheduled,
        (_, None) => DeploymentState::Queued,
    }
}

async fn insert_parts(change: &Change, deployment: i64, new: &NewDeployment) -> Result<()> {
    let is_open = |part: &NewPart| part.state == ServerState::Waiting;
    // What is over has said itself what is on its servers.
    let half = match new.servers.iter().any(is_open) {
        true => half_changed::half_changed(change).await?,
        false => HashMap::new(),
    };
    let is_half = |server: ServerId| {
        let environment = new.deployment.environment_id;
        environment.is_some_and(|environment| half.contains_key(&(environment, server)))
    };
    let rows = new.servers.iter().zip(0..).map(|(part, position)| {
        let batch = new.plan.as_ref().and_then(|plan| batch_of(plan, part.server_id));
        let left = (is_open(part) && is_half(part.server_id)).then_some(OnServer::LeftMixed);
        let on_server = part.on_server.or(left).map(OnServer::as_words);
        parts::ActiveModel {
            deployment_id: Set(deployment),
            position: Set(position),
            server_id: Set(Some(part.server_id.0)),
            server_name: Set(part.server.clone()),
            cluster_name: Set(part.cluster.clone()),
            state: Set(part.state.as_str().into()),
            previous_commit: Set(part.previous_commit.as_ref().map(CommitId::to_string)),
            detail: Set(String::new()),
            batch: Set(batch),
            service: Set(None),
            service_before: Set(None),
            on_server: Set(on_server.map(|(word, _)| word.into())),
            on_server_step: Set(on_server.and_then(|(_, step)| step.map(Into::into))),
            cause: Set(Some(part.cause.clone())),
            remains_count: Set(None),
            remains: Set(None),
        }
    });
    let rows: Vec<parts::ActiveModel> = rows.collect();
    insert_all(change, rows).await
}

/// The deployment with this number.
pub async fn by_id(on: &impl Reader, id: DeploymentId) -> Result<Deployment> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    from_row(row.ok_or_else(Error::no_such_place)?)
}

/// The deployment that the same form requested before.
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
    let mut parts: Vec<ServerPart> = rows.into_iter().map(part).collect::<Result<_>>()?;
    if parts.iter().any(|part| part.service == Service::Out) {
        let held = held_out::of_deployment(on, id).await?;
        for part in &mut parts {
            part.split = part
                .server_id
                .and_then(|server| held_out::split(&held, server, id));
        }
    }
    Ok(parts)
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

fn to_row(new: &NewDeployment) -> Result<ActiveModel> {
    let one = &new.deployment;
    let row = ActiveModel {
        id: NotSet,
        project_id: Set(one.project_id.map(|id| id.0)),
        environment_id: Set(one.environment_id.map(|id| id.0)),
        project: Set(one.project.clone()),
        environment: Set(one.environment.clone()),
        state: Set(one.state.as_str().into()),
        kind: Set(one.kind.as_str().into()),
        phase: Set(one.phase.as_str().into()),
        priority: Set(new.priority),
        actor: Set(one.actor.clone()),
        actor_groups: Set(Some(to_json(&one.groups)?)),
        impersonator: Set(one.impersonator.clone()),
        actor_token: Set(one.token.as_ref().map(to_json).transpose()?),
        branch: Set(one.branch.clone()),
        commit_hash: Set(one.commit.to_string()),
        previous_commit: Set(one.previous_commit.as_ref().map(CommitId::to_string)),
        queued_at: Set(micros(one.queued_at)),
        scheduled_at: Set(one.scheduled_at.map(micros)),
        started_at: Set(one.started_at.map(micros)),
        finished_at: Set(one.finished_at.map(micros)),
        cancel_requested_at: Set(one.cancelled_by.as_ref().and(one.finished_at).map(micros)),
        cancelled_by: Set(one.cancelled_by.clone()),
        worker: Set(None),
        lease_until_at: Set(None),
        fence: Set(0),
        last_line: Set(one.last_line),
        request_key: Set(new.request_key.clone()),
        commit_title: Set(one.commit_title.clone()),
        reason: Set(one.reason.clone()),
        permit: Set(one.permit.as_ref().map(to_json).transpose()?),
        outcome: Set(one.outcome.clone()),
        plan: Set(new.plan.as_ref().map(to_json).transpose()?),
        origin_id: Set(one.origin.map(|id| id.0)),
        undoes: Set(Some(one.undoes)),
        strategy: Set(one.strategy.as_ref().map(to_json).transpose()?),
        lock_override: Set(one.lock_override.clone()),
        approval: Set(one.approval.as_ref().map(to_json).transpose()?),
        pause_requested_by: Set(one.pause_requested_by.clone()),
        pause: Set(one.pause.as_ref().map(to_json).transpose()?),
        answer: Set(None),
        ..Default::default()
    };
    target::write(row, &one.target)
}

pub(super) fn from_row(row: Model) -> Result<Deployment> {
    let state = word("a state", &row.state, DeploymentState::parse)?;
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
        state,
        phase: word("a phase", &row.phase, Phase::parse)?,
        actor: row.actor,
        groups: opt_json("groups", row.actor_groups.as_deref())?.unwrap_or_default(),
        impersonator: row.impersonator,
        token: opt_json("a token", row.actor_token.as_deref())?,
        reason: row.reason,
        permit: opt_json("a permit", row.permit.as_deref())?,
        queued_at: instant(row.queued_at),
        scheduled_at: row.scheduled_at.map(instant),
        started_at: row.started_at.map(instant),
        finished_at: row.finished_at.map(instant),
        cancelled_by: row.cancelled_by,
        outcome: row.outcome,
        origin: row.origin_id.map(DeploymentId),
        undoes: row.undoes.unwrap_or_default(),
        strategy: opt_json("a strategy", row.strategy.as_deref())?,
        lock_override: row.lock_override,
        approval: opt_json("an approval", row.approval.as_deref())?,
        pause_requested_by: row.pause_requested_by,
        // One that has ended stays in the row until something comes of its answer.
        pause: opt_json(
            "a pause",
            row.pause.as_deref().filter(|_| state == DeploymentState::Paused),
        )?,
        pauses: opt_json("pauses", row.pauses.as_deref())?.unwrap_or_default(),
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
    let step = row.on_server_step.as_deref();
    let on_server = |text: &str| word("what is on a server", text, |text| OnServer::parse(text, step));
    let before = |text: &str| word("a server's service before", text, ServiceBefore::parse);
    Ok(ServerPart {
        on_server: row.on_server.as_deref().map(on_server).transpose()?,
        service_before: row.service_before.as_deref().map(before).transpose()?,
        cause: row.cause.unwrap_or_default(),
        remains: remains::read(row.remains.as_deref())?,
        batch: row.batch,
        left_alone: false,
        service: word(
            "a server's service",
            row.service.as_deref().unwrap_or_default(),
            Service::parse,
        )?,
        split: None,
        server_id: row.server_id.map(ServerId),
        server: row.server_name,
        cluster: row.cluster_name,
        position: row.position,
        state: word("a server's state", &row.state, ServerState::parse)?,
        previous_commit: checked_opt("a commit", row.previous_commit.as_deref())?,
        detail: row.detail,
    })
}
