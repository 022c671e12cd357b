//! What each server reported when it was last asked which release it runs.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, QueryOrder};

use super::columns::{instant, micros};
use super::entities::observations::{ActiveModel, Column, Entity, Model};
use super::{Reader, Write};
use crate::domain::{EnvironmentId, Observation, Release, Result, ServerId};

/// The last answers of all servers.
pub async fn all(on: &impl Reader) -> Result<Vec<Observation>> {
    let rows = Entity::find()
        .order_by_asc(Column::EnvironmentId)
        .order_by_asc(Column::ServerId)
        .all(on.db())
        .await?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// Stores the latest report of a server about an environment.
pub async fn put(tx: &impl Write, seen: &Observation) -> Result<()> {
    let release = seen.release.as_ref();
    let row = ActiveModel {
        environment_id: Set(seen.environment_id.0),
        server_id: Set(seen.server_id.0),
        observed_at: Set(micros(seen.at)),
        branch: Set(release.map(|one| one.branch.clone())),
        commit_hash: Set(release.map(|one| one.commit.clone())),
        released_at: Set(release.map(|one| micros(one.at))),
        path: Set(release.map(|one| one.path.clone())),
        in_progress: Set(release.is_some_and(|one| one.in_progress)),
        trouble: Set(seen.trouble.clone()),
    };
    let same = OnConflict::columns([Column::EnvironmentId, Column::ServerId])
        .update_columns([
            Column::ObservedAt,
            Column::Branch,
            Column::CommitHash,
            Column::ReleasedAt,
            Column::Path,
            Column::InProgress,
            Column::Trouble,
        ])
        .to_owned();
    Entity::insert(row)
        .on_conflict(same)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Observation {
    let release = row.commit_hash.map(|commit| Release {
        branch: row.branch.unwrap_or_default(),
        commit,
        at: row.released_at.map_or_else(|| instant(row.observed_at), instant),
        path: row.path.unwrap_or_default(),
        in_progress: row.in_progress,
    });
    Observation {
        environment_id: EnvironmentId(row.environment_id),
        server_id: ServerId(row.server_id),
        at: instant(row.observed_at),
        release,
        trouble: row.trouble,
    }
}
