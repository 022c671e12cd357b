//! Why a process could not be started, or did not end by itself.

use std::io;
use std::time::Duration;

/// Why there is no [`super::Exit`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It never started.
    #[error("“{program}” could not be started: {reason}.")]
    Start {
        /// What was to be run.
        program: String,
        /// What stood in the way.
        reason: String,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long, and its whole group was ended.
    #[error("“{program}” was ended because it took longer than {} s.", after.as_secs_f64())]
    TimedOut {
        /// What was run.
        program: String,
        /// The limit.
        after: Duration,
    },
    /// It was cancelled, and its whole group was ended.
    #[error("“{program}” was ended because it was cancelled.")]
    Cancelled {
        /// What was run.
        program: String,
    },
    /// The system would not tell how it ended. Its group was ended.
    #[error("The system would not say how “{program}” ended.")]
    Lost {
        /// What was run.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}
