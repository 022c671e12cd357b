//! Puts a server whose deployer was killed right at its balancers.
//!
//! The store knows where it stands there (the plan) and how far it was taken out or put back (its
//! part). What is whole goes back; what may not be is taken out once more, since a balancer that was
//! restarted meanwhile has forgotten it. A place that somebody had taken out by hand is in no plan
//! and is left alone.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::truth::{Case, What};
use crate::balancer::{self, Balancer};
use crate::domain::deployment::Service;
use crate::domain::rollout::Slot;
use crate::domain::{Plan, Result};
use crate::engine::Inner;
use crate::store::{Lease, balancers, deployments};

/// The least time a server that was put back is waited for, however late it is.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// How long a balancer that is away is left alone before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

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
        What::Between => {
            let words = "It is out of service until then.";
            keep_out(engine, lease, case, slots, words, end).await
        }
        // What was on it before was not whole either.
        What::Old if was_left_out => {
            let words = "It stays out of service, as an earlier deployment left it.";
            keep_out(engine, lease, case, slots, words, end).await
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
    end: Instant,
) -> Result<Placed> {
    note(engine, lease, case, Service::TakingOut).await?;
    for (balancer, places) in &visits(engine, slots).await? {
        insist(end, || balancer.keep_out(places).boxed()).await?;
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
    let down = let_in(&visits, what, end).await?;
    if let Some(error) = down {
        if what == What::New {
            for (balancer, places) in &visits {
                balancer.keep_out(places).await?;
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

/// Lets a server in at all its balancers; what is wrong with it there, if anything. Leaving
/// maintenance it would get requests before anybody has looked whether it answers, so it is drained
/// until it does.
async fn let_in(visits: &Visits, what: What, end: Instant) -> Result<Option<balancer::Error>> {
    let calm = CancellationToken::new();
    let mut down = None;
    for (balancer, places) in visits {
        insist(end, || balancer.drain(places).boxed()).await?;
    }
    for (balancer, places) in visits {
        let passing = balancer.wait_passing(places, rest(end), &calm).await;
        down = down.or(passing.err());
    }
    // What it had before may be down for reasons of its own; the new release may be the reason.
    if down.is_some() && what == What::New {
        return Ok(down);
    }
    for (balancer, places) in visits {
        insist(end, || balancer.ready(places).boxed()).await?;
    }
    for (balancer, places) in visits {
        // One that is known to be down is not waited for twice.
        let limit = if down.is_some() { Duration::ZERO } else { rest(end) };
        let up = balancer.wait_up(places, limit, &calm).await;
        down = up.err().or(down);
    }
    Ok(down)
}

/// For how long it may be waited.
fn rest(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(LEAST_WAIT)
}

/// Does something at a balancer, again and again while it is away, until `end`.
async fn insist<'a>(
    end: Instant,
    act: impl Fn() -> BoxFuture<'a, std::result::Result<(), balancer::Error>>,
) -> std::result::Result<(), balancer::Error> {
    loop {
        match act().await {
            Err(error) if error.is_absence() && Instant::now() < end => sleep(ASK_AGAIN).await,
            outcome => return outcome,
        }
    }
}

/// Writes the intent, and proves by it that the deployment is ours.
async fn note(engine: &Inner, lease: Lease, case: &Case<'_>, service: Service) -> Result<()> {
    let record = engine.parts.store.record_leased(lease).await?;
    deployments::set_service(&record, case.part.position, service).await?;
    record.commit().await
}

async fn visits(engine: &Inner, slots: &[Slot]) -> Result<Visits> {
    let mut visits = Vec::new();
    for (id, here) in Slot::by_balancer(slots) {
        let row = balancers::by_id(&engine.parts.store, id).await?;
        let balancer = Balancer::open(&row, &engine.parts.balancers)?;
        visits.push((balancer, here.into_iter().map(Into::into).collect()));
    }
    Ok(visits)
}
