//! What deployments could not delete on servers, and what applications wrote in old releases: named on the
//! server's page until it is gone.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entities::leftovers::{ActiveModel, Column, Entity, Model};
use super::{Reader, Write};
use crate::domain::{EnvironmentId, Error, HeldData, Result, ServerId};

/// Paths that are kept: nobody deletes more than that one by one.
const PATHS: usize = 100;

/// Stores what an environment's deployments have left on a server, in place of the earlier list.
pub async fn put(
    tx: &impl Write,
    environment: EnvironmentId,
    server: ServerId,
    paths: &[String],
) -> Result<()> {
    let row = row(tx, (environment, server)).await?;
    let paths = text(paths)?;
    write(tx, Model { paths, ..row }).await
}

/// Stores what old releases on a server hold, in place of the earlier list.
pub async fn put_held(
    tx: &impl Write,
    environment: EnvironmentId,
    server: ServerId,
    held: &[HeldData],
) -> Result<()> {
    let row = row(tx, (environment, server)).await?;
    let held = text(held)?;
    write(tx, Model { held, ..row }).await
}

/// What is stored of a server; an empty row where that is nothing.
async fn row(tx: &impl Write, (environment, server): (EnvironmentId, ServerId)) -> Result<Model> {
    let row = Entity::find_by_id((environment.0, server.0)).one(tx.db()).await?;
    Ok(row.unwrap_or(Model {
        environment_id: environment.0,
        server_id: server.0,
        paths: None,
        held: None,
    }))
}

/// The list as it is stored, as far as it is kept; `None` for an empty one.
fn text<T: Serialize>(list: &[T]) -> Result<Option<String>> {
    let list = &list[..list.len().min(PATHS)];
    let text = (!list.is_empty()).then(|| serde_json::to_string(list));
    text.transpose().map_err(Error::internal)
}

async fn write(tx: &impl Write, row: Model) -> Result<()> {
    if row.paths.is_none() && row.held.is_none() {
        Entity::delete_by_id((row.environment_id, row.server_id))
            .exec(tx.db())
            .await?;
        return Ok(());
    }
    let row = ActiveModel {
        environment_id: Set(row.environment_id),
        server_id: Set(row.server_id),
        paths: Set(row.paths),
        held: Set(row.held),
    };
    let same = OnConflict::columns([Column::EnvironmentId, Column::ServerId])
        .update_columns([Column::Paths, Column::Held])
        .to_owned();
    Entity::insert(row)
        .on_conflict(same)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Stores the leftovers seen on a server. A deployment's note about one of these paths stays: it says why the
/// path could not be deleted.
pub async fn put_seen(
    tx: &impl Write,
    environment: EnvironmentId,
    server: ServerId,
    seen: &[String],
) -> Result<()> {
    let kept = row(tx, (environment, server)).await?.paths;
    let kept: Vec<String> = serde_json::from_str(kept.as_deref().unwrap_or("[]")).map_err(Error::internal)?;
    let paths: Vec<String> = seen
        .iter()
        .map(|path| {
            let explained = format!("{path} (");
            let mut kept = kept.iter();
            kept.find(|kept| kept.starts_with(&explained))
                .unwrap_or(path)
                .clone()
        })
        .collect();
    put(tx, environment, server, &paths).await
}

/// The servers with leftovers, by environment.
pub async fn places(on: &impl Reader) -> Result<Vec<(EnvironmentId, ServerId)>> {
    let rows = Entity::find()
        .order_by_asc(Column::EnvironmentId)
        .order_by_asc(Column::ServerId)
        .all(on.db())
        .await?;
    let place = |row: Model| (EnvironmentId(row.environment_id), ServerId(row.server_id));
    Ok(rows.into_iter().map(place).collect())
}

/// What is left on a server, by environment.
pub async fn of_server(on: &impl Reader, server: ServerId) -> Result<Vec<(EnvironmentId, Vec<String>)>> {
    lists(on, server, |row| row.paths).await
}

/// What old releases on a server hold, by environment.
pub async fn held_on(on: &impl Reader, server: ServerId) -> Result<Vec<(EnvironmentId, Vec<HeldData>)>> {
    lists(on, server, |row| row.held).await
}

async fn lists<T: DeserializeOwned>(
    on: &impl Reader,
    server: ServerId,
    column: fn(Model) -> Option<String>,
) -> Result<Vec<(EnvironmentId, Vec<T>)>> {
    let rows = Entity::find()
        .filter(Column::ServerId.eq(server.0))
        .order_by_asc(Column::EnvironmentId)
        .all(on.db())
        .await?;
    let read = |row: Model| {
        let environment = EnvironmentId(row.environment_id);
        let text = column(row)?;
        Some(serde_json::from_str(&text).map(|list| (environment, list)))
    };
    let lists: std::result::Result<_, _> = rows.into_iter().filter_map(read).collect();
    lists.map_err(Error::internal)
}
