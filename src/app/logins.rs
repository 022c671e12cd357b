//! Logins with a name and a password, throttled against guessing.
//!
//! Checking a password takes the same time whether the account exists or not, so the time reveals
//! nothing. Only a few passwords are checked at once, so guessing cannot exhaust memory. Attempts are
//! counted per account and per address before any check, and so are attempts to change a password.
//! The audit log has every login and failure, and for each address one throttled attempt a minute.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{App, accounts};
use crate::domain::user::User;
use crate::domain::{Actor, Error, ErrorKind, Event, EventKind, Instant, Name, Result, UserId};
use crate::store::{Right, Store, users};

/// Attempts for one account in a row, then one per [`ACCOUNT_PAUSE`]. People mistype less often.
const ACCOUNT_TRIES: u32 = 10;
/// Seconds until one more attempt for an account.
const ACCOUNT_PAUSE: u64 = 15;
/// Attempts from one address in a row; an office may share one.
const ADDRESS_TRIES: u32 = 40;
/// Seconds until one more attempt from an address.
const ADDRESS_PAUSE: u64 = 5;
/// Seconds between two audit events about one throttled address, so that nobody floods the log.
const TELL_PAUSE: u64 = 60;
/// Passwords checked at once; each takes 19 MiB.
const CHECKS_AT_ONCE: usize = 4;
/// Counters kept before those that have run out are dropped.
const COUNTERS: usize = 10_000;
/// Bytes of the password hash's digest in a session's stamp: enough to change with the password.
const STAMP_BYTES: usize = 12;

const WRONG: &str = "Wrong name or password.";

type Counter = DefaultKeyedRateLimiter<String>;

/// Counts attempts and checks passwords. One for the whole process.
pub struct Logins {
    by_account: Counter,
    by_address: Counter,
    told: Counter,
    checks: Semaphore,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            by_account: counter(ACCOUNT_TRIES, ACCOUNT_PAUSE),
            by_address: counter(ADDRESS_TRIES, ADDRESS_PAUSE),
            told: counter(1, TELL_PAUSE),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }
    }
}

/// Somebody who has just logged in.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The account.
    pub user: User,
    /// The groups that the login told. A password tells none.
    pub groups: Vec<String>,
    /// Changes with the password, so that a session opened before no longer fits.
    pub stamp: String,
}

impl Logins {
    /// Logs `name` in from `address` if the password is right.
    ///
    /// # Errors
    /// Throttled after too many tries, invalid when name or password are wrong, forbidden when the
    /// account is disabled (shown only to whoever knows its password).
    pub async fn attempt(
        &self,
        app: &App,
        name: &str,
        password: &str,
        address: &str,
        now: Instant,
    ) -> Result<LoggedIn> {
        let (store, name) = (&app.store, name.trim());
        if !self.may_try(name, address) {
            let refusal = refused(name, address, EventKind::LoginThrottled);
            return self.throttled(store, address, refusal, now).await;
        }
        let found = find(store, name).await?;
        let hash = found.as_ref().and_then(|(_, hash)| hash.clone());
        let fits = self.fits(password, hash).await?;
        let Some((user, Some(hash))) = found.filter(|_| fits) else {
            record(store, refused(name, address, EventKind::LoginFailed), now).await?;
            return Err(Error::invalid(WRONG));
        };
        if user.disabled {
            record(store, refused(name, address, EventKind::LoginFailed), now).await?;
            return Err(Error::new(
                ErrorKind::Forbidden,
                "This account is disabled. An administrator can enable it again.",
            ));
        }
        let (right, event) = done(
            &Actor::user(user.name.as_str(), address),
            EventKind::LoginSucceeded,
        );
        let change = store.change(right, now).await?;
        users::logged_in(&change, user.id, now).await?;
        change.commit(event).await?;
        let stamp = stamp(&hash);
        Ok(LoggedIn {
            user,
            groups: Vec::new(),
            stamp,
        })
    }

    /// Gives `actor` another password, if `old` is the present one. Counts as an attempt.
    ///
    /// # Errors
    /// Invalid with the field (`old`, `password`) that is wrong; throttled.
    pub async fn change_password(
        &self,
        app: &App,
        actor: &Actor,
        old: &str,
        new: &str,
        now: Instant,
    ) -> Result<LoggedIn> {
        let store = &app.store;
        if !self.may_try(&actor.name, &actor.address) {
            let (right, event) = done(actor, EventKind::PasswordChangeThrottled);
            let refusal = (right, event.forbidden(""));
            return self.throttled(store, &actor.address, refusal, now).await;
        }
        let (user, hash) = users::with_password_hash(store, &actor.name).await?;
        if !self.fits(old, hash).await? {
            let (right, event) = done(actor, EventKind::PasswordChangeFailed);
            record(store, (right, event.forbidden("")), now).await?;
            return Err(Error::field("old", "This is not your current password."));
        }
        let hash = accounts::hashed(new.to_owned()).await?;
        let (right, event) = done(actor, EventKind::PasswordChanged);
        let change = store.change(right, now).await?;
        users::set_password_hash(&change, user.id, Some(&hash)).await?;
        change.commit(event).await?;
        let stamp = stamp(&hash);
        Ok(LoggedIn {
            user,
            groups: actor.groups.clone(),
            stamp,
        })
    }

    /// Refuses without checking the password. Records that at most once a minute per address.
    async fn throttled<T>(
        &self,
        store: &Store,
        address: &str,
        refusal: (Right, Event),
        now: Instant,
    ) -> Result<T> {
        if self.told.check_key(&address.to_owned()).is_ok() {
            record(store, refusal, now).await?;
        }
        Err(Error::new(
            ErrorKind::Throttled,
            "Too many attempts. Wait a minute, then try again.",
        ))
    }

    /// Whether another attempt is allowed. Counts it.
    fn may_try(&self, name: &str, address: &str) -> bool {
        for counter in [&self.by_account, &self.by_address, &self.told] {
            if counter.len() > COUNTERS {
                counter.retain_recent();
            }
        }
        let account: String = name
            .to_lowercase()
            .chars()
            .take(crate::domain::names::NAME_LIMIT)
            .collect();
        let by_address = self.by_address.check_key(&address.to_owned()).is_ok();
        let by_account = self.by_account.check_key(&account).is_ok();
        by_address && by_account
    }

    /// Whether the password belongs to the hash. Waits for its turn.
    async fn fits(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        accounts::password_fits(hash, password.to_owned()).await
    }
}

/// The present account of a session. `None` when the account was deleted or disabled, or its
/// password was changed since.
pub async fn still_known(app: &App, id: UserId, name: &str, marked: &str) -> Result<Option<User>> {
    let Some((user, Some(hash))) = find(&app.store, name).await? else {
        return Ok(None);
    };
    let stands = user.id == id && !user.disabled && stamp(&hash) == marked;
    Ok(stands.then_some(user))
}

/// Records a logout.
pub async fn logged_out(app: &App, actor: &Actor, now: Instant) -> Result<()> {
    record(&app.store, done(actor, EventKind::Logout), now).await
}

fn stamp(hash: &str) -> String {
    hex::encode(&Sha256::digest(hash)[..STAMP_BYTES])
}

fn counter(tries: u32, pause: u64) -> Counter {
    let pause = Duration::from_secs(pause);
    let quota = Quota::with_period(pause).expect("a pause of some seconds is not zero");
    let tries = NonZeroU32::new(tries).expect("the tries are a constant above zero");
    RateLimiter::keyed(quota.allow_burst(tries))
}

/// The account of that name with its hash; `None` when there is none.
async fn find(store: &Store, name: &str) -> Result<Option<(User, Option<String>)>> {
    match users::with_password_hash(store, name).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn record(store: &Store, (right, event): (Right, Event), now: Instant) -> Result<()> {
    store.change(right, now).await?.commit(event).await
}

/// An event about the actor's own account.
fn done(actor: &Actor, kind: EventKind) -> (Right, Event) {
    let right = Right::at_the_gate(actor, format!("user {}", actor.name));
    (right, Event::new(kind, json!({})))
}

/// Before a login succeeds its actor is the guest; the claimed name is the resource. What cannot be a
/// name is not recorded: people type passwords into the wrong field.
fn refused(name: &str, address: &str, kind: EventKind) -> (Right, Event) {
    let claimed = name
        .parse::<Name>()
        .map_or_else(|_| "(not a name)".to_owned(), String::from);
    let right = Right::at_the_gate(&Actor::guest(address), format!("user {claimed}"));
    (right, Event::new(kind, json!({})).forbidden(""))
}
