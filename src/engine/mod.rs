//! Does what deployments ask for: takes them from the queue, runs their steps, tells how it went.
//!
//! [`Engine`] is the handle the rest of the program holds: wake it when something was queued, ask
//! it to stop a deployment, watch what happens through its [`live::Hub`]. Behind it a
//! task claims deployments from the store (`worker`) as long as there is a turn to work for one
//! (`turn`), and each claimed one is carried through its phases (`run`) by the steps in `steps`,
//! along a plan (`planning`) that `rollout` walks. One that waits for a person gives its turn away
//! (`pause`). What deployments left out of service is kept out (`keeper`). Whatever a step does is written (`journal`)
//! to the store before and after it, so that a restart (`recovery`) can tell the truth about what
//! was interrupted. Everything printed takes one way: `output`.
//!
//! The engine decides nothing about who may do what: it asks `access` again at the instant a
//! deployment is about to touch servers, and otherwise trusts what `app` has stored.

mod journal;
mod keeper;
mod lines;
pub mod live;
mod mask;
mod output;
mod pause;
pub mod planning;
mod recovery;
mod rollout;
mod run;
mod scheduler;
mod steps;
mod stop;
mod turn;
mod worker;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::balancer;
use crate::clock::Clock;
use crate::domain::{DeploymentId, Environment, EventKind, Kind, Plan, Result, ServerId, Strategy};
use crate::git::Mirrors;
use crate::ssh::Pool;
use crate::store::{Ring, Store};
use live::Hub;
use planning::{Asking, Roster};
pub use steps::transfer::kept as kept_manifest;
use stop::{Stop, StopReason};
use turn::Turn;

/// How the engine works, from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this instance in the store's queue.
    pub instance: String,
    /// How many deployments run at once; those that are paused are not counted.
    pub workers: usize,
    /// Where exported trees and manifests are kept; ours alone.
    pub work_dir: PathBuf,
    /// How long a claimed deployment is ours without a sign of life.
    pub lease: Duration,
    /// Values masked in every log, beside the secret variables of the environment.
    pub secrets: Vec<String>,
}

/// What the engine works with.
pub struct Parts {
    /// Remembers.
    pub store: Store,
    /// Says who may.
    pub access: Arc<Access>,
    /// Where commits come from.
    pub mirrors: Mirrors,
    /// The way to servers.
    pub ssh: Pool,
    /// The present instant.
    pub clock: Clock,
    /// How balancers are spoken to.
    pub balancers: balancer::Options,
    /// How to work.
    pub settings: Settings,
}

/// The handle on the engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    parts: Parts,
    hub: Hub,
    wake: Notify,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    turns: Arc<Semaphore>,
    running: Mutex<HashMap<DeploymentId, Grip>>,
}

/// What reaches a deployment that runs here from outside of it.
struct Grip {
    stop: Stop,
    turn: Turn,
}

impl Engine {
    /// An engine that does nothing until [`Self::start`].
    pub fn new(parts: Parts) -> Self {
        let turns = Arc::new(Semaphore::new(parts.settings.workers));
        let inner = Arc::new(Inner {
            parts,
            turns,
            hub: Hub::default(),
            wake: Notify::new(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            running: Mutex::default(),
        });
        let listening = Arc::downgrade(&inner);
        inner.parts.store.listen(move |ring| {
            if let Some(inner) = listening.upgrade() {
                inner.hear(ring);
            }
        });
        Self(inner)
    }

    /// Begins to work. What an earlier process left running keeps its servers until it is known what
    /// is on them, some seconds; everything else goes on at once.
    pub async fn start(&self) -> Result<()> {
        let left = recovery::take_all(&self.0).await?;
        recovery::clear_trees(&self.0).await;
        let watch = recovery::watch(Arc::clone(&self.0), left);
        self.0.tasks.spawn(watch);
        self.0.tasks.spawn(scheduler::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(keeper::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(worker::work(Arc::clone(&self.0)));
        Ok(())
    }

    /// What bringing a commit to the servers `meant` would do, for whoever is about to ask for it. A
    /// balancer that cannot be asked is a note in the plan.
    ///
    /// # Errors
    /// What the strategy refuses; of the store.
    pub async fn preview(
        &self,
        environment: &Environment,
        (strategy, kind): (Option<Strategy>, Kind),
        meant: &HashSet<ServerId>,
    ) -> Result<Plan> {
        let Parts { store, balancers, .. } = &self.0.parts;
        let roster = Roster::load(store, environment).await?;
        let how = (Roster::strategy(strategy, environment), kind);
        let asking = Asking::Preview;
        let prospect = planning::prospect(store, balancers, &roster, how, meant, asking).await?;
        Ok(prospect.plan)
    }

    /// What happens, for whoever watches.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Takes nothing new, ends what runs, and waits until each of it is closed in the store.
    pub async fn shutdown(&self) {
        self.0.shutdown.cancel();
        for grip in self.0.running.lock().values() {
            grip.stop.because(StopReason::Shutdown);
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    /// Passes on what was written: to whoever watches, to the worker, to what runs here.
    fn hear(&self, ring: Ring<'_>) {
        let event = match ring {
            Ring::Lines(id, lines) => return self.hub.lines(id, lines),
            Ring::Progress(id) => return self.hub.changed(id),
            Ring::Event(event) => event,
        };
        let Some(id) = event.deployment else {
            return self.hub.something_changed();
        };
        match event.kind {
            EventKind::CancelRequested => self.reach(id, |grip| grip.stop.because(StopReason::Cancelled)),
            EventKind::DeploymentAnswered => self.reach(id, |grip| grip.turn.ring()),
            _ => {}
        }
        self.hub.changed(id);
        self.wake.notify_waiters();
    }

    /// Reaches a deployment that runs here. One of another instance sees it within a second or so.
    fn reach(&self, id: DeploymentId, act: impl FnOnce(&Grip)) {
        if let Some(grip) = self.running.lock().get(&id) {
            act(grip);
        }
    }
}
