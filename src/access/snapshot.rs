//! A policy as it was at a moment, to be compared with another.

use std::sync::Arc;

use super::diff::{self, PolicyDiff};
use super::files::{PolicyFiles, Source};
use super::load;
use super::policy::Policy;
use crate::domain::Instant;

/// A policy that is in force, or was.
#[derive(Clone)]
pub struct PolicySnapshot(Arc<Policy>);

impl PolicySnapshot {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self(policy)
    }

    /// The policy of `files`, as they were kept; `None`: this version cannot read them.
    pub fn of_files(files: PolicyFiles) -> Option<Self> {
        let (loaded, _) = load::open(&Source::Kept(files));
        loaded.map(|loaded| Self(Arc::new(loaded.policy)))
    }

    /// What it was read from.
    pub fn files(&self) -> &PolicyFiles {
        &self.0.files
    }

    /// What somebody may by `new` and not by this policy, and the other way round, from `now` on; `None`:
    /// `gives_up` said so first, as large policies take long.
    pub fn diff(&self, new: &Self, now: Instant, gives_up: &dyn Fn() -> bool) -> Option<PolicyDiff> {
        diff::diff((&self.0, &new.0), now, gives_up)
    }
}
