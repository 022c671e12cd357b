//! Puts a server whose deployer was killed right at its balancers.
//!
//! The store knows where it stands there (the plan) and how far it was taken out or put back (its
//! part). What is whole goes back; what may not be is taken out once more, since a balancer that was
//! restarted meanwhile has forgotten it. A place that somebody had taken out by hand is in no plan
//! and is left alone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::truth::{Case, What};
use crate::balancer::{self, Balancer};
use crate::domain::deployment::Service;
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Plan, Result};
use crate::engine::Inner;
use crate::store::{Lease, balancers, deployments};

/// The least time a server that was put back is waited for, however late it is.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Where it stands now.
pub(super) struct Placed {
    /// `None`: as it was.
    pub service: Option<Service>,
    /// What is to be said of that; may be empty.
    pub words: String,
    /// Whether it stands as it should.
    pub well: bool,
}

impl Placed {
    fn as_it_was(words: &str) -> Self {
        Self {
            service: None,
            words: words.to_owned(),
            well: true,
        }
    }
}

/// Places at each balancer.
type Visits = Vec<(Balancer, Vec<balancer::Slot>)>;

/// Puts the server of `case` where `what` is on it belongs.
pub(super) async fn place(
    engine: &Inner,
    lease: Lease,
    plan: Option<&Plan>,
    case: &Case<'_>,
    what: What,
    end: Instant,
) -> Placed {
    let mut planned = plan.into_iter().flat_map(Plan::servers);
    let own = planned.find(|planned| Some(planned.server) == case.part.server_id);
    let was_left_out = own.is_some_and(|planned| planned.left_out);
    let slots = own.map(|planned| planned.slots.as_slice()).unwrap_or_default();
    let moved = matches!(
        case.part.service,
        Service::TakingOut | Service::Out | Service::PuttingBack
    );
    if slots.is_empty() || !moved && what != What::Between {
        return Placed::as_it_was("");
    }
    let result = match what {
        What::Unknown => {
            let now = case.part.service.title().to_lowercase();
            return Placed::as_it_was(&format!("At the balancer it was left as it is ({now})."));
        }
        What::Between => keep_out(engine, lease, case, slots, "It is out of service until then.").await,
        // What was on it before was not whole either.
        What::Old if was_left_out => {
            let words = "It stays out of service, as an earlier deployment left it.";
            keep_out(engine, lease, case, slots, words).await
        }
        What::Old | What::New => put_back(engine, lease, case, slots, what, end).await,
    };
    result.unwrap_or_else(|error| Placed {
        service: None,
        words: format!("Whether it is in service is not known, look at the balancer: {error}"),
        well: false,
    })
}

async fn keep_out(
    engine: &Inner,
    lease: Lease,
    case: &Case<'_>,
    slots: &[Slot],
    words: &str,
) -> Result<Placed> {
    note(engine, lease, case, Service::TakingOut).await?;
    for (balancer, places) in visits(engine, slots).await? {
        balancer.maint(&places).await?;
    }
    Ok(Placed {
        service: Some(Service::Out),
        words: words.to_owned(),
        well: true,
    })
}

async fn put_back(
    engine: &Inner,
    lease: Lease,
    case: &Case<'_>,
    slots: &[Slot],
    what: What,
    end: Instant,
) -> Result<Placed> {
    note(engine, lease, case, Service::PuttingBack).await?;
    let visits = visits(engine, slots).await?;
    for (balancer, places) in &visits {
        balancer.ready(places).await?;
    }
    let calm = CancellationToken::new();
    for (balancer, places) in &visits {
        let rest = end.saturating_duration_since(Instant::now()).max(LEAST_WAIT);
        let Err(error) = balancer.wait_up(places, rest, &calm).await else {
            continue;
        };
        // What it had before may be down for reasons of its own; the new release may be the reason.
        if what == What::New {
            for (balancer, places) in &visits {
                balancer.maint(places).await?;
            }
            return Ok(Placed {
                service: Some(Service::Out),
                words: format!(
                    "It runs {} and everything was done there, but: {error} It was taken out again. Look why, then deploy again.",
                    case.commit.short()
                ),
                well: false,
            });
        }
        return Ok(Placed {
            service: Some(Service::Back),
            words: format!("It was put back into service, but: {error}"),
            well: false,
        });
    }
    Ok(Placed {
        service: Some(Service::Back),
        words: "It is back in service.".to_owned(),
        well: true,
    })
}

/// Writes the intent, and proves by it that the deployment is ours.
async fn note(engine: &Inner, lease: Lease, case: &Case<'_>, service: Service) -> Result<()> {
    let tx = engine.parts.store.begin_leased(lease).await?;
    deployments::set_service(&tx, case.part.position, service).await?;
    tx.commit().await
}

async fn visits(engine: &Inner, slots: &[Slot]) -> Result<Visits> {
    let mut by_balancer: HashMap<BalancerId, Vec<balancer::Slot>> = HashMap::new();
    for slot in slots {
        by_balancer
            .entry(slot.balancer)
            .or_default()
            .push(balancer::Slot {
                backend: slot.backend.clone(),
                server: slot.server.clone(),
            });
    }
    let mut visits = Vec::with_capacity(by_balancer.len());
    for (id, places) in by_balancer {
        let row = balancers::by_id(&engine.parts.store, id).await?;
        visits.push((Balancer::open(&row, &engine.parts.balancers)?, places));
    }
    Ok(visits)
}
