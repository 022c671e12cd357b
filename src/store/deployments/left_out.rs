//! Servers that a deployment left out of service, because their release may be incomplete.
//!
//! At the balancer such a server looks as if somebody had taken it out by hand; only the store knows
//! the difference. The last deployment of the same environment that moved the server counts; other
//! environments do not.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::entities::{deployment_servers as parts, deployments};
use super::super::{Change, Reader};
use super::plan;
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, DeploymentId, DeploymentState, EnvironmentId, Result, ServerId, Service};

/// States in which a deployment has the server out of service, or may have.
const OURS: [Service; 3] = [Service::TakingOut, Service::Out, Service::PuttingBack];

/// A server that a deployment left out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub server: ServerId,
    /// Its name at the time.
    pub name: String,
    /// The deployment that left it out; it has ended.
    pub deployment: DeploymentId,
    /// Its place in that deployment.
    pub position: i32,
    pub environment: EnvironmentId,
    pub service: Service,
    /// The balancer slots it is in.
    pub slots: Vec<Slot>,
}

/// All servers that deployments left out of service.
pub async fn left_out(on: &impl Reader) -> Result<Vec<LeftOut>> {
    find(on, candidates()).await
}

/// Those among `servers` that the last deployment to `environment` left out, with their slots.
pub async fn left_out_in(
    on: &impl Reader,
    environment: EnvironmentId,
    servers: &[ServerId],
) -> Result<HashMap<ServerId, Vec<Slot>>> {
    let wanted = candidates()
        .filter(deployments::Column::EnvironmentId.eq(environment.0))
        .filter(parts::Column::ServerId.is_in(servers.iter().map(|server| server.0)));
    let found = find(on, wanted).await?;
    Ok(found.into_iter().map(|one| (one.server, one.slots)).collect())
}

/// Notes that a person decided about a slot of a balancer: servers that deployments left out there
/// are that person's from now on.
pub async fn decided_by_hand(
    change: &Change,
    balancer: BalancerId,
    (backend, server): (&str, &str),
    service: Service,
) -> Result<()> {
    let is_here = |slot: &Slot| slot.balancer == balancer && slot.backend == backend && slot.server == server;
    let mut found = left_out(change).await?;
    found.retain(|one| one.slots.iter().any(is_here));
    for one in &found {
        settle(change, one, service).await?;
    }
    Ok(())
}

/// Notes whether a server that a deployment left out gets traffic now.
pub async fn settle(change: &Change, one: &LeftOut, service: Service) -> Result<()> {
    parts::Entity::update_many()
        .col_expr(parts::Column::Service, Expr::value(service.as_str()))
        .filter(parts::Column::DeploymentId.eq(one.deployment.0))
        .filter(parts::Column::Position.eq(one.position))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Servers of ended deployments that may be left out, newest first.
fn candidates() -> Select<parts::Entity> {
    let ended = DeploymentState::ALL.iter().filter(|state| state.is_final());
    with_deployment()
        .filter(parts::Column::Service.is_in(OURS.map(Service::as_str)))
        .filter(deployments::Column::State.is_in(ended.map(|state| state.as_str())))
        .order_by_desc(parts::Column::DeploymentId)
}

/// Servers of deployments, joined with the deployments.
fn with_deployment() -> Select<parts::Entity> {
    let relation = parts::Entity::belongs_to(deployments::Entity)
        .from(parts::Column::DeploymentId)
        .to(deployments::Column::Id)
        .into();
    parts::Entity::find().join(JoinType::InnerJoin, relation)
}

async fn find(on: &impl Reader, candidates: Select<parts::Entity>) -> Result<Vec<LeftOut>> {
    type Row = (i64, i32, Option<i64>, String, Option<String>, Option<i64>);
    let rows: Vec<Row> = candidates
        .select_only()
        .columns([
            parts::Column::DeploymentId,
            parts::Column::Position,
            parts::Column::ServerId,
            parts::Column::ServerName,
            parts::Column::Service,
        ])
        .column(deployments::Column::EnvironmentId)
        .into_tuple()
        .all(on.db())
        .await?;
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for (deployment, position, server, name, service, environment) in rows {
        let (Some(server), Some(environment)) = (server, environment) else {
            continue;
        };
        // Newest first: an older deployment of the same environment no longer counts.
        if seen.contains(&(server, environment)) {
            continue;
        }
        seen.push((server, environment));
        if last_move(on, server, environment).await? != Some(deployment) {
            continue;
        }
        let deployment = DeploymentId(deployment);
        let slots = plan(on, deployment).await?.and_then(|plan| {
            let planned = plan.servers().find(|planned| planned.server.0 == server)?;
            Some(planned.slots.clone())
        });
        found.push(LeftOut {
            server: ServerId(server),
            name,
            deployment,
            position,
            environment: EnvironmentId(environment),
            service: service
                .as_deref()
                .and_then(Service::parse)
                .unwrap_or(Service::Out),
            slots: slots.unwrap_or_default(),
        });
    }
    Ok(found)
}

/// The newest deployment to `environment` that moved `server` at its balancers.
async fn last_move(on: &impl Reader, server: i64, environment: i64) -> Result<Option<i64>> {
    let last: Option<Option<i64>> = with_deployment()
        .select_only()
        .column_as(parts::Column::DeploymentId.max(), "last")
        .filter(parts::Column::ServerId.eq(server))
        .filter(parts::Column::Service.is_not_null())
        .filter(parts::Column::Service.ne(Service::Untouched.as_str()))
        .filter(deployments::Column::EnvironmentId.eq(environment))
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(last.flatten())
}
