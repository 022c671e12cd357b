//! Sessions that have run out are taken away, so that the table does not grow for ever.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;

/// One that has run out lets nobody in, so it may well lie there for an hour.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Sweeps now and again and again until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    let sessions = app.sessions();
    loop {
        match sessions.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "sessions that had run out were taken away"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "sessions could not be swept"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}
