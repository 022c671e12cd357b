//! Which releases were deployed to which server, and which is in use there as far as we know.

use std::collections::{HashMap, HashSet};

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::columns::{checked, instant, micros};
use super::entities::deployment_servers as parts;
use super::entities::deployments;
use super::entities::releases::{ActiveModel, Column, Entity, Model};
use super::{Journal, Reader, Write};
use crate::domain::{
    CommitId, DeploymentId, DeploymentState, EnvironmentId, Instant, ReleaseId, Result, ServerId,
    ServerRelease, ServerState,
};

/// A release that has just come into use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    pub server_id: ServerId,
    pub server: String,
    pub environment_id: EnvironmentId,
    pub branch: String,
    pub commit: CommitId,
    pub path: String,
    pub at: Instant,
}

/// Records a release of the deployment being worked on as the one in use on its server.
pub async fn record(tx: &impl Journal, new: &NewRelease) -> Result<()> {
    write(tx, tx.deployment(), new).await
}

/// Records a release of `deployment` as the one in use on its server.
pub(super) async fn write(tx: &impl Write, deployment: DeploymentId, new: &NewRelease) -> Result<()> {
    forget(tx, new.environment_id, new.server_id).await?;
    let row = ActiveModel {
        id: NotSet,
        server_id: Set(Some(new.server_id.0)),
        environment_id: Set(Some(new.environment_id.0)),
        deployment_id: Set(Some(deployment.0)),
        server_name: Set(new.server.clone()),
        branch: Set(new.branch.clone()),
        commit_hash: Set(new.commit.to_string()),
        path: Set(new.path.clone()),
        released_at: Set(micros(new.at)),
        current: Set(true),
        verified_at: Set(Some(micros(new.at))),
    };
    row.insert(tx.db()).await?;
    Ok(())
}

/// Records that none of an environment's releases is in use on a server any more.
pub async fn forget(tx: &impl Write, environment: EnvironmentId, server: ServerId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Current, Expr::value(false))
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::Current.eq(true))
        .filter(Column::ServerId.eq(server.0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// What is in use on every server of every environment.
pub async fn all_current(on: &impl Reader) -> Result<Vec<ServerRelease>> {
    let rows = Entity::find()
        .filter(Column::EnvironmentId.is_not_null())
        .filter(Column::ServerId.is_not_null())
        .filter(Column::Current.eq(true))
        .order_by_asc(Column::EnvironmentId)
        .order_by_asc(Column::ServerId)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// What is in use on every server of one environment.
pub async fn current(on: &impl Reader, environment: EnvironmentId) -> Result<Vec<ServerRelease>> {
    let rows = Entity::find()
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::Current.eq(true))
        .order_by_asc(Column::ServerId)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// What each server of an environment runs, with the deployment that succeeded on it. Leaves out
/// servers whose files are in use although a script or test failed.
pub async fn complete(
    on: &impl Reader,
    environment: EnvironmentId,
) -> Result<HashMap<ServerId, (CommitId, DeploymentId)>> {
    let current = current(on, environment).await?;
    let by: HashSet<i64> = current
        .iter()
        .filter_map(|one| Some(one.deployment_id?.0))
        .collect();
    let through: Vec<(i64, Option<i64>)> = parts::Entity::find()
        .select_only()
        .column(parts::Column::DeploymentId)
        .column(parts::Column::ServerId)
        .filter(parts::Column::DeploymentId.is_in(by))
        .filter(parts::Column::State.eq(ServerState::Succeeded.as_str()))
        .into_tuple()
        .all(on.db())
        .await?;
    let through: HashSet<(i64, Option<i64>)> = through.into_iter().collect();
    let complete = current.into_iter().filter_map(|one| {
        let (server, deployment) = (one.server_id?, one.deployment_id?);
        let got_through = through.contains(&(deployment.0, Some(server.0)));
        got_through.then_some((server, (one.commit, deployment)))
    });
    Ok(complete.collect())
}

/// The last deployment after `than` that put another commit on a server of its environment.
pub async fn changed_since(
    on: &impl Reader,
    environment: EnvironmentId,
    than: DeploymentId,
    commit: &CommitId,
) -> Result<Option<DeploymentId>> {
    let id: Option<Option<i64>> = Entity::find()
        .select_only()
        .column(Column::DeploymentId)
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::DeploymentId.gt(than.0))
        .filter(Column::CommitHash.ne(commit.as_str()))
        .order_by_desc(Column::Id)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(id.flatten().map(DeploymentId))
}

/// The directories that a rollback on a server may need: the release in use before the present one,
/// and the last earlier one whose deployment succeeded.
pub async fn to_return_to(
    on: &impl Reader,
    environment: EnvironmentId,
    server: ServerId,
) -> Result<Vec<String>> {
    let before = Entity::find()
        .filter(Column::ServerId.eq(server.0))
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::Current.eq(false))
        .order_by_desc(Column::Id);
    let succeeded = deployments::Entity::find()
        .select_only()
        .column(deployments::Column::Id)
        .filter(deployments::Column::State.eq(DeploymentState::Succeeded.as_str()))
        .filter(
            Expr::col((deployments::Entity, deployments::Column::Id)).equals((Entity, Column::DeploymentId)),
        )
        .into_query();
    let good = before.clone().filter(Expr::exists(succeeded));
    let (last, good) = (before.one(on.db()).await?, good.one(on.db()).await?);
    let mut paths: Vec<String> = [last, good].into_iter().flatten().map(|row| row.path).collect();
    paths.dedup();
    Ok(paths)
}

fn from_row(row: Model) -> Result<ServerRelease> {
    Ok(ServerRelease {
        id: ReleaseId(row.id),
        server_id: row.server_id.map(ServerId),
        server: row.server_name,
        environment_id: row.environment_id.map(EnvironmentId),
        deployment_id: row.deployment_id.map(DeploymentId),
        branch: row.branch,
        commit: checked("a commit", &row.commit_hash)?,
        path: row.path,
        at: instant(row.released_at),
        current: row.current,
    })
}
