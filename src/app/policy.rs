//! The policy files while the server runs: read again when they change, on SIGHUP and on request; each policy
//! that was in force is kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::App;
use crate::access::{PolicyFiles, Problem};
use crate::config::Config;
use crate::domain::{Actor, Area, Error, Event, EventKind, Resource, Result, Action};
use crate::store::policies::{self, PolicyUse};
use crate::store::{Page, PastFilter, Right, Store, audit};
use crate::{private, small_file};

/// What the audit log says was loaded or reloaded.
const POLICY: &str = "policy";
/// Problems that the audit log keeps of one reload; the program's log has all of them.
const KEPT_PROBLEMS: usize = 20;
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// How often files that go on changing are waited for.
const MOST_WAITS: usize = 5;
/// The last good policy of this instance, in the data directory.
const LAST_GOOD: &str = "policy.last-good.json";
/// Bytes of it: more than all files of a policy may have.
const LAST_GOOD_BYTES: u64 = 64 << 20;
/// Events that are looked through for its digest, at a time.
const EVENTS_AT_ONCE: u64 = 500;
/// Uses of policies that are listed.
const USES_SHOWN: u64 = 100;

/// Keeps the policy that is in force at the start, and records it.
///
/// # Errors
/// When it cannot be stored.
pub async fn begin(app: &App) -> Result<()> {
    record(app, Right::of_this_program(POLICY), EventKind::PolicyLoaded, None).await
}

/// Reads the policy files again, as the host's operator asks for. Good ones take effect as a whole; otherwise
/// the policy in force stays. Both outcomes are recorded as events. Returns the problems found; warnings keep
/// nothing from taking effect.
///
/// # Errors
/// When the event cannot be stored. The policy is then in force all the same.
pub async fn reload(app: &App) -> Result<Vec<Problem>> {
    let before = app.access.digest();
    let (kind, problems) = read(app).await?;
    record(app, Right::of_this_program(POLICY), kind, Some(&before)).await?;
    Ok(problems)
}

/// As [`reload`], as an administrator asks for.
///
/// # Errors
/// As [`reload`], and forbidden.
pub async fn reload_for(app: &App, actor: &Actor) -> Result<Vec<Problem>> {
    let permit = app.permit(actor, Action::Administer, &Resource::Everything).await?;
    let before = app.access.digest();
    let (kind, problems) = read(app).await?;
    record(app, (&permit).into(), kind, Some(&before)).await?;
    Ok(problems)
}

/// Reads the files again whenever they changed and nobody writes them any more, until `stop`. A change that
/// leads to the same policy and the same problems is not recorded.
pub async fn follow(app: App, stop: CancellationToken) {
    let (mut seen, mut waits, mut unrecorded) = (None, 0, None);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let access = Arc::clone(&app.access);
        let Ok(stamp) = tokio::task::spawn_blocking(move || access.stamp()).await else {
            continue;
        };
        if stamp == app.access.stamp_read() {
            seen = None;
        } else if seen.as_ref() != Some(&stamp) && waits < MOST_WAITS {
            seen = Some(stamp);
            waits += 1;
            continue;
        } else {
            (seen, waits) = (None, 0);
            let (before, told) = (app.access.digest(), app.access.problems());
            match read(&app).await {
                Ok((kind, problems)) if app.access.digest() != before || problems != told => {
                    tracing::info!(problems = problems.len(), "the policy files changed and were read");
                    unrecorded = Some((kind, before));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the policy files could not be read"),
            }
        }
        if let Some((kind, before)) = &unrecorded {
            match record(&app, Right::of_this_program(POLICY), *kind, Some(before)).await {
                Ok(()) => unrecorded = None,
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the change of the policy could not be recorded, and is tried again"
                ),
            }
        }
    }
}

async fn read(app: &App) -> Result<(EventKind, Vec<Problem>)> {
    let access = Arc::clone(&app.access);
    // Checking a large policy takes seconds, which would hold up everybody's pages.
    let read = tokio::task::spawn_blocking(move || match access.reload() {
        Ok(()) => (EventKind::PolicyReloaded, access.problems()),
        Err(problems) => (EventKind::PolicyRejected, problems),
    });
    let failed = |cause| Error::internal("The policy files could not be read.").because(cause);
    read.await.map_err(failed)
}

/// Records what came of reading the files; `before` is the digest of what was in force until then. Keeps what
/// is in force now, if it is another.
async fn record(app: &App, right: Right, kind: EventKind, before: Option<&str>) -> Result<()> {
    let (files, problems) = (app.access.files(), app.access.problems());
    let digest = files.digest();
    let told: Vec<String> = problems
        .iter()
        .take(KEPT_PROBLEMS)
        .map(ToString::to_string)
        .collect();
    let is_other = before != Some(digest.as_str());
    let mut detail = json!({ "policy": digest, "problems": told });
    if let Some(before) = before.filter(|_| is_other) {
        detail["before"] = json!(before);
    }
    let change = app.store.change(right, app.now()).await?;
    if is_other {
        policies::keep(&change, &files, app.engine.instance()).await?;
    }
    change.commit(Event::new(kind, detail)).await?;
    if is_other && let Err(error) = keep_last_good(&app.config, &files) {
        tracing::error!(%error, "the policy in force could not be kept for the next start");
    }
    Ok(())
}

fn last_good_file(config: &Config) -> PathBuf {
    config.data_dir.join(LAST_GOOD)
}

/// Whether a good policy of this instance is kept for a start onto files with errors.
pub fn has_last_good(config: &Config) -> bool {
    last_good_file(config).exists()
}

fn keep_last_good(config: &Config, files: &PolicyFiles) -> std::io::Result<()> {
    if config.access.policies.is_none() {
        return Ok(());
    }
    let text = serde_json::to_string(&files.0)?;
    private::replace_file(&last_good_file(config), &text)
}

/// The last good policy of this instance, for a start onto files with errors; `None` where there is none, or
/// where no event of the audit log says that it was in force.
///
/// # Errors
/// Of the store.
pub async fn last_good(config: &Config, store: &Store) -> Result<Option<PolicyFiles>> {
    let text = small_file::read_text(&last_good_file(config), LAST_GOOD_BYTES).unwrap_or_default();
    let Ok(files) = serde_json::from_str(&text) else {
        return Ok(None);
    };
    let files = PolicyFiles(files);
    let was_in_force = has_event(store, &files.digest()).await?;
    Ok(was_in_force.then_some(files))
}

/// Whether the audit log says that the policy with this digest was in force.
async fn has_event(store: &Store, digest: &str) -> Result<bool> {
    let filter = PastFilter {
        action: Some("policy.".to_owned()),
        ..PastFilter::default()
    };
    let mut page = Page::Newest;
    loop {
        let found = audit::list(store, &filter, page, EVENTS_AT_ONCE).await?;
        let names_it = |detail: &Value| detail["policy"] == digest;
        if found.items.iter().any(|one| names_it(&one.event.detail)) {
            return Ok(true);
        }
        match found.older {
            Some(older) => page = Page::Before(older),
            None => return Ok(false),
        }
    }
}

/// The policies that were in force, newest first.
///
/// # Errors
/// Forbidden.
pub async fn uses(app: &App, actor: &Actor) -> Result<Vec<PolicyUse>> {
    app.permit_reading(actor, Area::Policy).await?;
    policies::uses(&app.store, USES_SHOWN).await
}

/// A policy that was in force: its files, and who used it since when, oldest first.
///
/// # Errors
/// Forbidden; not found, where it is not kept.
pub async fn kept(app: &App, actor: &Actor, digest: &str) -> Result<(PolicyFiles, Vec<PolicyUse>)> {
    app.permit_reading(actor, Area::Policy).await?;
    let files = policies::files(&app.store, digest).await?;
    let files = files.ok_or_else(|| Error::not_found("There is no policy with this digest."))?;
    Ok((files, policies::uses_of(&app.store, digest, USES_SHOWN).await?))
}
