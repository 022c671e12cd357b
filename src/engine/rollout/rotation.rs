//! Takes the servers of a rollout out of service at their balancers, and puts them back.
//!
//! The [`Rotation`] knows which servers we hold out, and takes them out again when a restarted HAProxy,
//! which forgets everything, has let them in: users would meet a server whose scripts are running.
//! Before every act the intent is stored, which also proves that the deployment is still ours; after it
//! the outcome is stored.

mod backends;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::balancer::{self, BackendSlot, BalancerClient};
use crate::domain::deployment::Service;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{BalancerId, ServerId, StepKind};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::journal::Note;
use crate::engine::out_of_service::{
    Admission, BalancerLook, Held, OutOfService, Visit, not_at_once, wait_for,
};
use crate::engine::output::{StepLog, StepName};
use crate::engine::planning::Balancers;
use crate::engine::run::{Run, TargetServer};

/// How long to wait after a cancel for a server that was put back: the person who cancelled waits too.
const LAST_WAIT: Duration = Duration::from_secs(15);
/// How often to check that what is out still is. A restart of HAProxy is rare, but until it is noticed
/// users may meet a server that is being worked on.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// What to do with a server that was put back and does not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfDown {
    /// Take it out again: it has the new release, which may be the cause.
    TakeOut,
    /// Leave it: it runs the old release, so it was down before.
    Leave,
}

/// The balancers of a rollout, and the servers that we hold out there.
pub(super) struct Rotation {
    service: OutOfService,
    /// The places of every server of the environment.
    places: HashMap<ServerId, Vec<Slot>>,
    /// Servers that we began to take out, with success or not, and have not put back.
    taken: parking_lot::Mutex<HashSet<ServerId>>,
    drain_limit: Duration,
    up_limit: Duration,
}

impl Rotation {
    pub fn new(run: &Run, balancers: Balancers, places: HashMap<ServerId, Vec<Slot>>) -> Self {
        let options = &run.environment.options.rollout;
        Self {
            service: OutOfService::new(balancers),
            places,
            taken: parking_lot::Mutex::default(),
            drain_limit: Duration::from_secs(options.drain_limit),
            up_limit: Duration::from_secs(options.up_limit),
        }
    }

    /// Keeps a server out that is out already: this deployment took it out before a restart, or (not
    /// `taken`) an earlier one left it so.
    pub async fn hold(&self, server: ServerId, slots: &[Slot], taken: bool) {
        self.service.hold(server, slots).await;
        if taken {
            self.taken.lock().insert(server);
        }
    }

    /// Where every server of the environment stands, as it is known by now.
    pub fn set_places(&mut self, places: HashMap<ServerId, Vec<Slot>>) {
        self.places = places;
    }

    pub fn up_limit(&self) -> Duration {
        self.up_limit
    }

    /// Whether we hold the server out.
    pub async fn is_out(&self, server: ServerId) -> bool {
        self.service.holds(server).await
    }

    /// Whether we began to take the server out and have not put it back.
    pub fn was_taken(&self, server: ServerId) -> bool {
        self.taken.lock().contains(&server)
    }

    /// Which of `slots` are out of service, each with the endpoints where it is.
    pub async fn already_out(&self, slots: &[Slot]) -> StepResult<Vec<(Slot, Vec<EndpointPlace>)>> {
        Ok(self.service.already_out(slots).await?)
    }

    /// Takes a server out: no new sessions, the present ones may end within the limit, then
    /// maintenance. After a failure its state is not known, so it has to be put back.
    pub async fn take_out(&self, run: &Run, member: &TargetServer, slots: &[Slot]) -> StepResult<()> {
        let there = self.service.at_endpoints(slots)?;
        let intent = [
            Note::Service(Service::TakingOut),
            Note::HeldOut(member.server.id, &there),
        ];
        let mut step = run.begin_noting(StepKind::Drain, Some(member), &intent).await?;
        self.taken.lock().insert(member.server.id);
        let result = self.drain(run, slots, &mut step.log).await;
        let outcome: &[Note<'_>] = match &result {
            Ok(_) => &[Note::Service(Service::Out)],
            Err(_) => &[],
        };
        if result.is_ok() {
            self.service.hold(member.server.id, slots).await;
        }
        run.end_noting(step, result, outcome).await.map(drop)
    }

    /// Takes a server out once more if a balancer has it in service again.
    pub async fn keep_out(&self, run: &Run, member: &TargetServer, slots: &[Slot]) -> StepResult<()> {
        match self.service.are_shut(slots).await? {
            true => Ok(()),
            false => self.take_out(run, member, slots).await,
        }
    }

    async fn drain(&self, run: &Run, slots: &[Slot], log: &mut StepLog) -> StepResult {
        let visits = self.service.visits(slots)?;
        for (balancer, places) in &visits {
            balancer.drain(places).await?;
            let gone = words(places);
            log.say(format!(
                "No new sessions for {gone} at balancer {}.",
                balancer.name()
            ))
            .await;
        }
        let token = run.stop.token();
        let waits = visits
            .iter()
            .map(|(balancer, places)| balancer.wait_drained(places, self.drain_limit, token));
        let (mut left, mut again) = (0, false);
        for drained in join_all(waits).await {
            let drained = drained?;
            left += drained.left_sessions;
            again |= drained.again;
        }
        if again {
            log.say(
                "A balancer had it in service again meanwhile, as after a restart; it was taken out again.",
            )
            .await;
        }
        let how = match left {
            0 => "All its sessions have ended.".to_owned(),
            1 => format!(
                "1 session had not ended within {} s; continuing.",
                self.drain_limit.as_secs()
            ),
            _ => format!(
                "{left} sessions had not ended within {} s; continuing.",
                self.drain_limit.as_secs()
            ),
        };
        log.say(&how).await;
        still_ours(run).await?;
        for (balancer, places) in &visits {
            balancer.maint(places).await?;
        }
        for (balancer, places) in &visits {
            balancer.stays_out(places, token).await?;
        }
        Ok(Done::well(how))
    }

    /// Puts a server back and waits until the balancers report it up, even after a cancel, as its
    /// release is complete. `done` is recorded together with that.
    pub async fn put_back(
        &self,
        run: &Run,
        member: &TargetServer,
        slots: &[Slot],
        if_down: IfDown,
        done: &[Note<'_>],
    ) -> StepResult<()> {
        let there = self.service.at_endpoints(slots)?;
        let intent = [Note::Service(Service::PuttingBack)];
        let mut step = run
            .begin_even_so(StepKind::Restore, Some(member), &intent)
            .await?;
        let result = self.open(run, member, slots, if_down, &mut step.log).await;
        let mut notes = Vec::new();
        match &result {
            Ok(()) => {
                notes.extend([Note::Service(Service::Back), Note::LetIn(&there)]);
                notes.extend_from_slice(done);
            }
            Err((_, true)) if if_down == IfDown::TakeOut => match self.close(run, member, slots).await {
                Ok(()) => {
                    step.log.say("It was taken out again.").await;
                    notes.push(Note::Service(Service::Out));
                }
                Err(failure) => {
                    step.log
                        .say(format!("It could not be taken out again: {}", failure.message))
                        .await;
                }
            },
            Err(_) => {}
        }
        let result = result
            .map(|()| Done::well("In service again."))
            .map_err(|(failure, _)| failure);
        run.end_noting(step, result, &notes).await.map(drop)
    }

    /// Puts a server back everywhere and waits until it is up. The flag of a failure says whether the
    /// server may be in service.
    async fn open(
        &self,
        run: &Run,
        member: &TargetServer,
        slots: &[Slot],
        if_down: IfDown,
        log: &mut StepLog,
    ) -> Result<(), (Failure, bool)> {
        let visits = self
            .service
            .visits(slots)
            .map_err(|error| (error.into(), false))?;
        // A restarted server may not answer yet, and out of maintenance it gets traffic at once.
        if if_down == IfDown::TakeOut {
            self.set(run, member, &visits, Admission::Drained).await?;
            log.say("Waiting until it passes the balancer's checks, before it gets requests.")
                .await;
            self.wait_for(run, &visits, Admission::Drained).await?;
        }
        self.set(run, member, &visits, Admission::Ready).await?;
        self.taken.lock().remove(&member.server.id);
        log.say("Put back; waiting until the balancer reports it up.")
            .await;
        self.wait_for(run, &visits, Admission::Ready).await?;
        log.say("In service again.").await;
        Ok(())
    }

    /// Lets a server in at all its balancers. The flag of a failure says whether it may be in service.
    async fn set(
        &self,
        run: &Run,
        member: &TargetServer,
        visits: &[Visit<'_>],
        admission: Admission,
    ) -> Result<(), (Failure, bool)> {
        let limit = match run.stop.reason() {
            None => self.up_limit,
            Some(_) => self.up_limit.min(LAST_WAIT),
        };
        let end = Instant::now() + limit;
        let set = self
            .service
            .let_in(member.server.id, visits, admission, end)
            .await;
        set.map_err(|error| {
            tracing::warn!(server = member.server.name.as_str(), "{error}");
            (Failure::new(not_at_once(&error)), error.is_partly_done())
        })
    }

    /// Waits until a server is in at all balancers as far as it was let in, even after a cancel.
    async fn wait_for(
        &self,
        run: &Run,
        visits: &[Visit<'_>],
        admission: Admission,
    ) -> Result<(), (Failure, bool)> {
        let (token, calm) = (run.stop.token(), CancellationToken::new());
        for visit in visits {
            let mut done = wait_for(visit, admission, self.up_limit, token).await;
            if matches!(done, Err(balancer::Error::Cancelled)) {
                done = wait_for(visit, admission, self.up_limit.min(LAST_WAIT), &calm).await;
            }
            done.map_err(|error| (error.into(), true))?;
        }
        Ok(())
    }

    async fn close(&self, run: &Run, member: &TargetServer, slots: &[Slot]) -> StepResult<()> {
        still_ours(run).await?;
        self.taken.lock().insert(member.server.id);
        self.service.shut(member.server.id, slots, Instant::now()).await?;
        Ok(())
    }

    /// Waits until servers that were put back are up. No other goes out before.
    pub async fn wait_up(&self, run: &Run, slots: &[Slot]) -> StepResult<()> {
        for (balancer, places) in self.service.visits(slots)? {
            balancer.wait_up(&places, self.up_limit, run.stop.token()).await?;
        }
        Ok(())
    }

    /// Waits until servers that were put back have their full weight (`slowstart`). Returns the balancers that give
    /// one less after the limit, each with the percentage.
    pub async fn wait_full(&self, run: &Run, slots: &[Slot]) -> StepResult<Vec<(&str, u64)>> {
        let mut late = Vec::new();
        for (balancer, places) in self.service.visits(slots)? {
            let growth = balancer
                .wait_full(&places, self.up_limit, run.stop.token())
                .await?;
            late.extend(growth.map(|growth| (balancer.name(), growth)));
        }
        Ok(late)
    }

    /// Until `done`, takes out again whatever a restarted balancer has brought back in.
    pub async fn watch(&self, run: &Run, done: &CancellationToken) {
        if self.service.balancers().is_empty() {
            return;
        }
        while done
            .run_until_cancelled(tokio::time::sleep(WATCH_PAUSE))
            .await
            .is_some()
        {
            let held = self.service.held().await;
            if held.is_empty() {
                continue;
            }
            // One that cannot be changed keeps no other from being looked at.
            for (id, balancer) in self.service.balancers() {
                if let Err(failure) = watch_one(run, *id, balancer, &held).await {
                    tracing::warn!(deployment = run.deployment.id.0, "{}", failure.message);
                }
            }
        }
    }
}

async fn watch_one(run: &Run, id: BalancerId, balancer: &BalancerClient, held: &Held) -> StepResult<()> {
    let seen = BalancerLook::at(balancer).await;
    for (server, slots) in held {
        let back = seen.in_service(slots.iter().filter(|slot| slot.balancer == id));
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

fn words(places: &[BackendSlot]) -> String {
    let words: Vec<String> = places.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// Fails unless the deployment is still ours; asked before an act.
async fn still_ours(run: &Run) -> StepResult<()> {
    drop(run.record().await?);
    Ok(())
}
