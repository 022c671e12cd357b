//! Appends to the log.

use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use super::super::backend;
use super::super::columns::to_json;
use super::super::entities::audit_events::Model;
use super::super::entities::settings;
use super::super::error::unreadable;
use super::super::tx::Tx;
use super::stored::StoredEvent;
use crate::domain::{AuditEvent, NewAuditEvent, Result};

/// The row of `settings` that holds the end of the chain: the last row and its hash.
pub(super) const TIP: &str = "audit_tip";

/// Appends an event, in the transaction of the change it describes.
pub async fn append(tx: &Tx, event: &NewAuditEvent) -> Result<AuditEvent> {
    let row = settings::Entity::find_by_id(TIP)
        .lock_exclusive()
        .one(tx.connection())
        .await?;
    let (last, prev_hash) = read_tip(row)?;
    let next = last.checked_add(1);
    let number = next.ok_or_else(|| unreadable("the end of the audit log", last))?;
    let event = StoredEvent::new(number, prev_hash, event, to_json(&event.detail)?);
    let row = Model::from(event.clone()).into_active_model();
    // As it stands, although it has its key already.
    let row = row.reset_all();
    row.insert(tx.connection()).await?;
    backend::keep_counting(tx.connection(), "audit_events", event.number).await?;
    settings::Entity::update_many()
        .col_expr(
            settings::Column::Value,
            Expr::value(format!("{}:{}", event.number, event.hash)),
        )
        .filter(settings::Column::Name.eq(TIP))
        .exec(tx.connection())
        .await?;
    Ok(event.into_event())
}

/// The number and the hash in a row of the end; `None` for anything else.
pub(super) fn tip_in(row: Option<&settings::Model>) -> Option<(i64, String)> {
    let (number, hash) = row?.value.split_once(':')?;
    Some((number.parse().ok()?, hash.to_owned()))
}

/// As [`tip_in`].
///
/// # Errors
/// A row that is missing, or holds anything else.
pub(super) fn read_tip(row: Option<settings::Model>) -> Result<(i64, String)> {
    tip_in(row.as_ref()).ok_or_else(|| {
        let text = row.map_or_else(String::new, |row| row.value);
        unreadable("the end of the audit log", &text)
    })
}
