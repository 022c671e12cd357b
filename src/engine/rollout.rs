//! The work on the servers: walks the plan, batch after batch.
//!
//! [`roll_out`] sets three things going side by side: the files on their way to servers whose turn
//! has not come yet (`ahead`), the watch over what is out of service (`gate`), and the walk itself.
//! The walk takes one batch at a time (`batch`), in it several servers at once (`server`), and after
//! each decides what failures mean (`failure`). At its end, however it came, whatever was taken out
//! and still is whole goes back into service. Where it is wanted, `undo` has what was done undone.

mod ahead;
mod batch;
mod by_hand;
mod failure;
mod gate;
mod server;
pub(super) mod undo;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::ahead::Ahead;
use self::failure::Halt;
use self::gate::Gate;
use self::server::Progress;
use super::run::{End, Ending, Member, Run};
use super::steps::check::{Checked, Reached};
use super::steps::checkout::Tree;
use super::steps::reuse::Kept;
use super::steps::transfer::{self, Package};
use super::steps::{Done, Failure, StepResult};
use crate::domain::rollout::{Planned, Slot};
use crate::domain::{DeploymentState, Plan, ServerId, StepKind, SyncMethod};

/// What is done on a server, in order.
pub(super) fn steps(method: SyncMethod, balanced: bool, health: bool) -> Vec<StepKind> {
    use StepKind::{Activate, Deploy, Drain, Health, Inspect, Restore, Sync, Tests};
    let all: &[StepKind] = match method {
        // The files come first: a server is out of service as briefly as can be.
        SyncMethod::Symlink => &[Inspect, Sync, Drain, Activate, Deploy, Tests, Health, Restore],
        SyncMethod::InPlace => &[Inspect, Drain, Sync, Deploy, Tests, Health, Restore],
    };
    let is_done = |kind: &&StepKind| match kind {
        Drain | Restore => balanced,
        Health => health,
        _ => true,
    };
    all.iter().filter(is_done).copied().collect()
}

/// A rollout while it is walked.
struct Rollout<'a> {
    run: &'a Run,
    tree: &'a Tree,
    supply: &'a Supply,
    plan: &'a Plan,
    gate: &'a Gate,
    /// In the order of the plan.
    hands: Vec<Hand<'a>>,
    places: HashMap<ServerId, usize>,
    /// Failures that nobody has said yet what to do about.
    failures: AtomicUsize,
}

/// Where the files come from.
enum Supply {
    /// They are sent.
    Sent(Box<Package>),
    /// They are on the servers already.
    Kept(Kept),
}

/// A server of the rollout, and how it fares.
struct Hand<'a> {
    pub member: &'a Member,
    pub planned: &'a Planned,
    /// The commit that was on it before any of this.
    pub before: Option<String>,
    /// The release directory that was in use on it then.
    pub before_dir: Option<String>,
    reached: Mutex<Arc<Reached>>,
    fate: Mutex<Fate>,
    progress: Mutex<Progress>,
    /// An earlier attempt has put the new release on it.
    tainted: AtomicBool,
    /// Whether the release that an earlier attempt put in use was taken back, and nothing is now.
    withdrawn: AtomicBool,
    /// Where somebody has taken it out by hand since the plan was made.
    by_hand_since: Mutex<Vec<Slot>>,
}

/// What became of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its turn has not come.
    Waiting,
    /// It is being worked on.
    AtWork,
    /// All is done and it serves, as far as it shall.
    Deployed,
    Failed,
}

impl Hand<'_> {
    pub fn id(&self) -> ServerId {
        self.planned.server
    }

    pub fn name(&self) -> &str {
        self.member.server.name.as_str()
    }

    pub fn reached(&self) -> Arc<Reached> {
        Arc::clone(&self.reached.lock())
    }

    pub fn set_reached(&self, reached: Arc<Reached>) {
        *self.reached.lock() = reached;
    }

    pub fn fate(&self) -> Fate {
        *self.fate.lock()
    }

    pub fn set_fate(&self, fate: Fate) {
        *self.fate.lock() = fate;
    }

    pub fn progress(&self) -> Progress {
        *self.progress.lock()
    }

    pub fn set_progress(&self, progress: Progress) {
        *self.progress.lock() = progress;
    }

    /// Where it is taken out and put back.
    pub fn slots(&self) -> Vec<Slot> {
        let left = self.by_hand_since.lock();
        let own = self.planned.slots.iter().filter(|slot| !left.contains(slot));
        own.cloned().collect()
    }

    /// Where somebody took it out by hand, before the plan was made or since.
    pub fn by_hand(&self) -> Vec<Slot> {
        let since = self.by_hand_since.lock();
        self.planned.by_hand.iter().chain(since.iter()).cloned().collect()
    }

    /// Notes that somebody took it out by hand there.
    pub fn leave_by_hand(&self, places: Vec<Slot>) {
        self.by_hand_since.lock().extend(places);
    }

    /// Whether what is on it is no longer what was there before, or may not be.
    pub fn is_touched(&self) -> bool {
        !self.progress().is_old() || self.is_tainted()
    }

    /// Whether an earlier attempt has put the new release on it.
    pub fn is_tainted(&self) -> bool {
        self.tainted.load(Ordering::SeqCst)
    }
}

impl<'a> Rollout<'a> {
    fn new(
        run: &'a Run,
        tree: &'a Tree,
        supply: &'a Supply,
        checked: &'a Checked,
        gate: &'a Gate,
    ) -> StepResult<Self> {
        let plan = &checked.plan;
        let (mut hands, mut places) = (Vec::new(), HashMap::new());
        let members: HashMap<ServerId, &Member> =
            run.members.iter().map(|one| (one.server.id, one)).collect();
        for planned in plan.servers() {
            let unknown = || Failure::new(format!("{} was not looked at.", planned.name));
            let member = members.get(&planned.server).ok_or_else(unknown)?;
            let reached = checked.inspections.get(&planned.server).ok_or_else(unknown)?;
            places.insert(planned.server, hands.len());
            hands.push(Hand {
                member,
                planned,
                before: reached
                    .found
                    .release
                    .as_ref()
                    .map(|release| release.commit.clone()),
                before_dir: reached.found.resolved.clone(),
                reached: Mutex::new(Arc::clone(reached)),
                fate: Mutex::new(Fate::Waiting),
                progress: Mutex::new(Progress::Untouched),
                tainted: AtomicBool::new(false),
                withdrawn: AtomicBool::new(false),
                by_hand_since: Mutex::default(),
            });
        }
        Ok(Self {
            run,
            tree,
            supply,
            plan,
            gate,
            hands,
            places,
            failures: AtomicUsize::new(0),
        })
    }

    pub fn hands(&self) -> impl Iterator<Item = &Hand<'a>> {
        self.hands.iter()
    }

    pub fn hand(&self, id: ServerId) -> Option<&Hand<'a>> {
        self.places.get(&id).and_then(|place| self.hands.get(*place))
    }

    /// How many servers are worked on at once.
    pub fn parallel(&self) -> usize {
        parallel(self.run)
    }

    /// Whether the failures so far allow to begin another server.
    pub fn may_begin(&self) -> bool {
        self.run.stop.reason().is_none() && self.failures.load(Ordering::SeqCst) <= failure::allowed(self.run)
    }
}

/// How many servers of a deployment are worked on at once.
pub(super) fn parallel(run: &Run) -> usize {
    usize::try_from(run.environment.options.parallel)
        .unwrap_or(1)
        .max(1)
}

/// How it ended, and the servers that have the new release.
pub(super) struct Rolled {
    pub ending: Ending,
    deployed: Vec<ServerId>,
    /// Whether new releases came to the servers.
    sent: bool,
    checked: Checked,
}

/// With `kept`, nothing is sent.
pub(super) async fn roll_out(
    run: &Run,
    tree: &Tree,
    mut checked: Checked,
    kept: Option<Kept>,
) -> StepResult<Rolled> {
    let supply = match kept {
        Some(kept) => Supply::Kept(kept),
        None => Supply::Sent(Box::new(transfer::pack(run, tree).await?)),
    };
    let (balancers, places) = (
        std::mem::take(&mut checked.balancers),
        std::mem::take(&mut checked.places),
    );
    let gate = Gate::new(run, balancers, places);
    let rollout = Rollout::new(run, tree, &supply, &checked, &gate)?;
    let (ahead, errands) = Ahead::plan(&rollout);
    let (halted, done) = (AtomicBool::new(false), CancellationToken::new());
    let walk = async {
        let halt = batch::walk(&rollout, &ahead).await;
        halted.store(true, Ordering::SeqCst);
        if halt.is_some() {
            failure::leave_whole(&rollout, halt.as_ref()).await;
        }
        done.cancel();
        halt
    };
    let walk = Box::pin(walk);
    let (halt, (), ()) = tokio::join!(
        walk,
        ahead::run(&rollout, errands, &halted),
        gate.watch(run, &done)
    );
    let ending = ending(&rollout, halt).await;
    let deployed = rollout
        .hands()
        .filter(|hand| hand.fate() == Fate::Deployed)
        .map(Hand::id)
        .collect();
    drop(rollout);
    if let Supply::Sent(package) = &supply {
        package.remember().await;
    }
    Ok(Rolled {
        ending,
        deployed,
        sent: matches!(supply, Supply::Sent(_)),
        checked,
    })
}

async fn ending(rollout: &Rollout<'_>, halt: Option<Halt>) -> Ending {
    if rollout.run.stop.reason().is_some() {
        return Ending::Stopped;
    }
    let of = |fate: Fate| rollout.hands().filter(move |hand| hand.fate() == fate);
    let (deployed, waiting) = (of(Fate::Deployed).count(), of(Fate::Waiting).count());
    let mut failed: Vec<&str> = of(Fate::Failed).map(Hand::name).collect();
    failed.sort_unstable();
    let Some(halt) = halt.or_else(|| (!failed.is_empty()).then(Halt::default)) else {
        return Ending::Succeeded(format!("{} deployed.", servers(deployed)));
    };
    let mut sentences = Vec::new();
    sentences.extend(halt.why);
    if !failed.is_empty() {
        sentences.push(format!("Failed on {}.", failed.join(", ")));
    }
    if deployed > 0 {
        sentences.push(format!("Deployed to {}.", servers(deployed)));
    }
    if waiting > 0 {
        sentences.push(format!("Left {} untouched.", servers(waiting)));
    }
    let undo = match halt.undo {
        Some(reason) => Some(undo::work_out(rollout, reason).await),
        None => None,
    };
    Ending::Ended(Box::new(End {
        state: match halt.by_person {
            true => DeploymentState::Cancelled,
            false => DeploymentState::Failed,
        },
        sentence: sentences.join(" "),
        undo,
    }))
}

pub(super) fn servers(count: usize) -> String {
    match count {
        1 => "1 server".to_owned(),
        _ => format!("{count} servers"),
    }
}

/// Prunes old releases on servers that got the new one. What cannot be pruned is said and left.
pub(super) async fn finish(run: &Run, rolled: &Rolled) -> StepResult<()> {
    let mut step = run.begin(StepKind::Finish, None).await?;
    let reached = |member: &Member| {
        let id = member.server.id;
        let reached = rolled.checked.inspections.get(&id)?;
        rolled.deployed.contains(&id).then(|| reached.session.clone())
    };
    let reached: Vec<_> = run
        .members
        .iter()
        .filter_map(|member| Some((member, reached(member)?)))
        .collect();
    let result = match rolled.sent {
        true => transfer::prune(run, &mut step.log, &reached).await,
        // No release has come, so none has to go.
        false => Ok(Done::well("")),
    };
    run.end(step, result).await.map(drop)
}
