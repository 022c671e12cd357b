//! Deployments that are over already, brought in whole: by the demo, by measurements.
//!
//! What a worker writes in dozens of small steps over minutes is written here by a handful of
//! statements, in the caller's transaction. The rows are the same.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::columns::micros;
use super::super::entities::deployment_servers as parts;
use super::super::entities::deployments::ActiveModel;
use super::super::entities::steps;
use super::super::releases::NewRelease;
use super::super::{Change, log, releases};
use super::{NewDeployment, new_row};
use crate::domain::{
    Chunk, CommitId, DeploymentId, DeploymentState, Error, Instant, Line, Phase, Result, ServerState, StepId,
    StepKind, StepState,
};

/// How many rows are written by one statement; databases limit the parameters of one.
const ROWS_AT_ONCE: usize = 100;

/// A deployment that is over.
#[derive(Debug, Clone)]
pub struct PastDeployment {
    /// What was asked for. Its servers are told more of in `parts`.
    pub asked: NewDeployment,
    /// How it ended: a final state.
    pub state: DeploymentState,
    /// Where it ended.
    pub phase: Phase,
    /// When a worker took it.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Instant,
    /// Who ended it.
    pub cancelled_by: Option<String>,
    /// A sentence on how it ended.
    pub outcome: String,
    /// How it ended on each server of `asked`, in the same order.
    pub parts: Vec<PastPart>,
    /// Its steps, in order.
    pub steps: Vec<PastStep>,
    /// The releases it brought into use.
    pub releases: Vec<NewRelease>,
}

/// How a deployment that is over ended on one server.
#[derive(Debug, Clone)]
pub struct PastPart {
    /// How far it came.
    pub state: ServerState,
    /// What was there before.
    pub previous_commit: Option<CommitId>,
    /// What is there now and what to do; may be empty.
    pub detail: String,
}

/// A step of a deployment that is over.
#[derive(Debug, Clone)]
pub struct PastStep {
    /// The place of its server in `asked.servers`; `None`: the deployer's host.
    pub server: Option<usize>,
    /// What it did.
    pub kind: StepKind,
    /// How it ended.
    pub state: StepState,
    /// When it began; `None`: it never did.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Of a script.
    pub exit_code: Option<i32>,
    /// A sentence; may be empty.
    pub detail: String,
    /// What it printed.
    pub lines: Vec<Line>,
}

/// Stores a deployment that is over, with its servers, steps, log and releases.
///
/// # Errors
/// A fault of ours when its state is not a final one.
pub async fn insert_past(change: &Change, past: &PastDeployment) -> Result<DeploymentId> {
    if !past.state.is_final() || past.parts.len() != past.asked.servers.len() {
        return Err(Error::internal(
            "a deployment that is over has an end on each of its servers",
        ));
    }
    let lines: usize = past.steps.iter().map(|step| step.lines.len()).sum();
    let row = ActiveModel {
        state: Set(past.state.as_str().into()),
        phase: Set(past.phase.as_str().into()),
        started_at: Set(past.started_at.map(micros)),
        finished_at: Set(Some(micros(past.finished_at))),
        cancel_requested_at: Set(past.cancelled_by.as_ref().map(|_| micros(past.finished_at))),
        cancelled_by: Set(past.cancelled_by.clone()),
        fence: Set(1),
        last_line: Set(i64::try_from(lines).map_err(Error::internal)?),
        outcome: Set(past.outcome.clone()),
        ..new_row(&past.asked)?
    };
    let id = DeploymentId(row.insert(change.connection()).await?.id);
    insert_parts(change, id, past).await?;
    let ids = insert_steps(change, id, past).await?;
    let mut chunks: Vec<Chunk> = past
        .steps
        .iter()
        .zip(ids)
        .map(|(step, id)| chunk(past, step, id))
        .collect();
    chunks.sort_by_key(|chunk| chunk.at);
    log::write(change, id, chunks, 1).await?;
    for release in &past.releases {
        releases::write(change, id, release).await?;
    }
    Ok(id)
}

async fn insert_parts(change: &Change, id: DeploymentId, past: &PastDeployment) -> Result<()> {
    let both = past.asked.servers.iter().zip(&past.parts).zip(0..);
    let rows: Vec<parts::ActiveModel> = both
        .map(|((server, part), position)| parts::ActiveModel {
            deployment_id: Set(id.0),
            position: Set(position),
            server_id: Set(Some(server.server_id.0)),
            server_name: Set(server.server.clone()),
            cluster_name: Set(server.cluster.clone()),
            state: Set(part.state.as_str().into()),
            previous_commit: Set(part.previous_commit.as_ref().map(CommitId::to_string)),
            detail: Set(part.detail.clone()),
            batch: Set(None),
            service: Set(None),
        })
        .collect();
    for some in rows.chunks(ROWS_AT_ONCE) {
        parts::Entity::insert_many(some.to_vec())
            .exec_without_returning(change.connection())
            .await?;
    }
    Ok(())
}

async fn insert_steps(change: &Change, id: DeploymentId, past: &PastDeployment) -> Result<Vec<StepId>> {
    let rows: Vec<steps::ActiveModel> = past
        .steps
        .iter()
        .zip(0..)
        .map(|(step, position)| {
            let server = step.server.and_then(|at| past.asked.servers.get(at));
            steps::ActiveModel {
                id: NotSet,
                deployment_id: Set(id.0),
                position: Set(position),
                server_id: Set(server.map(|server| server.server_id.0)),
                server_name: Set(server.map_or_else(String::new, |server| server.server.clone())),
                kind: Set(step.kind.as_str().into()),
                state: Set(step.state.as_str().into()),
                started_at: Set(step.started_at.map(micros)),
                finished_at: Set(step.finished_at.map(micros)),
                exit_code: Set(step.exit_code),
                detail: Set(step.detail.clone()),
            }
        })
        .collect();
    for some in rows.chunks(ROWS_AT_ONCE) {
        steps::Entity::insert_many(some.to_vec())
            .exec_without_returning(change.connection())
            .await?;
    }
    let ids: Vec<i64> = steps::Entity::find()
        .select_only()
        .column(steps::Column::Id)
        .filter(steps::Column::DeploymentId.eq(id.0))
        .order_by_asc(steps::Column::Position)
        .into_tuple()
        .all(change.connection())
        .await?;
    Ok(ids.into_iter().map(StepId).collect())
}

fn chunk(past: &PastDeployment, step: &PastStep, id: StepId) -> Chunk {
    let server = step.server.and_then(|at| past.asked.servers.get(at));
    Chunk {
        step: Some(id),
        server: server.map_or_else(String::new, |server| server.server.clone()),
        kind: Some(step.kind),
        at: step.finished_at.or(step.started_at).unwrap_or(past.finished_at),
        lines: step.lines.clone(),
    }
}
