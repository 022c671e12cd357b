//! Servers of other environments in the backends of a rollout: they serve while its own are out.

use std::collections::{HashMap, HashSet};

use crate::balancer::{BackendSlot, State};
use crate::domain::rollout::{Beside, Candidate};
use crate::domain::{BalancerId, Result};
use crate::store::{Store, deployments};

/// How many servers of other environments are in service in each backend of the candidates, or will be once the
/// deployment that has them out is done with them.
pub(super) async fn count(
    store: &Store,
    states: &HashMap<BalancerId, State>,
    candidates: &[Candidate],
) -> Result<Beside> {
    let slots = || candidates.iter().flat_map(|one| &one.slots).map(|(slot, _)| slot);
    let mut beside = Beside::new();
    if slots().next().is_none() {
        return Ok(beside);
    }
    let active = deployments::active(store).await?;
    let is_at_work = |id| active.iter().any(|one| one.id == id && one.state.is_at_work());
    let held = deployments::held_out(store).await?.into_iter();
    let held = held.filter(|one| is_at_work(one.deployment));
    let held: HashSet<(String, String)> = held.map(|one| (one.place.backend, one.place.server)).collect();
    for slot in slots() {
        let key = (slot.balancer, slot.backend.clone());
        let Some(state) = states.get(&slot.balancer).filter(|_| !beside.contains_key(&key)) else {
            continue;
        };
        let is_ours = |name: &str| {
            slots().any(|own| own.balancer == key.0 && own.backend == key.1 && own.server == name)
        };
        let returns = held.iter().filter(|(backend, server)| {
            *backend == key.1
                && !is_ours(server)
                && state.of(&slot_named(backend, server)).is_some_and(|now| !now.up)
        });
        let serving = returns.count() + state.serving_beside(&slot.backend, is_ours);
        beside.insert(key, serving);
    }
    Ok(beside)
}

fn slot_named(backend: &str, server: &str) -> BackendSlot {
    BackendSlot {
        backend: backend.to_owned(),
        server: server.to_owned(),
    }
}
