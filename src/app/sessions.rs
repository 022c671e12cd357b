//! Deletes expired sessions, so that their table does not grow for ever.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;

/// An expired session is refused anyway, so an hour more in the table is harmless.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Deletes them now and then until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    let sessions = app.sessions();
    loop {
        match sessions.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "expired sessions were deleted"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired sessions could not be deleted"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}
