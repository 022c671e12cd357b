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
mod search;
mod stored;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use self::append::{TIP, read_tip};
pub use self::chain::{AuditFault, Chain};
pub use self::head::{AuditKey, AuditPublicKey, Head, HeadPurpose};
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
/// How many events are held in memory while all are read.
const ROWS_AT_ONCE: u64 = 1000;

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

/// The next events after number `after` that match, in their order, at most a thousand; none: there are no
/// more.
pub async fn next_matching(on: &impl Reader, filter: &AuditFilter, after: i64) -> Result<Vec<StoredEvent>> {
    let rows = search::narrowed(filter)
        .filter(Column::Id.gt(after))
        .order_by_asc(Column::Id)
        .limit(ROWS_AT_ONCE)
        .all(on.db())
        .await?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
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

/// The next events after number `after`; see [`next_matching`].
pub async fn next_after(on: &impl Reader, after: i64) -> Result<Vec<StoredEvent>> {
    next_matching(on, &AuditFilter::default(), after).await
}

/// Follows `chain` through the whole log. Reads every event, a few at a time; events may be appended
/// meanwhile. Returns the first fault.
pub async fn walk(on: &impl Reader, chain: &mut Chain) -> Result<Option<AuditFault>> {
    let mut after = i64::MIN;
    loop {
        // Read before the rows: whatever it names must then be among them.
        let tip = tip(on).await.ok();
        let events = next_after(on, after).await?;
        let Some(last) = events.last() else {
            return Ok(chain.ends_wrong(tip));
        };
        after = last.number;
        for event in &events {
            if let Err(fault) = chain.follow(event) {
                return Ok(Some(fault));
            }
        }
    }
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

/// The next events after number `after` of this name, or of all that begin with it when it ends with a dot
/// (`user.`); see [`next_matching`].
pub async fn next_of(on: &impl Reader, action: &str, after: i64) -> Result<Vec<AuditEvent>> {
    let filter = AuditFilter {
        actions: vec![action.to_owned()],
        ..AuditFilter::default()
    };
    let events = next_matching(on, &filter, after).await?;
    Ok(events.into_iter().map(StoredEvent::into_event).collect())
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

/// Notes the public key that signs heads from now on.
pub async fn note_key(change: &Change, key: AuditPublicKey) -> Result<()> {
    let row = settings::ActiveModel {
        name: ActiveValue::Set(KEY.to_owned()),
        value: ActiveValue::Set(key.to_string()),
    };
    let replaced = OnConflict::column(settings::Column::Name)
        .update_column(settings::Column::Value)
        .to_owned();
    settings::Entity::insert(row)
        .on_conflict(replaced)
        .exec_without_returning(change.connection())
        .await?;
    Ok(())
}

/// The last event's number and hash: 0 and nothing before the first.
pub async fn tip(on: &impl Reader) -> Result<(i64, String)> {
    read_tip(settings::Entity::find_by_id(TIP).one(on.db()).await?)
}
