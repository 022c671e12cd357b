//! Locks on environments, projects, or everything.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, EntityTrait, QueryOrder};

use super::columns::{instant, micros};
use super::entities::locks::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader};
use crate::domain::{EnvironmentId, Error, Instant, Lock, LockId, ProjectId, Result};

/// All locks in force at `now`, oldest first.
pub async fn in_force(on: &impl Reader, now: Instant) -> Result<Vec<Lock>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    // There are a handful, so the rule in `domain` decides instead of a second one in SQL.
    Ok(rows
        .into_iter()
        .map(from_row)
        .filter(|lock| lock.in_force(now))
        .collect())
}

/// The locks that stop deployments to an environment of a project at `now`.
pub async fn stopping(
    on: &impl Reader,
    project: ProjectId,
    environment: EnvironmentId,
    now: Instant,
) -> Result<Vec<Lock>> {
    let locks = in_force(on, now).await?;
    Ok(locks
        .into_iter()
        .filter(|lock| lock.covers(project, environment))
        .collect())
}

/// The lock with this id, in force or not.
pub async fn by_id(on: &impl Reader, id: LockId) -> Result<Lock> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map(from_row).ok_or_else(Error::no_such_place)
}

/// Adds a lock. Its `id` is assigned here; the given one is ignored.
pub async fn insert(change: &Change, lock: &Lock) -> Result<Lock> {
    let row = ActiveModel {
        id: NotSet,
        project_id: Set(lock.project.map(|id| id.0)),
        environment_id: Set(lock.environment.map(|id| id.0)),
        reason: Set(lock.reason.clone()),
        author: Set(lock.author.clone()),
        created_at: Set(micros(lock.created_at)),
        ends_at: Set(lock.ends_at.map(micros)),
    };
    Ok(from_row(row.insert(change.connection()).await?))
}

/// Lifts a lock. The audit log remembers it.
pub async fn delete(change: &Change, id: LockId) -> Result<()> {
    by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

fn from_row(row: Model) -> Lock {
    Lock {
        id: LockId(row.id),
        project: row.project_id.map(ProjectId),
        environment: row.environment_id.map(EnvironmentId),
        reason: row.reason,
        author: row.author,
        created_at: instant(row.created_at),
        ends_at: row.ends_at.map(instant),
    }
}
