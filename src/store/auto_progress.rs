//! How far the automatic deployments of environments have come: a row for each that deploys pushes.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{checked_opt, instant, micros};
use super::entities::auto_progress::{ActiveModel, Column, Entity, Model};
use super::{Reader, Write};
use crate::domain::{AutoProgress, CommitId, EnvironmentId, Instant, Result};

/// How far an environment has come; `None`: it deploys no pushes, or has just begun to.
pub async fn of_environment(on: &impl Reader, id: EnvironmentId) -> Result<Option<AutoProgress>> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map(from_row).transpose()
}

/// All rows.
pub async fn all(on: &impl Reader) -> Result<Vec<AutoProgress>> {
    let rows = Entity::find().order_by_asc(Column::EnvironmentId);
    rows.all(on.db()).await?.into_iter().map(from_row).collect()
}

/// Those with a commit that waits and is tried again by `now`.
pub async fn due(on: &impl Reader, now: Instant) -> Result<Vec<AutoProgress>> {
    let rows = Entity::find()
        .filter(Column::Pending.is_not_null())
        .filter(Column::NextAt.lte(micros(now)))
        .order_by_asc(Column::NextAt)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Stores how far an environment has come, in place of the row before.
pub async fn put(tx: &impl Write, progress: &AutoProgress) -> Result<()> {
    let hash = |commit: &Option<CommitId>| commit.as_ref().map(|commit| commit.as_str().to_owned());
    let row = ActiveModel {
        environment_id: Set(progress.environment.0),
        seen: Set(hash(&progress.seen)),
        pending: Set(hash(&progress.pending)),
        since_at: Set(progress.since.map(micros)),
        why: Set(Some(progress.why.clone())),
        next_at: Set(progress.next_at.map(micros)),
    };
    let same = OnConflict::column(Column::EnvironmentId)
        .update_columns([
            Column::Seen,
            Column::Pending,
            Column::SinceAt,
            Column::Why,
            Column::NextAt,
        ])
        .to_owned();
    Entity::insert(row)
        .on_conflict(same)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Forgets how far an environment has come, as it deploys no pushes any more.
pub async fn delete(tx: &impl Write, id: EnvironmentId) -> Result<()> {
    Entity::delete_by_id(id.0).exec(tx.db()).await?;
    Ok(())
}

fn from_row(row: Model) -> Result<AutoProgress> {
    let hash = |text: Option<String>| checked_opt::<CommitId>("a commit", text.as_deref());
    Ok(AutoProgress {
        environment: EnvironmentId(row.environment_id),
        seen: hash(row.seen)?,
        pending: hash(row.pending)?,
        since: row.since_at.map(instant),
        why: row.why.unwrap_or_default(),
        next_at: row.next_at.map(instant),
    })
}
