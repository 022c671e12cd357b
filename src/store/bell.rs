//! Wakes the listener after a commit: the hub that pages watch, and the engine.
//!
//! Ringing is part of the commit, so nobody can forget it. The listener runs on the writer's task, so
//! it only wakes others.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::{DeploymentId, Event, NumberedChunk};

/// What was written.
#[derive(Debug)]
pub enum Ring<'a> {
    /// Something happened.
    Event(&'a Event),
    /// A step or a server of a deployment changed.
    Progress(DeploymentId),
    /// Log lines of a deployment were stored; they carry their numbers.
    Lines(DeploymentId, Vec<NumberedChunk>),
}

type Listener = Arc<dyn Fn(Ring<'_>) + Send + Sync>;

/// The listener. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<RwLock<Option<Listener>>>);

impl Bell {
    pub fn set(&self, listener: Listener) {
        *self.0.write() = Some(listener);
    }

    pub fn ring(&self, ring: Ring<'_>) {
        let listener = self.0.read().clone();
        if let Some(listener) = listener {
            listener(ring);
        }
    }
}
