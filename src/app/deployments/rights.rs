//! The rights that a request needs: to deploy at its time, to use another strategy, to override a
//! lock; and the approval that it needs in addition.

use chrono::TimeDelta;

use super::deploy_request::DeployRequest;
use crate::access::Permit;
use crate::app::naming::check_reason;
use crate::app::{App, locks, strategies};
use crate::domain::event::Author;
use crate::domain::{
    Action, Actor, Approval, Environment, Error, Instant, Kind, Lock, LockId, Project, Resource, Result,
};
use crate::store::sealing;

/// How far ahead a deployment may be scheduled. Nobody remembers having requested what is further
/// away.
const SCHEDULE_LIMIT: TimeDelta = TimeDelta::days(60);

/// Hours to approve what policy wants approved, where the environment's form names none: a day, so that
/// a request of the evening is approved in the morning.
const HOURS_TO_APPROVE: u32 = 24;

/// What policy allowed for a request.
pub(super) struct Rights {
    /// To deploy, or roll back, at the requested time.
    pub permit: Permit,
    /// To override locks, if requested.
    pub lock_override: Option<Override>,
    /// The earliest time at which it begins.
    pub begins: Instant,
}

/// The right to override locks.
pub(super) struct Override {
    /// Of the widest lock.
    pub permit: Permit,
    /// The reason given.
    pub reason: String,
    /// The locks it covers; one made later still stops the request.
    pub locks: Vec<LockId>,
}

impl Rights {
    /// The first of `locks` that stops the request.
    pub fn stopped_by<'a>(&self, locks: &'a [Lock]) -> Option<&'a Lock> {
        let passed = self.lock_override.as_ref();
        locks
            .iter()
            .find(|lock| passed.is_none_or(|passed| !passed.locks.contains(&lock.id)))
    }
}

/// Asks policy for every right a request needs. A scheduled request is decided as of its time; the
/// engine asks again when the time comes. An override that repeats one from `overridden_at` covers
/// only the locks made by then.
pub(super) async fn demand(
    app: &App,
    actor: &Actor,
    resource: &Resource,
    wanted: &DeployRequest,
    overridden_at: Option<Instant>,
) -> Result<Rights> {
    let now = app.now();
    if let Some(at) = wanted.at {
        check_time(at, now)?;
    }
    let begins = wanted.at.unwrap_or(now);
    let permit = app
        .permit_at(actor, wanted.kind.action(), resource, begins)
        .await?;
    check_reason("reason", &wanted.reason)?;
    if let Some(strategy) = wanted.strategy {
        app.permit(actor, Action::Configure, resource).await?;
        strategies::check(strategy)?;
    }
    let reason = wanted.lock_override.as_deref().map(str::trim);
    let lock_override = match reason {
        Some("") => {
            return Err(Error::field(
                "lock_override",
                "Give a reason for overriding the lock.",
            ));
        }
        Some(reason) => {
            check_reason("lock_override", reason)?;
            let until = overridden_at.unwrap_or(now);
            Some(override_locks(app, actor, resource, (begins, until), reason).await?)
        }
        None => None,
    };
    Ok(Rights {
        permit,
        lock_override,
        begins,
    })
}

/// The right to override every lock over `resource` that was made up to `until`. It takes the right
/// to lift each of them, and the right to lock where there is none.
async fn override_locks(
    app: &App,
    actor: &Actor,
    resource: &Resource,
    (at, until): (Instant, Instant),
    reason: &str,
) -> Result<Override> {
    let mut permit = None;
    let mut overridden = Vec::new();
    let locks = locks::over_place(app, resource, at).await?;
    for (lock, _) in locks.into_iter().filter(|(lock, _)| lock.created_at <= until) {
        let place = lock.lifted_over(resource);
        let right = app.permit(actor, lock.action_to_lift(actor), place).await?;
        // What covers everything outweighs the rest.
        if lock.project.is_none() || permit.is_none() {
            permit = Some(right);
        }
        overridden.push(lock.id);
    }
    let permit = match permit {
        Some(permit) => permit,
        None => app.permit(actor, Action::Lock, resource).await?,
    };
    Ok(Override {
        permit,
        reason: reason.to_owned(),
        locks: overridden,
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

/// Within how many hours somebody else has to approve a deployment of this kind, for which policy takes
/// one of `second`; `None`: nobody has to. Where policy takes a second person, the environment's form
/// only says how long there is.
pub fn approval_hours(environment: &Environment, kind: Kind, second: &[String]) -> Option<u32> {
    let hours = kind.approval_hours(environment);
    let of_policy = || environment.options.approval_hours.unwrap_or(HOURS_TO_APPROVE);
    hours.or_else(|| (!second.is_empty()).then(of_policy))
}

/// The approval that a deployment of this kind needs in an environment: by somebody of those that
/// policy names, or by anybody who may approve where the environment's form asks for it. `known`
/// carries over from an earlier deployment, if it is by one of them.
pub(super) fn approval(
    app: &App,
    (project, environment, kind): (&Project, &Environment, Kind),
    permit: &Permit,
    known: Option<Approval>,
) -> Option<Approval> {
    let by = permit.second();
    let approver = known.as_ref().and_then(|known| known.approver(Author::ENGINE));
    if approver.is_some_and(|approver| by.is_empty() || app.access.is_one_of(&approver, by)) {
        return known;
    }
    let hours = approval_hours(environment, kind, by)?;
    Some(Approval {
        expires_at: app.now() + TimeDelta::hours(i64::from(hours)),
        given: None,
        impersonator: None,
        groups: None,
        token: None,
        password_given_at: None,
        terms: sealing::digest(&app.store, &environment.terms(project)),
        by: by.to_vec(),
    })
}
