//! Why a running deployment has to end before it is done.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// What makes a deployment end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A person wants it.
    Cancelled,
    /// The deployer is being stopped.
    Shutdown,
    /// Somebody else holds the deployment now; nothing more may be touched or written.
    LeaseLost,
    /// What happens can no longer be written down.
    LogBroken,
}

/// A token that ends everything a deployment does, with the first reason given. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Ends everything. A second reason is ignored.
    pub fn because(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Why, if it is to end. A token cancelled without a reason is the log's: its writer knows none.
    pub fn reason(&self) -> Option<StopReason> {
        self.token
            .is_cancelled()
            .then(|| *self.reason.get().unwrap_or(&StopReason::LogBroken))
    }

    /// What programs and connections watch.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
