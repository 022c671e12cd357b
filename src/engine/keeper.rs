//! Keeps out of service what ended deployments left out: a HAProxy that is restarted forgets it, and
//! would send users to a server whose release is half applied.
//!
//! A server that is found in service is taken out again after a restart only, which shows in that
//! everything at that endpoint changed its state since the last look. Where the one server changed,
//! somebody decided so at HAProxy itself: then it is theirs, and that is written down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Inner;
use crate::balancer::{self, Admin, Balancer, Reading, ServerLine};
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Event, EventKind, Result, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::{Right, balancers, queue};

/// How often it is looked. Until a restart is noticed, users may meet what was left out; without
/// anything left out, a look is one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// HAProxy counts its times in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// When everything left out at a balancer was last seen to be out.
type Memory = HashMap<BalancerId, Instant>;

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Inner>) {
    let mut memory = Memory::new();
    let watching = async {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Err(error) = look(&engine, &mut memory).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether what was left out of service still is, is not known"
                );
            }
        }
    };
    engine.shutdown.run_until_cancelled(Box::pin(watching)).await;
}

async fn look(engine: &Inner, memory: &mut Memory) -> Result<()> {
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
        // One that was deleted, or is set up wrongly, has nothing of ours.
        let Ok(row) = balancers::by_id(&engine.parts.store, id).await else {
            continue;
        };
        let Ok(balancer) = Balancer::open(&row, &engine.parts.balancers) else {
            continue;
        };
        let begun = Instant::now();
        let look = balancer.look().await;
        let mut all_out = look.failures.is_empty();
        for one in &left {
            let back = back(&look, one);
            if !back.is_empty() {
                all_out = false;
                let out_until = memory.get(&id).copied();
                judge(engine, &balancer, &look, one, &back, out_until).await?;
            }
        }
        if all_out {
            memory.insert(id, begun);
        }
    }
    Ok(())
}

/// The places of a server that some endpoint has in service.
fn back(look: &Reading, one: &LeftOut) -> Vec<balancer::Slot> {
    let places = one.slots.iter().map(balancer::Slot::from);
    let is_back = |place: &balancer::Slot| lines(look, place).any(|line| line.admin == Admin::Ready);
    places.filter(is_back).collect()
}

fn lines<'a>(look: &'a Reading, place: &balancer::Slot) -> impl Iterator<Item = &'a ServerLine> {
    look.state
        .of(place)
        .into_iter()
        .flat_map(|merged| &merged.per_endpoint)
}

/// Takes a server out again that a restart brought back, or leaves it to whoever put it back.
async fn judge(
    engine: &Inner,
    balancer: &Balancer,
    look: &Reading,
    one: &LeftOut,
    back: &[balancer::Slot],
    out_until: Option<Instant>,
) -> Result<()> {
    let store = &engine.parts.store;
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
    let ready = back.iter().flat_map(|place| lines(look, place));
    let mut ready = ready.filter(|line| line.admin == Admin::Ready);
    let restarted = ready.all(|line| is_restarted(look, &line.endpoint, out_for + ROUNDING));
    // A deployment that has it now sees to it itself.
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
    let change = store.change(Right::of_engine_itself(&deployment), now).await?;
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

/// Whether everything at an endpoint has changed its state within `span`, as after a restart.
fn is_restarted(look: &Reading, endpoint: &str, span: Duration) -> bool {
    let all = look.state.servers.iter().flat_map(|merged| &merged.per_endpoint);
    let mut here = all.filter(|line| line.endpoint == endpoint);
    here.all(|line| line.since <= span)
}
