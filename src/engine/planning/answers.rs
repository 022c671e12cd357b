//! What the balancers say of servers, read with what we know ourselves about their endpoints.

use std::collections::{HashMap, HashSet};

use crate::balancer::{self, Admin, BackendSlot, Merged, ServerLine, Sought, State};
use crate::domain::rollout::{Candidate, EndpointPlace, Slot, Standing};
use crate::domain::server::Member;
use crate::domain::{Balancer, BalancerId, Cluster, Error, ErrorKind, Result, Server, ServerId};
use crate::store::deployments::HeldOut;
use crate::store::{Store, deployments};

/// What the balancers said, and what we know ourselves about their endpoints.
pub(super) struct Answers<'a> {
    balancers: &'a HashMap<BalancerId, Balancer>,
    states: &'a HashMap<BalancerId, State>,
    /// Where servers that are back in service are still out, as the endpoint was away from the balancer's row
    /// when they were put back: the keeper puts them back there, and so does the rollout.
    residues: HashSet<EndpointPlace>,
}

impl<'a> Answers<'a> {
    /// What the balancers of these rows have answered.
    pub async fn new(
        store: &Store,
        balancers: &'a HashMap<BalancerId, Balancer>,
        states: &'a HashMap<BalancerId, State>,
    ) -> Result<Self> {
        let residues = deployments::residues(store).await?;
        Ok(Self {
            balancers,
            states,
            residues: residues.into_iter().map(|one| one.place).collect(),
        })
    }

    /// The places of a server behind its cluster's balancer. Without an answer of the balancer they are
    /// taken from the names we know, as in service.
    pub fn slots(
        &self,
        cluster: &Cluster,
        member: &Member,
        server: &Server,
        disputes: &mut Vec<Dispute>,
    ) -> Result<Vec<(Slot, Standing)>, balancer::Error> {
        let Some((id, row)) = cluster
            .balancer
            .and_then(|id| Some((id, self.balancers.get(&id)?)))
        else {
            return Ok(Vec::new());
        };
        let slot = |backend: &str, name: &str| Slot {
            balancer: id,
            balancer_name: row.name.to_string(),
            backend: backend.to_owned(),
            server: name.to_owned(),
        };
        let Some(state) = self.states.get(&id) else {
            let name = member.balancer_name.as_deref().unwrap_or(server.name.as_str());
            if let Some((backend, name)) = name.split_once(',') {
                return Ok(vec![(slot(backend.trim(), name.trim()), Standing::Unknown)]);
            }
            let guess = |backend: &String| (slot(backend, name), Standing::Unknown);
            return Ok(cluster.backends.iter().map(guess).collect());
        };
        let sought = Sought {
            name: server.name.as_str(),
            address: &server.address,
            balancer_name: member.balancer_name.as_deref(),
        };
        let mut known = Vec::new();
        for place in state.slots_of(&cluster.backends, sought)? {
            let slot = slot(&place.backend, &place.server);
            let merged = state.without(&place, |endpoint| self.is_residue(endpoint, &place));
            if let Some(merged) = &merged
                && let Err(error) = merged.agreed()
            {
                disputes.push(Dispute {
                    server: server.id,
                    slot: slot.clone(),
                    places: merged.per_endpoint.iter().map(ServerLine::place).collect(),
                    error,
                });
            }
            // Only we have it out where it is known at all.
            known.push((slot, merged.as_ref().map_or(Standing::LeftOut, standing)));
        }
        Ok(known)
    }

    fn is_residue(&self, endpoint: &str, place: &BackendSlot) -> bool {
        self.residues.contains(&EndpointPlace {
            endpoint: endpoint.to_owned(),
            backend: place.backend.clone(),
            server: place.server.clone(),
        })
    }
}

/// A place about which the endpoints of a balancer say different things.
pub(super) struct Dispute {
    server: ServerId,
    slot: Slot,
    /// The place at each endpoint.
    places: Vec<EndpointPlace>,
    error: balancer::Error,
}

impl Dispute {
    /// Whether it prevents a plan. It does not for servers that we left out ourselves: our record is better
    /// than the endpoints' answers.
    pub fn is_open(&self, candidates: &[Candidate]) -> bool {
        let mut meant = candidates.iter().filter(|one| one.meant && one.active);
        meant.any(|one| {
            let is_it =
                |(slot, standing): &(Slot, Standing)| *slot == self.slot && *standing != Standing::LeftOut;
            one.server == self.server && one.slots.iter().any(is_it)
        })
    }
}

/// What is to be said of disputes: what each endpoint says, which deployment left the server out, and what
/// settles it.
pub(super) async fn explained(store: &Store, disputes: Vec<Dispute>) -> Result<Vec<Error>> {
    if disputes.is_empty() {
        return Ok(Vec::new());
    }
    let held = deployments::held_out(store).await?;
    let explain = |dispute: Dispute| {
        let is_out = |one: &&HeldOut| one.is_out() && dispute.places.contains(&one.place);
        let here = held.iter().filter(is_out);
        let left: Vec<String> = here
            .map(|one| {
                format!(
                    " Deployment {} left it out at {}.",
                    one.deployment, one.place.endpoint
                )
            })
            .collect();
        let sentence = format!(
            "{}{} Settle it on the page of balancer {} (Admin → Balancers): “Put back at all endpoints” or “Take \
             out at all endpoints”.",
            dispute.error,
            left.concat(),
            dispute.slot.balancer_name
        );
        Error::new(ErrorKind::Conflict, sentence).because(dispute.error)
    };
    Ok(disputes.into_iter().map(explain).collect())
}

fn standing(merged: &Merged) -> Standing {
    match (merged.admin, merged.up) {
        (Admin::Drain | Admin::Maint, _) => Standing::ByHand,
        (Admin::Ready, true) => Standing::InService,
        (Admin::Ready, false) => Standing::Down,
    }
}
