//! Who is in service in the backends of a rollout, as the balancers say.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use super::Rotation;
use crate::balancer::State;
use crate::domain::rollout::{BackendPool, Slot};
use crate::domain::{BalancerId, ServerId};
use crate::engine::ending::StepResult;

/// What the balancers of a rollout said.
pub struct BackendsNow(HashMap<BalancerId, State>);

impl Rotation {
    /// Asks the balancers who is in service now.
    pub async fn look(&self) -> StepResult<BackendsNow> {
        let balancers = self.service.balancers();
        let asked = balancers
            .iter()
            .map(async |(id, balancer)| (*id, balancer.state().await));
        let mut states = HashMap::new();
        for (id, state) in join_all(asked).await {
            states.insert(id, state?);
        }
        Ok(BackendsNow(states))
    }

    /// The servers of a pool that are in service and do not leave it, and how many others are beside them.
    /// `leaving` are the places that other deployments are about to take out.
    pub fn up_in(
        &self,
        pool: &BackendPool,
        there: &BackendsNow,
        leaving: &[Slot],
    ) -> (HashSet<ServerId>, usize) {
        let Some(state) = there.0.get(&pool.balancer) else {
            return (HashSet::new(), 0);
        };
        let is_here = |slot: &&Slot| slot.balancer == pool.balancer && slot.backend == pool.backend;
        let leaves = |name: &str| leaving.iter().filter(is_here).any(|slot| slot.server == name);
        let is_up = |server: &ServerId| {
            let mut places = self.places.get(server).into_iter().flatten();
            let here = places.find(is_here).filter(|slot| !leaves(&slot.server));
            let now = here.and_then(|slot| state.of(&slot.into()));
            now.is_some_and(|now| now.up && !now.is_idle)
        };
        let is_ours = |name: &str| {
            let mut places = self.places.values().flatten().filter(is_here);
            places.any(|slot| slot.server == name)
        };
        let beside = state.serving_beside(&pool.backend, |name| is_ours(name) || leaves(name));
        (pool.members().filter(is_up).collect(), beside)
    }
}
