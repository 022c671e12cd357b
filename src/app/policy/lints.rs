//! What `deployer policy check` says of the policy in force, beside the problems of reading it: shown on the
//! policy's page, and logged once for each policy that is read.

use std::time::Duration;

use crate::access::{Existing, OpenedPolicy, Problem};
use crate::app::App;
use crate::domain::Result;
use crate::store::{Store, environments, projects, users};

/// How long a read or a start waits for it; a policy that takes longer is looked through all the same.
const WAITING: Duration = Duration::from_secs(3);
/// Warnings of one policy that are logged.
const WARNINGS_LOGGED: usize = 50;

/// The problems of the files as they were last read and, where none is an error, what a check says of them.
pub fn problems(app: &App) -> Vec<Problem> {
    let of_reading = app.access.problems();
    if of_reading.iter().any(Problem::is_error) {
        return of_reading;
    }
    let linted = app.linted.lock().clone();
    let fits = linted.filter(|(digest, _)| *digest == app.access.digest());
    fits.map_or(of_reading, |(_, problems)| problems)
}

/// Looks through the policy in force, if its files are somebody's. Whatever keeps it from that keeps nothing else.
pub(in crate::app) async fn look(app: &App) {
    if app.access.is_shipped() {
        return;
    }
    let looking = tokio::spawn(looked(app.clone()));
    _ = tokio::time::timeout(WAITING, looking).await;
}

async fn looked(app: App) {
    let existing = match existing(&app.store).await {
        Ok(existing) => Some(existing),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "the names in the policy could not be compared with the database"
            );
            None
        }
    };
    let (files, now) = (app.access.files(), app.now());
    let digest = files.digest();
    let checking = tokio::task::spawn_blocking(move || {
        let opened = OpenedPolicy::of_files(files).ok()?;
        Some(opened.check(now, existing.as_ref()).problems)
    });
    let Ok(Some(problems)) = checking.await else {
        return;
    };
    let warnings = problems.iter().filter(|problem| !problem.is_note());
    for problem in warnings.take(WARNINGS_LOGGED) {
        tracing::warn!(%problem, "the policy has a warning");
    }
    *app.linted.lock() = Some((digest, problems));
}

/// The projects, environments and users that lines can name.
///
/// # Errors
/// Of the store.
pub async fn existing(store: &Store) -> Result<Existing> {
    let (all, environments) = (projects::list(store).await?, environments::all(store).await?);
    let mut existing = Existing::default();
    for project in all {
        let own = environments.iter().filter(|one| one.project_id == project.id);
        let names = own.map(|one| one.name.to_string()).collect();
        existing.projects.insert(project.name.to_string(), names);
    }
    let users = users::list(store).await?;
    existing.users = users.into_iter().map(|user| user.name.to_string()).collect();
    Ok(existing)
}
