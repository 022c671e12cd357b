//! Rings whoever listens after something was written: the hub that pages watch, the engine.
//!
//! Ringing is part of the commit, so nobody can forget it. A listener is called on the writer's
//! task: it only wakes somebody.

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

/// Who listens. Cloning shares it.
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
