//! A second factor beside the password: codes of an authenticator app (TOTP, RFC 6238) that change every 30 seconds,
//! and recovery codes for when the app is lost.
//!
//! Each code is taken once: the interval of the last one is stored, and none of it or before counts again. Codes are
//! entered through [`Logins`](super::logins::Logins), which slows guessing down. The secret is sealed at rest; of
//! recovery codes there are digests.

pub(super) mod recovery;

use totp_rs::{Builder, Secret, Totp};

use super::App;
use super::admin::demand_administer;
use crate::access::Permit;
use crate::config::SecondFactorDemand;
use crate::domain::{Action, Actor, Error, Event, EventKind, Instant, Resource, Result, SecondFactor, User};
use crate::store::{Change, Store, second_factors, sessions, users};

/// What the app shows beside the account.
const ISSUER: &str = "Deployer";
/// Bytes of a secret, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// Digits of a code, the number that apps know.
const DIGITS: usize = 6;

/// How far an account's second factor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorState {
    Off,
    /// The app has to be shown the secret, and its first code is awaited.
    Pending(Setup),
    On {
        since: Instant,
        /// Recovery codes that were not used.
        codes_left: usize,
    },
}

/// What an authenticator app has to know.
#[derive(Clone, PartialEq, Eq)]
pub struct Setup {
    /// In base 32, for typing.
    pub secret: String,
    /// The same with names, `otpauth://…`, for a QR code.
    pub url: String,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setup")
    }
}

/// How far the second factor of `user` is.
///
/// # Errors
/// Unavailable, when its secret does not open.
pub async fn state(app: &App, user: &User) -> Result<FactorState> {
    let Some(factor) = second_factors::of_user(&app.store, user.id).await? else {
        return Ok(FactorState::Off);
    };
    if let Some(since) = factor.confirmed_at {
        let codes_left = factor.recovery.len();
        return Ok(FactorState::On { since, codes_left });
    }
    let totp = totp(&factor.secret, user.name.as_str())?;
    Ok(FactorState::Pending(Setup {
        url: totp.to_url().map_err(unusable)?,
        secret: factor.secret,
    }))
}

/// Whether the account has a second factor that counts.
///
/// # Errors
/// Of the store.
pub async fn is_on(app: &App, user: &User) -> Result<bool> {
    Ok(second_factors::confirmed_at(&app.store, user.id).await?.is_some())
}

/// Whether `actor` has to have a second factor: the configuration can demand it of whoever may administer.
pub fn is_demanded(app: &App, actor: &Actor) -> bool {
    app.config.logins.second_factor == SecondFactorDemand::Administrators
        && app.may(actor, Action::Administer, &Resource::Everything)
}

/// Takes the second factor of the account `name` away and ends its sessions, for a page.
///
/// # Errors
/// Not found; a conflict for one's own.
pub async fn reset_of(app: &App, permit: &Permit, name: &str) -> Result<User> {
    reset(&app.store, permit, name).await
}

/// Takes the second factor of the account `name` away and ends its sessions. Does nothing where there is none.
///
/// # Errors
/// Not found; a conflict for one's own.
pub async fn reset(store: &Store, permit: &Permit, name: &str) -> Result<User> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    if permit.actor().is_by(user.name.as_str()) && !permit.is_of_host() {
        return Err(Error::conflict(
            "This is your own account: turn the second factor off on your profile.",
        ));
    }
    if second_factors::confirmed_at(&change, user.id).await?.is_none() {
        return Ok(user);
    }
    second_factors::delete(&change, user.id).await?;
    let open = sessions::of_user(&change, user.id, change.now()).await?;
    sessions::end(&change, &open).await?;
    let detail = serde_json::json!({ "sessions": open.len() });
    let event = Event::new(EventKind::SecondFactorReset, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(user)
}

/// Spends `code`, one of the app or a recovery code. False: it is wrong, or was spent before.
pub(super) async fn spend(change: &Change, factor: &SecondFactor, code: &str, now: Instant) -> Result<bool> {
    let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        return match totp(&factor.secret, "")?.check(&code, seconds) {
            Some(step) => second_factors::spend_step(change, factor.user, step).await,
            None => Ok(false),
        };
    }
    let digest = recovery::digest(factor.user, &code);
    if !factor.recovery.contains(&digest) {
        return Ok(false);
    }
    let left: Vec<String> = factor
        .recovery
        .iter()
        .filter(|one| **one != digest)
        .cloned()
        .collect();
    second_factors::set_recovery(change, factor, &left).await
}

/// A new secret, in base 32.
pub(super) fn new_secret() -> String {
    Secret::new_stack(rand::random::<[u8; SECRET_BYTES]>()).to_base32()
}

fn totp(secret: &str, account: &str) -> Result<Totp> {
    let secret = Secret::try_from_base32(secret).map_err(unusable)?;
    let builder = Builder::new().with_secret(secret).with_issuer(Some(ISSUER));
    builder.with_account_name(account).build().map_err(unusable)
}

fn unusable(cause: impl std::fmt::Display) -> Error {
    Error::internal(format!("a second factor's secret is unusable: {cause}"))
}
