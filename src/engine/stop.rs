//! Stops a running deployment before it is finished.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a deployment stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A person cancelled it.
    Cancelled,
    /// The deployer is being stopped.
    Shutdown,
    /// Another instance holds the deployment now, or the lease could not be renewed in time: this
    /// one must not touch or store anything more.
    LeaseLost,
    /// The log can no longer be stored.
    LogBroken,
}

/// A token that stops everything a deployment does, with the first reason given. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Stops everything. A second reason is ignored.
    pub fn because(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// The reason, if it has to stop. The writer of the log cancels the token without giving one.
    pub fn reason(&self) -> Option<StopReason> {
        self.token
            .is_cancelled()
            .then(|| *self.reason.get().unwrap_or(&StopReason::LogBroken))
    }

    /// The token for programs and connections to watch.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
