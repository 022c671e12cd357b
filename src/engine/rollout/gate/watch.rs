//! The watch over what is out of service: a HAProxy that is restarted forgets that, and would send
//! users to a server whose scripts are running.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Gate, still_ours, words};
use crate::balancer::{self, Admin, Balancer};
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, ServerId, StepKind};
use crate::engine::output::StepName;
use crate::engine::run::Run;
use crate::engine::steps::StepResult;

/// How often it is looked whether what is out still is: a restart of HAProxy is rare, and until it
/// is noticed users may meet a server that is being worked on.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

impl Gate {
    /// Until `done`, takes out again whatever a restarted balancer has brought back in.
    pub async fn watch(&self, run: &Run, done: &CancellationToken) {
        if self.balancers.is_empty() {
            return;
        }
        while done
            .run_until_cancelled(tokio::time::sleep(WATCH_PAUSE))
            .await
            .is_some()
        {
            if let Err(failure) = self.watch_once(run).await {
                tracing::warn!(deployment = run.deployment.id.0, "{}", failure.message);
            }
        }
    }

    async fn watch_once(&self, run: &Run) -> StepResult<()> {
        let held = self.held.lock().await;
        if held.is_empty() {
            return Ok(());
        }
        // One that cannot be changed keeps no other from it.
        let mut outcome = Ok(());
        for (id, balancer) in &self.balancers {
            if let Err(failure) = self.watch_one(run, *id, balancer, &held).await {
                outcome = Err(failure);
            }
        }
        outcome
    }

    async fn watch_one(
        &self,
        run: &Run,
        id: BalancerId,
        balancer: &Balancer,
        held: &HashMap<ServerId, Vec<Slot>>,
    ) -> StepResult<()> {
        let state = balancer.look().await.state;
        for (server, slots) in held {
            let own = slots
                .iter()
                .filter(|slot| slot.balancer == id)
                .map(balancer::Slot::from);
            let is_back = |slot: &balancer::Slot| {
                let now = state.of(slot);
                now.is_some_and(|now| now.per_endpoint.iter().any(|line| line.admin == Admin::Ready))
            };
            let back: Vec<balancer::Slot> = own.filter(is_back).collect();
            if back.is_empty() {
                continue;
            }
            still_ours(run).await?;
            balancer.keep_out(&back).await?;
            let name = run.members.iter().find(|one| one.server.id == *server);
            let name = name.map(|one| one.server.name.to_string()).unwrap_or_default();
            let mut log = run.log.step(StepName {
                id: None,
                server: name,
                kind: StepKind::Drain,
            });
            log.say(format!(
                "Balancer {} had {} in service again, as after a restart; it was taken out again.",
                balancer.name(),
                words(&back)
            ))
            .await;
        }
        Ok(())
    }
}
