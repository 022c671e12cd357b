//! Keeps servers out of service that ended deployments left out: a restarted HAProxy forgets that they are
//! out, and would send users to a server whose release is incomplete. If an endpoint was away, the keeper
//! finishes what a deployment had begun there when the endpoint is back: servers with a complete release go
//! back, the others go out, until all endpoints agree.
//!
//! A server found in service at an endpoint is taken out there, unless a person put it back: the keeper has
//! seen it out at that very endpoint since the deployment ended, and since then not everything there has
//! changed its state, as it does in a restart. What a person does at one endpoint is recorded, and the server
//! counts as back once every endpoint has it in service. The same holds for a server that is being put back
//! and that somebody takes out at HAProxy itself.
//!
//! What is out at an endpoint that is taken off the balancer's row stays known (`store/deployments/held_out`). If
//! the endpoint is entered again after the server was put back elsewhere, it is put back there too.

mod left;
mod put_back;
mod residues;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use self::left::watch_over;
use self::put_back::{Progress, put_back};
use self::residues::clear_residues;
use super::out_of_service::{BalancerLook, OutOfService};
use super::planning::at_present;
use super::shared::Shared;
use crate::balancer::{Admin, BackendSlot, BalancerClient};
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{BalancerId, DeploymentId, Event, EventKind, Result, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::{Store, balancers, clusters, queue};

/// How often it looks while nothing is left out: then a look is one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often it looks at balancers: until a restart is noticed, users may reach a server that was left out.
const LOOK_CLOSELY: Duration = Duration::from_millis(500);
/// A look takes at most this part of the time: a large HAProxy has much to say.
const SHARE: u32 = 20;
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(20);

/// What was seen, for telling restarts from what people do.
#[derive(Default)]
struct Memory {
    /// Of servers left out.
    left: left::Memory,
    /// How each place of a server that is being put back was left or last seen, by deployment and position.
    put_back: HashMap<(DeploymentId, i32), HashMap<EndpointPlace, Admin>>,
    /// The same for places that endpoints still have out of a server that is back elsewhere.
    residues: HashMap<EndpointPlace, Admin>,
}

/// The pause after a look that took so long. Without anything left out, only the store is asked.
fn pause_after(took: Duration, is_any_out: bool) -> Duration {
    match is_any_out {
        true => (took * SHARE).clamp(LOOK_CLOSELY, LOOK_AGAIN),
        false => LOOK_AGAIN,
    }
}

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let mut memory = Memory::default();
    let store = &engine.parts.store;
    let mut applicant = Applicant::new(Job::Keeper, &engine.parts.settings.instance, LEASE);
    let watching = async {
        let mut pause = LOOK_AGAIN;
        loop {
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            let looked = match applicant.lease(store, engine.parts.clock.now()).await {
                Ok(Some(lease)) => look(&engine, lease, &mut memory).await,
                // We do not know what another instance has seen meanwhile.
                Ok(None) => {
                    if !crate::sabotage::on("e11") { memory = Memory::default(); }
                    Ok(false)
                }
                Err(error) => Err(error),
            };
            let is_any_out = looked.as_ref().is_ok_and(|is_any_out| *is_any_out);
            pause = pause_after(begun.elapsed(), is_any_out);
            if let Err(error) = looked {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether what was left out of service still is, is not known"
                );
            }
        }
    };
    engine.shutdown.run_until_cancelled(Box::pin(watching)).await;
    applicant.resign(store).await;
}

/// Looks at all that is left out; returns whether anything is.
async fn look(engine: &Shared, lease: JobLease, memory: &mut Memory) -> Result<bool> {
    let mut left = left_out_now(&engine.parts.store).await?;
    let mut is_any_out = !left.is_empty();
    let is_open = |key: &(DeploymentId, i32)| left.iter().any(|one| (one.deployment, one.position) == *key);
    memory.put_back.retain(|key, _| is_open(key));
    for one in left.extract_if(.., |one| one.service != Service::Out) {
        let seen = memory.put_back.entry((one.deployment, one.position)).or_default();
        if let Err(error) = carry_on(engine, lease, &one, seen).await {
            tracing::warn!(
                server = one.name,
                "what was begun at its balancers is not done: {error}"
            );
        }
    }
    watch_over((engine, lease), &left, &mut memory.left).await?;
    is_any_out |= clear_residues((engine, lease), &mut memory.residues).await?;
    Ok(is_any_out)
}

/// The servers that ended deployments left out, with their places at the present balancers.
async fn left_out_now(store: &Store) -> Result<Vec<LeftOut>> {
    let mut left = deployments::left_out(store).await?;
    if left.is_empty() {
        return Ok(left);
    }
    let (clusters, balancers) = (clusters::list(store).await?, balancers::list(store).await?);
    let name_of = |id: BalancerId| {
        let row = balancers.iter().find(|row| row.id == id)?;
        Some(row.name.to_string())
    };
    for one in &mut left {
        if crate::sabotage::on("e7") { continue; }
        one.slots = at_present(&one.slots, one.server, &clusters, name_of);
    }
    Ok(left)
}

/// Carries on what an ended deployment was doing with a server at its balancers.
async fn carry_on(
    engine: &Shared,
    lease: JobLease,
    one: &LeftOut,
    before: &mut HashMap<EndpointPlace, Admin>,
) -> Result<()> {
    let store = &engine.parts.store;
    // A deployment that has reserved the server takes care of it.
    if queue::holders(store).await?.contains_key(&one.server) && !crate::sabotage::on("e3") {
        return Ok(());
    }
    let by_balancer = Slot::by_balancer(&one.slots);
    let ids: Vec<BalancerId> = by_balancer.into_iter().map(|(id, _)| id).collect();
    // Nothing is left to do at a deleted balancer.
    let Ok(service) = OutOfService::at(&engine.parts, &ids).await else {
        return Ok(());
    };
    let there = service.at_endpoints(&one.slots)?;
    let goes_back = one.service == Service::PuttingBack;
    let mut progress = Progress::Done;
    for (balancer, places) in service.visits(&one.slots)? {
        let here = match goes_back {
            true => put_back(balancer, &places, before).await?,
            false => shut(balancer, &places).await?,
        };
        progress = match (progress, here) {
            (Progress::TakenOut, _) | (_, Progress::TakenOut) => Progress::TakenOut,
            (Progress::Done, Progress::Done) => Progress::Done,
            _ => Progress::Open,
        };
    }
    let (kind, service, how) = match (progress, goes_back) {
        (Progress::Open, _) => return Ok(()),
        (Progress::TakenOut, _) => {
            let how = "left as it is, as somebody has taken it out at the balancer itself,";
            (EventKind::ServerTakenOutByHand, Service::ByHand, how)
        }
        (Progress::Done, true) => (EventKind::ServerPutBack, Service::Back, "in service again"),
        (Progress::Done, false) => (EventKind::ServerKeptOut, Service::Out, "out of service now"),
    };
    let places: Vec<String> = one.slots.iter().map(ToString::to_string).collect();
    let sentence = format!("{} is {how} in {}.", one.name, places.join(", "));
    tracing::info!(deployment = one.deployment.0, "{sentence}");
    let deployment = deployments::by_id(store, one.deployment).await?;
    let change = engine.change_by_job(lease, &deployment).await?;
    deployments::settle(&change, one, service).await?;
    match service {
        Service::Back => deployments::let_in(&change, &there).await?,
        Service::ByHand => deployments::forget(&change, one.server, one.deployment).await?,
        _ => {}
    }
    let event = Event::by_engine(kind, &deployment, &sentence);
    change.commit(event.with("server", json!(one.name))).await
}

/// Takes places out at every endpoint.
async fn shut(balancer: &BalancerClient, places: &[BackendSlot]) -> Result<Progress> {
    let seen = BalancerLook::at(balancer).await;
    if seen.lines(places).iter().all(|line| line.admin == Admin::Maint) {
        let is_complete = seen.is_complete() || crate::sabotage::on("e9");
        return Ok(if is_complete {
            Progress::Done
        } else {
            Progress::Open
        });
    }
    match balancer.keep_out(places).await {
        Err(error) if seen.is_complete() => Err(error.into()),
        _ => Ok(Progress::Open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_close_while_something_is_left_out_and_never_takes_much_of_the_time() {
        assert_eq!(pause_after(Duration::ZERO, false), LOOK_AGAIN);
        assert_eq!(pause_after(Duration::from_millis(3), true), LOOK_CLOSELY);
        assert_eq!(
            pause_after(Duration::from_millis(50), true),
            Duration::from_secs(1)
        );
        assert_eq!(pause_after(Duration::from_secs(9), true), LOOK_AGAIN);
    }
}
