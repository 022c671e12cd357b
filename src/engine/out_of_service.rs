//! Keeps out of service at the balancers what must not serve, and lets back in what may.
//!
//! The rollout (`rollout/rotation`), the end of an abandoned deployment (`closing/service`) and the keeper of
//! what ended deployments left out (`keeper`) hold servers out and let them in through here; drains and
//! single acts go straight to the balancer's client. Nothing is stored in here: callers store the intent before an act,
//! which also proves that the deployment is still theirs, and the outcome after it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::planning::Balancers;
use super::shared::EngineParts;
use crate::balancer::{self, Admin, BackendSlot, BalancerClient, Reading, ServerLine, Sought};
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{BalancerId, Error, Result, ServerId};
use crate::store::balancers;

/// How long a balancer that is away is left alone before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Balancers, and the servers that we hold out of service there.
pub(super) struct OutOfService {
    balancers: Balancers,
    /// Locked during every act that lets a server in or keeps one out, so that the two never cross.
    held: Mutex<Held>,
}

/// The places of the servers that are held out of service.
pub(super) type Held = HashMap<ServerId, Vec<Slot>>;

/// A balancer, and places there.
pub(super) type Visit<'a> = (&'a BalancerClient, Vec<BackendSlot>);

/// How far a server is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// The balancer checks it, but sends it no requests.
    Drained,
    Ready,
}

impl OutOfService {
    pub fn new(balancers: Balancers) -> Self {
        Self {
            balancers,
            held: Mutex::default(),
        }
    }

    /// With the balancers `ids`, as the store has them.
    pub async fn at(parts: &EngineParts, ids: &[BalancerId]) -> Result<Self> {
        let mut opened = Balancers::new();
        for &id in ids {
            let row = balancers::by_id(&parts.store, id).await?;
            opened.insert(id, BalancerClient::open(&row, &parts.balancers)?);
        }
        Ok(Self::new(opened))
    }

    pub fn balancers(&self) -> &Balancers {
        &self.balancers
    }

    /// The places among `slots`, by balancer.
    pub fn visits(&self, slots: &[Slot]) -> Result<Vec<Visit<'_>>> {
        let visit = |(id, here): (BalancerId, Vec<&Slot>)| {
            let balancer = self.balancers.get(&id).ok_or_else(|| {
                let name = here.first().map_or("", |slot| slot.balancer_name.as_str());
                Error::conflict(format!("Balancer {name} was not asked before."))
            })?;
            Ok((balancer, here.into_iter().map(Into::into).collect()))
        };
        Slot::by_balancer(slots).into_iter().map(visit).collect()
    }

    /// The places `slots` at every endpoint.
    pub fn at_endpoints(&self, slots: &[Slot]) -> Result<Vec<EndpointPlace>> {
        let mut all = Vec::new();
        for (balancer, places) in self.visits(slots)? {
            for endpoint in balancer.endpoints() {
                all.extend(places.iter().map(|place| EndpointPlace {
                    endpoint: endpoint.to_owned(),
                    backend: place.backend.clone(),
                    server: place.server.clone(),
                }));
            }
        }
        Ok(all)
    }

    /// What is held out. While the guard lives, nothing is let in.
    pub async fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().await
    }

    /// Holds a server out that the balancers have out already.
    pub async fn hold(&self, server: ServerId, slots: &[Slot]) {
        self.held().await.insert(server, slots.to_vec());
    }

    /// Whether we hold a server out.
    pub async fn holds(&self, server: ServerId) -> bool {
        self.held().await.contains_key(&server)
    }

    /// Which of `slots` are out of service already, each with the endpoints where it is.
    pub async fn already_out(&self, slots: &[Slot]) -> Result<Vec<(Slot, Vec<EndpointPlace>)>> {
        let mut out = Vec::new();
        for (balancer, _) in self.visits(slots)? {
            let state = balancer.state().await?;
            for slot in slots.iter().filter(|slot| slot.balancer_name == balancer.name()) {
                let lines = state.of(&slot.into()).map(|now| now.per_endpoint.as_slice());
                let here = lines.unwrap_or_default().iter();
                let here = here.filter(|line| line.admin != Admin::Ready);
                let places: Vec<EndpointPlace> = here.map(ServerLine::place).collect();
                if !places.is_empty() {
                    out.push((slot.clone(), places));
                }
            }
        }
        Ok(out)
    }

    /// Whether every endpoint has all of `slots` in maintenance.
    pub async fn are_shut(&self, slots: &[Slot]) -> Result<bool> {
        for (balancer, places) in self.visits(slots)? {
            let state = balancer.state().await?;
            let is_shut = |place: &BackendSlot| {
                let now = state.of(place);
                now.is_some_and(|now| now.per_endpoint.iter().all(|line| line.admin == Admin::Maint))
            };
            if !places.iter().all(is_shut) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts a server into maintenance at once and holds it there. A balancer that is away is asked
    /// again until `end`.
    pub async fn shut(&self, server: ServerId, slots: &[Slot], end: Instant) -> Result<()> {
        let mut held = self.held().await;
        // Held even if it fails: the watch then tries again.
        held.insert(server, slots.to_vec());
        let visits = self.visits(slots)?;
        let shutting = visits
            .iter()
            .map(|(balancer, places)| insist(end, move || balancer.keep_out(places).boxed()));
        for shut in join_all(shutting).await {
            shut?;
        }
        Ok(())
    }

    /// Lets a server in at all its balancers and stops holding it out. A balancer that is away is
    /// asked again until `end`: a restart may take a while.
    pub async fn let_in(
        &self,
        server: ServerId,
        visits: &[Visit<'_>],
        admission: Admission,
        end: Instant,
    ) -> Result<(), balancer::Error> {
        loop {
            let acts = visits.iter().map(|(balancer, places)| match admission {
                Admission::Drained => balancer.drain(places).boxed(),
                Admission::Ready => balancer.ready(places).boxed(),
            });
            let acts: Vec<_> = acts.collect();
            let done = {
                let mut held = self.held().await;
                held.remove(&server);
                // At all of them, even when one is away.
                join_all(acts).await
            };
            let Some(error) = done.into_iter().find_map(Result::err) else {
                return Ok(());
            };
            if !error.is_absence() || Instant::now() >= end {
                return Err(error);
            }
            sleep(ASK_AGAIN).await;
        }
    }
}

/// Waits until a balancer has places as far as they were let in.
pub(super) async fn wait_for(
    (balancer, places): &Visit<'_>,
    admission: Admission,
    limit: Duration,
    token: &CancellationToken,
) -> Result<(), balancer::Error> {
    match admission {
        Admission::Drained => balancer.wait_passing(places, limit, token).await,
        Admission::Ready => balancer.wait_up(places, limit, token).await,
    }
}

/// Why a server was not put back at once, for its row: that is read when it is back, too.
pub(super) fn not_at_once(error: &balancer::Error) -> String {
    format!("It could not be put back at once: {}", error.in_past())
}

/// Repeats an act at a balancer while the balancer is away, until `end`.
async fn insist<'a>(
    end: Instant,
    act: impl Fn() -> BoxFuture<'a, Result<(), balancer::Error>>,
) -> Result<(), balancer::Error> {
    loop {
        match act().await {
            Err(error) if error.is_absence() && Instant::now() < end => sleep(ASK_AGAIN).await,
            outcome => return outcome,
        }
    }
}

/// One look at a balancer, with the endpoints that answered.
pub(super) struct BalancerLook<'a> {
    pub balancer: &'a BalancerClient,
    look: Reading,
}

impl<'a> BalancerLook<'a> {
    pub async fn at(balancer: &'a BalancerClient) -> Self {
        Self {
            balancer,
            look: balancer.look().await,
        }
    }

    /// Whether every endpoint answered.
    pub fn is_complete(&self) -> bool {
        self.look.failures.is_empty()
    }

    /// Whether the endpoint answered.
    pub fn has_answered(&self, endpoint: &str) -> bool {
        self.look.failures.iter().all(|(silent, _)| silent != endpoint)
    }

    /// Whether some endpoint that answered knows a place.
    pub fn knows(&self, place: &BackendSlot) -> bool {
        self.look.state.of(place).is_some()
    }

    /// Where one of our servers is in these backends; nowhere where they are not as a plan needs them.
    pub fn find(&self, backends: &[String], sought: Sought<'_>) -> Vec<BackendSlot> {
        self.look.state.slots_of(backends, sought).unwrap_or_default()
    }

    /// The places among `slots` at this balancer that some endpoint has in service.
    pub fn in_service<'s>(&self, slots: impl Iterator<Item = &'s Slot>) -> Vec<BackendSlot> {
        let is_ready = |place: &BackendSlot| self.ready(place).next().is_some();
        slots.map(BackendSlot::from).filter(is_ready).collect()
    }

    /// What the endpoints that answered say about `places`.
    pub fn lines(&self, places: &[BackendSlot]) -> Vec<&ServerLine> {
        let merged = places.iter().filter_map(|place| self.look.state.of(place));
        merged.flat_map(|merged| &merged.per_endpoint).collect()
    }

    /// Whether an endpoint was restarted within `span`: everything there has changed its state since.
    /// Where only some places changed, a person decided so at the balancer itself.
    pub fn is_restarted(&self, endpoint: &str, span: Duration) -> bool {
        let servers = self.look.state.servers.iter();
        let all = servers.flat_map(|merged| &merged.per_endpoint);
        let mut here = all.filter(|line| line.endpoint == endpoint);
        here.all(|line| line.since <= span)
    }

    /// The endpoints' lines that have a place in service.
    fn ready(&self, place: &BackendSlot) -> impl Iterator<Item = &ServerLine> {
        let merged = self.look.state.of(place).into_iter();
        merged
            .flat_map(|merged| &merged.per_endpoint)
            .filter(|line| line.admin == Admin::Ready)
    }
}
