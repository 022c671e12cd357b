//! How a deployment came about, and what it needs for that.

use serde::{Deserialize, Serialize};

use super::access::Action;
use super::project::Environment;
use super::words::words;

words! {
    /// How a deployment came about.
    Kind {
        /// A person picked a commit.
        Regular = "regular", "Regular";
        /// A push started it.
        Automatic = "automatic", "Automatic";
        /// The commit came from the environment before.
        Promotion = "promotion", "Promotion";
        /// Back to an earlier release.
        Rollback = "rollback", "Rollback";
        /// Requested for a later time.
        Scheduled = "scheduled", "Scheduled";
    }
}

impl Kind {
    /// The action that carrying it out needs permission for.
    pub fn action(self) -> Action {
        match self {
            Self::Rollback => Action::Rollback,
            Self::Regular | Self::Automatic | Self::Promotion | Self::Scheduled => Action::Deploy,
        }
    }

    /// Within how many hours someone else has to approve it in `environment`; `None`: no approval is
    /// needed. A rollback needs none: its commit was approved before, and a rollback is urgent.
    pub fn approval_hours(self, environment: &Environment) -> Option<u32> {
        environment
            .options
            .approval_hours
            .filter(|_| self != Self::Rollback)
    }
}
