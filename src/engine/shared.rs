//! What all parts of the engine share: its tools and settings, the hub, and the deployments that
//! run in this process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::departures::Departures;
use super::live::Hub;
use super::log_limit::LogLimits;
use super::stop::{Stop, StopReason};
use super::turn::WorkTurn;
use crate::access::Access;
use crate::balancer;
use crate::clock::Clock;
use crate::confinement::Confinement;
use crate::domain::{Deployment, DeploymentId, EventKind, Result};
use crate::git::Mirrors;
use crate::ssh::Connections;
use crate::store::jobs::JobLease;
use crate::store::{Change, Right, Ring, Store};

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
    /// How much of what programs print is kept.
    pub log: LogLimits,
    /// Bytes that the tree of a deployment may have.
    pub tree_limit: u64,
    /// How long groups count that a login told.
    pub groups_max_age: Duration,
}

/// What the engine works with.
pub struct EngineParts {
    /// The database.
    pub store: Store,
    /// Decides who may do what.
    pub access: Arc<Access>,
    /// Local mirrors of the projects' repositories.
    pub mirrors: Mirrors,
    /// Connections to servers.
    pub ssh: Connections,
    /// Tells the time.
    pub clock: Clock,
    /// How to connect to balancers.
    pub balancers: balancer::Options,
    /// Runs what repositories bring on this host.
    pub confinement: Confinement,
    /// From the configuration.
    pub settings: Settings,
}

/// The engine behind its handle.
pub(super) struct Shared {
    pub parts: EngineParts,
    pub hub: Hub,
    /// Wakes the worker: something was queued, or servers became free.
    pub wake: Notify,
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
    /// One for each deployment that may work at the same time.
    pub turns: Arc<Semaphore>,
    /// The deployments that run in this process.
    pub running: Mutex<HashMap<DeploymentId, RunHandle>>,
    /// What they are about to take out of service.
    pub departures: Departures,
}

/// Stops or wakes a deployment that runs in this process.
pub(super) struct RunHandle {
    pub stop: Stop,
    pub turn: WorkTurn,
}

impl Shared {
    pub fn new(parts: EngineParts) -> Self {
        let turns = Arc::new(Semaphore::new(parts.settings.workers));
        Self {
            parts,
            turns,
            hub: Hub::default(),
            wake: Notify::new(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            running: Mutex::default(),
            departures: Departures::default(),
        }
    }

    /// Opens a change about `deployment` in the name of the engine itself, for whoever holds a job's `lease`.
    ///
    /// # Errors
    /// As [`Store::change_by_job`].
    pub async fn change_by_job(&self, lease: JobLease, deployment: &Deployment) -> Result<Change> {
        let (right, now) = (Right::of_engine_itself(deployment), self.parts.clock.now());
        self.parts.store.change_by_job(lease, right, now).await
    }

    /// Passes a write on to open pages, to the worker and to the deployments that run here.
    pub fn hear(&self, ring: Ring<'_>) {
        let event = match ring {
            Ring::Lines(id, lines) => return self.hub.lines(id, lines),
            Ring::Progress(id) => return self.hub.changed(id),
            Ring::Event(event) => event,
        };
        let Some(id) = event.deployment else {
            return self.hub.something_changed();
        };
        match event.kind {
            EventKind::CancelRequested => self.reach(id, |handle| handle.stop.because(StopReason::Cancelled)),
            EventKind::DeploymentAnswered => self.reach(id, |handle| handle.turn.ring()),
            _ => {}
        }
        self.hub.changed(id);
        self.wake.notify_waiters();
    }

    /// Acts on a deployment if it runs here. One that runs in another instance reads the store every
    /// second or so.
    fn reach(&self, id: DeploymentId, act: impl FnOnce(&RunHandle)) {
        if let Some(handle) = self.running.lock().get(&id) {
            act(handle);
        }
    }
}
