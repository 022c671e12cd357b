//! The policy files while the server runs: read again when they change, on SIGHUP and on request; each policy
//! that was in force is kept. And what there is to name in them.

mod changed;
pub mod lints;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant as Moment;
use tokio_util::sync::CancellationToken;

pub use self::lints::existing;
use super::App;
use super::audit::words;
use crate::access::{PolicyDiff, PolicyFiles, PolicySnapshot, Problem};
use crate::config::Config;
use crate::domain::{
    Action, Actor, Area, Error, Event, EventKind, Instant, Outcome, ReadCause, Resource, Result,
};
use crate::store::policies::{self, PolicyUse};
use crate::store::{AuditFilter, Change, Page, Right, Store, audit};
use crate::{private, small_file};

/// What the audit log says was reloaded.
const POLICY: &str = "policy";
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
/// How long two policies are compared for who gains and who loses: nobody waits longer for a page.
const COMPARING: Duration = Duration::from_secs(3);
/// Uses of policies that are listed.
const USES_SHOWN: u64 = 100;

/// Reads the policy files again, as the host's operator asks for. Good ones take effect as a whole; otherwise
/// the policy in force stays. Both outcomes are recorded as events. Returns the problems found; warnings keep
/// nothing from taking effect.
///
/// # Errors
/// When the event cannot be stored. The policy is then in force all the same.
pub async fn reload(app: &App) -> Result<Vec<Problem>> {
    reload_by(app, Right::of_this_program(POLICY), ReadCause::Signal).await
}

/// As [`reload`], as an administrator asks for.
///
/// # Errors
/// As [`reload`], and forbidden.
pub async fn reload_for(app: &App, actor: &Actor) -> Result<Vec<Problem>> {
    let permit = app
        .permit(actor, Action::Administer, &Resource::Everything)
        .await?;
    reload_by(app, (&permit).into(), ReadCause::Button).await
}

async fn reload_by(app: &App, right: Right, cause: ReadCause) -> Result<Vec<Problem>> {
    let before = app.access.snapshot();
    let (kind, problems) = read(app).await?;
    record(app, (right, cause), kind, &before).await?;
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
            let (before, told) = (app.access.snapshot(), app.access.problems());
            match read(&app).await {
                Ok((kind, problems)) if app.access.files() != *before.files() || problems != told => {
                    tracing::info!(
                        problems = problems.len(),
                        "the policy files changed and were read"
                    );
                    unrecorded = Some((kind, before));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the policy files could not be read"
                ),
            }
        }
        if let Some((kind, before)) = &unrecorded {
            let right = Right::of_this_program(POLICY);
            match record(&app, (right, ReadCause::Changed), *kind, before).await {
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

/// Records what came of reading the files; `before` is what was in force until then. Keeps what is in force
/// now, if it is another policy.
async fn record(
    app: &App,
    (right, cause): (Right, ReadCause),
    kind: EventKind,
    before: &PolicySnapshot,
) -> Result<()> {
    let (after, problems) = (app.access.snapshot(), app.access.problems());
    let (files, old_files) = (after.files(), before.files());
    let mut detail = changed::detail(files, old_files, &problems);
    detail["cause"] = json!(cause.as_str());
    let is_other = files != old_files;
    if is_other {
        detail["before"] = json!(old_files.digest());
        let compared = rights_between(app, before, &after).await;
        detail["rights"] = json!(compared.summary());
    }
    let change = app.store.change(right, app.now()).await?;
    if is_other {
        keep(app, &change).await?;
    }
    let outcome = match kind {
        EventKind::PolicyRejected => Outcome::Failed,
        _ => Outcome::Allowed,
    };
    // Whoever asked for it, and by whatever right.
    let event = Event::new(kind, detail).about(POLICY).ended(outcome);
    change.commit(event).await?;
    if is_other {
        keep_last_good(app);
    }
    lints::look(app).await;
    Ok(())
}

/// What somebody may by one policy and not by another, as far as it was found out.
#[derive(Debug)]
pub enum RightsCompared {
    /// Every difference there is.
    Found(PolicyDiff),
    /// It took longer than [`COMPARING`].
    TookTooLong,
    /// This version cannot read one of them.
    Unreadable,
}

impl RightsCompared {
    /// How many gain and lose, or why that is not known.
    pub fn summary(&self) -> String {
        match self {
            Self::Found(diff) => diff.summary(),
            Self::TookTooLong => format!(
                "who gains or loses was not found out within {} s; see “deployer policy diff”",
                COMPARING.as_secs()
            ),
            Self::Unreadable => "one of the policies cannot be read by this version".to_owned(),
        }
    }
}

async fn rights_between(app: &App, old: &PolicySnapshot, new: &PolicySnapshot) -> RightsCompared {
    let (old, new, now) = (old.clone(), new.clone(), app.now());
    compared(now, move || Some((old, new))).await
}

/// Compares two policies on a thread that may block, in [`COMPARING`].
async fn compared(
    now: Instant,
    both: impl FnOnce() -> Option<(PolicySnapshot, PolicySnapshot)> + Send + 'static,
) -> RightsCompared {
    let end = Moment::now() + COMPARING;
    let comparing = tokio::task::spawn_blocking(move || {
        let Some((old, new)) = both() else {
            return RightsCompared::Unreadable;
        };
        let diff = old.diff(&new, now, &|| Moment::now() >= end);
        diff.map_or(RightsCompared::TookTooLong, RightsCompared::Found)
    });
    comparing.await.unwrap_or(RightsCompared::Unreadable)
}

/// Keeps the policy in force in the database; the event of the change has its digest.
pub(super) async fn keep(app: &App, change: &Change) -> Result<()> {
    policies::keep(change, &app.access.files(), app.engine.instance()).await
}

/// Keeps the policy in force for a start onto files with errors. It is used only where an event has its digest.
pub(super) fn keep_last_good(app: &App) {
    if app.config.access.policies.is_none() {
        return;
    }
    let text = serde_json::to_string(&app.access.files().0).unwrap_or_default();
    if let Err(error) = private::replace_file(&last_good_file(&app.config), &text) {
        tracing::error!(%error, "the policy in force could not be kept for the next start");
    }
}

fn last_good_file(config: &Config) -> PathBuf {
    config.data_dir.join(LAST_GOOD)
}

/// Whether a good policy of this instance is kept for a start onto files with errors.
pub fn has_last_good(config: &Config) -> bool {
    last_good_file(config).exists()
}

/// The last good policy of this instance, for a start onto files with errors; `None` where there is none, or
/// where no event of the audit log says that it was in force.
///
/// # Errors
/// Of the store.
pub async fn last_good(config: &Config, store: &Store, now: Instant) -> Result<Option<PolicyFiles>> {
    let text = small_file::read_text(&last_good_file(config), LAST_GOOD_BYTES).unwrap_or_default();
    let Ok(files) = serde_json::from_str(&text) else {
        return Ok(None);
    };
    let files = PolicyFiles(files);
    if has_event(store, &files.digest()).await? {
        return Ok(Some(files));
    }
    let why = format!(
        "{LAST_GOOD}: No event says that the policy kept there was in force, so it is not used: somebody changed the file, or the audit log is another one."
    );
    tracing::error!("{why}");
    let change = store.change(Right::of_this_program(POLICY), now).await?;
    let detail = json!({ "policy": files.digest(), "problems": [why] });
    let event = Event::new(EventKind::PolicyRejected, detail).about(POLICY);
    change.commit(event.ended(Outcome::Failed)).await?;
    Ok(None)
}

/// Whether the audit log says that the policy with this digest was in force.
async fn has_event(store: &Store, digest: &str) -> Result<bool> {
    let kinds = [EventKind::DeployerStarted, EventKind::PolicyReloaded];
    let filter = AuditFilter {
        actions: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        ..AuditFilter::default()
    };
    let mut page = Page::Newest;
    loop {
        let found = audit::list(store, &filter, page, EVENTS_AT_ONCE).await?;
        if found.items.iter().any(|one| one.event.detail["policy"] == digest) {
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

/// For each of `uses`, who had the files read or why that was, as a sentence; empty where no event says it.
///
/// # Errors
/// Forbidden to those who may not read the policy.
pub async fn causes(app: &App, actor: &Actor, uses: &[PolicyUse]) -> Result<Vec<String>> {
    app.permit_reading(actor, Area::Policy).await?;
    let kinds = [EventKind::DeployerStarted, EventKind::PolicyReloaded];
    let filter = AuditFilter {
        actions: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        from: uses.iter().map(|one| one.since).min(),
        ..AuditFilter::default()
    };
    let events = audit::list(&app.store, &filter, Page::Newest, EVENTS_AT_ONCE).await?;
    let cause = |one: &PolicyUse| {
        let mut events = events.items.iter().map(|found| &found.event);
        let event = events.find(|event| event.at == one.since && event.detail["policy"] == one.digest);
        event.map_or(String::new(), |event| {
            match event.action == EventKind::DeployerStarted.as_str() {
                true => "The deployer started.".to_owned(),
                false => words::read_by(event).trim().to_owned(),
            }
        })
    };
    Ok(uses.iter().map(cause).collect())
}

/// A policy that was in force: its files, and who used it since when, oldest first.
///
/// # Errors
/// Forbidden; not found, where it is not kept.
pub async fn kept(app: &App, actor: &Actor, digest: &str) -> Result<(PolicyFiles, Vec<PolicyUse>)> {
    app.permit_reading(actor, Area::Policy).await?;
    let files = policies::files(&app.store, digest).await?;
    let files = files.ok_or_else(|| Error::not_found("policy with this digest"))?;
    Ok((files, policies::uses_of(&app.store, digest, USES_SHOWN).await?))
}

/// Two policies that were in force, and what they allow differently.
///
/// # Errors
/// As [`kept`].
pub async fn compare(
    app: &App,
    actor: &Actor,
    (old, new): (&str, &str),
) -> Result<([PolicyFiles; 2], RightsCompared)> {
    let (before, _) = kept(app, actor, old).await?;
    let (after, _) = kept(app, actor, new).await?;
    let both = [before.clone(), after.clone()];
    let load = move || {
        Some((
            PolicySnapshot::of_files(before)?,
            PolicySnapshot::of_files(after)?,
        ))
    };
    Ok((both, compared(app.now(), load).await))
}
