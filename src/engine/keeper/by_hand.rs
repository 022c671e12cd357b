//! Acts of people at balancers that are under way, and those that a killed deployer had begun.

use serde_json::json;

use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{BalancerId, Event, EventKind, Outcome, Result, ServerId};
use crate::engine::shared::Shared;
use crate::store::deployments::{self, HandAct};
use crate::store::jobs::JobLease;
use crate::store::{Right, Store, balancers, queue};

/// What people are doing at balancers.
pub(super) struct UnderWay(Vec<HandAct>);

/// What people are doing at balancers now.
pub(super) async fn under_way(store: &Store) -> Result<UnderWay> {
    deployments::hand_acts(store).await.map(UnderWay)
}

impl UnderWay {
    /// Whether somebody acts on a server at one of its places.
    pub fn concerns(&self, slots: &[Slot]) -> bool {
        self.0.iter().any(|act| slots.iter().any(|slot| act.is_at(slot)))
    }

    /// Whether somebody acts at this place of a balancer.
    pub fn is_at(&self, balancer: BalancerId, place: &EndpointPlace) -> bool {
        let here = |act: &HandAct| {
            (act.balancer, &act.backend, &act.server) == (balancer, &place.backend, &place.server)
        };
        self.0.iter().any(here)
    }
}

/// Whether a server is not the keeper's now: a deployment that has reserved it takes care of it, or a person
/// acts on it. Asked right before an act.
pub(super) async fn is_left_to_others(store: &Store, server: ServerId, slots: &[Slot]) -> Result<bool> {
    let is_reserved = queue::holders(store).await?.contains_key(&server);
    Ok(is_reserved || under_way(store).await?.concerns(slots))
}

/// Gives up acts whose outcome nobody will tell any more: what they were to decide stays undecided.
pub(super) async fn give_up_lost(engine: &Shared, lease: JobLease) -> Result<()> {
    let (store, now) = (&engine.parts.store, engine.parts.clock.now());
    for (id, act) in deployments::lost_hand_acts(store, now).await? {
        let balancer = balancers::by_id(store, act.balancer).await?;
        let resource = format!("balancer {}", balancer.name);
        let right = Right::of_this_program(resource);
        let change = store.change_by_job(lease, right, now).await?;
        if !deployments::end_hand_act(&change, id).await? {
            continue;
        }
        let detail = json!({
            "backend": act.backend, "server": act.server, "wanted": act.act, "by": act.actor,
            "error": "The deployer stopped before it was known whether this was done. What HAProxy itself says of the server counts.",
        });
        let event = Event::new(EventKind::BalancerActFailed, detail);
        change.commit(event.ended(Outcome::Failed)).await?;
    }
    Ok(())
}
