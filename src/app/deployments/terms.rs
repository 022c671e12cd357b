//! What is special about a request: the time it is for, a strategy of its own, a lock that does
//! not stop it, the second opinion it needs. Each costs a right of its own.

use chrono::TimeDelta;

use super::request::DeployRequest;
use super::{REASON_LIMIT, action_for};
use crate::access::Permit;
use crate::app::{App, locks};
use crate::domain::{
    Action, Actor, Approval, Environment, Error, Instant, Kind, Lock, LockId, Resource, Result,
};

/// How far ahead something may be scheduled. What is further away nobody remembers having asked
/// for when it happens.
pub const SCHEDULE_LIMIT: TimeDelta = TimeDelta::days(60);

/// What policy has allowed of a request.
pub(super) struct Allowed {
    /// To deploy, or roll back, at the time it is for.
    pub permit: Permit,
    /// To override locks, where that is wanted.
    pub lock_override: Option<Override>,
    /// When it begins at the earliest.
    pub begins: Instant,
}

/// What lets a request pass locks.
pub(super) struct Override {
    /// The right to.
    pub permit: Permit,
    /// Why they do not stop it.
    pub reason: String,
    /// The locks it was asked about.
    pub locks: Vec<LockId>,
}

impl Allowed {
    /// The first of `locks` that stops the request.
    pub fn stopped_by<'a>(&self, locks: &'a [Lock]) -> Option<&'a Lock> {
        let passed = self.lock_override.as_ref();
        locks
            .iter()
            .find(|lock| passed.is_none_or(|passed| !passed.locks.contains(&lock.id)))
    }
}

/// Asks policy for everything a request needs. What is asked for a later time is decided as of
/// then; the engine asks again when it comes.
pub(super) async fn allow(
    app: &App,
    actor: &Actor,
    resource: &Resource,
    wanted: &DeployRequest,
) -> Result<Allowed> {
    let now = app.now();
    if let Some(at) = wanted.at {
        check_time(at, now)?;
    }
    let begins = wanted.at.unwrap_or(now);
    let permit = app
        .permit_at(actor, action_for(wanted.kind), resource, begins)
        .await?;
    check_length("reason", &wanted.reason)?;
    if wanted.strategy.is_some() {
        app.permit(actor, Action::Configure, resource).await?;
    }
    let reason = wanted.lock_override.as_deref().map(str::trim);
    let lock_override = match reason {
        Some("") => {
            return Err(Error::field(
                "lock_override",
                "Say why the lock does not stop this.",
            ));
        }
        Some(reason) => {
            check_length("lock_override", reason)?;
            Some(override_locks(app, actor, resource, begins, reason).await?)
        }
        None => None,
    };
    Ok(Allowed {
        permit,
        lock_override,
        begins,
    })
}

/// Whether somebody may pass every lock that stops deployments to `resource`: whoever may lift it may.
async fn override_locks(
    app: &App,
    actor: &Actor,
    resource: &Resource,
    at: Instant,
    reason: &str,
) -> Result<Override> {
    let mut permit = app.permit(actor, Action::Lock, resource).await?;
    let mut passed = Vec::new();
    for (lock, over) in locks::over_place(app, resource, at).await? {
        if over == Resource::Everything {
            permit = app.permit(actor, locks::action_over(&over), &over).await?;
        }
        passed.push(lock.id);
    }
    Ok(Override {
        permit,
        reason: reason.to_owned(),
        locks: passed,
    })
}

fn check_time(at: Instant, now: Instant) -> Result<()> {
    if at <= now {
        return Err(Error::field(
            "at",
            "That time has passed. Choose a later one, or leave it empty to deploy now.",
        ));
    }
    if at - now > SCHEDULE_LIMIT {
        let days = SCHEDULE_LIMIT.num_days();
        return Err(Error::field(
            "at",
            format!("Choose a time within the next {days} days."),
        ));
    }
    Ok(())
}

pub(super) fn check_length(field: &str, text: &str) -> Result<()> {
    if text.chars().count() <= REASON_LIMIT {
        return Ok(());
    }
    Err(Error::field(
        field,
        format!("Keep the reason under {REASON_LIMIT} characters."),
    ))
}

/// The second opinion that a deployment of this kind needs in an environment. A way back needs
/// none: what it goes back to was approved when it came, and whoever goes back is in trouble.
pub(super) fn approval(environment: &Environment, kind: Kind, now: Instant) -> Option<Approval> {
    let hours = environment
        .options
        .approval_hours
        .filter(|_| kind != Kind::Rollback)?;
    Some(Approval {
        expires_at: now + TimeDelta::hours(i64::from(hours)),
        given: None,
        terms: environment.terms(),
    })
}

/// The next instant at which policy would let `actor` do what it refuses now: for offering “deploy
/// then”. `None` when it is allowed now, or never within the time that is looked ahead. Nothing is
/// recorded, as nothing was tried.
pub fn next_allowed(app: &App, actor: &Actor, resource: &Resource, action: Action) -> Option<Instant> {
    let refusal = app.access.permit(actor, action, resource, app.now()).err()?;
    refusal.next_allowed
}
