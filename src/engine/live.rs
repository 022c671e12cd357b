//! Announces new log lines and changed states to whoever watches.
//!
//! The store is the truth; what is sent here is only a wake-up that happens to carry the payload.
//! A watcher that falls behind learns so from its channel and reads the store instead. A slow one costs
//! a bounded ring of memory and never slows a deployment down.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::domain::{DeploymentId, NumberedChunk};

/// Events kept for a watcher of one deployment before it has to read the store. An event holds one write
/// of the log, of which there are some tens a second; a loud script takes memory for all of them.
const DEPLOYMENT_RING: usize = 32;
/// Changes kept for a watcher of everything.
const ACTIVITY_RING: usize = 256;

/// What happened to one deployment.
#[derive(Debug, Clone)]
pub enum Event {
    /// Lines were stored; they carry their numbers.
    Lines(Arc<Vec<NumberedChunk>>),
    /// The deployment's state, a step or a server's part changed.
    Changed,
}

/// Where events are sent and watched. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    deployments: Arc<Mutex<HashMap<DeploymentId, broadcast::Sender<Event>>>>,
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
    /// Watches one deployment from now on. Subscribe first, then read the store: what is told
    /// twice can be recognised by its line number, what is missed cannot.
    pub fn watch(&self, id: DeploymentId) -> broadcast::Receiver<Event> {
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

    /// Tells that lines were stored.
    pub fn lines(&self, id: DeploymentId, chunks: Vec<NumberedChunk>) {
        self.send(id, Event::Lines(Arc::new(chunks)));
    }

    /// Tells that a state, a step or a server's part changed.
    pub fn changed(&self, id: DeploymentId) {
        self.send(id, Event::Changed);
        self.something_changed();
    }

    /// Tells that something changed that is no deployment.
    pub fn something_changed(&self) {
        // No receiver is no fault: nobody looks.
        let _ = self.activity.send(());
    }

    fn send(&self, id: DeploymentId, event: Event) {
        if let Some(sender) = self.deployments.lock().get(&id) {
            let _ = sender.send(event);
        }
    }
}
