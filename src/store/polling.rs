//! How often repositories are asked for news, and when the next time is.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{instant, micros};
use super::entities::polling::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, Write};
use crate::domain::{Instant, Polling, ProjectId, Result};

/// How often a project's repository is asked; `None`: nobody ever chose.
pub async fn of_project(on: &impl Reader, project: ProjectId) -> Result<Option<Polling>> {
    let row = Entity::find_by_id(project.0).one(on.db()).await?;
    Ok(row.map(from_row))
}

/// Those whose time has come, the longest due first.
pub async fn due(on: &impl Reader, now: Instant) -> Result<Vec<Polling>> {
    let rows = Entity::find()
        .filter(Column::Minutes.gt(0))
        .filter(Column::NextAt.lte(micros(now)))
        .order_by_asc(Column::NextAt)
        .all(on.db())
        .await?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// Stores how often a project's repository is asked, in place of what was chosen before.
pub async fn put(change: &Change, polling: &Polling) -> Result<()> {
    let row = ActiveModel {
        project_id: Set(polling.project.0),
        minutes: Set(i32::try_from(polling.minutes).unwrap_or(i32::MAX)),
        next_at: Set(micros(polling.next_at)),
        failures: Set(i32::try_from(polling.failures).unwrap_or(i32::MAX)),
        trouble: Set(Some(polling.trouble.clone())),
    };
    let same = OnConflict::column(Column::ProjectId)
        .update_columns([Column::Minutes, Column::NextAt, Column::Failures, Column::Trouble])
        .to_owned();
    Entity::insert(row)
        .on_conflict(same)
        .exec_without_returning(change.connection())
        .await?;
    Ok(())
}

/// Notes how a look went and when the next one is. How often it is done stays as it is.
pub async fn note(tx: &impl Write, polling: &Polling) -> Result<()> {
    let failures = i32::try_from(polling.failures).unwrap_or(i32::MAX);
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(micros(polling.next_at)))
        .col_expr(Column::Failures, Expr::value(failures))
        .col_expr(Column::Trouble, Expr::value(polling.trouble.clone()))
        .filter(Column::ProjectId.eq(polling.project.0))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Polling {
    Polling {
        project: ProjectId(row.project_id),
        minutes: u32::try_from(row.minutes).unwrap_or_default(),
        next_at: instant(row.next_at),
        failures: u32::try_from(row.failures).unwrap_or_default(),
        trouble: row.trouble.unwrap_or_default(),
    }
}
