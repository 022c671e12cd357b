//! Corrects what the balancers send to a server whose deployer was killed.
//!
//! The plan in the store has its places there, and its part how far it was taken out or put back. A
//! server with a complete release goes back; one whose release may be incomplete is taken out once more,
//! as a balancer that was restarted meanwhile has forgotten it. Places where somebody had taken the
//! server out by hand are not in the plan and are left alone.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::finding::Finding;
use super::history::ServerHistory;
use crate::balancer;
use crate::domain::deployment::Service;
use crate::domain::rollout::{Planned, Slot};
use crate::domain::{BalancerId, Plan, Result};
use crate::engine::out_of_service::{Admission, OutOfService, wait_for};
use crate::engine::shared::Shared;
use crate::engine::words;
use crate::store::{Lease, deployments};

/// The least time to wait for a server that was put back, however late it is.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Whether a server gets traffic now, and how to say it.
pub(super) struct Placed {
    /// `None`: as it was.
    pub service: Option<Service>,
    /// A sentence for the page; may be empty.
    pub words: String,
    /// Whether it is where it should be.
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

/// A server and its places at the balancers.
struct Standing<'a> {
    engine: &'a Shared,
    lease: Lease,
    server: &'a ServerHistory<'a>,
    planned: &'a Planned,
    /// When balancers that are away are given up.
    end: Instant,
}

/// Puts a server into service or keeps it out, as `finding` demands.
pub(super) async fn place(
    engine: &Shared,
    lease: Lease,
    plan: Option<&Plan>,
    server: &ServerHistory<'_>,
    finding: Finding,
    end: Instant,
) -> Placed {
    let mut all = plan.into_iter().flat_map(Plan::servers);
    let Some(planned) = all.find(|planned| Some(planned.server) == server.part.server_id) else {
        return Placed::as_it_was("");
    };
    if planned.slots.is_empty() || !server.was_moved() && finding != Finding::Mixed {
        return Placed::as_it_was("");
    }
    let standing = Standing {
        engine,
        lease,
        server,
        planned,
        end,
    };
    let result = match finding {
        Finding::Unknown => {
            let now = server.part.service.title().to_lowercase();
            return Placed::as_it_was(&format!("At the balancer it was left as it is ({now})."));
        }
        Finding::Mixed => standing.keep_out(words::OUT_UNTIL_THEN).await,
        // What was on it before was not complete either.
        Finding::Old if planned.left_out => standing.keep_out(words::STAYS_LEFT_OUT).await,
        Finding::Old | Finding::New => standing.put_back(finding).await,
    };
    result.unwrap_or_else(|error| Placed {
        service: None,
        words: format!("Whether it is in service is not known, look at the balancer: {error}"),
        well: false,
    })
}

impl Standing<'_> {
    async fn keep_out(&self, words: &str) -> Result<Placed> {
        self.note(Service::TakingOut).await?;
        let service = self.open().await?;
        service
            .shut(self.planned.server, &self.planned.slots, self.end)
            .await?;
        Ok(Placed {
            service: Some(Service::Out),
            words: words.to_owned(),
            well: true,
        })
    }

    async fn put_back(&self, finding: Finding) -> Result<Placed> {
        self.note(Service::PuttingBack).await?;
        let (service, slots) = (self.open().await?, &self.planned.slots);
        let Some(error) = let_in(&service, self.planned, finding, self.end).await? else {
            return Ok(Placed {
                service: Some(Service::Back),
                words: words::BACK.to_owned(),
                well: true,
            });
        };
        if finding != Finding::New {
            return Ok(Placed {
                service: Some(Service::Back),
                words: format!("It was put back into service, but: {error}"),
                well: false,
            });
        }
        service.shut(self.planned.server, slots, Instant::now()).await?;
        Ok(Placed {
            service: Some(Service::Out),
            words: format!(
                "It runs {} and everything was done there, but: {error} It was taken out again. Look why, then deploy again.",
                self.server.commit.short()
            ),
            well: false,
        })
    }

    /// Stores the intent, which also proves that the deployment is still ours.
    async fn note(&self, service: Service) -> Result<()> {
        let record = self.engine.parts.store.record_leased(self.lease).await?;
        deployments::set_service(&record, self.server.part.position, service).await?;
        record.commit().await
    }

    async fn open(&self) -> Result<OutOfService> {
        // Collected first: the compiler cannot see that the bare iterator may move between threads.
        let by_balancer = Slot::by_balancer(&self.planned.slots);
        let ids: Vec<BalancerId> = by_balancer.into_iter().map(|(id, _)| id).collect();
        OutOfService::at(&self.engine.parts, &ids).await
    }
}

/// Lets a server in at all its balancers; returns why it is not up there, if it is not. Right out of
/// maintenance it would get requests before HAProxy has checked it, so it is drained until it answers.
async fn let_in(
    service: &OutOfService,
    planned: &Planned,
    finding: Finding,
    end: Instant,
) -> Result<Option<balancer::Error>> {
    let (visits, server) = (service.visits(&planned.slots)?, planned.server);
    let calm = CancellationToken::new();
    let mut down = None;
    service.let_in(server, &visits, Admission::Drained, end).await?;
    for visit in &visits {
        let passing = wait_for(visit, Admission::Drained, rest(end), &calm).await;
        down = down.or(passing.err());
    }
    // The new release may be why it is down. What it ran before may be down for other reasons.
    if down.is_some() && finding == Finding::New {
        return Ok(down);
    }
    service.let_in(server, &visits, Admission::Ready, end).await?;
    for visit in &visits {
        // One that is known to be down is not waited for twice.
        let limit = if down.is_some() { Duration::ZERO } else { rest(end) };
        let up = wait_for(visit, Admission::Ready, limit, &calm).await;
        down = up.err().or(down);
    }
    Ok(down)
}

/// The time left to wait.
fn rest(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(LEAST_WAIT)
}
