//! The audit log: appended to, never changed.
//!
//! Each event carries the hash of the one before and a hash over itself and its number, so that a changed,
//! missing or inserted row breaks the chain where it happened. The end of the chain is kept in a row of its
//! own, written in the same transaction, so that missing rows at the end show too, and appenders
//! take turns. Somebody who can rewrite the whole table can also recompute the hashes; a signed
//! [`Head`], kept elsewhere, reveals that. The oldest events can be removed ([`remove_up_to`]); a signed cut
//! in the log then says where it begins.

pub(super) mod append;
mod chain;
mod head;
mod reading;
mod search;
mod stored;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use self::append::{TIP, read_tip};
pub use self::chain::{AuditFault, Chain, Dated};
pub use self::head::{AuditKey, AuditPublicKey, Head, HeadPurpose, NAME_DIGITS};
pub use self::reading::{AuditReading, walk};
pub use self::stored::StoredEvent;
use super::columns::micros;
use super::entities::audit_events::{Column, Entity, Model};
use super::entities::settings;
use super::filter::AuditFilter;
use super::page::{self, Page, Paged};
use super::{Change, Reader};
use crate::domain::{AuditEvent, DeploymentId, EventKind, Instant, Result};

/// The row of `settings` that holds the public key which signs heads.
const KEY: &str = "audit_key";

/// Events of older versions that are looked through for a deployment's own: more than are recorded while
/// instances are upgraded one after the other.
const UNFILED: u64 = 10_000;

/// A page of `limit` events, newest first.
pub async fn list(
    on: &impl Reader,
    filter: &AuditFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    let rows = search::narrowed(filter);
    let paged = page::cut(on, rows, (Column::Id, |row| row.id), page, limit).await?;
    paged.try_map(|row| Ok(StoredEvent::from(row).into_event()))
}

/// All resources of events, each once. Reads an index from its beginning to its end.
pub async fn resources(on: &impl Reader) -> Result<Vec<String>> {
    let names = Entity::find()
        .select_only()
        .column(Column::Resource)
        .distinct()
        .into_tuple();
    Ok(names.all(on.db()).await?)
}

/// The hash of an event, if there is one of this number.
pub async fn hash_of(on: &impl Reader, number: i64) -> Result<Option<String>> {
    let row = Entity::find_by_id(number).one(on.db()).await?;
    Ok(row.map(|row| row.hash))
}

/// The signed cuts that the log records, oldest first. Whose signatures they are the caller has to check.
pub async fn cuts(on: &impl Reader) -> Result<Vec<Head>> {
    let rows = Entity::find()
        .filter(Column::Action.eq(EventKind::AuditCut.as_str()))
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    let cuts = rows.into_iter().map(StoredEvent::from);
    Ok(cuts.filter_map(|event| chain::cut_in(&event)).collect())
}

/// The number of the first event; `None`: there is none.
pub async fn first_number(on: &impl Reader) -> Result<Option<i64>> {
    let row = Entity::find()
        .order_by_asc(Column::Id)
        .select_only()
        .column(Column::Id)
        .into_tuple();
    Ok(row.one(on.db()).await?)
}

/// The events of these kinds about these deployments, in their order.
pub async fn about_deployments(
    on: &impl Reader,
    ids: &[DeploymentId],
    kinds: &[EventKind],
) -> Result<Vec<(DeploymentId, AuditEvent)>> {
    let rows = Entity::find()
        .filter(Column::DeploymentId.is_in(ids.iter().map(|id| id.0)))
        .filter(Column::Action.is_in(kinds.iter().map(|kind| kind.as_str())))
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    let filed = |row: Model| {
        Some((
            DeploymentId(row.deployment_id?),
            StoredEvent::from(row).into_event(),
        ))
    };
    Ok(rows.into_iter().filter_map(filed).collect())
}

/// The events of these kinds that an older version, which ran beside this one, filed under no deployment; at
/// most [`UNFILED`], in their order.
pub async fn unfiled(on: &impl Reader, kinds: &[EventKind]) -> Result<Vec<AuditEvent>> {
    let rows = Entity::find()
        .filter(Column::DeploymentId.is_null())
        .filter(Column::HashVersion.is_null())
        .filter(Column::Action.is_in(kinds.iter().map(|kind| kind.as_str())))
        .order_by_asc(Column::Id)
        .limit(UNFILED)
        .all(on.db())
        .await?;
    let events = rows.into_iter().map(StoredEvent::from);
    Ok(events.map(StoredEvent::into_event).collect())
}

/// The number of the last event before all that happened at `at` or later; `None`: there is none.
pub async fn last_before(on: &impl Reader, at: Instant) -> Result<Option<i64>> {
    let first = Entity::find()
        .filter(Column::HappenedAt.gte(micros(at)))
        .order_by_asc(Column::Id)
        .one(on.db())
        .await?;
    let mut older = Entity::find();
    if let Some(first) = first {
        older = older.filter(Column::Id.lt(first.id));
    }
    let last = older.order_by_desc(Column::Id).one(on.db()).await?;
    Ok(last.map(|row| row.id))
}

/// Removes the events up to `number`. The change is to record the cut.
pub async fn remove_up_to(change: &Change, number: i64) -> Result<u64> {
    let done = Entity::delete_many()
        .filter(Column::Id.lte(number))
        .exec(change.connection())
        .await?;
    Ok(done.rows_affected)
}

/// The public key that signs heads, as it was noted; `None` before the first one.
pub async fn noted_key(on: &impl Reader) -> Result<Option<String>> {
    let row = settings::Entity::find_by_id(KEY).one(on.db()).await?;
    Ok(row.map(|row| row.value))
}

/// Notes the first public key that signs heads.
///
/// # Errors
/// When another instance did so first.
pub async fn note_first_key(change: &Change, key: AuditPublicKey) -> Result<()> {
    key_row(key).insert(change.connection()).await?;
    Ok(())
}

/// Notes the public key that signs heads from now on.
pub async fn note_key(change: &Change, key: AuditPublicKey) -> Result<()> {
    let replaced = OnConflict::column(settings::Column::Name)
        .update_column(settings::Column::Value)
        .to_owned();
    settings::Entity::insert(key_row(key))
        .on_conflict(replaced)
        .exec_without_returning(change.connection())
        .await?;
    Ok(())
}

fn key_row(key: AuditPublicKey) -> settings::ActiveModel {
    settings::ActiveModel {
        name: ActiveValue::Set(KEY.to_owned()),
        value: ActiveValue::Set(key.to_string()),
    }
}

/// The last event's number and hash: 0 and nothing before the first.
pub async fn tip(on: &impl Reader) -> Result<(i64, String)> {
    read_tip(settings::Entity::find_by_id(TIP).one(on.db()).await?)
}
