//! Reloads the policy files while the server runs, on behalf of the host's operator; and says what there
//! is to name in them.

use std::sync::Arc;

use serde_json::json;

use super::App;
use crate::access::{Existing, Problem};
use crate::domain::{Error, Event, EventKind, Result};
use crate::store::{Right, Store, environments, projects, users};

/// What the audit log says was reloaded.
const POLICY: &str = "policy";
/// Problems that the audit log keeps of one reload; the program's log has all of them.
const KEPT_PROBLEMS: usize = 20;

/// Reads the policy files again. Good ones take effect as a whole; otherwise the policy in force
/// stays. Both outcomes are recorded as events. Returns the problems found; warnings keep nothing
/// from taking effect.
///
/// # Errors
/// When the event cannot be stored. The policy is then in force all the same.
pub async fn reload(app: &App) -> Result<Vec<Problem>> {
    let access = Arc::clone(&app.access);
    // Checking a large policy takes seconds, which would hold up everybody's pages.
    let read = tokio::task::spawn_blocking(move || match access.reload() {
        Ok(()) => (EventKind::PolicyReloaded, access.problems()),
        Err(problems) => (EventKind::PolicyRejected, problems),
    });
    let failed = |cause| Error::internal("The policy files could not be read.").because(cause);
    let (kind, problems) = read.await.map_err(failed)?;
    let kept: Vec<String> = problems
        .iter()
        .take(KEPT_PROBLEMS)
        .map(ToString::to_string)
        .collect();
    let change = app
        .store
        .change(Right::of_this_program(POLICY), app.now())
        .await?;
    change
        .commit(Event::new(kind, json!({ "problems": kept })))
        .await?;
    Ok(problems)
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
