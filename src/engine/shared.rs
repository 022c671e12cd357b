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

use super::live::Hub;
use super::log_limit::LogLimits;
use super::stop::{Stop, StopReason};
use super::turn::Turn;
use crate::access::Access;
use crate::balancer;
use crate::clock::Clock;
use crate::domain::{DeploymentId, EventKind};
use crate::git::Mirrors;
use crate::ssh::Connections;
use crate::store::{Ring, Store};

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
    pub ssh: Connections,
    /// The present instant.
    pub clock: Clock,
    /// How balancers are spoken to.
    pub balancers: balancer::Options,
    /// How to work.
    pub settings: Settings,
}

/// The engine behind its handle.
pub(super) struct Shared {
    pub parts: Parts,
    pub hub: Hub,
    /// Wakes the worker: something was queued, or servers became free.
    pub wake: Notify,
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
    /// One for each deployment that may work at the same time.
    pub turns: Arc<Semaphore>,
    /// The deployments that run in this process.
    pub running: Mutex<HashMap<DeploymentId, Grip>>,
}

/// How a deployment that runs in this process is reached from outside.
pub(super) struct Grip {
    pub stop: Stop,
    pub turn: Turn,
}

impl Shared {
    pub fn new(parts: Parts) -> Self {
        let turns = Arc::new(Semaphore::new(parts.settings.workers));
        Self {
            parts,
            turns,
            hub: Hub::default(),
            wake: Notify::new(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            running: Mutex::default(),
        }
    }

    /// Passes on what was written: to whoever watches, to the worker, to the deployments that run here.
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
