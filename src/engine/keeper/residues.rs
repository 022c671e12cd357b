//! Servers that are back in service, but at an endpoint that was in no balancer's row then: they are put back
//! there too.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::by_hand::under_way;
use super::gone::Missing;
use super::put_back::{Progress, at, put_back, slot_of};
use crate::balancer::{Admin, BalancerClient};
use crate::domain::rollout::EndpointPlace;
use crate::domain::{Balancer, BalancerId, Cluster, Event, EventKind, Result};
use crate::engine::out_of_service::BalancerLook;
use crate::engine::shared::Shared;
use crate::store::deployments::{self, HeldOut};
use crate::store::jobs::JobLease;
use crate::store::{balancers, clusters, queue, servers};

/// What was seen of the places, for telling what people do.
#[derive(Default)]
pub(super) struct ResidueMemory {
    /// How each was left or last seen.
    put_back: HashMap<EndpointPlace, Admin>,
    missing: Missing,
}

/// Puts servers back where an endpoint still has them out that was in no balancer's row when they were put
/// back elsewhere; returns whether there are any.
pub(super) async fn clear_residues(
    (engine, lease): (&Shared, JobLease),
    memory: &mut ResidueMemory,
) -> Result<bool> {
    let store = &engine.parts.store;
    let residues = deployments::residues(store).await?;
    let is_open = |place: &EndpointPlace| residues.iter().any(|one| one.place == *place);
    memory.put_back.retain(|place, _| is_open(place));
    memory.missing.retain(is_open);
    if residues.is_empty() {
        return Ok(false);
    }
    let (clusters, balancers) = (clusters::list(store).await?, balancers::list(store).await?);
    let (held, under_way) = (queue::holders(store).await?, under_way(store).await?);
    let mut is_any = false;
    for one in &residues {
        let is_member = |cluster: &&Cluster| cluster.members.iter().any(|member| member.server == one.server);
        let own = clusters
            .iter()
            .filter(is_member)
            .filter_map(|cluster| cluster.balancer);
        let own: Vec<BalancerId> = own.collect();
        let has_it = |row: &&Balancer| {
            let mut endpoints = row.endpoints.iter();
            own.contains(&row.id) && endpoints.any(|endpoint| endpoint.trim() == one.place.endpoint)
        };
        let Some(row) = balancers.iter().find(has_it) else {
            continue;
        };
        is_any = true;
        // A deployment that has reserved the server takes care of it, or a person acts on it.
        if held.contains_key(&one.server) || under_way.is_at(row.id, &one.place) {
            continue;
        }
        let others = residues.iter().map(|other| &other.place).collect();
        if let Err(error) = clear((engine, lease), one, row, &others, memory).await {
            tracing::warn!(
                server = one.server.0,
                "it is not back at {} yet: {error}",
                one.place.endpoint
            );
        }
    }
    Ok(is_any)
}

/// Brings a server one step nearer to being back at an endpoint where only we have it out.
async fn clear(
    (engine, lease): (&Shared, JobLease),
    one: &HeldOut,
    row: &Balancer,
    residues: &HashSet<&EndpointPlace>,
    memory: &mut ResidueMemory,
) -> Result<()> {
    let (store, place) = (&engine.parts.store, &one.place);
    let balancer = BalancerClient::open(row, &engine.parts.balancers)?;
    let seen = BalancerLook::at(&balancer).await;
    let slot = slot_of(place);
    let lines = seen.lines(std::slice::from_ref(&slot));
    let own = lines.iter().find(|line| line.endpoint == place.endpoint);
    let is_settled = match own {
        Some(own) => own.admin == Admin::Ready && !memory.put_back.contains_key(place),
        None => memory.missing.is_gone_at(&seen, place),
    };
    if is_settled {
        let record = store.record().await?;
        deployments::let_in(&record, std::slice::from_ref(place)).await?;
        return record.commit().await;
    }
    if own.is_none() {
        return Ok(());
    }
    // If a person has taken it out elsewhere meanwhile, the endpoints agree as they are.
    let mut others = lines.iter().filter(|line| !residues.contains(&line.place()));
    if others.any(|line| line.admin != Admin::Ready) {
        return Ok(());
    }
    let Some(there) = balancer.only(&place.endpoint) else {
        return Ok(());
    };
    let (kind, how) = match put_back(&there, &[slot], &mut memory.put_back).await? {
        Progress::Open | Progress::Gone => return Ok(()),
        Progress::Done => (EventKind::ServerPutBack, "in service again"),
        Progress::TakenOut => (
            EventKind::ServerTakenOutByHand,
            "left as it is, as somebody has taken it out at the balancer itself,",
        ),
    };
    let name = servers::by_id(store, one.server).await?.name;
    let sentence = format!(
        "{name} is {how} at {}, where deployment {} had taken it out before the endpoint left the balancer.",
        at([place]),
        one.deployment
    );
    tracing::info!(deployment = one.deployment.0, "{sentence}");
    let deployment = deployments::by_id(store, one.deployment).await?;
    let change = engine.change_by_job(lease, &deployment).await?;
    deployments::let_in(&change, std::slice::from_ref(place)).await?;
    let event = Event::by_engine(kind, &deployment, &sentence);
    change.commit(event.with("server", json!(name))).await
}
