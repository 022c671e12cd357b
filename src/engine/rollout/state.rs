//! The state of a running rollout and of each of its servers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::rotation::Rotation;
use crate::domain::rollout::{Planned, Slot};
use crate::domain::standing::Trial;
use crate::domain::{Kind, OnFailure, OnServer, Plan, ServerId};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::found::{Checked, Reached};
use crate::engine::run::{Run, TargetServer};
use crate::engine::steps::checkout::Tree;
use crate::engine::steps::reuse::Kept;
use crate::engine::steps::transfer::Package;
use crate::engine::undo::Touched;

/// A running rollout.
pub(super) struct Rollout<'a> {
    pub run: &'a Run,
    pub tree: &'a Tree,
    pub supply: &'a Supply,
    pub plan: &'a Plan,
    pub rotation: &'a Rotation,
    /// In the order of the plan.
    pub servers: Vec<ServerRollout<'a>>,
    places: HashMap<ServerId, usize>,
    /// Failures since a person last decided how to continue.
    pub failures: AtomicUsize,
}

/// What the servers get: the prepared tree, and where its files come from.
pub struct Goods {
    pub(super) tree: Tree,
    pub(super) supply: Supply,
}

/// How a server was when its rollout was paused.
#[derive(Debug, Clone)]
pub(super) struct PastServer {
    pub fate: Fate,
    pub stage: Stage,
    /// See [`ServerRollout::left`].
    pub left: Option<OnServer>,
    /// Whether the release on it has changed, or may have.
    pub is_touched: bool,
    /// See [`ServerRollout::before`].
    pub before: Option<String>,
    /// See [`ServerRollout::before_dir`].
    pub before_dir: Option<String>,
}

impl PastServer {
    /// One whose turn has not come, as it was found.
    pub fn untouched(reached: &Reached) -> Self {
        let found = &reached.found;
        Self {
            fate: Fate::Waiting,
            stage: Stage::Untouched,
            left: reached.is_half_changed().then_some(OnServer::LeftMixed),
            is_touched: false,
            before: found.release.as_ref().map(|release| release.commit.clone()),
            before_dir: found.resolved.clone(),
        }
    }
}

/// Where the files of the release come from.
pub(super) enum Supply {
    /// They are sent.
    Sent(Box<Package>),
    /// They are on the servers already.
    Kept(Kept),
}

/// One server of the rollout: what is planned for it and how far it has come.
pub(super) struct ServerRollout<'a> {
    pub member: &'a TargetServer,
    pub planned: &'a Planned,
    /// The commit that was on it before the rollout.
    pub before: Option<String>,
    /// The release directory that was in use then.
    pub before_dir: Option<String>,
    reached: Mutex<Option<Arc<Reached>>>,
    fate: Mutex<Fate>,
    stage: Mutex<Stage>,
    /// What an earlier attempt has left on it, if one has changed it, or an earlier deployment half changed.
    left: Mutex<Option<OnServer>>,
    /// Places where somebody has taken it out by hand since the plan was made.
    by_hand_since: Mutex<Vec<Slot>>,
    doubt: Mutex<Option<Doubt>>,
}

/// A switch that may or may not have been made.
#[derive(Clone)]
pub(super) struct Doubt {
    /// The directory of the new release.
    pub directory: String,
    pub failure: Failure,
}

/// The outcome of a server so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its turn has not come.
    Waiting,
    /// It is being worked on.
    AtWork,
    /// All steps succeeded, and it is in service unless somebody took it out by hand.
    Deployed,
    Failed,
}

/// How far a server has come. When it fails, this decides whether it may serve and what is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Untouched,
    /// Files are being sent. The release in use is still the old one, complete.
    Syncing,
    /// The files in use may be of two releases.
    Half,
    /// The switch was requested, and the server did not report whether it was made.
    Switching,
    /// The new files are in use, and nothing was run on them yet.
    Active,
    /// This step is being run on the new files.
    Tried(Trial),
    /// A script deleted the new release, which was in use.
    Gone,
    /// Every step succeeded; it goes back into service.
    Done,
}

impl ServerRollout<'_> {
    pub fn id(&self) -> ServerId {
        self.planned.server
    }

    pub fn name(&self) -> &str {
        self.member.server.name.as_str()
    }

    /// The last look at it; `None` where a rollout that was taken up could not reach it.
    pub fn reached(&self) -> Option<Arc<Reached>> {
        self.reached.lock().clone()
    }

    pub fn set_reached(&self, reached: Arc<Reached>) {
        *self.reached.lock() = Some(reached);
    }

    pub fn fate(&self) -> Fate {
        *self.fate.lock()
    }

    pub fn set_fate(&self, fate: Fate) {
        *self.fate.lock() = fate;
    }

    pub fn stage(&self) -> Stage {
        *self.stage.lock()
    }

    pub fn set_stage(&self, stage: Stage) {
        *self.stage.lock() = stage;
    }

    /// Places where it is taken out and put back.
    pub fn slots(&self) -> Vec<Slot> {
        let left = self.by_hand_since.lock();
        let own = self.planned.slots.iter().filter(|slot| !left.contains(slot));
        own.cloned().collect()
    }

    /// Places where somebody took it out by hand, before the plan was made or since.
    pub fn by_hand(&self) -> Vec<Slot> {
        let since = self.by_hand_since.lock();
        self.planned.by_hand.iter().chain(since.iter()).cloned().collect()
    }

    /// Leaves these places alone from now on: a person took the server out there.
    pub fn leave_by_hand(&self, places: Vec<Slot>) {
        self.by_hand_since.lock().extend(places);
    }

    /// Remembers that nobody knows whether the switch to `directory` was made.
    pub fn doubt(&self, directory: &str, failure: &Failure) {
        *self.doubt.lock() = Some(Doubt {
            directory: directory.to_owned(),
            failure: failure.clone(),
        });
    }

    /// The switch that is still in doubt.
    pub fn doubted(&self) -> Option<Doubt> {
        let is_open = self.fate() == Fate::Failed && self.stage() == Stage::Switching;
        self.doubt.lock().clone().filter(|_| is_open)
    }

    /// Whether the release on it has changed, or may have; or was half changed before, so that it must not serve.
    pub fn is_touched(&self) -> bool {
        !self.on_server(true).is_old()
    }

    /// The server as one to undo, if it is touched.
    pub fn as_touched(&self) -> Option<Touched> {
        (!self.on_server(true).is_unchanged()).then(|| Touched {
            server: self.id(),
            name: self.name().to_owned(),
            cluster: self.planned.cluster.clone(),
            before: self.before.as_deref().and_then(|before| before.parse().ok()),
        })
    }

    /// What is on it. `has_ended`: the step that is being run has ended, and failed.
    pub fn on_server(&self, has_ended: bool) -> OnServer {
        let left = *self.left.lock();
        match self.stage() {
            Stage::Untouched => left.unwrap_or(OnServer::Untouched),
            Stage::Syncing => left.unwrap_or(OnServer::Old),
            Stage::Half => OnServer::Mixed,
            Stage::Switching => OnServer::Switching,
            Stage::Active => OnServer::NotRun,
            Stage::Tried(trial) if has_ended => OnServer::Failed(trial),
            Stage::Tried(trial) => OnServer::NotEnded(trial),
            Stage::Gone => OnServer::Gone,
            Stage::Done => OnServer::New,
        }
    }

    /// Remembers what an attempt leaves on it for the next one.
    pub fn leave(&self, on: OnServer) {
        *self.left.lock() = Some(on);
    }
}

impl<'a> Rollout<'a> {
    /// A rollout as it begins, or as far as it came before it was paused: `past` has the servers that were
    /// worked on.
    pub fn new(
        run: &'a Run,
        goods: &'a Goods,
        checked: &'a Checked,
        rotation: &'a Rotation,
        past: &HashMap<ServerId, PastServer>,
    ) -> StepResult<Self> {
        let plan = &checked.prospect.plan;
        let (mut servers, mut places) = (Vec::new(), HashMap::new());
        let members: HashMap<ServerId, &TargetServer> =
            run.members.iter().map(|one| (one.server.id, one)).collect();
        for planned in plan.servers() {
            let unknown = || Failure::new(format!("{} was not looked at.", planned.name));
            let member = members.get(&planned.server).ok_or_else(unknown)?;
            let reached = checked.servers.get(&planned.server);
            let past = match past.get(&planned.server) {
                Some(past) => past.clone(),
                None => PastServer::untouched(reached.ok_or_else(unknown)?),
            };
            places.insert(planned.server, servers.len());
            servers.push(ServerRollout {
                member,
                planned,
                before: past.before,
                before_dir: past.before_dir,
                reached: Mutex::new(reached.cloned()),
                fate: Mutex::new(past.fate),
                stage: Mutex::new(past.stage),
                left: Mutex::new(past.left),
                by_hand_since: Mutex::default(),
                doubt: Mutex::default(),
            });
        }
        let rollout = Self {
            run,
            tree: &goods.tree,
            supply: &goods.supply,
            plan,
            rotation,
            servers,
            places,
            failures: AtomicUsize::new(0),
        };
        // Where people decide about failures, they have decided about these.
        if let OnFailure::Continue { .. } = rollout.on_failure() {
            let failed = rollout.servers().filter(|one| one.fate() == Fate::Failed).count();
            rollout.failures.store(failed, Ordering::SeqCst);
        }
        Ok(rollout)
    }

    pub fn servers(&self) -> impl Iterator<Item = &ServerRollout<'a>> {
        self.servers.iter()
    }

    pub fn server(&self, id: ServerId) -> Option<&ServerRollout<'a>> {
        self.places.get(&id).and_then(|place| self.servers.get(*place))
    }

    /// Whether another server may begin, after the failures so far.
    pub fn may_begin(&self) -> bool {
        self.run.stop.reason().is_none() && self.failures.load(Ordering::SeqCst) <= self.failures_allowed()
    }

    /// What the environment does about failures. A rollback is not undone itself, or two commits
    /// that both fail would follow each other for ever.
    pub fn on_failure(&self) -> OnFailure {
        match self.run.environment.options.rollout.on_failure {
            OnFailure::RollBack if self.run.deployment.kind == Kind::Rollback => OnFailure::Stop,
            configured => configured,
        }
    }

    /// How many servers may have failed while another one begins.
    fn failures_allowed(&self) -> usize {
        match self.on_failure() {
            OnFailure::Continue { up_to } => usize::try_from(up_to).unwrap_or(usize::MAX),
            _ => 0,
        }
    }
}
