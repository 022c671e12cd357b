//! The audit log: appended to, never changed.
//!
//! Each event carries the hash of the one before and a hash over itself, so that a changed, missing
//! or inserted row breaks the chain where it happened. The end of the chain is kept in a row of its
//! own, written in the same transaction, so that missing rows at the end show too, and appenders
//! take turns. Somebody who can rewrite the whole table can also recompute the hashes; a copy of the
//! tip kept elsewhere reveals that.

use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};

use super::Reader;
use super::columns::{from_json, instant, micros, to_json, word};
use super::entities::audit_events::{ActiveModel, Column, Entity, Model};
use super::entities::settings;
use super::error::unreadable;
use super::filter::PastFilter;
use super::page::{self, Page, Paged};
use super::tx::Tx;
use crate::domain::{AuditEvent, AuditId, NewAuditEvent, Outcome, Result};

/// The row of `settings` that holds the end of the chain: the last row and its hash.
const TIP: &str = "audit_tip";
/// How many events a check of the chain holds in memory.
const ROWS_AT_ONCE: u64 = 1000;

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The first event that is wrong; `None`: events are missing at the end.
    pub event: Option<AuditId>,
    pub reason: String,
}

/// Appends an event, in the transaction of the change it describes.
pub(super) async fn append(tx: &Tx, event: &NewAuditEvent) -> Result<AuditEvent> {
    let (_, prev_hash) = tip_for_appending(tx).await?;
    let detail = to_json(&event.detail)?;
    let mut row = Model {
        id: 0,
        happened_at: micros(event.at),
        actor: event.actor.clone(),
        impersonator: event.impersonator.clone(),
        address: event.address.clone(),
        action: event.action.clone(),
        resource: event.resource.clone(),
        outcome: event.outcome.as_str().into(),
        permit: event.permit.clone(),
        detail,
        prev_hash,
        hash: String::new(),
    };
    row.hash = hash(&row);
    let mut active = ActiveModel::from(row);
    active.id = NotSet;
    let row = active.insert(tx.connection()).await?;
    settings::Entity::update_many()
        .col_expr(
            settings::Column::Value,
            Expr::value(format!("{}:{}", row.id, row.hash)),
        )
        .filter(settings::Column::Name.eq(TIP))
        .exec(tx.connection())
        .await?;
    from_row(row)
}

/// A page of `limit` events, newest first.
pub async fn list(
    on: &impl Reader,
    filter: &PastFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    let mut rows = Entity::find();
    if let Some(actor) = &filter.actor {
        rows = rows.filter(Column::Actor.eq(actor));
    }
    if let Some(action) = &filter.action {
        rows = if action.ends_with('.') {
            rows.filter(Column::Action.starts_with(action))
        } else {
            rows.filter(Column::Action.eq(action))
        };
    }
    if let Some(resource) = &filter.resource {
        rows = rows.filter(Column::Resource.eq(resource));
    }
    if !filter.hidden.is_empty() {
        rows = rows.filter(Column::Resource.is_not_in(&filter.hidden));
    }
    if let Some(outcome) = filter.outcome {
        rows = rows.filter(Column::Outcome.eq(outcome.as_str()));
    }
    if let Some(from) = filter.from {
        rows = rows.filter(Column::HappenedAt.gte(micros(from)));
    }
    if let Some(to) = filter.to {
        rows = rows.filter(Column::HappenedAt.lt(micros(to)));
    }
    let paged = page::cut(on, rows, (Column::Id, |row| row.id), page, limit).await?;
    paged.try_map(from_row)
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

/// Walks the chain from the beginning to the end; `None` when it is whole. Reads every event, a
/// few at a time; events may be appended meanwhile.
pub async fn verify(on: &impl Reader) -> Result<Option<Break>> {
    let mut before = String::new();
    let mut last = 0;
    loop {
        // Read before the rows: whatever it names must then be among them.
        let (tip_id, tip_hash) = tip(on).await?;
        let rows = Entity::find()
            .filter(Column::Id.gt(last))
            .order_by_asc(Column::Id)
            .limit(ROWS_AT_ONCE)
            .all(on.db())
            .await?;
        if rows.is_empty() {
            return Ok((before != tip_hash).then(|| ends_wrong(last, tip_id)));
        }
        for row in rows {
            if let Some(reason) = wrong_in(&row, &before) {
                return Ok(Some(Break {
                    event: Some(AuditId(row.id)),
                    reason: format!("Event {} {reason}.", row.id),
                }));
            }
            last = row.id;
            before = row.hash;
        }
    }
}

fn wrong_in(row: &Model, before: &str) -> Option<&'static str> {
    if row.prev_hash != before {
        return Some("does not follow the one before it: something was removed, inserted or changed there");
    }
    (row.hash != hash(row)).then_some("was changed after it was recorded")
}

fn ends_wrong(last: i64, tip: i64) -> Break {
    let reason = if last < tip {
        format!("Events after {last} were removed; the last one recorded was {tip}.")
    } else {
        format!("The last event recorded was {tip}; what is stored now is not what was recorded.")
    };
    Break { event: None, reason }
}

/// The last event's row and hash: 0 and nothing before the first. Kept elsewhere, it proves
/// later that the log up to it was not rewritten.
pub async fn tip(on: &impl Reader) -> Result<(i64, String)> {
    read_tip(settings::Entity::find_by_id(TIP).one(on.db()).await?)
}

/// [`tip`], locked: the next appender waits.
async fn tip_for_appending(tx: &Tx) -> Result<(i64, String)> {
    let row = settings::Entity::find_by_id(TIP)
        .lock_exclusive()
        .one(tx.connection())
        .await?;
    read_tip(row)
}

fn read_tip(row: Option<settings::Model>) -> Result<(i64, String)> {
    let text = row.map_or_else(String::new, |row| row.value);
    text.split_once(':')
        .and_then(|(id, hash)| Some((id.parse().ok()?, hash.to_owned())))
        .ok_or_else(|| unreadable("the end of the audit log", &text))
}

/// SHA-256 over everything in the row but its number and the hash itself. Written as a JSON
/// list, so that no two different rows read alike.
fn hash(row: &Model) -> String {
    let said = serde_json::json!([
        row.prev_hash,
        row.happened_at,
        row.actor,
        row.impersonator,
        row.address,
        row.action,
        row.resource,
        row.outcome,
        row.permit,
        row.detail,
    ]);
    hex::encode(Sha256::digest(said.to_string()))
}

fn from_row(row: Model) -> Result<AuditEvent> {
    Ok(AuditEvent {
        id: AuditId(row.id),
        event: NewAuditEvent {
            at: instant(row.happened_at),
            actor: row.actor,
            impersonator: row.impersonator,
            address: row.address,
            action: row.action,
            resource: row.resource,
            outcome: word("an outcome", &row.outcome, Outcome::parse)?,
            permit: row.permit,
            detail: from_json("details", &row.detail)?,
        },
        prev_hash: row.prev_hash,
        hash: row.hash,
    })
}
