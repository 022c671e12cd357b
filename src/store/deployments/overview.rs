//! Queries of the pages about projects, environments and servers.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::Reader;
use super::super::columns::{checked, instant};
use super::super::entities::deployments::{Column, Entity, Model};
use super::super::entities::{deployment_servers as parts, environments};
use super::{OPEN, by_id, from_row, part, target};
use crate::domain::{
    CommitId, Deployment, DeploymentId, DeploymentState, EnvironmentId, Kind, ProjectId, Result, ServerId,
    ServerPart, ServerState, Target,
};

/// How many rows are asked for in one statement; databases limit the parameters of one.
const ROWS_AT_ONCE: usize = 500;

/// How many deployments of a server are looked at for the last one of each environment.
const LOOKED_AT: u64 = 100;

/// Everything that is not finished: what runs first, then what waits, oldest first.
pub async fn active(on: &impl Reader) -> Result<Vec<Deployment>> {
    let rows = Entity::find()
        .filter(Column::State.is_in(OPEN.map(DeploymentState::as_str)))
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    let mut deployments = rows.into_iter().map(from_row).collect::<Result<Vec<_>>>()?;
    deployments.sort_by_key(|one| match one.state {
        DeploymentState::Running | DeploymentState::Paused => 0,
        DeploymentState::Queued => 1,
        _ => 2,
    });
    Ok(deployments)
}

/// How long the last successful deployments of a target took, newest first; rollbacks are compared
/// with rollbacks, as they are quicker.
pub async fn durations(
    on: &impl Reader,
    environment: EnvironmentId,
    target: &Target,
    is_rollback: bool,
    limit: u64,
) -> Result<Vec<chrono::TimeDelta>> {
    let rollback = Kind::Rollback.as_str();
    let rows: Vec<(Option<i64>, Option<i64>)> = Entity::find()
        .select_only()
        .column(Column::StartedAt)
        .column(Column::FinishedAt)
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::State.eq(DeploymentState::Succeeded.as_str()))
        .filter(target::one_of(std::slice::from_ref(target))?)
        .filter(if is_rollback {
            Column::Kind.eq(rollback)
        } else {
            Column::Kind.ne(rollback)
        })
        .order_by_desc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(on.db())
        .await?;
    let took = |(start, end): (Option<i64>, Option<i64>)| Some(instant(end?) - instant(start?));
    Ok(rows.into_iter().filter_map(took).collect())
}

/// Whether any deployment has ever succeeded.
pub async fn has_success(on: &impl Reader) -> Result<bool> {
    let first: Option<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(DeploymentState::Succeeded.as_str()))
        .limit(1)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(first.is_some())
}

/// The last deployment of every environment, however it ended: one index lookup per environment,
/// instead of a pass over all deployments.
pub async fn latest(on: &impl Reader) -> Result<HashMap<EnvironmentId, Deployment>> {
    let inner = Alias::new("d");
    let last = Query::select()
        .column((inner.clone(), Column::Id))
        .from_as(Entity, inner.clone())
        .and_where(
            Expr::col((inner.clone(), Column::EnvironmentId))
                .equals((environments::Entity, environments::Column::Id)),
        )
        .order_by((inner, Column::Id), sea_orm::Order::Desc)
        .limit(1)
        .to_owned();
    let ids = Query::select()
        .expr(Expr::SubQuery(None, Box::new(last.into())))
        .from(environments::Entity)
        .to_owned();
    let rows = Entity::find()
        .filter(Column::Id.in_subquery(ids))
        .all(on.db())
        .await?;
    let mut latest = HashMap::new();
    for row in rows {
        let deployment = from_row(row)?;
        if let Some(environment) = deployment.environment_id {
            latest.insert(environment, deployment);
        }
    }
    Ok(latest)
}

/// The last deployment of each environment that did something to a server, with the server's part in it.
pub async fn last_on(on: &impl Reader, server: ServerId) -> Result<Vec<(Deployment, ServerPart)>> {
    use ServerState::{Cancelled, Failed, Interrupted, Succeeded};
    let ended = [Cancelled, Failed, Interrupted, Succeeded].map(ServerState::as_str);
    let rows = parts::Entity::find()
        .filter(parts::Column::ServerId.eq(server.0))
        .filter(parts::Column::State.is_in(ended))
        .order_by_desc(parts::Column::DeploymentId)
        .limit(LOOKED_AT)
        .all(on.db())
        .await?;
    let ids = rows.iter().map(|row| DeploymentId(row.deployment_id)).collect();
    let mut deployments = by_ids(on, &ids).await?;
    let (mut last, mut seen) = (Vec::new(), HashSet::new());
    for row in rows {
        let Some(deployment) = deployments.remove(&DeploymentId(row.deployment_id)) else {
            continue;
        };
        if deployment.environment_id.is_some_and(|id| seen.insert(id)) {
            last.push((deployment, part(row)?));
        }
    }
    Ok(last)
}

/// The existing deployments among these numbers, by number.
pub async fn by_ids(
    on: &impl Reader,
    ids: &HashSet<DeploymentId>,
) -> Result<HashMap<DeploymentId, Deployment>> {
    let mut numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    numbers.sort_unstable();
    let mut found = HashMap::new();
    for some in numbers.chunks(ROWS_AT_ONCE) {
        let rows = Entity::find().filter(Column::Id.is_in(some.iter().copied()));
        for deployment in all(rows.all(on.db()).await?)? {
            found.insert(deployment.id, deployment);
        }
    }
    Ok(found)
}

/// How many servers of these deployments are through, and how many they are for. Without those that the
/// plan leaves alone, which have no batch; a server that a stop kept from its turn still counts.
pub async fn progress(
    on: &impl Reader,
    ids: &[DeploymentId],
) -> Result<HashMap<DeploymentId, (usize, usize)>> {
    let is_planned = parts::Column::State
        .ne(ServerState::Skipped.as_str())
        .or(parts::Column::Batch.is_not_null());
    let rows: Vec<(i64, String)> = parts::Entity::find()
        .select_only()
        .column(parts::Column::DeploymentId)
        .column(parts::Column::State)
        .filter(parts::Column::DeploymentId.is_in(ids.iter().map(|id| id.0)))
        .filter(is_planned)
        .into_tuple()
        .all(on.db())
        .await?;
    let mut progress: HashMap<DeploymentId, (usize, usize)> = HashMap::new();
    for (id, state) in rows {
        let (done, total) = progress.entry(DeploymentId(id)).or_default();
        *done += usize::from(state == ServerState::Succeeded.as_str());
        *total += 1;
    }
    Ok(progress)
}

/// The last `n` deployments of a project, newest first.
pub async fn last_for_project(on: &impl Reader, project: ProjectId, n: u64) -> Result<Vec<Deployment>> {
    let rows = Entity::find().filter(Column::ProjectId.eq(project.0));
    all(rows.order_by_desc(Column::Id).limit(n).all(on.db()).await?)
}

/// The last `n` deployments to an environment, newest first.
pub async fn last_for_environment(
    on: &impl Reader,
    environment: EnvironmentId,
    n: u64,
) -> Result<Vec<Deployment>> {
    let rows = Entity::find().filter(Column::EnvironmentId.eq(environment.0));
    all(rows.order_by_desc(Column::Id).limit(n).all(on.db()).await?)
}

/// The last successful deployment to the same environment before `than` with another commit: the
/// target of “roll back”. It reached every server of `than`; a commit that ran on a single server is
/// not what the others ran.
pub async fn previous_succeeded(on: &impl Reader, than: DeploymentId) -> Result<Option<Deployment>> {
    let than = by_id(on, than).await?;
    let Some(environment) = than.environment_id else {
        return Ok(None);
    };
    let reaching = [Target::Environment, than.target];
    let row = Entity::find()
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::State.eq(DeploymentState::Succeeded.as_str()))
        .filter(Column::Id.lt(than.id.0))
        .filter(Column::CommitHash.ne(than.commit.as_str()))
        .filter(target::one_of(&reaching)?)
        .order_by_desc(Column::Id)
        .one(on.db())
        .await?;
    row.map(from_row).transpose()
}

/// Which of `commits` were ever deployed successfully to one of the targets `reaching` of
/// `environment`, picked from `branch` where one is given.
pub async fn succeeded_commits(
    on: &impl Reader,
    environment: EnvironmentId,
    branch: Option<&str>,
    commits: &[CommitId],
    reaching: &[Target],
) -> Result<HashSet<CommitId>> {
    let reaching = target::one_of(reaching)?;
    let mut found = HashSet::new();
    for some in commits.chunks(ROWS_AT_ONCE) {
        let mut rows = Entity::find()
            .select_only()
            .column(Column::CommitHash)
            .distinct()
            .filter(Column::EnvironmentId.eq(environment.0))
            .filter(Column::State.eq(DeploymentState::Succeeded.as_str()))
            .filter(reaching.clone())
            .filter(Column::CommitHash.is_in(some.iter().map(CommitId::as_str)));
        if let Some(branch) = branch {
            rows = rows.filter(Column::Branch.eq(branch));
        }
        let hashes: Vec<String> = rows.into_tuple().all(on.db()).await?;
        for hash in hashes {
            found.insert(checked("a commit", &hash)?);
        }
    }
    Ok(found)
}

fn all(rows: Vec<Model>) -> Result<Vec<Deployment>> {
    rows.into_iter().map(from_row).collect()
}
