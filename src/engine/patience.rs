//! Waits while the database is away or held by another process: a deployment lasts as long as its lease.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::{Error, ErrorKind, Result};

/// The pause before the database is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How long to keep trying to open a write.
pub(super) struct Patience {
    end: Instant,
}

impl Patience {
    /// Tries for as long as a lease lasts: after that the lease is lost.
    pub fn of(lease: Duration) -> Self {
        Self {
            end: Instant::now() + lease,
        }
    }

    /// Opens a write, by `open`, as often as it takes.
    pub async fn insist<T, F: Future<Output = Result<T>>>(self, open: impl Fn() -> F) -> Result<T> {
        loop {
            match open().await {
                Err(error) if self.is_left(&error).await => {}
                outcome => return outcome,
            }
        }
    }

    /// Whether to try again after `error`; returns after a pause.
    async fn is_left(&self, error: &Error) -> bool {
        let again = error.kind() == ErrorKind::Unavailable && Instant::now() < self.end;
        if again {
            tracing::warn!("the database is asked again: {error}");
            sleep(ASK_AGAIN).await;
        }
        again
    }
}
