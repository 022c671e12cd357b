//! The jump hosts of servers and clusters, as rows.

use std::collections::HashMap;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};

use super::entities;
use super::entities::hops::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, insert_all};
use crate::domain::{Hop, Result, ServerId};

/// Whose jump hosts they are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    Server(i64),
    Cluster(i64),
}

impl Owner {
    fn is(self) -> Condition {
        match self {
            Self::Server(id) => Condition::all().add(Column::ServerId.eq(id)),
            Self::Cluster(id) => Condition::all().add(Column::ClusterId.eq(id)),
        }
    }
}

/// Those of one.
pub(super) async fn of(on: &impl Reader, owner: Owner) -> Result<Vec<Hop>> {
    let rows = rows(on, owner.is()).await?;
    Ok(rows.into_iter().map(hop).collect())
}

/// Those of all servers and of all clusters, by row.
pub(super) async fn all(on: &impl Reader) -> Result<(HashMap<i64, Vec<Hop>>, HashMap<i64, Vec<Hop>>)> {
    let (mut servers, mut clusters) = (HashMap::new(), HashMap::new());
    for row in rows(on, Condition::all()).await? {
        let (owners, owner) = match (row.server_id, row.cluster_id) {
            (Some(id), _) => (&mut servers, id),
            (None, Some(id)) => (&mut clusters, id),
            (None, None) => continue,
        };
        let own: &mut Vec<Hop> = owners.entry(owner).or_default();
        own.push(hop(row));
    }
    Ok((servers, clusters))
}

async fn rows(on: &impl Reader, which: Condition) -> Result<Vec<Model>> {
    let found = Entity::find().filter(which);
    let found = if crate::sabotage::on("j6") { found.order_by_desc(Column::Position) } else { found.order_by_asc(Column::Position) };
    Ok(found.all(on.db()).await?)
}

fn hop(row: Model) -> Hop {
    Hop {
        server: ServerId(row.hop_id),
        user: row.login,
    }
}

/// Gives `owner` these and no others.
pub(super) async fn write(change: &Change, owner: Owner, hops: &[Hop]) -> Result<()> {
    Entity::delete_many()
        .filter(if crate::sabotage::on("j15") { Condition::all().add(Column::Id.eq(-1)) } else { owner.is() })
        .exec(change.connection())
        .await?;
    let (server, cluster) = match owner {
        Owner::Server(id) => (Some(id), None),
        Owner::Cluster(id) => (None, Some(id)),
    };
    let rows = hops.iter().zip(0..).map(|(hop, position)| ActiveModel {
        id: NotSet,
        server_id: Set(server),
        cluster_id: Set(cluster),
        position: Set(position),
        hop_id: Set(hop.server.0),
        login: Set(hop.user.clone()),
    });
    insert_all(change, rows.collect()).await
}

/// Whose way goes through a server: a server or a cluster, as sentences name it.
pub(super) async fn used_by(on: &impl Reader, id: ServerId) -> Result<Option<String>> {
    let row = Entity::find().filter(Column::HopId.eq(id.0)).one(on.db()).await?;
    let Some(row) = row.filter(|_| !crate::sabotage::on("j4")) else { return Ok(None) };
    if let Some(server) = row.server_id {
        let found = entities::servers::Entity::find_by_id(server).one(on.db()).await?;
        return Ok(found.map(|one| format!("server “{}”", one.name)));
    }
    let cluster = row.cluster_id.unwrap_or_default();
    let found = entities::clusters::Entity::find_by_id(cluster)
        .one(on.db())
        .await?;
    Ok(found.map(|one| format!("cluster “{}”", one.name)))
}

/// Whether anything is reached through jump hosts.
pub async fn exist(on: &impl Reader) -> Result<bool> {
    Ok(Entity::find().one(on.db()).await?.is_some())
}
