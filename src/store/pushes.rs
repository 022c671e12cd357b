//! Pushes that Git hosts told of, and what came of them. The last of each project are kept.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::columns::{from_json, instant, micros, to_json, word};
use super::entities::pushes::{ActiveModel, Column, Entity, Model};
use super::{Reader, Write};
use crate::domain::{HookSender, ProjectId, PushState, ReceivedPush, Result};

/// How many are kept of a project, and shown.
pub const KEPT: u64 = 100;
/// How many are handled at once: more are handled right after.
const AT_ONCE: u64 = 2000;

/// Adds a push. Its `id` is assigned here; the given one is ignored.
pub async fn insert(tx: &impl Write, push: &ReceivedPush) -> Result<()> {
    let row = ActiveModel {
        id: NotSet,
        project_id: Set(push.project.0),
        received_at: Set(micros(push.at)),
        sender: Set(push.sender.as_str().to_owned()),
        delivery: Set(push.delivery.clone()),
        branches: Set(Some(to_json(&push.branches)?)),
        state: Set(push.state.as_str().to_owned()),
        outcome: Set(Some(push.outcome.clone())),
        deployments: Set(Some(to_json(&push.deployments)?)),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Notes what came of a push.
pub async fn update(tx: &impl Write, push: &ReceivedPush) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(push.state.as_str()))
        .col_expr(Column::Outcome, Expr::value(push.outcome.clone()))
        .col_expr(Column::Deployments, Expr::value(to_json(&push.deployments)?))
        .filter(Column::Id.eq(push.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The last pushes of a project, newest first.
pub async fn last(on: &impl Reader, project: ProjectId) -> Result<Vec<ReceivedPush>> {
    let rows = Entity::find()
        .filter(Column::ProjectId.eq(project.0))
        .order_by_desc(Column::Id)
        .limit(KEPT)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Those that nobody has handled, oldest first; without those of some projects, which can be many.
pub async fn received(on: &impl Reader, without: &[ProjectId]) -> Result<Vec<ReceivedPush>> {
    let rows = Entity::find()
        .filter(Column::ProjectId.is_not_in(without.iter().map(|project| project.0)))
        .filter(Column::State.eq(PushState::Received.as_str()))
        .order_by_asc(Column::Id)
        .limit(AT_ONCE)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Removes old ones of a project, but none that still has to be handled.
pub async fn trim(tx: &impl Write, project: ProjectId) -> Result<()> {
    let oldest: Option<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ProjectId.eq(project.0))
        .order_by_desc(Column::Id)
        .offset(KEPT)
        .limit(1)
        .into_tuple()
        .one(tx.db())
        .await?;
    let Some(oldest) = oldest else {
        return Ok(());
    };
    Entity::delete_many()
        .filter(Column::ProjectId.eq(project.0))
        .filter(Column::Id.lte(oldest))
        .filter(Column::State.ne(PushState::Received.as_str()))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<ReceivedPush> {
    let list = |text: Option<String>| text.unwrap_or_else(|| "[]".to_owned());
    Ok(ReceivedPush {
        id: row.id,
        project: ProjectId(row.project_id),
        at: instant(row.received_at),
        sender: word("a sender", &row.sender, HookSender::parse)?,
        delivery: row.delivery,
        branches: from_json("pushed branches", &list(row.branches))?,
        state: word("the state of a push", &row.state, PushState::parse)?,
        outcome: row.outcome.unwrap_or_default(),
        deployments: from_json("deployments of a push", &list(row.deployments))?,
    })
}
