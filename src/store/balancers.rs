//! Balancers and how to reach them.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, EntityTrait, QueryOrder};

use super::columns::{checked, from_json, key, to_json};
use super::entities::balancers::{ActiveModel, Column, Entity, Model};
use super::error::unless_taken;
use super::{Change, Reader};
use crate::domain::{Balancer, BalancerId, Error, Result};

/// All balancers, by name.
pub async fn list(on: &impl Reader) -> Result<Vec<Balancer>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// The balancer with this id.
pub async fn by_id(on: &impl Reader, id: BalancerId) -> Result<Balancer> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map_or_else(
        || Err(Error::not_found(format!("balancer number {id}"))),
        from_row,
    )
}

/// Adds a balancer. Its `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when it is taken.
pub async fn insert(change: &Change, balancer: &Balancer) -> Result<Balancer> {
    let row = ActiveModel {
        id: NotSet,
        ..to_row(balancer)?
    };
    let written = row.insert(change.connection()).await;
    from_row(unless_taken(written, "balancer", &balancer.name)?)
}

/// Updates an existing balancer; its id stays.
///
/// # Errors
/// A complaint about the field `name` when another has it; not found.
pub async fn update(change: &Change, balancer: &Balancer) -> Result<()> {
    by_id(change, balancer.id).await?;
    let written = to_row(balancer)?.update(change.connection()).await;
    unless_taken(written, "balancer", &balancer.name).map(drop)
}

/// Deletes a balancer; clusters behind it then have none.
pub async fn delete(change: &Change, id: BalancerId) -> Result<()> {
    by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

fn to_row(balancer: &Balancer) -> Result<ActiveModel> {
    Ok(ActiveModel {
        id: Set(balancer.id.0),
        name: Set(balancer.name.to_string()),
        name_key: Set(key(balancer.name.as_str())),
        kind: Set(balancer.kind.clone()),
        endpoints: Set(to_json(&balancer.endpoints)?),
        settings: Set(to_json(&balancer.settings)?),
    })
}

fn from_row(row: Model) -> Result<Balancer> {
    Ok(Balancer {
        id: BalancerId(row.id),
        name: checked("a balancer's name", &row.name)?,
        kind: row.kind,
        endpoints: from_json("endpoints", &row.endpoints)?,
        settings: from_json("settings", &row.settings)?,
    })
}
