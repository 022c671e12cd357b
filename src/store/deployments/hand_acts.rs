//! What people have begun to do to servers at balancers, until it is known what came of it.
//!
//! A row is written before HAProxy is asked, and deleted together with what is known afterwards. A row that
//! outlived its time is that of a deployer which was killed in between: nothing was decided by it.

use std::time::Duration;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::super::backend;
use super::super::columns::micros;
use super::super::entities::hand_acts::{ActiveModel, Column, Entity, Model};
use super::super::{Change, Reader, Record, Store};
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Error, Instant, Result};

/// An act of a person at a balancer that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandAct {
    pub balancer: BalancerId,
    pub backend: String,
    /// The balancer's name for the server.
    pub server: String,
    /// `drain`, `maint` or `ready`.
    pub act: String,
    /// Who does it.
    pub actor: String,
}

impl HandAct {
    /// Whether it is about this place.
    pub fn is_at(&self, slot: &Slot) -> bool {
        (self.balancer, &self.backend, &self.server) == (slot.balancer, &slot.backend, &slot.server)
    }
}

/// One that has begun, under its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandActId(i64);

/// Notes that `act` begins; its outcome has to be known within `limit`.
///
/// # Errors
/// A conflict while somebody else acts on the same server there.
pub async fn begin_hand_act(
    record: &Record,
    act: &HandAct,
    now: Instant,
    limit: Duration,
) -> Result<HandActId> {
    let now = backend::lease_clock(record.connection(), now).await?;
    let other = Entity::find()
        .filter(Column::BalancerId.eq(act.balancer.0))
        .filter(Column::Backend.eq(&act.backend))
        .filter(Column::Place.eq(&act.server))
        .filter(Column::UntilAt.gt(micros(now)))
        .one(record.connection())
        .await?;
    if let Some(other) = other {
        return Err(Error::conflict(format!(
            "{} is acting on {}/{} at this moment. Look at its state in a few seconds.",
            other.actor, act.backend, act.server
        )));
    }
    let until = now + chrono::Duration::from_std(limit).map_err(Error::internal)?;
    let row = ActiveModel {
        id: NotSet,
        balancer_id: Set(act.balancer.0),
        backend: Set(act.backend.clone()),
        place: Set(act.server.clone()),
        act: Set(act.act.clone()),
        actor: Set(act.actor.clone()),
        until_at: Set(micros(until)),
    };
    Ok(HandActId(row.insert(record.connection()).await?.id))
}

/// Ends an act, as it is known what came of it; `false` if it was given up as lost before.
pub async fn end_hand_act(change: &Change, id: HandActId) -> Result<bool> {
    let done = Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(done.rows_affected > 0)
}

/// Those whose outcome is not known, oldest first.
pub async fn hand_acts(on: &impl Reader) -> Result<Vec<HandAct>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    Ok(rows.into_iter().map(|row| from_row(row).1).collect())
}

/// Those whose time is over: the deployer that began them was killed.
pub async fn lost_hand_acts(on: &impl Reader, now: Instant) -> Result<Vec<(HandActId, HandAct)>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let now = micros(backend::lease_clock(on.db(), now).await?);
    let lost = rows.into_iter().filter(|row| row.until_at <= now);
    Ok(lost.map(from_row).collect())
}

/// Ends the time of every act on SQLite, where the serve lock proves every earlier deployer dead.
pub async fn lose_hand_acts_at_start(store: &Store) -> Result<()> {
    if !store.is_for_one_instance() {
        return Ok(());
    }
    let record = store.record().await?;
    Entity::update_many()
        .col_expr(Column::UntilAt, Expr::value(0_i64))
        .exec(record.connection())
        .await?;
    record.commit().await
}

fn from_row(row: Model) -> (HandActId, HandAct) {
    let act = HandAct {
        balancer: BalancerId(row.balancer_id),
        backend: row.backend,
        server: row.place,
        act: row.act,
        actor: row.actor,
    };
    (HandActId(row.id), act)
}
