//! Steps of deployments.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{instant, micros, word};
use super::entities::steps::{ActiveModel, Column, Entity, Model};
use super::{Journal, Reader, insert_all};
use crate::domain::{DeploymentId, Instant, Result, ServerId, Step, StepId, StepKind, StepState};

/// A step about to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStep {
    /// The server it is done on; `None`: the deployer's host.
    pub server_id: Option<ServerId>,
    /// That server's name; empty for the deployer's host.
    pub server_name: String,
    pub kind: StepKind,
}

/// Stores a deployment's plan, every step waiting, in this order. A plan that was there (of a
/// worker that lost the deployment) is replaced.
pub async fn insert(tx: &impl Journal, plan: &[NewStep]) -> Result<Vec<Step>> {
    let deployment = tx.deployment();
    Entity::delete_many()
        .filter(Column::DeploymentId.eq(deployment.0))
        .exec(tx.db())
        .await?;
    let rows: Vec<ActiveModel> = plan
        .iter()
        .zip(0..)
        .map(|(step, position)| ActiveModel {
            id: NotSet,
            deployment_id: Set(deployment.0),
            position: Set(position),
            server_id: Set(step.server_id.map(|id| id.0)),
            server_name: Set(step.server_name.clone()),
            kind: Set(step.kind.as_str().into()),
            state: Set(StepState::Waiting.as_str().into()),
            started_at: Set(None),
            finished_at: Set(None),
            exit_code: Set(None),
            detail: Set(String::new()),
        })
        .collect();
    insert_all(tx, rows).await?;
    list(tx, deployment).await
}

/// The steps of a deployment, in order.
pub async fn list(on: &impl Reader, deployment: DeploymentId) -> Result<Vec<Step>> {
    let rows = Entity::find()
        .filter(Column::DeploymentId.eq(deployment.0))
        .order_by_asc(Column::Position)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Notes that a step has begun, and clears the outcome of an earlier attempt.
pub async fn start(tx: &impl Journal, id: StepId, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(StepState::Running.as_str()))
        .col_expr(Column::StartedAt, Expr::value(micros(now)))
        .col_expr(Column::FinishedAt, Expr::value(None::<i64>))
        .col_expr(Column::ExitCode, Expr::value(None::<i32>))
        .col_expr(Column::Detail, Expr::value(""))
        .filter(Column::Id.eq(id.0))
        .filter(Column::DeploymentId.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes how a step ended.
pub async fn finish(
    tx: &impl Journal,
    id: StepId,
    state: StepState,
    exit_code: Option<i32>,
    detail: &str,
    now: Instant,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(state.as_str()))
        .col_expr(Column::FinishedAt, Expr::value(micros(now)))
        .col_expr(Column::ExitCode, Expr::value(exit_code))
        .col_expr(Column::Detail, Expr::value(detail))
        .filter(Column::Id.eq(id.0))
        .filter(Column::DeploymentId.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Makes the steps of a server wait again, to be repeated. Their start time stays, because what they
/// did on the server is still there.
pub async fn forget_outcomes(tx: &impl Journal, server: ServerId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(StepState::Waiting.as_str()))
        .col_expr(Column::FinishedAt, Expr::value(None::<i64>))
        .col_expr(Column::ExitCode, Expr::value(None::<i32>))
        .col_expr(Column::Detail, Expr::value(""))
        .filter(Column::DeploymentId.eq(tx.deployment().0))
        .filter(Column::ServerId.eq(server.0))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<Step> {
    Ok(Step {
        id: StepId(row.id),
        deployment_id: DeploymentId(row.deployment_id),
        server_id: row.server_id.map(ServerId),
        server_name: row.server_name,
        kind: word("a step's kind", &row.kind, StepKind::parse)?,
        position: row.position,
        state: word("a step's state", &row.state, StepState::parse)?,
        started_at: row.started_at.map(instant),
        finished_at: row.finished_at.map(instant),
        exit_code: row.exit_code,
        detail: row.detail,
    })
}
