//! Watches over the servers that deployments left out of service: they stay out, except where people put them
//! back.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use tokio::time::Instant;

use super::put_back::{at, slot_of};
use super::sight::{Glance, Sight};
use crate::balancer::BalancerClient;
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::EndpointPlace;
use crate::domain::{BalancerId, Deployment, ErrorKind, Event, EventKind, Result, Service};
use crate::engine::out_of_service::{BalancerLook, OutOfService};
use crate::engine::shared::Shared;
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::JobLease;
use crate::store::{Change, queue};

/// What was seen, for telling restarts from what people do.
#[derive(Default)]
pub(super) struct Memory {
    /// When each place was last seen out of service.
    out: HashMap<EndpointPlace, Instant>,
    /// Places that are being taken out again, as the audit log has it already.
    told: HashSet<EndpointPlace>,
}

/// Sees to it that the servers left out stay out, except where people put them back.
pub(super) async fn watch_over(
    (engine, lease): (&Shared, JobLease),
    left: &[LeftOut],
    memory: &mut Memory,
) -> Result<()> {
    let held = match left {
        [] => Vec::new(),
        _ => deployments::held_out(&engine.parts.store).await?,
    };
    let held: HashMap<EndpointPlace, AtEndpoint> =
        held.into_iter().map(|one| (one.place, one.state)).collect();
    if !crate::sabotage::on("n5") { memory.out.retain(|place, _| held.contains_key(place)); }
    let ids: HashSet<BalancerId> = left
        .iter()
        .flat_map(|one| &one.slots)
        .map(|slot| slot.balancer)
        .collect();
    let opened = open(engine, ids).await;
    let mut looks: HashMap<BalancerId, Option<Glance<'_>>> = HashMap::new();
    for (id, service) in &opened {
        let balancer = service.as_ref().and_then(|service| service.balancers().get(id));
        let looked = match balancer {
            Some(balancer) => Some((Instant::now(), BalancerLook::at(balancer).await)),
            None => None,
        };
        looks.insert(*id, looked);
    }
    for one in left {
        let now = engine.parts.clock.now();
        let sight = Sight::of(one, &looks, &held, (&mut memory.out, now));
        settle((engine, lease), one, &sight, &mut memory.told).await?;
    }
    Ok(())
}

/// The balancers of these numbers; `None` for one that cannot be opened.
async fn open(engine: &Shared, ids: HashSet<BalancerId>) -> HashMap<BalancerId, Option<OutOfService>> {
    let mut opened = HashMap::new();
    for id in ids {
        match OutOfService::at(&engine.parts, &[id]).await {
            Ok(service) => {
                opened.insert(id, Some(service));
            }
            // Nothing is left to do at a deleted balancer.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => {
                opened.insert(id, None);
            }
        }
    }
    opened
}

/// Takes a server out where it must not serve; where people put it back, leaves it to them.
async fn settle(
    (engine, lease): (&Shared, JobLease),
    one: &LeftOut,
    sight: &Sight<'_>,
    told: &mut HashSet<EndpointPlace>,
) -> Result<()> {
    let store = &engine.parts.store;
    for place in &sight.out {
        if !crate::sabotage::on("n7") { told.remove(place); }
    }
    let whose = (one.server, one.deployment);
    if !sight.newly_out.is_empty() {
        let record = store.record().await?;
        deployments::hold_out(&record, whose, &sight.newly_out, AtEndpoint::SeenOut).await?;
        record.commit().await?;
    }
    let is_back = sight.is_back();
    let again = [
        (&sight.restarted, "again after a restart"),
        (&sight.unseen, "where nobody has seen it out since the deployment"),
    ];
    let is_any_again = again.iter().any(|(places, _)| !places.is_empty());
    if !is_back && !is_any_again && sight.newly_by_hand.is_empty() {
        return Ok(());
    }
    // A deployment that has reserved the server takes care of it.
    if queue::holders(store).await?.contains_key(&one.server) && !crate::sabotage::on("e4") {
        return Ok(());
    }
    let deployment = deployments::by_id(store, one.deployment).await?;
    let told_of = Told {
        engine,
        lease,
        one,
        deployment: &deployment,
    };
    for (places, how) in again {
        told_of.kept_out(places, how, told).await?;
    }
    if is_back {
        told_of.back(sight).await?;
    } else if !sight.newly_by_hand.is_empty() {
        told_of.partly_back(sight).await?;
    }
    for (balancer, place) in sight.restarted.iter().chain(&sight.unseen) {
        if let Some(there) = balancer.only(&place.endpoint)
            && !crate::sabotage::on("e10")
            && let Err(error) = there.keep_out(&[slot_of(place)]).await
        {
            tracing::warn!(server = one.name, "it could not be taken out: {error}");
        }
    }
    Ok(())
}

/// Changes in the store about one server that was left out, each with its event.
struct Told<'a> {
    engine: &'a Shared,
    lease: JobLease,
    one: &'a LeftOut,
    deployment: &'a Deployment,
}

impl Told<'_> {
    async fn change(&self) -> Result<Change> {
        self.engine.change_by_job(self.lease, self.deployment).await
    }

    fn event(&self, kind: EventKind, sentence: &str) -> Event {
        tracing::warn!(
            deployment = self.deployment.id.0,
            server = self.one.name,
            "{sentence}"
        );
        Event::by_engine(kind, self.deployment, sentence).with("server", json!(self.one.name))
    }

    /// It is about to be taken out at these places; told once until it is out there.
    async fn kept_out(
        &self,
        places: &[(&BalancerClient, EndpointPlace)],
        how: &str,
        told: &mut HashSet<EndpointPlace>,
    ) -> Result<()> {
        let fresh: Vec<&EndpointPlace> = places.iter().map(|(_, place)| place).collect();
        if fresh.iter().all(|place| told.contains(*place)) && !crate::sabotage::on("n6") {
            return Ok(());
        }
        let sentence = format!(
            "{} was in service at {}, {how}; it is taken out there.",
            self.one.name,
            at(fresh.iter().copied())
        );
        let event = self.event(EventKind::ServerKeptOut, &sentence);
        self.change().await?.commit(event).await?;
        told.extend(fresh.into_iter().cloned());
        Ok(())
    }

    /// People have put it back everywhere.
    async fn back(&self, sight: &Sight<'_>) -> Result<()> {
        let change = self.change().await?;
        if !crate::sabotage::on("e8") { deployments::settle(&change, self.one, Service::Back).await?; }
        let all = sight.by_hand.iter().chain(&sight.newly_by_hand);
        let places: Vec<EndpointPlace> = all.cloned().collect();
        if !crate::sabotage::on("n8") { deployments::let_in(&change, &places).await?; }
        let sentence = format!(
            "Somebody has put {} back into service at {} itself.",
            self.one.name,
            at(&places)
        );
        change
            .commit(self.event(EventKind::ServerPutBackByHand, &sentence))
            .await
    }

    /// People have put it back at some endpoints only.
    async fn partly_back(&self, sight: &Sight<'_>) -> Result<()> {
        let change = self.change().await?;
        let (whose, places) = ((self.one.server, self.one.deployment), &sight.newly_by_hand);
        if !crate::sabotage::on("n9") { deployments::hold_out(&change, whose, places, AtEndpoint::PutBack).await?; }
        let rest = match sight.out.as_slice() {
            [] => "It counts as back once every endpoint has it in service.".to_owned(),
            out => format!(
                "It is still out at {}: it counts as back once every endpoint has it in service.",
                at(out)
            ),
        };
        let sentence = format!(
            "Somebody has put {} back into service at {} itself. {rest}",
            self.one.name,
            at(places)
        );
        change
            .commit(self.event(EventKind::ServerPutBackByHand, &sentence))
            .await
    }
}
