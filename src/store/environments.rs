//! Environments, each with the clusters it is deployed to. The values of their secret variables are sealed
//! (`variables`).

mod variables;

use std::collections::HashMap;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{checked, key, to_json};
use super::entities::environments::{ActiveModel, Column, Entity, Model};
use super::entities::{cluster_projects, clusters, environment_clusters as links};
use super::error::unless_taken;
use super::tx::sealed::Connected as _;
use super::{Change, Reader};
use crate::domain::{ClusterId, Environment, EnvironmentId, Error, ProjectId, Result};

pub use variables::{SealedAnew, forget_secrets, seal_anew};

/// The environments of all projects: by project, then in the order of the promotion chain.
pub async fn all(on: &impl Reader) -> Result<Vec<Environment>> {
    let rows = Entity::find()
        .order_by_asc(Column::ProjectId)
        .order_by_asc(Column::Position)
        .order_by_asc(Column::NameKey)
        .all(on.db())
        .await?;
    with_clusters(on, rows).await
}

/// The environments of a project, in the order of the promotion chain.
pub async fn list(on: &impl Reader, project: ProjectId) -> Result<Vec<Environment>> {
    let rows = Entity::find()
        .filter(Column::ProjectId.eq(project.0))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::NameKey)
        .all(on.db())
        .await?;
    with_clusters(on, rows).await
}

/// The environment of `project` called `name`; case does not matter.
pub async fn by_name(on: &impl Reader, project: ProjectId, name: &str) -> Result<Environment> {
    let row = Entity::find()
        .filter(Column::ProjectId.eq(project.0))
        .filter(Column::NameKey.eq(key(name)))
        .one(on.db())
        .await?;
    one(on, row).await
}

/// The environment with this id.
pub async fn by_id(on: &impl Reader, id: EnvironmentId) -> Result<Environment> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    one(on, row).await
}

/// Adds an environment. Its `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when the project has one of that name, or about
/// `clusters` when one of them does not exist.
pub async fn insert(change: &Change, environment: &Environment) -> Result<Environment> {
    let row = ActiveModel {
        id: NotSet,
        // Secrets are sealed for their row, whose number is not known yet.
        options: Set(to_json(&variables::without_secrets(&environment.options))?),
        ..to_row(change, environment)?
    };
    let written = row.insert(change.connection()).await;
    let row = unless_taken(written, "environment", &environment.name)?;
    let inserted = Environment {
        id: EnvironmentId(row.id),
        ..environment.clone()
    };
    to_row(change, &inserted)?.update(change.connection()).await?;
    link(change, &inserted).await?;
    Ok(inserted)
}

/// Updates an existing environment; its id stays.
pub async fn update(change: &Change, environment: &Environment) -> Result<()> {
    by_id(change, environment.id).await?;
    let written = to_row(change, environment)?.update(change.connection()).await;
    unless_taken(written, "environment", &environment.name)?;
    links::Entity::delete_many()
        .filter(links::Column::EnvironmentId.eq(environment.id.0))
        .exec(change.connection())
        .await?;
    link(change, environment).await
}

/// Deletes an environment. What was deployed there stays in the history under its name.
///
/// # Errors
/// A conflict while one of its deployments is at work.
pub async fn delete(change: &Change, id: EnvironmentId) -> Result<()> {
    let environment = by_id(change, id).await?;
    super::deployments::none_at_work(
        change,
        super::deployments::Scope::Environment(id),
        &environment.name,
    )
    .await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

/// Ties an environment to its clusters, which are open to its project from then on.
async fn link(change: &Change, environment: &Environment) -> Result<()> {
    let wanted = &environment.clusters;
    let ids = || wanted.iter().map(|id| id.0);
    let found = clusters::Entity::find()
        .filter(clusters::Column::Id.is_in(ids()))
        .all(change.connection())
        .await?
        .len();
    if found != wanted.len() {
        return Err(Error::field(
            "clusters",
            "One of the clusters does not exist any more, or is named twice.",
        ));
    }
    let rows = wanted
        .iter()
        .zip(0..)
        .map(|(cluster, position)| links::ActiveModel {
            environment_id: Set(environment.id.0),
            cluster_id: Set(cluster.0),
            position: Set(position),
        });
    if !wanted.is_empty() {
        links::Entity::insert_many(rows)
            .exec_without_returning(change.connection())
            .await?;
    }
    let open = cluster_projects::Entity::find()
        .filter(cluster_projects::Column::ProjectId.eq(environment.project_id.0))
        .filter(cluster_projects::Column::ClusterId.is_in(ids()))
        .all(change.connection())
        .await?;
    for id in wanted {
        if !open.iter().any(|open| open.cluster_id == id.0) {
            if !crate::sabotage::on("b3") { super::clusters::open_to(change, *id, &[environment.project_id]).await?; }
        }
    }
    Ok(())
}

async fn one(on: &impl Reader, row: Option<Model>) -> Result<Environment> {
    let found = with_clusters(on, row.into_iter().collect()).await?.pop();
    found.ok_or_else(Error::no_such_place)
}

/// The environments of these rows, each with its clusters.
async fn with_clusters(on: &impl Reader, rows: Vec<Model>) -> Result<Vec<Environment>> {
    let links = links::Entity::find()
        .filter(links::Column::EnvironmentId.is_in(rows.iter().map(|row| row.id)))
        .order_by_asc(links::Column::Position)
        .all(on.db())
        .await?;
    let mut clusters: HashMap<i64, Vec<ClusterId>> = HashMap::new();
    for link in links {
        let own = clusters.entry(link.environment_id).or_default();
        own.push(ClusterId(link.cluster_id));
    }
    let rows = rows.into_iter();
    rows.map(|row| {
        let own = clusters.remove(&row.id).unwrap_or_default();
        from_row(on, row, own)
    })
    .collect()
}

fn to_row(change: &Change, environment: &Environment) -> Result<ActiveModel> {
    Ok(ActiveModel {
        id: Set(environment.id.0),
        project_id: Set(environment.project_id.0),
        name: Set(environment.name.to_string()),
        name_key: Set(key(environment.name.as_str())),
        branch: Set(environment.branch.to_string()),
        target_path: Set(environment.target_path.to_string()),
        remote_user: Set(environment.remote_user.clone()),
        position: Set(environment.position),
        auto_deploy: Set(environment.auto_deploy),
        fail_on_failed_tests: Set(environment.fail_on_failed_tests),
        options: Set(variables::sealed(
            change.seal(),
            environment.id,
            &environment.options,
        )?),
    })
}

fn from_row(on: &impl Reader, row: Model, clusters: Vec<ClusterId>) -> Result<Environment> {
    let id = EnvironmentId(row.id);
    Ok(Environment {
        id,
        project_id: ProjectId(row.project_id),
        name: checked("an environment's name", &row.name)?,
        branch: checked("a branch", &row.branch)?,
        target_path: checked("a target path", &row.target_path)?,
        remote_user: row.remote_user,
        position: row.position,
        auto_deploy: row.auto_deploy,
        fail_on_failed_tests: row.fail_on_failed_tests,
        clusters,
        options: variables::opened(on.seal(), id, &row.options)?,
    })
}
