//! Servers that a deployment left out of service, because their release may be incomplete.
//!
//! At the balancer such a server looks as if somebody had taken it out by hand; only the store knows
//! the difference. The last deployment of the same environment that moved the server counts; other
//! environments do not.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::columns::instant;
use super::super::entities::{deployment_servers as parts, deployments};
use super::super::{Change, Reader, balancers};
use super::held_out::{self, HeldOut};
use super::plan;
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{
    BalancerId, DeploymentId, DeploymentState, EnvironmentId, Instant, OnServer, Result, ServerId, Service,
    Split,
};

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
    /// When that deployment ended.
    pub ended_at: Instant,
    pub service: Service,
    /// The balancer slots it is in.
    pub slots: Vec<Slot>,
    /// Those where a person had taken it out by hand before.
    pub by_hand: Vec<Slot>,
    /// Where it is in service all the same, if someone put it back at some endpoints only.
    pub split: Option<Split>,
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

/// Places at endpoints where a deployment had a server out that is back in service: the endpoint was in no
/// balancer's row when the server was put back.
pub async fn residues(on: &impl Reader) -> Result<Vec<HeldOut>> {
    let held = held_out::held_out(on).await?;
    if held.is_empty() {
        return Ok(held);
    }
    let rows: Vec<(i64, Option<i64>)> = deployments::Entity::find()
        .select_only()
        .columns([deployments::Column::Id, deployments::Column::EnvironmentId])
        .filter(deployments::Column::Id.is_in(held.iter().map(|one| one.deployment.0)))
        .into_tuple()
        .all(on.db())
        .await?;
    let environments: HashMap<i64, Option<i64>> = rows.into_iter().collect();
    // A server has a row for each of its endpoints.
    let mut known = HashMap::new();
    let mut found = Vec::new();
    for one in held {
        // Of a deleted environment nothing is told any more.
        let Some(Some(environment)) = environments.get(&one.deployment.0) else {
            continue;
        };
        let key = (one.server.0, *environment);
        let is_back = match known.get(&key) {
            Some(&is_back) => is_back,
            None => {
                let last = last_move(on, key.0, key.1).await?;
                let is_back = last.is_some_and(|(_, service)| service == Service::Back.as_str());
                known.insert(key, is_back);
                is_back
            }
        };
        if is_back {
            found.push(one);
        }
    }
    Ok(found)
}

/// Notes what a person has done to a slot of a balancer at `endpoints`. Servers that deployments left out there
/// are that person's from now on, once it is done at all endpoints of the balancer. One that is put back and is
/// still out elsewhere stays ours until it is put back there too.
pub async fn decided_by_hand(
    change: &Change,
    balancer: BalancerId,
    (backend, server): (&str, &str),
    (service, endpoints): (Service, &[String]),
) -> Result<()> {
    let is_here = |slot: &Slot| slot.balancer == balancer && slot.backend == backend && slot.server == server;
    let at = |endpoint: &String| EndpointPlace {
        endpoint: endpoint.trim().to_owned(),
        backend: backend.to_owned(),
        server: server.to_owned(),
    };
    let row = balancers::by_id(change, balancer).await?;
    let is_done_at = |endpoint: &String| endpoints.iter().any(|done| done.trim() == endpoint.trim());
    let is_everywhere = row.endpoints.iter().all(is_done_at);
    let places: Vec<EndpointPlace> = endpoints.iter().map(at).collect();
    held_out::let_in(change, &places).await?;
    let mut found = left_out(change).await?;
    found.retain(|one| one.slots.iter().any(is_here));
    for one in &found {
        let is_elsewhere = !is_everywhere || !one.slots.iter().all(is_here);
        match service {
            Service::Back if is_elsewhere => {
                let (whose, state) = ((one.server, one.deployment), AtEndpoint::PutBack);
                held_out::hold_out(change, whose, &places, state).await?;
            }
            Service::Back => settle(change, one, service).await?,
            // Out at some endpoints, it is still out because of us at the others.
            _ if !is_everywhere => {}
            _ => {
                held_out::forget(change, one.server, one.deployment).await?;
                settle(change, one, service).await?;
            }
        }
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

/// Notes what was found on a server that a deployment left out, when somebody looked again, and the cause that
/// still stands.
pub async fn find_again(change: &Change, one: &LeftOut, on: OnServer, cause: &str) -> Result<()> {
    let (word, step) = on.as_words();
    parts::Entity::update_many()
        .col_expr(parts::Column::OnServer, Expr::value(word))
        .col_expr(parts::Column::OnServerStep, Expr::value(step))
        .col_expr(parts::Column::Cause, Expr::value(cause))
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

/// A server's part in a deployment, as [`find`] reads it: deployment, position, server, its name, service,
/// environment, end of the deployment.
type Row = (
    i64,
    i32,
    Option<i64>,
    String,
    Option<String>,
    Option<i64>,
    Option<i64>,
);

async fn find(on: &impl Reader, candidates: Select<parts::Entity>) -> Result<Vec<LeftOut>> {
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
        .column(deployments::Column::FinishedAt)
        .into_tuple()
        .all(on.db())
        .await?;
    let held = match rows.is_empty() {
        true => Vec::new(),
        false => held_out::held_out(on).await?,
    };
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for (deployment, position, server, name, service, environment, ended_at) in rows {
        let (Some(server), Some(environment)) = (server, environment) else {
            continue;
        };
        // Newest first: an older deployment of the same environment no longer counts.
        if seen.contains(&(server, environment)) {
            continue;
        }
        seen.push((server, environment));
        let last = last_move(on, server, environment).await?;
        if last.is_none_or(|(last, _)| last != deployment) {
            continue;
        }
        let deployment = DeploymentId(deployment);
        let planned = plan(on, deployment).await?.and_then(|plan| {
            let planned = plan.servers().find(|planned| planned.server.0 == server)?;
            Some((planned.slots.clone(), planned.by_hand.clone()))
        });
        let (slots, by_hand) = planned.unwrap_or_default();
        found.push(LeftOut {
            server: ServerId(server),
            name,
            deployment,
            position,
            environment: EnvironmentId(environment),
            ended_at: instant(ended_at.unwrap_or_default()),
            service: service
                .as_deref()
                .and_then(Service::parse)
                .unwrap_or(Service::Out),
            slots,
            by_hand,
            split: held_out::split(&held, ServerId(server), deployment),
        });
    }
    Ok(found)
}

/// The newest deployment to `environment` that moved `server` at its balancers, and how far.
async fn last_move(on: &impl Reader, server: i64, environment: i64) -> Result<Option<(i64, String)>> {
    let last = with_deployment()
        .select_only()
        .columns([parts::Column::DeploymentId, parts::Column::Service])
        .filter(parts::Column::ServerId.eq(server))
        .filter(parts::Column::Service.is_not_null())
        .filter(parts::Column::Service.ne(Service::Untouched.as_str()))
        .filter(deployments::Column::EnvironmentId.eq(environment))
        .order_by_desc(parts::Column::DeploymentId)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(last)
}
