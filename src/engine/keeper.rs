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
//! While a person's act at a balancer is under way (`app/balancers/by_hand`), the server concerned is left alone:
//! whether it was done is known afterwards. One that a killed deployer had begun decides nothing.
//!
//! A backend or a server that was renamed at HAProxy is found again (`renamed`): the server stays out under its new
//! name.
//!
//! A server that is removed from HAProxy while it is being put back is let go once HAProxy has not known it for a
//! while (`gone`): there is nothing to put back.
//!
//! What is out at an endpoint that is taken off the balancer's row stays known (`store/deployments/held_out`). If
//! the endpoint is entered again after the server was put back elsewhere, it is put back there too.

mod by_hand;
mod gone;
mod left;
mod put_back;
mod renamed;
mod residues;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use self::by_hand::{give_up_lost, is_left_to_others, under_way};
use self::gone::{Missing, Remaining};
use self::left::watch_over;
use self::put_back::{Progress, put_back};
use self::renamed::as_now_at;
use self::residues::clear_residues;
use super::out_of_service::{BalancerLook, OutOfService};
use super::planning::at_present;
use super::shared::Shared;
use crate::balancer::{Admin, BackendSlot, BalancerClient};
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{BalancerId, DeploymentId, Event, EventKind, Result, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::{Store, balancers, clusters};

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
    /// Where HAProxy does not know a server whose act is being carried on, by the same.
    missing: HashMap<(DeploymentId, i32), Missing>,
    /// Of places that endpoints still have out of a server that is back elsewhere.
    residues: residues::ResidueMemory,
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
                    memory = Memory::default();
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
    give_up_lost(engine, lease).await?;
    let mut left = left_out_now(&engine.parts.store).await?;
    let mut is_any_out = !left.is_empty();
    let under_way = under_way(&engine.parts.store).await?;
    left.retain(|one| !under_way.concerns(&one.slots));
    let is_open = |key: &(DeploymentId, i32)| left.iter().any(|one| (one.deployment, one.position) == *key);
    memory.put_back.retain(|key, _| is_open(key));
    memory.missing.retain(|key, _| is_open(key));
    for one in left.extract_if(.., |one| one.service != Service::Out) {
        let key = (one.deployment, one.position);
        let (seen, missing) = (
            memory.put_back.entry(key).or_default(),
            memory.missing.entry(key).or_default(),
        );
        if let Err(error) = carry_on((engine, lease), &one, seen, missing).await {
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
        one.slots = at_present(&one.slots, one.server, &clusters, name_of);
    }
    Ok(left)
}

/// Carries on what an ended deployment was doing with a server at its balancers.
async fn carry_on(
    (engine, lease): (&Shared, JobLease),
    one: &LeftOut,
    before: &mut HashMap<EndpointPlace, Admin>,
    missing: &mut Missing,
) -> Result<()> {
    let store = &engine.parts.store;
    if is_left_to_others(store, one.server, &one.slots).await? {
        return Ok(());
    }
    let present = at_existing(store, one).await?;
    let ids: Vec<BalancerId> = Slot::by_balancer(&present.slots)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let service = OutOfService::at(&engine.parts, &ids).await?;
    let present = as_now_at(store, &present, &service).await?;
    let there = service.at_endpoints(&present.slots)?;
    let goes_back = one.service == Service::PuttingBack;
    let remaining = missing.look(&service, &present.slots).await?;
    let mut progress = match remaining.is_empty() && !one.slots.is_empty() {
        true => Progress::Gone,
        false => Progress::Done,
    };
    for Remaining { balancer, places } in &remaining {
        let here = match goes_back {
            true => put_back(balancer, places, before).await?,
            false => shut(balancer, places).await?,
        };
        progress = match (progress, here) {
            (Progress::TakenOut, _) | (_, Progress::TakenOut) => Progress::TakenOut,
            (Progress::Done, Progress::Done) => Progress::Done,
            _ => Progress::Open,
        };
    }
    let places = match progress {
        Progress::Gone => &one.slots,
        _ => &present.slots,
    };
    let Some((kind, service, sentence)) = outcome(one, places, progress) else {
        return Ok(());
    };
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

/// The server with its places at balancers that were not deleted since.
async fn at_existing(store: &Store, one: &LeftOut) -> Result<LeftOut> {
    let rows = balancers::list(store).await?;
    let mut one = one.clone();
    one.slots
        .retain(|slot| rows.iter().any(|row| row.id == slot.balancer));
    Ok(one)
}

/// What became of an act that was carried on, with a sentence; `None` while it has not ended.
fn outcome(one: &LeftOut, slots: &[Slot], progress: Progress) -> Option<(EventKind, Service, String)> {
    let places: Vec<String> = slots.iter().map(ToString::to_string).collect();
    let (name, places) = (&one.name, places.join(", "));
    let is = |how: &str| format!("{name} is {how} in {places}.");
    Some(match progress {
        Progress::Open => return None,
        Progress::TakenOut => (
            EventKind::ServerTakenOutByHand,
            Service::ByHand,
            is("left as it is, as somebody has taken it out at the balancer itself,"),
        ),
        Progress::Gone => (
            EventKind::ServerTakenOutByHand,
            Service::ByHand,
            format!(
                "{name} is no longer in {places}, so nothing more is done with it there. Enter it there again to have \
                 it serve."
            ),
        ),
        Progress::Done if one.service == Service::PuttingBack => {
            (EventKind::ServerPutBack, Service::Back, is("in service again"))
        }
        Progress::Done => (EventKind::ServerKeptOut, Service::Out, is("out of service now")),
    })
}

/// Takes places out at every endpoint.
async fn shut(balancer: &BalancerClient, places: &[BackendSlot]) -> Result<Progress> {
    let seen = BalancerLook::at(balancer).await;
    if seen.lines(places).iter().all(|line| line.admin == Admin::Maint) {
        let is_complete = seen.is_complete();
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
