//! What will happen, shown before anybody presses Deploy: batches, servers left alone and why,
//! what a person should know.

use std::collections::HashSet;

use super::App;
use super::deployments::{Choice, place, resolve};
use super::places::resource;
use crate::domain::rollout::{Candidate, Slot, Standing, plan};
use crate::domain::{Action, Actor, BalancerId, Environment, ErrorKind, Plan, Result, ServerId, Strategy};
use crate::store::{balancers, clusters, servers};

/// The plan of a request, or what stands in its way.
#[derive(Debug, Clone)]
pub struct PlanPreview {
    /// What would be done; `None` when there is an obstacle.
    pub plan: Option<Plan>,
    /// Why it cannot be done so, as a sentence.
    pub obstacle: Option<String>,
}

/// What deploying to the servers of `choice` would do, by `strategy` or the environment's own, for
/// somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn preview(
    app: &App,
    actor: &Actor,
    (project, environment): (&str, &str),
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<PlanPreview> {
    let (project, environment) = place(app, project, environment).await?;
    app.permit(actor, Action::View, &resource(&project, &environment))
        .await?;
    match attempt(app, &environment, choice, strategy).await {
        Ok(plan) => Ok(PlanPreview {
            plan: Some(plan),
            obstacle: None,
        }),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => Ok(PlanPreview {
            plan: None,
            obstacle: Some(error.message().to_owned()),
        }),
        Err(error) => Err(error),
    }
}

async fn attempt(
    app: &App,
    environment: &Environment,
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<Plan> {
    let (_, parts) = resolve(app, environment, choice.into()).await?;
    let meant = parts.iter().map(|part| part.server_id).collect();
    let strategy = strategy.unwrap_or(environment.options.rollout.strategy);
    of(app, environment, &meant, strategy).await
}

/// The plan of bringing a commit to the servers `meant` by `strategy`, without asking balancers:
/// what stands behind one is taken for in service.
///
/// # Errors
/// A conflict, in a sentence, when it cannot be done so.
pub(super) async fn of(
    app: &App,
    environment: &Environment,
    meant: &HashSet<ServerId>,
    strategy: Strategy,
) -> Result<Plan> {
    let known = servers::list(&app.store).await?;
    let mut candidates = Vec::new();
    for &id in &environment.clusters {
        let cluster = clusters::by_id(&app.store, id).await?;
        let balancer = match cluster.balancer {
            Some(id) => Some(balancers::by_id(&app.store, id).await?),
            None => None,
        };
        for member in &cluster.members {
            let Some(server) = known.iter().find(|one| one.id == member.server) else {
                continue;
            };
            let slot = |backend: &String| Slot {
                balancer: balancer.as_ref().map_or(BalancerId(0), |one| one.id),
                balancer_name: balancer
                    .as_ref()
                    .map(|one| one.name.to_string())
                    .unwrap_or_default(),
                backend: backend.clone(),
                server: member
                    .balancer_name
                    .clone()
                    .unwrap_or_else(|| server.name.to_string()),
            };
            let backends = cluster.backends.iter().filter(|_| balancer.is_some());
            candidates.push(Candidate {
                server: server.id,
                name: server.name.to_string(),
                cluster: cluster.name.to_string(),
                left_alone: (!server.active).then(|| "Inactive, so it is left alone.".to_owned()),
                meant: meant.contains(&server.id),
                slots: backends.map(|one| (slot(one), Standing::Unknown)).collect(),
            });
        }
    }
    plan(strategy, &candidates)
}
