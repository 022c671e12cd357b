//! Removes unused mirrors once a day: those of projects that were deleted or have another address
//! now.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::domain::{Error, Result};
use crate::git::{KeptMirror, check_url};
use crate::store::projects;

/// How often it cleans.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long a mirror lies unused before it goes: a deleted project may be added again, and a
/// deployment that waits for somebody still needs the mirror it began with.
const UNUSED: TimeDelta = TimeDelta::days(20);

/// Cleans once a day until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    loop {
        if let Err(error) = clean(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "mirrors that nobody needs could not be looked for"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes the mirrors that no project needs.
///
/// # Errors
/// Of the store, or when the directory of mirrors cannot be read.
pub async fn clean(app: &App) -> Result<()> {
    let projects = projects::list(&app.store).await?;
    let kept: Vec<KeptMirror> = projects
        .into_iter()
        .map(|project| KeptMirror {
            project: project.id,
            url: check_url(&project.git_url).ok(),
        })
        .collect();
    let (mirrors, unused_since) = (app.mirrors.clone(), app.now() - UNUSED);
    let swept = tokio::task::spawn_blocking(move || mirrors.sweep(&kept, unused_since)).await;
    let swept = swept.map_err(Error::internal)?;
    let removed = swept
        .map_err(|error| Error::unavailable("The directory of mirrors could not be read.").because(error))?;
    for mirror in removed {
        tracing::info!(path = %mirror.display(), "a mirror that nobody needs was removed");
    }
    Ok(())
}
