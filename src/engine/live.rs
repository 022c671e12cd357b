//! Announces new log lines and changed states to open pages.
//!
//! The store is the truth; what is sent here is only a wake-up that happens to carry the payload.
//! The channel tells a watcher that it has fallen behind, and it reads the store instead. A slow
//! watcher costs a bounded amount of memory and never slows a deployment down.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::domain::{DeploymentId, NumberedChunk};

/// Events kept for a watcher of one deployment before it has to read the store. An event holds one write
/// of the log. A loud script causes some tens of writes a second, and all of them take memory.
const DEPLOYMENT_RING: usize = 32;
/// Changes kept for a watcher of everything.
const ACTIVITY_RING: usize = 256;

/// What happened to one deployment.
#[derive(Debug, Clone)]
pub enum LiveEvent {
    /// Lines were stored; they carry their numbers.
    Lines(Arc<Vec<NumberedChunk>>),
    /// The deployment's state, a step or a server's part changed.
    Changed,
}

/// Where events are sent and watched. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    deployments: Arc<Mutex<HashMap<DeploymentId, broadcast::Sender<LiveEvent>>>>,
    activity: broadcast::Sender<()>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            deployments: Arc::default(),
            activity: broadcast::channel(ACTIVITY_RING).0,
        }
    }
}

impl Hub {
    /// Watches one deployment from now on. Subscribe first, then read the store: a line that arrives
    /// twice can be recognised by its number, a missed one cannot.
    pub fn watch(&self, id: DeploymentId) -> broadcast::Receiver<LiveEvent> {
        let mut deployments = self.deployments.lock();
        deployments.retain(|_, sender| sender.receiver_count() > 0);
        deployments
            .entry(id)
            .or_insert_with(|| broadcast::channel(DEPLOYMENT_RING).0)
            .subscribe()
    }

    /// Watches everything that changes.
    pub fn watch_activity(&self) -> broadcast::Receiver<()> {
        self.activity.subscribe()
    }

    /// Announces stored lines.
    pub fn lines(&self, id: DeploymentId, chunks: Vec<NumberedChunk>) {
        self.send(id, LiveEvent::Lines(Arc::new(chunks)));
    }

    /// Announces that a state, a step or a server's part changed.
    pub fn changed(&self, id: DeploymentId) {
        self.send(id, LiveEvent::Changed);
        self.something_changed();
    }

    /// Announces a change of something other than a deployment.
    pub fn something_changed(&self) {
        // Without a receiver nobody is looking, which is fine.
        let _ = self.activity.send(());
    }

    fn send(&self, id: DeploymentId, event: LiveEvent) {
        if let Some(sender) = self.deployments.lock().get(&id) {
            let _ = sender.send(event);
        }
    }
}
