//! Logins with a name and a password, throttled against guessing.
//!
//! Checking a password takes the same time whether the account exists or not, so the time reveals nothing.
//! Only a few passwords are checked at once, so guessing cannot exhaust memory. `throttle` slows attempts
//! down before any check, including attempts to change a password. A browser that logged in gets a mark that
//! lets it through next time; the mark is derived from the password's hash, so it expires with the password
//! and nothing has to be stored. Where the account has a second factor, a right password is half a login: `code`
//! takes the code. What others say about somebody comes in by `from_outside`. The audit log has every login; of
//! failures of one origin it has the first, and those that follow within the hour as a count (`refusals`).

pub mod code;
mod from_outside;

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::refusals::Refused;
use super::throttle::{Counter, LoginLimits, LoginThrottle, TryLimit, counter};
use super::{App, accounts, outside, passwords};
use crate::domain::user::User;
use crate::domain::{
    Actor, Error, ErrorKind, Event, EventKind, HalfIn, Instant, Name, Result, UserId, if_found,
};
use crate::store::{Right, Store, identities, second_factors, users};

/// How often the plugin is asked about one cookie.
const COOKIES: TryLimit = TryLimit {
    tries: NonZeroU32::MIN,
    pause: Duration::from_secs(30),
};
/// Passwords checked at once; each takes 19 MiB.
const CHECKS_AT_ONCE: usize = 4;
/// Hexadecimal digits of the random part of a browser's mark.
const MARK_DIGITS: usize = 32;
/// How long a code of the second factor is awaited after the password.
const HALF_FOR: TimeDelta = TimeDelta::minutes(5);

const WRONG: &str = "Wrong name or password.";

/// Counts attempts and checks passwords. One for the whole process.
pub struct Logins {
    throttle: LoginThrottle,
    checks: Semaphore,
    /// Cookies of another system that the plugin was asked about.
    cookies: Counter,
}

impl Default for Logins {
    fn default() -> Self {
        Self::new(LoginLimits::default())
    }
}

/// Somebody tries to log in.
#[derive(Debug, Clone, Copy)]
pub struct LoginTry<'a> {
    pub name: &'a str,
    pub password: &'a str,
    pub address: &'a str,
    /// The mark that the browser got at an earlier login, if it brought one.
    pub device: Option<&'a str>,
}

/// Somebody who has just logged in.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The account.
    pub user: User,
    /// The groups that the login reported. A password login reports none.
    pub groups: Vec<String>,
    /// Changes with the password, so that a session opened before no longer fits.
    pub stamp: String,
    /// The mark for this browser.
    pub device: String,
    /// Whether a second factor was asked for.
    pub second_factor: bool,
    /// When the session ends, where the login says so.
    pub until: Option<Instant>,
    /// What said who this is; `None`: their password did.
    pub provider: Option<String>,
}

/// How far a login is after the right password.
#[derive(Debug, Clone)]
pub enum LoginStep {
    In(LoggedIn),
    /// A code of the second factor is awaited.
    Half(HalfIn),
}

impl Logins {
    /// Logins within these limits.
    pub fn new(limits: LoginLimits) -> Self {
        Self {
            throttle: LoginThrottle::new(limits),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            cookies: counter(COOKIES),
        }
    }

    /// Logs somebody in if the password is right; may wait some seconds before.
    ///
    /// # Errors
    /// Throttled after too many tries, invalid when name or password are wrong, forbidden when the
    /// account is disabled (shown only to somebody who knows its password).
    pub async fn attempt(&self, app: &App, login: LoginTry<'_>, now: Instant) -> Result<LoginStep> {
        let LoginTry {
            password, address, ..
        } = login;
        let (store, name) = (&app.store, login.name.trim());
        let found = find(store, name).await?;
        let hash = found.as_ref().and_then(|(_, hash)| hash.clone());
        let device = hash.as_deref().and_then(|hash| known_device(login.device?, hash));
        if !self.throttle.admits(name, address, device).await {
            app.note(refused(name, address, EventKind::LoginThrottled))
                .await?;
            return Err(throttled());
        }
        let fits = self.fits(password, hash).await?;
        let user = found.as_ref().map(|(user, _)| user);
        if !fits && let Some(step) = self.by_plugin(app, user, login, now).await? {
            return Ok(step);
        }
        let Some((user, Some(hash))) = found.filter(|_| fits) else {
            app.note(refused(name, address, EventKind::LoginFailed)).await?;
            return Err(Error::invalid(WRONG));
        };
        if user.disabled {
            app.note(refused(name, address, EventKind::LoginFailed)).await?;
            return Err(Error::new(
                ErrorKind::Forbidden,
                "This account is disabled. An administrator can enable it again.",
            ));
        }
        if second_factors::confirmed_at(store, user.id).await?.is_some() {
            let known = LoggedIn::new(user, Vec::new(), &hash);
            return Ok(LoginStep::Half(half_in(&known, now)));
        }
        let (right, event) = done(
            &Actor::user(user.name.as_str(), address),
            EventKind::LoginSucceeded,
        );
        let change = store.change(right, now).await?;
        users::logged_in(&change, user.id, now).await?;
        change.commit(event).await?;
        Ok(LoginStep::In(LoggedIn::new(user, Vec::new(), &hash)))
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
        let kinds = (
            EventKind::PasswordChangeFailed,
            EventKind::PasswordChangeThrottled,
        );
        let user = self.demand_password(app, actor, (old, kinds)).await?;
        if old == new {
            let same = "This is the current password. Choose another one.";
            return Err(Error::field("password", same));
        }
        let hash = passwords::hashed(new.to_owned(), &accounts::names_of(&user)).await?;
        let (right, event) = done(actor, EventKind::PasswordChanged);
        let event = event.with("password_digest", json!(passwords::digest(&hash)));
        let change = store.change(right, now).await?;
        users::set_password_hash(&change, user.id, &hash).await?;
        change.commit(event).await?;
        Ok(LoggedIn::new(user, actor.groups.clone(), &hash))
    }

    /// The account of `actor`, if `password` is its own. Counts as an attempt. What is recorded of a wrong one, and
    /// of too many.
    async fn demand_password(
        &self,
        app: &App,
        actor: &Actor,
        (password, (failed, too_often)): (&str, (EventKind, EventKind)),
    ) -> Result<User> {
        if !self.throttle.admits(&actor.name, &actor.address, None).await {
            app.note(own(actor, too_often)).await?;
            return Err(throttled());
        }
        let (user, hash) = users::with_password_hash(&app.store, &actor.name).await?;
        if !self.fits(password, hash).await? {
            app.note(own(actor, failed)).await?;
            return Err(Error::field("old", "This is not your current password."));
        }
        Ok(user)
    }

    /// Whether the password belongs to the hash. Waits for its turn.
    async fn fits(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        passwords::password_fits(hash, password.to_owned()).await
    }
}

/// The present account of a session. `None` when the account was deleted or disabled, or its
/// password was changed since.
pub async fn still_known(app: &App, id: UserId, name: &str, marked: &str) -> Result<Option<User>> {
    let Some((user, hash)) = find(&app.store, name).await? else {
        return Ok(None);
    };
    let mut marks: Vec<String> = hash.as_deref().map(passwords::digest).into_iter().collect();
    if !marks.iter().any(|mark| mark == marked) {
        marks = marks_of(app, &user, None).await?;
    }
    let is_same = user.id == id && stands(&user, &marks, name, marked);
    Ok(is_same.then_some(user))
}

/// What marks the sessions of an account: its password, and the logins from outside that are linked to it and still
/// configured.
pub(super) async fn marks_of(app: &App, user: &User, hash: Option<&str>) -> Result<Vec<String>> {
    let known = identities::of_user(&app.store, user.id).await?;
    let known = known.iter().filter(|one| app.outside.has(&one.provider));
    Ok(hash
        .map(passwords::digest)
        .into_iter()
        .chain(known.map(outside::mark))
        .collect())
}

/// Whether a session of the account that was `marked` at the login still counts.
pub(super) fn stands(user: &User, marks: &[String], name: &str, marked: &str) -> bool {
    !user.disabled && user.name.as_str() == name && marks.iter().any(|mark| mark == marked)
}

/// Records a logout.
pub async fn logged_out(app: &App, actor: &Actor, now: Instant) -> Result<()> {
    let (right, event) = done(actor, EventKind::Logout);
    app.store.change(right, now).await?.commit(event).await
}

impl LoggedIn {
    fn new(user: User, groups: Vec<String>, hash: &str) -> Self {
        let random = hex::encode(rand::random::<[u8; MARK_DIGITS / 2]>());
        Self {
            user,
            groups,
            stamp: passwords::digest(hash),
            device: format!("{random}.{}", proof(&random, hash)),
            second_factor: false,
            until: None,
            provider: None,
        }
    }
}

/// The login of `known`, of which a code of the second factor is awaited.
fn half_in(known: &LoggedIn, now: Instant) -> HalfIn {
    HalfIn {
        id: known.user.id,
        name: known.user.name.to_string(),
        groups: known.groups.clone(),
        stamp: known.stamp.clone(),
        until: now + HALF_FOR,
        ends: known.until,
        provider: known.provider.clone(),
    }
}

/// The random part of a browser's mark, if the mark was made for the account with this password hash.
fn known_device<'a>(mark: &'a str, hash: &str) -> Option<&'a str> {
    let (random, given) = mark.split_once('.')?;
    let is_ours = random.len() == MARK_DIGITS && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Compared as digests, so that the time does not reveal how much of it matches.
    let same = Sha256::digest(given) == Sha256::digest(proof(random, hash));
    (is_ours && same).then_some(random)
}

/// Only somebody who knows the password's hash can compute it.
fn proof(random: &str, hash: &str) -> String {
    let inner = Sha256::digest(format!("browser\n{random}\n{hash}"));
    hex::encode(Sha256::digest([inner.as_slice(), hash.as_bytes()].concat()))
}

/// The account of that name with its hash; `None` when there is none.
async fn find(store: &Store, name: &str) -> Result<Option<(User, Option<String>)>> {
    if_found(users::with_password_hash(store, name).await)
}

/// An event about the actor's own account.
fn done(actor: &Actor, kind: EventKind) -> (Right, Event) {
    let right = Right::at_the_gate(actor, format!("user {}", actor.name));
    (right, Event::new(kind, json!({})))
}

/// A refusal about the actor's own account.
fn own(actor: &Actor, kind: EventKind) -> Refused {
    let (right, event) = done(actor, kind);
    Refused::new(actor, "", right, event.forbidden(""))
}

/// Before a login succeeds its actor is the guest; the claimed name is the resource. What cannot be a
/// name is not recorded: people type passwords into the wrong field.
fn refused(name: &str, address: &str, kind: EventKind) -> Refused {
    let claimed = name
        .parse::<Name>()
        .map_or_else(|_| "(not a name)".to_owned(), String::from);
    let (guest, about) = (Actor::guest(address), format!("user {claimed}"));
    let right = Right::at_the_gate(&guest, about.clone());
    let event = Event::new(kind, json!({})).forbidden("");
    // A throttled address is one thing, whatever names it tries.
    let thing = match kind {
        EventKind::LoginThrottled => String::new(),
        _ => about,
    };
    Refused::new(&guest, thing, right, event)
}

fn throttled() -> Error {
    Error::new(
        ErrorKind::Throttled,
        "Too many attempts. Wait a minute, then try again.",
    )
}
