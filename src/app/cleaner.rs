//! Cleans up once a day: removes mirrors of projects that were deleted or have a new address, and
//! releases on servers that an earlier deployment could not delete.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::domain::{EnvironmentId, Error, Result, ServerId, SyncMethod};
use crate::engine::reach;
use crate::git::{KeptMirror, check_url};
use crate::store::{again, environments, leftovers, projects, servers};
use crate::sync::{self, Layout, Limits};

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
        if let Err(error) = retry_leftovers(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what remains of old releases could not be looked for"
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

/// Tries again to delete old releases that deployments left behind on active servers.
///
/// # Errors
/// Of the store. A server that cannot be reached is asked again the next day.
pub async fn retry_leftovers(app: &App) -> Result<()> {
    for (environment, server) in leftovers::places(&app.store).await? {
        match retry(app, environment, server).await {
            Ok(None) => {}
            Ok(Some(left)) => {
                again(|| async {
                    let record = app.store.record().await?;
                    leftovers::put(&record, environment, server, &left).await?;
                    record.commit().await
                })
                .await?;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what remains of old releases on a server could not be deleted"
            ),
        }
    }
    Ok(())
}

/// What still remains on a server; `None` where only a deployment can delete it.
async fn retry(app: &App, environment: EnvironmentId, server: ServerId) -> Result<Option<Vec<String>>> {
    let environment = environments::by_id(&app.store, environment).await?;
    let project = projects::by_id(&app.store, environment.project_id).await?;
    let server = servers::by_id(&app.store, server).await?;
    if project.method != SyncMethod::Symlink || !server.active {
        return Ok(None);
    }
    let layout = Layout::new(&project, &environment)?;
    let endpoint = reach::endpoint(&app.store, &server, &environment).await?;
    let session = app.ssh.session(&endpoint).await?;
    Ok(Some(
        sync::remove_remains(&session, &layout, &Limits::default()).await?,
    ))
}
