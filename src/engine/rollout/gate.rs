//! Taking servers out of service at their balancers, and putting them back.
//!
//! What is out because of us is known to the [`Gate`] at every moment, and it sees to it that it
//! stays out: a HAProxy that is restarted forgets everything and would send users to a server whose
//! scripts are running. Before every act the intent is in the store, and so is the proof that the
//! deployment is still ours; afterwards the outcome is.

mod watch;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::balancer::{self, Admin, Balancer};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Plan, ServerId, StepKind};
use crate::engine::journal::Note;
use crate::engine::output::StepLog;
use crate::engine::planning::Balancers;
use crate::engine::run::{Member, Run};
use crate::engine::steps::{Done, Failure, StepResult};

/// How long a balancer that is away is left alone before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a server that was put back is waited for after somebody has cancelled: that somebody
/// waits too.
const LAST_WAIT: Duration = Duration::from_secs(15);

/// What is done with a server that was put back and does not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfDown {
    /// It has the new release, which may be why: it goes out again.
    TakeOut,
    /// It has what it had before: it was so before us.
    Leave,
}

/// How far a server is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Checked, without requests.
    Drained,
    Ready,
}

/// The balancers of a rollout, and what is out there because of us.
pub(super) struct Gate {
    balancers: Balancers,
    /// Where every server of the environment stands.
    places: HashMap<ServerId, Vec<Slot>>,
    /// Held over every act that brings something back in or keeps it out, so that the two don't
    /// cross.
    held: Mutex<HashMap<ServerId, Vec<Slot>>>,
    /// What we began to take out, whether it got there or not, and have not put back.
    taken: parking_lot::Mutex<HashSet<ServerId>>,
    drain_limit: Duration,
    up_limit: Duration,
}

/// Places at one balancer.
type Visit<'a> = (&'a Balancer, Vec<balancer::Slot>);

impl Gate {
    pub fn new(run: &Run, balancers: Balancers, places: HashMap<ServerId, Vec<Slot>>) -> Self {
        let options = &run.environment.options.rollout;
        Self {
            balancers,
            places,
            held: Mutex::default(),
            taken: parking_lot::Mutex::default(),
            drain_limit: Duration::from_secs(options.drain_limit),
            up_limit: Duration::from_secs(options.up_limit),
        }
    }

    pub fn up_limit(&self) -> Duration {
        self.up_limit
    }

    /// Whether we have it out.
    pub async fn is_out(&self, server: ServerId) -> bool {
        self.held.lock().await.contains_key(&server)
    }

    /// Whether we began to take it out and have not put it back.
    pub fn was_taken(&self, server: ServerId) -> bool {
        self.taken.lock().contains(&server)
    }

    /// Which of `slots` somebody has taken out.
    pub async fn out_by_hand(&self, slots: &[Slot]) -> StepResult<Vec<Slot>> {
        let mut out = Vec::new();
        for (balancer, _) in self.visits(slots)? {
            let state = balancer.state().await?;
            let is_out = |wanted: &balancer::Slot| {
                let now = state.of(wanted);
                now.is_some_and(|now| now.per_endpoint.iter().any(|line| line.admin != Admin::Ready))
            };
            let here = slots.iter().filter(|slot| slot.balancer_name == balancer.name());
            out.extend(here.filter(|slot| is_out(&balancer::Slot::from(*slot))).cloned());
        }
        Ok(out)
    }

    /// Takes a server out: no new sessions, the present ones may end within the limit, then
    /// maintenance. When it fails, what has become of it is not known: put it back.
    pub async fn take_out(&self, run: &Run, member: &Member, slots: &[Slot]) -> StepResult<()> {
        let intent = [Note::Service(Service::TakingOut)];
        let mut step = run.begin_noting(StepKind::Drain, Some(member), &intent).await?;
        self.taken.lock().insert(member.server.id);
        let result = self.drain(run, slots, &mut step.log).await;
        let outcome: &[Note<'_>] = match &result {
            Ok(_) => &[Note::Service(Service::Out)],
            Err(_) => &[],
        };
        if result.is_ok() {
            self.held.lock().await.insert(member.server.id, slots.to_vec());
        }
        run.end_noting(step, result, outcome).await.map(drop)
    }

    /// Takes a server out once more if a balancer has it in service again.
    pub async fn keep_out(&self, run: &Run, member: &Member, slots: &[Slot]) -> StepResult<()> {
        for (balancer, places) in self.visits(slots)? {
            let state = balancer.state().await?;
            let is_back = |place: &balancer::Slot| {
                let now = state.of(place);
                now.is_none_or(|now| now.per_endpoint.iter().any(|line| line.admin != Admin::Maint))
            };
            if places.iter().any(is_back) {
                return self.take_out(run, member, slots).await;
            }
        }
        Ok(())
    }

    async fn drain(&self, run: &Run, slots: &[Slot], log: &mut StepLog) -> StepResult {
        let visits = self.visits(slots)?;
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
                "1 session had not ended within {} s; it goes on all the same.",
                self.drain_limit.as_secs()
            ),
            _ => format!(
                "{left} sessions had not ended within {} s; it goes on all the same.",
                self.drain_limit.as_secs()
            ),
        };
        log.say(&how).await;
        still_ours(run).await?;
        for (balancer, places) in &visits {
            balancer.maint(places).await?;
        }
        Ok(Done::well(how))
    }

    /// Puts a server back and waits until the balancers call it up, cancelled or not: what it runs
    /// is whole. `done` is what is noted of it then.
    pub async fn put_back(
        &self,
        run: &Run,
        member: &Member,
        slots: &[Slot],
        if_down: IfDown,
        done: Option<(ServerState, &str)>,
    ) -> StepResult<()> {
        let intent = [Note::Service(Service::PuttingBack)];
        let mut step = run
            .begin_even_so(StepKind::Restore, Some(member), &intent)
            .await?;
        let result = self.open(run, member, slots, if_down, &mut step.log).await;
        let mut notes = Vec::new();
        match &result {
            Ok(()) => {
                notes.push(Note::Service(Service::Back));
                notes.extend(done.map(|(state, detail)| Note::State(state, detail)));
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

    /// Puts a server back everywhere and waits until it is up. The flag says whether that much was
    /// done that it may be in service.
    async fn open(
        &self,
        run: &Run,
        member: &Member,
        slots: &[Slot],
        if_down: IfDown,
        log: &mut StepLog,
    ) -> Result<(), (Failure, bool)> {
        let visits = self.visits(slots).map_err(|failure| (failure, false))?;
        // What was restarted may not answer yet, and leaving maintenance it would get traffic at once.
        if if_down == IfDown::TakeOut {
            self.set(run, member, &visits, Entry::Drained).await?;
            log.say("Waiting until it passes the balancer's checks, before it gets requests.")
                .await;
            self.wait_for(run, &visits, Entry::Drained).await?;
        }
        self.set(run, member, &visits, Entry::Ready).await?;
        self.taken.lock().remove(&member.server.id);
        log.say("Put back; waiting until the balancer calls it up.").await;
        self.wait_for(run, &visits, Entry::Ready).await?;
        log.say("In service again.").await;
        Ok(())
    }

    /// Lets a server in at all its balancers. One that is away is asked again until the limit: a
    /// restart may take a while, and what it would serve is right.
    async fn set(
        &self,
        run: &Run,
        member: &Member,
        visits: &[Visit<'_>],
        entry: Entry,
    ) -> Result<(), (Failure, bool)> {
        let limit = match run.stop.reason() {
            None => self.up_limit,
            Some(_) => self.up_limit.min(LAST_WAIT),
        };
        let end = Instant::now() + limit;
        loop {
            let set = visits.iter().map(|(balancer, places)| match entry {
                Entry::Drained => balancer.drain(places).boxed(),
                Entry::Ready => balancer.ready(places).boxed(),
            });
            let set: Vec<_> = {
                let mut held = self.held.lock().await;
                held.remove(&member.server.id);
                // All of them, even when one is away.
                join_all(set.collect::<Vec<_>>()).await
            };
            let Some(error) = set.into_iter().find_map(Result::err) else {
                return Ok(());
            };
            if !error.is_absence() || Instant::now() >= end {
                let partly = error.is_partly_done();
                let last = match partly {
                    true => "",
                    false => " When the balancer was last heard, the server was out of service.",
                };
                let message = Failure::from(error).message;
                return Err((Failure::new(format!("{message}{last}")), partly));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Waits until all balancers have a server as far as it was let in, cancelled or not.
    async fn wait_for(&self, run: &Run, visits: &[Visit<'_>], entry: Entry) -> Result<(), (Failure, bool)> {
        let (token, calm) = (run.stop.token(), CancellationToken::new());
        for (balancer, places) in visits {
            let wait = async |limit, token| match entry {
                Entry::Drained => balancer.wait_passing(places, limit, token).await,
                Entry::Ready => balancer.wait_up(places, limit, token).await,
            };
            let mut done = wait(self.up_limit, token).await;
            if matches!(done, Err(balancer::Error::Cancelled)) {
                done = wait(self.up_limit.min(LAST_WAIT), &calm).await;
            }
            done.map_err(|error| (error.into(), true))?;
        }
        Ok(())
    }

    async fn close(&self, run: &Run, member: &Member, slots: &[Slot]) -> StepResult<()> {
        still_ours(run).await?;
        let mut held = self.held.lock().await;
        // What could not be closed is tried again by the watch.
        held.insert(member.server.id, slots.to_vec());
        self.taken.lock().insert(member.server.id);
        let visits = self.visits(slots)?;
        let closing = visits.iter().map(|(balancer, places)| balancer.keep_out(places));
        for closed in join_all(closing).await {
            closed?;
        }
        Ok(())
    }

    /// Waits until servers that were put back are up: nothing further goes out before.
    pub async fn wait_up(&self, run: &Run, slots: &[Slot]) -> StepResult<()> {
        for (balancer, places) in self.visits(slots)? {
            balancer.wait_up(&places, self.up_limit, run.stop.token()).await?;
        }
        Ok(())
    }

    /// Which of the servers that served when the plan was made do not at this moment.
    pub async fn out_now(&self, plan: &Plan) -> StepResult<HashSet<ServerId>> {
        let asked = self
            .balancers
            .iter()
            .map(async |(id, balancer)| (*id, balancer.state().await));
        let mut states = HashMap::new();
        for (id, state) in join_all(asked).await {
            states.insert(id, state?);
        }
        let mut out = HashSet::new();
        for pool in &plan.pools {
            let Some(state) = states.get(&pool.balancer) else {
                continue;
            };
            for server in &pool.serving {
                let mut places = self.places.get(server).into_iter().flatten();
                let here = places.find(|slot| slot.balancer == pool.balancer && slot.backend == pool.backend);
                let serves = here
                    .and_then(|slot| state.of(&slot.into()))
                    .is_some_and(|now| now.up);
                if !serves {
                    out.insert(*server);
                }
            }
        }
        Ok(out)
    }

    /// The balancers to speak to about `slots`.
    fn visits(&self, slots: &[Slot]) -> StepResult<Vec<Visit<'_>>> {
        let visit = |(id, here): (BalancerId, Vec<&Slot>)| {
            let balancer = self.balancers.get(&id).ok_or_else(|| {
                let name = here.first().map_or("", |slot| slot.balancer_name.as_str());
                Failure::new(format!("Balancer {name} was not asked before."))
            })?;
            Ok((balancer, here.into_iter().map(Into::into).collect()))
        };
        Slot::by_balancer(slots).into_iter().map(visit).collect()
    }
}

fn words(places: &[balancer::Slot]) -> String {
    let words: Vec<String> = places.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// Proves before an act that the deployment is still ours.
async fn still_ours(run: &Run) -> StepResult<()> {
    drop(run.record().await?);
    Ok(())
}
