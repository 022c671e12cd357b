//! Changes the state of deployments; nothing else does.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::super::columns::micros;
use super::super::entities::deployments::{Column, Entity};
use super::super::entities::{deployment_servers as parts, reservations};
use super::super::{Change, Journal};
use super::by_id;
use crate::domain::{
    CommitId, DeploymentId, DeploymentState, Error, Instant, OnServer, Phase, Result, ServerState,
};

/// Moves a deployment `from` one state `to` another, at `now`. Beginning and ending are noted
/// with their times, ending with `outcome`; what has ended holds no server and no
/// worker's lease.
///
/// # Errors
/// A conflict when it is no longer in `from`; a fault of ours when the table of states does not
/// allow the move.
pub async fn set_state(
    change: &Change,
    id: DeploymentId,
    from: DeploymentState,
    to: DeploymentState,
    now: Instant,
    outcome: &str,
) -> Result<()> {
    if !from.may_become(to) {
        return Err(Error::internal(format!(
            "deployment {id} cannot go from {from} to {to}"
        )));
    }
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(to.as_str()))
        .filter(Column::Id.eq(id.0))
        .filter(Column::State.eq(from.as_str()));
    if to == DeploymentState::Running {
        let first = Expr::col(Column::StartedAt).if_null(micros(now));
        update = update.col_expr(Column::StartedAt, first);
    }
    if to.is_final() {
        update = update
            .col_expr(Column::FinishedAt, Expr::value(micros(now)))
            .col_expr(Column::Outcome, Expr::value(outcome))
            .col_expr(Column::Worker, Expr::value(None::<String>))
            .col_expr(Column::LeaseUntilAt, Expr::value(None::<i64>));
    }
    if update.exec(change.connection()).await?.rows_affected == 0 {
        let present = by_id(change, id).await?.state;
        return Err(Error::conflict(format!(
            "Deployment {id} is {present} now, no longer {from}. Check its present state."
        )));
    }
    if to.is_final() {
        free_servers(change, id).await?;
    }
    Ok(())
}

/// Frees every server that the deployment holds.
async fn free_servers(change: &Change, id: DeploymentId) -> Result<()> {
    reservations::Entity::delete_many()
        .filter(reservations::Column::DeploymentId.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes the phase of a running deployment.
pub async fn set_phase(tx: &impl Journal, phase: Phase) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Phase, Expr::value(phase.as_str()))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that `by` wants the deployment ended; its worker sees that. The first request stays.
pub async fn request_cancel(change: &Change, id: DeploymentId, by: &str, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::CancelledBy, Expr::value(by))
        .col_expr(Column::CancelRequestedAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .filter(Column::CancelledBy.is_null())
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes the state of the server at `position`.
pub async fn set_server(tx: &impl Journal, position: i32, state: ServerState) -> Result<()> {
    parts::Entity::update_many()
        .col_expr(parts::Column::State, Expr::value(state.as_str()))
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes what is on the server at `position` and why, once the deployment is done with it. One that was half
/// changed before stays so while nothing is changed.
pub async fn set_on_server(tx: &impl Journal, position: i32, on: OnServer, cause: &str) -> Result<()> {
    let (word, step) = on.as_words();
    let (left_mixed, _) = OnServer::LeftMixed.as_words();
    let was_mixed = parts::Column::OnServer.eq(left_mixed);
    let word = match on {
        OnServer::Untouched | OnServer::Old => Expr::case(was_mixed, left_mixed).finally(word).into(),
        _ => Expr::value(word),
    };
    parts::Entity::update_many()
        .col_expr(parts::Column::OnServer, word)
        .col_expr(parts::Column::OnServerStep, Expr::value(step))
        .col_expr(parts::Column::Cause, Expr::value(cause))
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes whether the server at `position` was found half changed, before anything was touched.
pub async fn set_left_mixed(tx: &impl Journal, position: i32, is_mixed: bool) -> Result<()> {
    let (word, _) = OnServer::LeftMixed.as_words();
    parts::Entity::update_many()
        .col_expr(parts::Column::OnServer, Expr::value(is_mixed.then_some(word)))
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes what was found on the server at `position` before anything was touched.
pub async fn set_previous_commit(tx: &impl Journal, position: i32, commit: Option<&CommitId>) -> Result<()> {
    parts::Entity::update_many()
        .col_expr(
            parts::Column::PreviousCommit,
            Expr::value(commit.map(CommitId::to_string)),
        )
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}
