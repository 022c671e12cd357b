//! Browser sessions of accounts: showing and ending them; and deleting those that expired, so that their table does
//! not grow for ever.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::accounts::demand_login_for_own;
use super::admin::{demand_administer, demand_reading};
use super::{App, logins};
use crate::access::Permit;
use crate::domain::{
    Actor, Area, Error, Event, EventKind, Instant, Result, SignedIn, User, UserSession, WhichSessions,
};
use crate::store::jobs::{Applicant, Job};
use crate::store::{Change, Right, Store, sessions, users};

/// An expired session is refused anyway, so an hour more in the table is harmless.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Deletes expired sessions every hour until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    let sessions = app.sessions();
    // One sweep an hour is enough, whichever instance does it.
    let mut applicant = Applicant::new(Job::Sessions, app.engine.instance(), SWEEP_EVERY);
    loop {
        let swept = match applicant.lease(&app.store, app.now()).await {
            Ok(Some(_)) => sessions.sweep().await,
            Ok(None) => Ok(0),
            Err(error) => Err(error),
        };
        match swept {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "expired sessions were deleted"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired sessions could not be deleted"
                );
            }
        }
        let pause = tokio::time::sleep(SWEEP_EVERY);
        if stop.run_until_cancelled(pause).await.is_none() {
            applicant.resign(&app.store).await;
            return;
        }
    }
}

/// The sessions of `user` that can be used, the one used last first.
///
/// # Errors
/// Of the store.
pub async fn own(app: &App, user: &User) -> Result<Vec<UserSession>> {
    let now = app.now();
    let (_, hash) = users::with_password_hash(&app.store, user.name.as_str()).await?;
    let marks = logins::marks_of(app, user, hash.as_deref()).await?;
    let mut found = sessions::of_user(&app.store, user.id, now).await?;
    found.retain(|one| {
        let known = &one.signed_in;
        let stands = logins::stands(user, &marks, &known.name, &known.stamp);
        stands && !is_over(app, known, now)
    });
    Ok(found)
}

/// Whether the session is older than any may become.
fn is_over(app: &App, known: &SignedIn, now: Instant) -> bool {
    let age = (now - known.since.unwrap_or(known.seen)).to_std();
    let has_ended = known.until.is_some_and(|until| until <= now);
    has_ended || age.unwrap_or_default() >= app.config.logins.session_limit
}

/// An account and its sessions.
///
/// # Errors
/// Not found.
pub async fn of_account(app: &App, permit: &Permit, name: &str) -> Result<(User, Vec<UserSession>)> {
    demand_reading(permit, Area::Users)?;
    let user = users::by_name(&app.store, name).await?;
    let sessions = own(app, &user).await?;
    Ok((user, sessions))
}

/// Ends sessions of the account of `actor`. Returns how many.
///
/// # Errors
/// Not found, for one that is gone.
pub async fn end_own(app: &App, (actor, user): (&Actor, &User), which: &WhichSessions) -> Result<usize> {
    let right = Right::at_the_gate(actor, format!("user {}", user.name));
    end_in(app.store.change(right, app.now()).await?, user, which).await
}

/// Ends sessions of the account `name`, for a page. Returns how many.
///
/// # Errors
/// Not found.
pub async fn end_of(app: &App, permit: &Permit, name: &str, which: &WhichSessions) -> Result<usize> {
    end(&app.store, permit, name, which).await
}

/// Ends sessions of the account `name`. Returns how many.
///
/// # Errors
/// Not found.
pub async fn end(store: &Store, permit: &Permit, name: &str, which: &WhichSessions) -> Result<usize> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    demand_login_for_own(permit, &user.name)?;
    end_in(change, &user, which).await
}

async fn end_in(change: Change, user: &User, which: &WhichSessions) -> Result<usize> {
    let mut chosen = sessions::of_user(&change, user.id, change.now()).await?;
    chosen.retain(|session| which.include(&session.key));
    if chosen.is_empty() {
        return match which {
            WhichSessions::One(_) => Err(Error::not_found("session: it has ended")),
            _ => Ok(0),
        };
    }
    sessions::end(&change, &chosen).await?;
    let from: Vec<&str> = chosen.iter().map(|one| one.signed_in.address.as_str()).collect();
    let detail = json!({ "sessions": chosen.len(), "from": from });
    let event = Event::new(EventKind::SessionsEnded, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(chosen.len())
}
