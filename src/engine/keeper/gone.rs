//! Places that HAProxy does not have any more: nothing is put back or taken out there. A place may be missing for a
//! moment, while somebody edits HAProxy's configuration, so only one that stays away counts as gone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::put_back::slot_of;
use crate::balancer::{BackendSlot, BalancerClient};
use crate::domain::Result;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::engine::out_of_service::{BalancerLook, OutOfService};

/// How long a place has to be missing: a restart with another configuration takes seconds.
pub(super) const GONE_AFTER: Duration = Duration::from_secs(30);

/// Since when each place is missing at an endpoint that answers.
#[derive(Default)]
pub(super) struct Missing(HashMap<EndpointPlace, Instant>);

/// What is left to do at one balancer, or at one of its endpoints.
pub(super) struct Remaining {
    pub balancer: BalancerClient,
    pub places: Vec<BackendSlot>,
}

impl Missing {
    /// Looks where `slots` are. Returns where they still have to be brought, endpoint by endpoint where one has lost
    /// some of them; nothing where all are gone.
    pub async fn look(&mut self, service: &OutOfService, slots: &[Slot]) -> Result<Vec<Remaining>> {
        let mut remaining = Vec::new();
        for (balancer, places) in service.visits(slots)? {
            let seen = BalancerLook::at(balancer).await;
            let mut is_any_gone = false;
            let mut here = Vec::new();
            for endpoint in balancer.endpoints() {
                let is_left = |place: &&BackendSlot| !self.is_gone(&seen, endpoint, place);
                let left: Vec<BackendSlot> = places.iter().filter(is_left).cloned().collect();
                is_any_gone |= left.len() < places.len();
                if let Some(balancer) = balancer.only(endpoint).filter(|_| !left.is_empty()) {
                    here.push(Remaining {
                        balancer,
                        places: left,
                    });
                }
            }
            if is_any_gone {
                remaining.append(&mut here);
            } else {
                let balancer = balancer.clone();
                remaining.push(Remaining { balancer, places });
            }
        }
        Ok(remaining)
    }

    /// Whether an endpoint has not had a place for long enough. One that does not answer says nothing.
    pub fn is_gone(&mut self, seen: &BalancerLook<'_>, endpoint: &str, slot: &BackendSlot) -> bool {
        let place = EndpointPlace {
            endpoint: endpoint.to_owned(),
            backend: slot.backend.clone(),
            server: slot.server.clone(),
        };
        let lines = seen.lines(std::slice::from_ref(slot));
        if !seen.has_answered(endpoint) || lines.iter().any(|line| line.endpoint == endpoint) {
            self.0.remove(&place);
            return false;
        }
        self.0.entry(place).or_insert_with(Instant::now).elapsed() >= GONE_AFTER
    }

    /// Forgets all places but these.
    pub fn retain(&mut self, is_wanted: impl Fn(&EndpointPlace) -> bool) {
        self.0.retain(|place, _| is_wanted(place));
    }

    /// As [`Self::is_gone`], for a place that names its endpoint.
    pub fn is_gone_at(&mut self, seen: &BalancerLook<'_>, place: &EndpointPlace) -> bool {
        self.is_gone(seen, &place.endpoint, &slot_of(place))
    }
}
