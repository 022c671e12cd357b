//! Finished deployments, stored as a whole by the demo and by benchmarks.
//!
//! What a worker writes in dozens of small steps over minutes is written here by a handful of
//! statements, in the caller's transaction. The rows are the same.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::columns::micros;
use super::super::entities::deployments::ActiveModel;
use super::super::entities::steps;
use super::super::releases::NewRelease;
use super::super::{Change, insert_all, log, releases};
use super::{NewDeployment, insert_parts, to_row};
use crate::domain::{Chunk, DeploymentId, Error, Instant, Line, Result, StepId, StepKind, StepState};

/// A deployment that is over.
#[derive(Debug, Clone)]
pub struct PastDeployment {
    /// The deployment and its servers, each in its final state.
    pub ended: NewDeployment,
    /// Its steps, in order.
    pub steps: Vec<PastStep>,
    /// The releases it brought into use.
    pub releases: Vec<NewRelease>,
}

/// A step of a deployment that is over.
#[derive(Debug, Clone)]
pub struct PastStep {
    /// The index of its server in `ended.servers`; `None`: the deployer's host.
    pub server: Option<usize>,
    pub kind: StepKind,
    pub state: StepState,
    /// When it began; `None`: it never did.
    pub started_at: Option<Instant>,
    pub finished_at: Option<Instant>,
    pub exit_code: Option<i32>,
    /// A sentence; may be empty.
    pub detail: String,
    pub lines: Vec<Line>,
}

/// Stores a deployment that is over, with its servers, steps, log and releases.
///
/// # Errors
/// A fault of ours when its state is not final.
pub async fn insert_past(change: &Change, past: &PastDeployment) -> Result<DeploymentId> {
    let ended = &past.ended;
    if !ended.deployment.state.is_final() {
        return Err(Error::internal("a deployment that is over is in a final state"));
    }
    let lines: usize = past.steps.iter().map(|step| step.lines.len()).sum();
    let row = ActiveModel {
        fence: Set(1),
        last_line: Set(i64::try_from(lines).map_err(Error::internal)?),
        ..to_row(ended)?
    };
    let id = DeploymentId(row.insert(change.connection()).await?.id);
    insert_parts(change, id.0, ended).await?;
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

async fn insert_steps(change: &Change, id: DeploymentId, past: &PastDeployment) -> Result<Vec<StepId>> {
    let rows: Vec<steps::ActiveModel> = past
        .steps
        .iter()
        .zip(0..)
        .map(|(step, position)| {
            let server = step.server.and_then(|at| past.ended.servers.get(at));
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
    insert_all(change, rows).await?;
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
    let server = step.server.and_then(|at| past.ended.servers.get(at));
    let times = [
        step.finished_at,
        step.started_at,
        past.ended.deployment.finished_at,
    ];
    let mut times = times.into_iter().flatten();
    Chunk {
        step: Some(id),
        server: server.map_or_else(String::new, |server| server.server.clone()),
        kind: Some(step.kind),
        at: times.next().unwrap_or(past.ended.deployment.queued_at),
        lines: step.lines.clone(),
    }
}
