//! Corrects what the balancers send to a server whose deployer was killed.
//!
//! The stored plan has the server's places at the balancers, and its part says how far it was taken out or
//! put back. A server with a complete release goes back; one whose release may be incomplete is taken out
//! once more, as a balancer that was restarted meanwhile has forgotten it. Places where somebody had taken
//! the server out by hand are not in the plan and are left alone.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::history::{History, ServerHistory};
use crate::balancer;
use crate::domain::deployment::Service;
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::{Planned, Slot};
use crate::domain::{BalancerId, EnvironmentId, Error, OnServer, Plan, Result};
use crate::engine::out_of_service::{Admission, OutOfService, not_at_once, wait_for};
use crate::engine::shared::Shared;
use crate::engine::words;
use crate::store::{Lease, deployments};

/// The least time to wait for a server that was put back, however late it is.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Whether a server gets traffic now.
pub(super) struct Placed {
    /// `None`: as it was.
    pub service: Option<Service>,
    /// What went wrong at its balancers, as a sentence; may be empty.
    pub trouble: String,
}

impl Placed {
    fn well(service: Option<Service>) -> Self {
        Self {
            service,
            trouble: String::new(),
        }
    }
}

/// A server and its places at the balancers.
struct Standing<'a> {
    engine: &'a Shared,
    lease: Lease,
    server: &'a ServerHistory<'a>,
    planned: &'a Planned,
    /// `None` once it is deleted.
    environment: Option<EnvironmentId>,
    /// When to give up on balancers that are away.
    end: Instant,
}

/// Puts a server into service or keeps it out, depending on what is on it. One that was `silent` and may have
/// been changed is left as it is.
pub(super) async fn place(
    engine: &Shared,
    lease: Lease,
    history: &History,
    server: &ServerHistory<'_>,
    (on, silent): (OnServer, bool),
    end: Instant,
) -> Placed {
    let may_serve = server.may_serve(on);
    let mut all = history.plan.iter().flat_map(Plan::servers);
    let Some(planned) = all.find(|planned| Some(planned.server) == server.part.server_id) else {
        return Placed::well(None);
    };
    if planned.slots.is_empty() || !server.was_moved() && may_serve || silent && !on.is_old() {
        return Placed::well(None);
    }
    let standing = Standing {
        engine,
        lease,
        server,
        planned,
        environment: history.deployment.environment_id,
        end,
    };
    let elsewhere = may_serve && standing.is_held_elsewhere().await;
    // If it was left out before, the release that it ran then was not complete either.
    let result = match may_serve && !elsewhere && !(on.is_old() && planned.left_out) {
        true => standing.put_back(on).await,
        false => standing.keep_out().await,
    };
    let result = result.map(|placed| match elsewhere {
        true => Placed {
            trouble: words::ELSEWHERE.to_owned(),
            ..placed
        },
        false => placed,
    });
    result.unwrap_or_else(|error| Placed {
        service: None,
        trouble: error.to_string(),
    })
}

impl Standing<'_> {
    /// Whether another environment has an unfinished release on the server, which would be served as well.
    async fn is_held_elsewhere(&self) -> bool {
        let Some(environment) = self.environment else {
            return false;
        };
        let store = &self.engine.parts.store;
        let found = deployments::unfinished_elsewhere(store, self.planned.server, environment);
        found.await.is_ok_and(|found| found.is_some())
    }

    async fn keep_out(&self) -> Result<Placed> {
        let service = self.open().await?;
        self.note(Service::TakingOut, &service).await?;
        service
            .shut(self.planned.server, &self.planned.slots, self.end)
            .await?;
        Ok(Placed::well(Some(Service::Out)))
    }

    async fn put_back(&self, on: OnServer) -> Result<Placed> {
        let (service, slots) = (self.open().await?, &self.planned.slots);
        self.note(Service::PuttingBack, &service).await?;
        let down = let_in(&service, self.planned, on, self.end).await?;
        let left = if down.is_some() && on == OnServer::New {
            service.shut(self.planned.server, slots, Instant::now()).await?;
            Service::Out
        } else {
            self.note(Service::Back, &service).await?;
            Service::Back
        };
        Ok(Placed {
            service: Some(left),
            trouble: down.map(|error| error.in_past()).unwrap_or_default(),
        })
    }

    /// Stores what is about to be done or was done. It also proves that the deployment is still ours.
    async fn note(&self, now: Service, service: &OutOfService) -> Result<()> {
        let there = service.at_endpoints(&self.planned.slots)?;
        let record = self.engine.parts.store.record_leased(self.lease).await?;
        deployments::set_service(&record, self.server.part.position, now).await?;
        match now {
            Service::TakingOut => {
                let whose = (self.planned.server, self.lease.deployment);
                deployments::hold_out(&record, whose, &there, AtEndpoint::TakenOut).await?;
            }
            Service::Back => deployments::let_in(&record, &there).await?,
            _ => {}
        }
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
    on: OnServer,
    end: Instant,
) -> Result<Option<balancer::Error>> {
    let (visits, server) = (service.visits(&planned.slots)?, planned.server);
    let calm = CancellationToken::new();
    let mut down = None;
    let late = |error: balancer::Error| Error::unavailable(not_at_once(&error)).because(error);
    let drained = service.let_in(server, &visits, Admission::Drained, end);
    drained.await.map_err(late)?;
    for visit in &visits {
        let passing = wait_for(visit, Admission::Drained, rest(end), &calm).await;
        down = down.or(passing.err());
    }
    // The new release may be why it is down. What it ran before may be down for other reasons.
    if down.is_some() && on == OnServer::New {
        return Ok(down);
    }
    let ready = service.let_in(server, &visits, Admission::Ready, end);
    ready.await.map_err(late)?;
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
