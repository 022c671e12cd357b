//! Servers that were left out and that HAProxy calls otherwise by now, as a backend or a server there was renamed:
//! they are found anew as a plan finds them, and stay out.

use crate::balancer::{BackendSlot, Sought};
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{Cluster, Environment, Result, Server};
use crate::engine::out_of_service::{BalancerLook, OutOfService};
use crate::store::deployments::{self, LeftOut};
use crate::store::{Store, clusters, environments, servers};

/// As [`as_now`], with a look at the balancers.
pub(super) async fn as_now_at(store: &Store, one: &LeftOut, service: &OutOfService) -> Result<LeftOut> {
    let mut looks = Vec::new();
    for balancer in service.balancers().values() {
        looks.push(BalancerLook::at(balancer).await);
    }
    let looks: Vec<&BalancerLook<'_>> = looks.iter().collect();
    as_now(store, one, &looks).await
}

/// A server that was left out with its present places, as complete answers of its balancers tell. Places that no
/// endpoint knows any more are replaced by those where the clusters of its environment have it, and forgotten.
pub(super) async fn as_now(store: &Store, one: &LeftOut, looks: &[&BalancerLook<'_>]) -> Result<LeftOut> {
    let look_of = |slot: &Slot| {
        let mut looks = looks.iter();
        looks.find(|look| look.balancer.name() == slot.balancer_name && look.is_complete())
    };
    let is_gone = |slot: &&Slot| look_of(slot).is_some_and(|look| !look.knows(&BackendSlot::from(*slot)));
    let gone: Vec<&Slot> = one.slots.iter().filter(is_gone).collect();
    if gone.is_empty() {
        return Ok(one.clone());
    }
    let server = servers::by_id(store, one.server).await?;
    let environment = environments::by_id(store, one.environment).await?;
    let clusters = clusters::list(store).await?;
    let mut slots: Vec<Slot> = one
        .slots
        .iter()
        .filter(|slot| !gone.contains(slot))
        .cloned()
        .collect();
    let (mut found, mut forgotten) = (Vec::new(), Vec::new());
    for slot in gone {
        let Some(look) = look_of(slot) else { continue };
        let here = places(look, slot, &server, (&environment, &clusters));
        let is_new = |place: &Slot| !one.slots.contains(place) && !one.by_hand.contains(place);
        let here: Vec<Slot> = here.into_iter().filter(is_new).collect();
        if here.is_empty() {
            // It may only be missing for now.
            slots.push(slot.clone());
            continue;
        }
        found.extend(here);
        forgotten.extend(look.balancer.endpoints().map(|endpoint| EndpointPlace {
            endpoint: endpoint.to_owned(),
            backend: slot.backend.clone(),
            server: slot.server.clone(),
        }));
    }
    if !forgotten.is_empty() {
        let record = store.record().await?;
        deployments::let_in(&record, &forgotten).await?;
        record.commit().await?;
    }
    for slot in found {
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }
    Ok(LeftOut { slots, ..one.clone() })
}

/// Where the clusters of the environment that stand behind the same balancer have the server.
fn places(
    look: &BalancerLook<'_>,
    slot: &Slot,
    server: &Server,
    (environment, clusters): (&Environment, &[Cluster]),
) -> Vec<Slot> {
    let mut found = Vec::new();
    let own = clusters
        .iter()
        .filter(|cluster| environment.clusters.contains(&cluster.id));
    for cluster in own.filter(|cluster| cluster.balancer == Some(slot.balancer)) {
        let Some(member) = cluster.members.iter().find(|member| member.server == server.id) else {
            continue;
        };
        let sought = Sought {
            name: server.name.as_str(),
            address: &server.address,
            balancer_name: member.balancer_name.as_deref(),
        };
        found.extend(
            look.find(&cluster.backends, sought)
                .into_iter()
                .map(|place| Slot {
                    backend: place.backend,
                    server: place.server,
                    ..slot.clone()
                }),
        );
    }
    found
}
