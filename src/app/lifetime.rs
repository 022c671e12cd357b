//! Records when the deployer starts and stops, and whether its policy is another one than before, which it keeps.

use serde_json::json;

use super::{App, policy};
use crate::domain::{AuditEvent, Event, EventKind, Result};
use crate::store::{AuditFilter, Change, Page, Right, audit};

/// What these events are about.
const DEPLOYER: &str = "deployer";
/// Where the name of this host is.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Records that it begins to serve.
///
/// # Errors
/// Of the store.
pub async fn started(app: &App) -> Result<()> {
    use EventKind::{DeployerStarted, DeployerStopped, PolicyReloaded};
    let before = last(app, &[DeployerStarted, DeployerStopped]).await?;
    // Of several instances, others may have started since.
    let unclean = app.store.is_for_one_instance()
        && before.is_some_and(|event| event.event.action == DeployerStarted.as_str());
    let digest = app.access.digest();
    let known = last(app, &[DeployerStarted, PolicyReloaded]).await?;
    let known = known.and_then(|event| event.event.detail["policy"].as_str().map(str::to_owned));
    let mut detail = json!({
        "version": env!("CARGO_PKG_VERSION"), "host": host(), "bind": app.config.http.bind.to_string(),
        "policy": digest, "policy_changed": known.as_ref().is_some_and(|known| *known != digest),
        "unclean": unclean,
    });
    if let Some(before) = known.filter(|known| *known != digest) {
        detail["before"] = json!(before);
    }
    // With errors in its files, it began with the policy that was kept.
    let problems = app.access.problems();
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        detail["policy_is_last_good"] = json!(true);
        detail["policy_problem"] = json!(problem.to_string());
    }
    let change = change(app).await?;
    policy::keep(app, &change).await?;
    change.commit(Event::new(DeployerStarted, detail)).await?;
    policy::keep_last_good(app);
    policy::lints::look(app).await;
    Ok(())
}

/// Records that it stops.
///
/// # Errors
/// Of the store.
pub async fn stopped(app: &App) -> Result<()> {
    let detail = json!({ "host": host() });
    let change = change(app).await?;
    change
        .commit(Event::new(EventKind::DeployerStopped, detail))
        .await
}

async fn change(app: &App) -> Result<Change> {
    let right = Right::of_this_program(DEPLOYER);
    app.store.change(right, app.now()).await
}

/// The last event of one of these kinds.
async fn last(app: &App, kinds: &[EventKind]) -> Result<Option<AuditEvent>> {
    let filter = AuditFilter {
        actions: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        ..AuditFilter::default()
    };
    let mut page = audit::list(&app.store, &filter, Page::Newest, 1).await?;
    Ok(page.items.pop())
}

fn host() -> String {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    name.trim().to_owned()
}
