//! Deletes expired sessions, so that their table does not grow for ever.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::store::jobs::{Applicant, Job};

/// An expired session is refused anyway, so an hour more in the table is harmless.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Deletes expired sessions every hour until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    let sessions = app.sessions();
    // One sweep an hour is enough, whichever instance does it.
    let mut applicant = Applicant::new(Job::Sessions, app.engine.instance(), SWEEP_EVERY);
    loop {
        let swept = match applicant.lease(&app.store, app.now()).await {
            Ok(Some(_)) => sessions.sweep().await,
            Ok(None) => Ok(0),
            Err(error) => Err(error),
        };
        match swept {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "expired sessions were deleted"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired sessions could not be deleted"
                );
            }
        }
        let pause = tokio::time::sleep(SWEEP_EVERY);
        if stop.run_until_cancelled(pause).await.is_none() {
            applicant.resign(&app.store).await;
            return;
        }
    }
}
