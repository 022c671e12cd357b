//! Clusters with their servers, in order.

use std::collections::HashMap;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{checked, from_json, key, to_json};
use super::entities::clusters::{ActiveModel, Column, Entity, Model};
use super::entities::{cluster_projects, cluster_servers as links, servers};
use super::error::unless_taken;
use super::hops::{self, Owner};
use super::{Change, Reader, insert_all};
use crate::domain::{BalancerId, Cluster, ClusterId, Error, Hop, Member, ProjectId, Result, ServerId};

/// All clusters, by name.
pub async fn list(on: &impl Reader) -> Result<Vec<Cluster>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    let mut members: HashMap<i64, Vec<Member>> = HashMap::new();
    for link in links::Entity::find()
        .order_by_asc(links::Column::Position)
        .all(on.db())
        .await?
    {
        members.entry(link.cluster_id).or_default().push(member(link));
    }
    let mut projects: HashMap<i64, Vec<ProjectId>> = HashMap::new();
    for open in cluster_projects::Entity::find()
        .order_by_asc(cluster_projects::Column::ProjectId)
        .all(on.db())
        .await?
    {
        let own = projects.entry(open.cluster_id).or_default();
        own.push(ProjectId(open.project_id));
    }
    let (_, mut ways) = hops::all(on).await?;
    rows.into_iter()
        .map(|row| {
            let own = members.remove(&row.id).unwrap_or_default();
            let open = projects.remove(&row.id).unwrap_or_default();
            let via = ways.remove(&row.id).unwrap_or_default();
            from_row(row, own, open, via)
        })
        .collect()
}

/// The cluster called `name`; case does not matter.
pub async fn by_name(on: &impl Reader, name: &str) -> Result<Cluster> {
    let row = Entity::find()
        .filter(Column::NameKey.eq(key(name)))
        .one(on.db())
        .await?;
    with_members(on, row, || format!("cluster “{name}”")).await
}

/// The cluster with this id.
pub async fn by_id(on: &impl Reader, id: ClusterId) -> Result<Cluster> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    with_members(on, row, || format!("cluster number {id}")).await
}

/// Adds a cluster. Its `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when it is taken, or about `members` when a server does
/// not exist or is named twice.
pub async fn insert(change: &Change, cluster: &Cluster) -> Result<Cluster> {
    let row = ActiveModel {
        id: NotSet,
        ..to_row(cluster)?
    };
    let written = row.insert(change.connection()).await;
    let row = unless_taken(written, "cluster", &cluster.name)?;
    link(change, row.id, &cluster.members).await?;
    open_to(change, ClusterId(row.id), &cluster.projects).await?;
    hops::write(change, Owner::Cluster(row.id), &cluster.via).await?;
    let (members, projects) = (cluster.members.clone(), cluster.projects.clone());
    from_row(row, members, projects, cluster.via.clone())
}

/// Updates an existing cluster; its id stays.
pub async fn update(change: &Change, cluster: &Cluster) -> Result<()> {
    by_id(change, cluster.id).await?;
    let written = to_row(cluster)?.update(change.connection()).await;
    unless_taken(written, "cluster", &cluster.name)?;
    links::Entity::delete_many()
        .filter(links::Column::ClusterId.eq(cluster.id.0))
        .exec(change.connection())
        .await?;
    hops::write(change, Owner::Cluster(cluster.id.0), &cluster.via).await?;
    link(change, cluster.id.0, &cluster.members).await?;
    cluster_projects::Entity::delete_many()
        .filter(cluster_projects::Column::ClusterId.eq(cluster.id.0))
        .exec(change.connection())
        .await?;
    open_to(change, cluster.id, &cluster.projects).await
}

/// Lets further projects deploy to a cluster.
pub async fn open_to(change: &Change, id: ClusterId, projects: &[ProjectId]) -> Result<()> {
    let rows = projects.iter().map(|project| cluster_projects::ActiveModel {
        cluster_id: Set(id.0),
        project_id: Set(project.0),
    });
    insert_all(change, rows.collect()).await
}

/// Deletes a cluster and takes it out of its environments; its servers stay.
pub async fn delete(change: &Change, id: ClusterId) -> Result<()> {
    by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

async fn link(change: &Change, cluster: i64, members: &[Member]) -> Result<()> {
    let ids = members.iter().map(|member| member.server.0);
    let found = servers::Entity::find()
        .filter(servers::Column::Id.is_in(ids))
        .all(change.connection())
        .await?
        .len();
    if found != members.len() {
        return Err(Error::field(
            "members",
            "One of the servers does not exist any more, or is named twice.",
        ));
    }
    let rows = members
        .iter()
        .zip(0..)
        .map(|(member, position)| links::ActiveModel {
            cluster_id: Set(cluster),
            server_id: Set(member.server.0),
            position: Set(position),
            balancer_name: Set(member.balancer_name.clone()),
        });
    insert_all(change, rows.collect()).await
}

async fn with_members(on: &impl Reader, row: Option<Model>, what: impl Fn() -> String) -> Result<Cluster> {
    let Some(row) = row else {
        return Err(Error::not_found(what()));
    };
    let own = links::Entity::find()
        .filter(links::Column::ClusterId.eq(row.id))
        .order_by_asc(links::Column::Position)
        .all(on.db())
        .await?;
    let open = cluster_projects::Entity::find()
        .filter(cluster_projects::Column::ClusterId.eq(row.id))
        .order_by_asc(cluster_projects::Column::ProjectId)
        .all(on.db())
        .await?;
    let open = open.into_iter().map(|open| ProjectId(open.project_id));
    let via = hops::of(on, Owner::Cluster(row.id)).await?;
    from_row(row, own.into_iter().map(member).collect(), open.collect(), via)
}

fn member(link: links::Model) -> Member {
    Member {
        server: ServerId(link.server_id),
        balancer_name: link.balancer_name,
    }
}

fn to_row(cluster: &Cluster) -> Result<ActiveModel> {
    Ok(ActiveModel {
        id: Set(cluster.id.0),
        name: Set(cluster.name.to_string()),
        name_key: Set(key(cluster.name.as_str())),
        balancer_id: Set(cluster.balancer.map(|id| id.0)),
        backends: Set(to_json(&cluster.backends)?),
    })
}

fn from_row(row: Model, members: Vec<Member>, projects: Vec<ProjectId>, via: Vec<Hop>) -> Result<Cluster> {
    Ok(Cluster {
        id: ClusterId(row.id),
        name: checked("a cluster's name", &row.name)?,
        balancer: row.balancer_id.map(BalancerId),
        backends: from_json("backends", &row.backends)?,
        members,
        projects,
        via,
    })
}
