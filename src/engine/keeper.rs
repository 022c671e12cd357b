//! Keeps out of service what ended deployments left out: a HAProxy that is restarted forgets it, and
//! would send users to a server whose release is incomplete.
//!
//! A server found in service is taken out again only after a restart: then every server at that endpoint
//! has changed its state since the last look. If only this server changed, a person put it back at
//! HAProxy itself; that is their decision, and it is recorded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::out_of_service::{BalancerLook, OutOfService};
use super::shared::Shared;
use crate::balancer::BackendSlot;
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Event, EventKind, Result, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::{Right, queue};

/// How often it looks. Until a restart is noticed, users may reach a server that was left out. With nothing
/// left out, a look is one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(20);
/// HAProxy counts its times in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// When everything left out at a balancer was last seen out.
type Memory = HashMap<BalancerId, Instant>;

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let mut memory = Memory::new();
    let store = &engine.parts.store;
    let mut applicant = Applicant::new(Job::Keeper, &engine.parts.settings.instance, LEASE);
    let watching = async {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let looked = match applicant.lease(store, engine.parts.clock.now()).await {
                Ok(Some(lease)) => look(&engine, lease, &mut memory).await,
                // We do not know what another instance has seen meanwhile.
                Ok(None) => {
                    memory.clear();
                    Ok(())
                }
                Err(error) => Err(error),
            };
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

async fn look(engine: &Shared, lease: JobLease, memory: &mut Memory) -> Result<()> {
    let mut left = deployments::left_out(&engine.parts.store).await?;
    left.retain(|one| one.service == Service::Out);
    let mut by_balancer: HashMap<BalancerId, Vec<LeftOut>> = HashMap::new();
    for one in left {
        for (id, slots) in Slot::by_balancer(&one.slots) {
            by_balancer.entry(id).or_default().push(LeftOut {
                slots: slots.into_iter().cloned().collect(),
                ..one.clone()
            });
        }
    }
    memory.retain(|id, _| by_balancer.contains_key(id));
    for (id, left) in by_balancer {
        // A balancer that was deleted or cannot be opened is skipped.
        let Ok(service) = OutOfService::at(&engine.parts, &[id]).await else {
            continue;
        };
        let Some(balancer) = service.balancers().get(&id) else {
            continue;
        };
        let begun = Instant::now();
        let seen = BalancerLook::at(balancer).await;
        let mut all_out = seen.is_complete();
        for one in &left {
            let back = seen.in_service(one.slots.iter());
            if !back.is_empty() {
                all_out = false;
                let out_until = memory.get(&id).copied();
                settle((engine, lease), &seen, one, &back, out_until).await?;
            }
        }
        if all_out {
            memory.insert(id, begun);
        }
    }
    Ok(())
}

/// Takes a server out again that a restart brought back, or leaves it to whoever put it back.
async fn settle(
    (engine, lease): (&Shared, JobLease),
    seen: &BalancerLook<'_>,
    one: &LeftOut,
    back: &[BackendSlot],
    out_until: Option<Instant>,
) -> Result<()> {
    let (store, balancer) = (&engine.parts.store, seen.balancer);
    let (deployment, now) = (
        deployments::by_id(store, one.deployment).await?,
        engine.parts.clock.now(),
    );
    let since_close = deployment.finished_at.map(|at| now.signed_duration_since(at));
    let out_for = match out_until {
        Some(seen) => seen.elapsed(),
        None => since_close
            .and_then(|gone| gone.to_std().ok())
            .unwrap_or_default(),
    };
    let restarted = seen.is_restarted(back, out_for + ROUNDING);
    // A deployment that has reserved it now sees to it itself.
    if queue::holders(store).await?.contains_key(&one.server) {
        return Ok(());
    }
    let places: Vec<String> = back.iter().map(ToString::to_string).collect();
    let place = format!("{} of balancer {}", places.join(", "), balancer.name());
    let (action, sentence) = match restarted {
        true => (
            EventKind::ServerKeptOut,
            format!("{place} was in service again after a restart; it is taken out again."),
        ),
        false => (
            EventKind::ServerPutBackByHand,
            format!("Somebody has put {place} back into service at the balancer itself."),
        ),
    };
    tracing::warn!(deployment = one.deployment.0, server = one.name, "{sentence}");
    let change = store
        .change_by_job(lease, Right::of_engine_itself(&deployment), now)
        .await?;
    if !restarted {
        deployments::settle(&change, one, Service::Back).await?;
    }
    let event = Event::by_engine(action, &deployment, &sentence);
    change.commit(event.with("server", json!(one.name))).await?;
    if restarted {
        balancer.keep_out(back).await?;
    }
    Ok(())
}
