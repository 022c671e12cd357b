//! Servers and the host keys they must show.
//!
//! A key that was replaced stays in the table with the time of its replacement.

use std::collections::HashMap;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{checked, instant, key, micros};
use super::entities::host_keys;
use super::entities::servers::{ActiveModel, Column, Entity, Model};
use super::error::{unless_taken, unreadable};
use super::hops::{self, Owner};
use super::{Change, Reader};
use crate::domain::{Error, Hop, HostKey, Instant, Result, Server, ServerId};

/// All servers, by name.
pub async fn list(on: &impl Reader) -> Result<Vec<Server>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    let keys = host_keys::Entity::find()
        .filter(host_keys::Column::ReplacedAt.is_null())
        .all(on.db())
        .await?;
    let mut keys: HashMap<i64, host_keys::Model> = keys.into_iter().map(|row| (row.server_id, row)).collect();
    let (mut ways, _) = hops::all(on).await?;
    rows.into_iter()
        .map(|row| {
            let (pinned, via) = (keys.remove(&row.id), ways.remove(&row.id));
            from_row(row, pinned, via.unwrap_or_default())
        })
        .collect()
}

/// The server called `name`; case does not matter.
pub async fn by_name(on: &impl Reader, name: &str) -> Result<Server> {
    let row = Entity::find()
        .filter(Column::NameKey.eq(key(name)))
        .one(on.db())
        .await?;
    with_key(on, row, || format!("server “{name}”")).await
}

/// The server with this id.
pub async fn by_id(on: &impl Reader, id: ServerId) -> Result<Server> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    with_key(on, row, || format!("server number {id}")).await
}

/// Adds a server without a host key, which is pinned separately. Its `id` is assigned here; the
/// given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when it is taken.
pub async fn insert(change: &Change, server: &Server) -> Result<Server> {
    let row = ActiveModel {
        id: NotSet,
        ..to_row(server)
    };
    let written = row.insert(change.connection()).await;
    let row = unless_taken(written, "server", &server.name)?;
    hops::write(change, Owner::Server(row.id), &server.via).await?;
    from_row(row, None, server.via.clone())
}

/// Updates an existing server; its id and its host key stay.
///
/// # Errors
/// A complaint about the field `name` when another has it; not found.
pub async fn update(change: &Change, server: &Server) -> Result<()> {
    by_id(change, server.id).await?;
    let written = to_row(server).update(change.connection()).await;
    unless_taken(written, "server", &server.name)?;
    hops::write(change, Owner::Server(server.id.0), &server.via).await
}

/// Deletes a server and takes it out of its clusters. What was deployed to it stays in the history
/// under its name.
///
/// # Errors
/// A conflict while a deployment holds it, or while others are reached through it.
pub async fn delete(change: &Change, id: ServerId) -> Result<()> {
    let server = by_id(change, id).await?;
    if let Some(deployment) = super::queue::holders(change).await?.get(&id) {
        return Err(Error::conflict(format!(
            "Deployment {deployment} is working on server “{}”. Delete it when that has ended.",
            server.name
        )));
    }
    if let Some(user) = hops::used_by(change, id).await? {
        return Err(Error::conflict(format!(
            "The way to {user} leads through server “{}”. Give it another one first.",
            server.name
        )));
    }
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

/// Makes `key` the one the server must show; the one before is kept as replaced.
pub async fn pin_host_key(change: &Change, id: ServerId, key: &HostKey) -> Result<()> {
    by_id(change, id).await?;
    forget_host_key(change, id, key.pinned_at).await?;
    host_keys::ActiveModel {
        id: NotSet,
        server_id: Set(id.0),
        openssh: Set(key.openssh.clone()),
        fingerprint: Set(key.fingerprint.clone()),
        pinned_at: Set(micros(key.pinned_at)),
        pinned_by: Set(key.pinned_by.clone()),
        replaced_at: Set(None),
    }
    .insert(change.connection())
    .await?;
    Ok(())
}

/// Leaves the server without a trusted key, so that nothing connects to it.
pub async fn forget_host_key(change: &Change, id: ServerId, now: Instant) -> Result<()> {
    host_keys::Entity::update_many()
        .col_expr(host_keys::Column::ReplacedAt, Expr::value(micros(now)))
        .filter(host_keys::Column::ServerId.eq(id.0))
        .filter(host_keys::Column::ReplacedAt.is_null())
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Every key the server was ever trusted by, newest first, each with the time it was replaced.
pub async fn host_key_history(on: &impl Reader, id: ServerId) -> Result<Vec<(HostKey, Option<Instant>)>> {
    let rows = host_keys::Entity::find()
        .filter(host_keys::Column::ServerId.eq(id.0))
        .order_by_desc(host_keys::Column::Id)
        .all(on.db())
        .await?;
    let dated = |row: host_keys::Model| {
        let replaced = row.replaced_at.map(instant);
        (host_key(row), replaced)
    };
    Ok(rows.into_iter().map(dated).collect())
}

async fn with_key(on: &impl Reader, row: Option<Model>, what: impl Fn() -> String) -> Result<Server> {
    let Some(row) = row else {
        return Err(Error::not_found(what()));
    };
    let pinned = host_keys::Entity::find()
        .filter(host_keys::Column::ServerId.eq(row.id))
        .filter(host_keys::Column::ReplacedAt.is_null())
        .order_by_desc(host_keys::Column::Id)
        .one(on.db())
        .await?;
    let via = hops::of(on, Owner::Server(row.id)).await?;
    from_row(row, pinned, via)
}

fn to_row(server: &Server) -> ActiveModel {
    ActiveModel {
        id: Set(server.id.0),
        name: Set(server.name.to_string()),
        name_key: Set(key(server.name.as_str())),
        address: Set(server.address.clone()),
        port: Set(server.port.into()),
        active: Set(server.active),
        ssh_key: Set(server.key.as_ref().map(ToString::to_string)),
        legacy: Set(Some(server.legacy)),
    }
}

fn from_row(row: Model, pinned: Option<host_keys::Model>, via: Vec<Hop>) -> Result<Server> {
    Ok(Server {
        id: ServerId(row.id),
        name: checked("a server's name", &row.name)?,
        address: row.address,
        port: u16::try_from(row.port).map_err(|_| unreadable("a port", row.port))?,
        active: row.active,
        host_key: pinned.map(host_key),
        key: row
            .ssh_key
            .map(|name| checked("a key's name", &name))
            .transpose()?,
        legacy: row.legacy.unwrap_or_default(),
        via,
    })
}

fn host_key(row: host_keys::Model) -> HostKey {
    HostKey {
        openssh: row.openssh,
        fingerprint: row.fingerprint,
        pinned_at: instant(row.pinned_at),
        pinned_by: row.pinned_by,
    }
}
