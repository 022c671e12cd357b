//! What was seen on the servers of a running deployment.

use std::collections::HashMap;
use std::sync::Arc;

use super::planning::Prospect;
use crate::domain::{ServerId, SyncMethod};
use crate::ssh::Session;
use crate::sync::{Inspection, Layout, Looked};

/// A server that was reached, and what was seen on it.
pub(super) struct Reached {
    pub session: Session,
    pub layout: Layout,
    pub found: Inspection,
    /// Its releases, if the deployment may go back to one of them.
    pub releases: Option<Looked>,
    /// When it was seen.
    pub at: tokio::time::Instant,
}

impl Reached {
    /// Whether files in place are of two releases, as an earlier deployment was not finished there.
    pub fn is_half_changed(&self) -> bool {
        let is_open = self
            .found
            .release
            .as_ref()
            .is_some_and(|release| release.in_progress);
        self.layout.method == SyncMethod::InPlace && is_open
    }
}

/// What the check of a deployment found out.
pub(super) struct Checked {
    pub prospect: Prospect,
    /// What was seen on each server.
    pub servers: HashMap<ServerId, Arc<Reached>>,
}
