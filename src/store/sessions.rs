//! Browser sessions, stored for tower-sessions.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record as Session};
use tower_sessions::session_store::{Error as SessionError, Result as SessionResult};

use super::columns::{instant, micros};
use super::entities::sessions::{ActiveModel, Column, Entity};
use super::error::again;
use super::{Change, Reader, Store, columns};
use crate::clock::Clock;
use crate::domain::{Error, Instant, Result, SignedIn, UserId, UserSession};

/// The sessions of this installation.
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
        again(|| async {
            let record = self.store.record().await?;
            let done = Entity::delete_many()
                .filter(Column::ExpiresAt.lte(now))
                .exec(record.connection())
                .await?;
            record.commit().await?;
            Ok(done.rows_affected)
        })
        .await
    }

    /// Writes a session that is stored. One that was ended meanwhile stays so.
    async fn put(&self, session: &Session) -> Result<()> {
        let record = self.store.record().await?;
        Entity::update_many()
            .set(row(session)?)
            .filter(Column::Id.eq(key(&session.id)))
            .exec(record.connection())
            .await?;
        record.commit().await
    }

    /// Stores a new session; `false` when its id is taken.
    async fn put_new(&self, session: &Session) -> Result<bool> {
        let record = self.store.record().await?;
        let taken = Entity::find_by_id(key(&session.id))
            .one(record.connection())
            .await?;
        if taken.is_some() {
            return Ok(false);
        }
        row(session)?.insert(record.connection()).await?;
        record.commit().await?;
        Ok(true)
    }

    async fn get(&self, id: &Id) -> Result<Option<Session>> {
        let found = Entity::find_by_id(key(id))
            .filter(Column::ExpiresAt.gt(micros(self.clock.now())))
            .one(self.store.connection())
            .await?;
        let Some(found) = found else { return Ok(None) };
        let expires = i128::from(found.expires_at) * 1000;
        Ok(Some(Session {
            id: *id,
            data: columns::from_json("a session", &found.data)?,
            expiry_date: OffsetDateTime::from_unix_timestamp_nanos(expires).map_err(Error::internal)?,
        }))
    }

    async fn remove(&self, id: &Id) -> Result<()> {
        let record = self.store.record().await?;
        Entity::delete_by_id(key(id)).exec(record.connection()).await?;
        record.commit().await
    }
}

#[async_trait]
impl SessionStore for SessionRows {
    async fn create(&self, session: &mut Session) -> SessionResult<()> {
        while !again(|| self.put_new(session)).await.map_err(as_text)? {
            session.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, session: &Session) -> SessionResult<()> {
        again(|| self.put(session)).await.map_err(as_text)
    }

    async fn load(&self, id: &Id) -> SessionResult<Option<Session>> {
        self.get(id).await.map_err(as_text)
    }

    async fn delete(&self, id: &Id) -> SessionResult<()> {
        again(|| self.remove(id)).await.map_err(as_text)
    }
}

impl fmt::Debug for SessionRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRows")
    }
}

fn row(session: &Session) -> Result<ActiveModel> {
    let expires = session.expiry_date.unix_timestamp_nanos() / 1000;
    Ok(ActiveModel {
        id: Set(key(&session.id)),
        data: Set(columns::to_json(&session.data)?),
        expires_at: Set(i64::try_from(expires).unwrap_or(i64::MAX)),
        user_id: Set(signed_in(&session.data).map(|known| known.id.0)),
    })
}

/// The crate's error type holds only a text.
fn as_text(error: Error) -> SessionError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    SessionError::Backend(format!("{error}{}", cause.unwrap_or_default()))
}

/// Who is logged in with a session that holds `data`.
fn signed_in(data: &HashMap<String, Value>) -> Option<SignedIn> {
    let known = data.get(SignedIn::KEY)?;
    serde_json::from_value(known.clone()).ok()
}

/// The sessions of an account that can be used at `now`, the one used last first.
pub async fn of_user(on: &impl Reader, user: UserId, now: Instant) -> Result<Vec<UserSession>> {
    // Those that an earlier version wrote name no account outside their data.
    let whose = Condition::any()
        .add(Column::UserId.eq(user.0))
        .add(Column::UserId.is_null());
    let rows = Entity::find()
        .filter(whose)
        .filter(Column::ExpiresAt.gt(micros(now)))
        .all(on.db())
        .await?;
    let mut found = Vec::new();
    for row in rows {
        let data: HashMap<String, Value> = columns::from_json("a session", &row.data)?;
        let of_user = signed_in(&data).filter(|known| known.id == user);
        found.extend(of_user.map(|signed_in| UserSession {
            key: row.id,
            signed_in,
            expires_at: instant(row.expires_at),
        }));
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.signed_in.seen));
    Ok(found)
}

/// Ends sessions.
pub async fn end(change: &Change, sessions: &[UserSession]) -> Result<()> {
    for session in sessions {
        Entity::delete_by_id(session.key.as_str())
            .exec(change.connection())
            .await?;
    }
    Ok(())
}

/// A session id as the store keeps it: somebody who reads the database cannot log in with it.
pub fn key(id: &Id) -> String {
    hex::encode(Sha256::digest(id.to_string()))
}
