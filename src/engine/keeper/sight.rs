//! What the endpoints of its balancers say about one server that was left out, and what that means.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::balancer::{Admin, BackendSlot, BalancerClient};
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{self, BalancerId};
use crate::engine::out_of_service::BalancerLook;
use crate::store::deployments::LeftOut;

/// HAProxy counts its times in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// What was seen of a balancer, and when.
pub(super) type Glance<'a> = (Instant, BalancerLook<'a>);

/// What was seen of one server that was left out.
#[derive(Default)]
pub(super) struct Sight<'a> {
    /// Whether every endpoint of its balancers answered.
    pub is_complete: bool,
    /// Where it is out of service.
    pub out: Vec<EndpointPlace>,
    /// Those among them where that was not known yet.
    pub newly_out: Vec<EndpointPlace>,
    /// Where a person has put it back, as was known before.
    pub by_hand: Vec<EndpointPlace>,
    /// Where a person has put it back since the last look.
    pub newly_by_hand: Vec<EndpointPlace>,
    /// Where it has to be taken out, as the endpoint was restarted.
    pub restarted: Vec<(&'a BalancerClient, EndpointPlace)>,
    /// Where it has to be taken out, as nobody has seen it out there since the deployment.
    pub unseen: Vec<(&'a BalancerClient, EndpointPlace)>,
}

impl<'a> Sight<'a> {
    /// What the looks at its balancers say of it. `held` has what is known of each place.
    pub fn of(
        one: &LeftOut,
        looks: &HashMap<BalancerId, Option<Glance<'a>>>,
        held: &HashMap<EndpointPlace, AtEndpoint>,
        (last_out, now): (&mut HashMap<EndpointPlace, Instant>, domain::Instant),
    ) -> Self {
        let mut sight = Self {
            is_complete: true,
            ..Self::default()
        };
        for (id, slots) in Slot::by_balancer(&one.slots) {
            let Some(looked) = looks.get(&id) else {
                continue;
            };
            let Some((begun, look)) = looked else {
                sight.is_complete = false;
                continue;
            };
            sight.is_complete &= look.is_complete();
            let places: Vec<BackendSlot> = slots.into_iter().map(Into::into).collect();
            for line in look.lines(&places) {
                let place = line.place();
                let known = held.get(&place);
                if line.admin != Admin::Ready {
                    if !crate::sabotage::on("e12") { last_out.insert(place.clone(), *begun); }
                    if known != Some(&AtEndpoint::SeenOut) {
                        sight.newly_out.push(place.clone());
                    }
                    sight.out.push(place);
                    continue;
                }
                let out_for = match last_out.get(&place) {
                    Some(seen) => seen.elapsed(),
                    None => now
                        .signed_duration_since(one.ended_at)
                        .to_std()
                        .unwrap_or_default(),
                };
                match known {
                    Some(AtEndpoint::PutBack) => sight.by_hand.push(place),
                    Some(AtEndpoint::SeenOut) if look.is_restarted(&place.endpoint, out_for + ROUNDING) || crate::sabotage::on("e2") => {
                        sight.restarted.push((look.balancer, place));
                    }
                    Some(AtEndpoint::SeenOut) => sight.newly_by_hand.push(place),
                    Some(AtEndpoint::TakenOut) | None => sight.unseen.push((look.balancer, place)),
                }
            }
        }
        sight
    }

    /// Whether every endpoint has it in service, as people put it back everywhere.
    pub fn is_back(&self) -> bool {
        let is_any = !self.by_hand.is_empty() || !self.newly_by_hand.is_empty();
        is_any
            && (self.is_complete || crate::sabotage::on("n13"))
            && self.out.is_empty()
            && self.restarted.is_empty()
            && (self.unseen.is_empty() || crate::sabotage::on("n14"))
    }
}
