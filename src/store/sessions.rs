//! Browser sessions, as the session crate wants them kept.

use std::fmt;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};
use sha2::{Digest, Sha256};
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error as SessionError, Result as SessionResult};
use tower_sessions::{ExpiredDeletion, SessionStore};

use super::columns::micros;
use super::entities::sessions::{ActiveModel, Column, Entity};
use super::{Store, columns};
use crate::clock::Clock;
use crate::domain::{Error, Result};

/// Sessions in the table of their own.
#[derive(Clone)]
pub struct SessionRows {
    store: Store,
    clock: Clock,
}

impl SessionRows {
    /// Keeps sessions in `store`; `clock` tells which have expired.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Deletes what has expired. Returns how many there were.
    pub async fn sweep(&self) -> Result<u64> {
        let now = micros(self.clock.now());
        let tx = self.store.begin().await?;
        let done = Entity::delete_many()
            .filter(Column::ExpiresAt.lte(now))
            .exec(tx.connection())
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected)
    }

    async fn put(&self, record: &Record) -> Result<()> {
        let tx = self.store.begin().await?;
        let row = row(record)?;
        let replaced = OnConflict::column(Column::Id)
            .update_columns([Column::Data, Column::ExpiresAt])
            .to_owned();
        Entity::insert(row)
            .on_conflict(replaced)
            .exec_without_returning(tx.connection())
            .await?;
        tx.commit().await
    }

    /// Stores a new session; `false` when its id is taken.
    async fn put_new(&self, record: &Record) -> Result<bool> {
        let tx = self.store.begin().await?;
        let taken = Entity::find_by_id(key(&record.id)).one(tx.connection()).await?;
        if taken.is_some() {
            return Ok(false);
        }
        row(record)?.insert(tx.connection()).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn get(&self, id: &Id) -> Result<Option<Record>> {
        let found = Entity::find_by_id(key(id))
            .filter(Column::ExpiresAt.gt(micros(self.clock.now())))
            .one(&self.store.db)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let expires = i128::from(found.expires_at) * 1000;
        Ok(Some(Record {
            id: *id,
            data: columns::from_json("a session", &found.data)?,
            expiry_date: OffsetDateTime::from_unix_timestamp_nanos(expires).map_err(Error::internal)?,
        }))
    }

    async fn remove(&self, id: &Id) -> Result<()> {
        let tx = self.store.begin().await?;
        Entity::delete_by_id(key(id)).exec(tx.connection()).await?;
        tx.commit().await
    }
}

#[async_trait]
impl SessionStore for SessionRows {
    async fn create(&self, record: &mut Record) -> SessionResult<()> {
        while !self.put_new(record).await.map_err(told)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> SessionResult<()> {
        self.put(record).await.map_err(told)
    }

    async fn load(&self, id: &Id) -> SessionResult<Option<Record>> {
        self.get(id).await.map_err(told)
    }

    async fn delete(&self, id: &Id) -> SessionResult<()> {
        self.remove(id).await.map_err(told)
    }
}

#[async_trait]
impl ExpiredDeletion for SessionRows {
    async fn delete_expired(&self) -> SessionResult<()> {
        self.sweep().await.map(drop).map_err(told)
    }
}

impl fmt::Debug for SessionRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRows")
    }
}

fn row(record: &Record) -> Result<ActiveModel> {
    let expires = record.expiry_date.unix_timestamp_nanos() / 1000;
    Ok(ActiveModel {
        id: Set(key(&record.id)),
        data: Set(columns::to_json(&record.data)?),
        expires_at: Set(i64::try_from(expires).unwrap_or(i64::MAX)),
    })
}

/// Their error type holds a text only.
fn told(error: Error) -> SessionError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    SessionError::Backend(format!("{error}{}", cause.unwrap_or_default()))
}

/// What stands in the store for a session id: who reads the database cannot log in with it.
fn key(id: &Id) -> String {
    hex::encode(Sha256::digest(id.to_string()))
}
