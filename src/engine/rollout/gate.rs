//! Taking servers out of service at their balancers, and putting them back.
//!
//! What is out because of us is known to the [`Gate`] at every moment, and it sees to it that it
//! stays out: a HAProxy that is restarted forgets everything and would send users to a server whose
//! scripts are running. Before every act the intent is in the store, and so is the proof that the
//! deployment is still ours; afterwards the outcome is.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::balancer::{self, Admin, Balancer};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::rollout::Slot;
use crate::domain::{BalancerId, Plan, ServerId, StepKind};
use crate::engine::journal::Note;
use crate::engine::output::{StepLog, StepName};
use crate::engine::planning::Balancers;
use crate::engine::run::{Member, Run};
use crate::engine::steps::{Done, Failure, StepResult};
use crate::store::LeasedTx;

/// How often it is looked whether what is out still is: a restart of HAProxy is rare, and until it
/// is noticed users may meet a server that is being worked on.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
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
            let is_back =
                |place: &balancer::Slot| state.of(place).is_none_or(|now| now.admin != Admin::Maint);
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
        let result = self.open(run, member, slots, &mut step.log).await;
        let mut notes = Vec::new();
        match &result {
            Ok(_) => {
                notes.push(Note::Service(Service::Back));
                notes.extend(done.map(|(state, detail)| Note::State(state, detail)));
            }
            Err(_) if if_down == IfDown::TakeOut => match self.close(run, member, slots).await {
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
        run.end_noting(step, result, &notes).await.map(drop)
    }

    async fn open(&self, run: &Run, member: &Member, slots: &[Slot], log: &mut StepLog) -> StepResult {
        let visits = self.visits(slots)?;
        {
            let mut held = self.held.lock().await;
            held.remove(&member.server.id);
            // All of them, even when one is away: what it serves is right.
            let opened = visits.iter().map(|(balancer, places)| balancer.ready(places));
            let mut opened: Vec<_> = join_all(opened).await;
            if let Some(at) = opened.iter().position(Result::is_err) {
                opened.swap_remove(at)?;
            }
        }
        self.taken.lock().remove(&member.server.id);
        log.say("Put back; waiting until the balancer calls it up.").await;
        let calm = CancellationToken::new();
        for (balancer, places) in &visits {
            match balancer.wait_up(places, self.up_limit, run.stop.token()).await {
                Err(balancer::Error::Cancelled) => {
                    balancer
                        .wait_up(places, self.up_limit.min(LAST_WAIT), &calm)
                        .await?;
                }
                other => other?,
            }
        }
        log.say("In service again.").await;
        Ok(Done::well(""))
    }

    async fn close(&self, run: &Run, member: &Member, slots: &[Slot]) -> StepResult<()> {
        still_ours(run).await?;
        let mut held = self.held.lock().await;
        for (balancer, places) in self.visits(slots)? {
            balancer.maint(&places).await?;
        }
        held.insert(member.server.id, slots.to_vec());
        self.taken.lock().insert(member.server.id);
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
                    .and_then(|slot| state.of(&place(slot)))
                    .is_some_and(|now| now.up);
                if !serves {
                    out.insert(*server);
                }
            }
        }
        Ok(out)
    }

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
        for (id, balancer) in &self.balancers {
            let state = balancer.look().await.state;
            for (server, slots) in held.iter() {
                let own = slots.iter().filter(|slot| slot.balancer == *id).map(place);
                let is_back = |slot: &balancer::Slot| {
                    let now = state.of(slot);
                    now.is_some_and(|now| now.per_endpoint.iter().any(|line| line.admin == Admin::Ready))
                };
                let back: Vec<balancer::Slot> = own.filter(is_back).collect();
                if back.is_empty() {
                    continue;
                }
                still_ours(run).await?;
                balancer.maint(&back).await?;
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
        }
        Ok(())
    }

    /// The balancers to speak to about `slots`.
    fn visits(&self, slots: &[Slot]) -> StepResult<Vec<Visit<'_>>> {
        let mut visits: Vec<(BalancerId, Visit<'_>)> = Vec::new();
        for slot in slots {
            if let Some((_, visit)) = visits.iter_mut().find(|(id, _)| *id == slot.balancer) {
                visit.1.push(place(slot));
                continue;
            }
            let balancer = self.balancers.get(&slot.balancer).ok_or_else(|| {
                Failure::new(format!("Balancer {} was not asked before.", slot.balancer_name))
            })?;
            visits.push((slot.balancer, (balancer, vec![place(slot)])));
        }
        Ok(visits.into_iter().map(|(_, visit)| visit).collect())
    }
}

fn place(slot: &Slot) -> balancer::Slot {
    balancer::Slot {
        backend: slot.backend.clone(),
        server: slot.server.clone(),
    }
}

fn words(places: &[balancer::Slot]) -> String {
    let words: Vec<String> = places.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// Proves before an act that the deployment is still ours.
async fn still_ours(run: &Run) -> StepResult<()> {
    let tx: LeasedTx = run.begin_tx().await?;
    tx.commit().await?;
    Ok(())
}
