//! Logins that somebody else decides: an OpenID provider, or the sysadmin's plugin by a password or by another
//! system's cookie.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{LoggedIn, LoginStep, LoginTry, Logins, done, half_in};
use crate::app::App;
use crate::app::outside::at_provider;
use crate::app::outside::oidc::BegunLogin;
use crate::app::outside::plugin::LoginProof;
use crate::app::outside::{self, OutsideAccount};
use crate::app::throttle::is_within;
use crate::domain::{Actor, Error, ErrorKind, EventKind, Instant, LoginProvider, OutsideLogin, Result, User};
use crate::store::{identities, second_factors, users};

impl Logins {
    /// Logs in whoever comes back from the OpenID provider `name` with `code`.
    ///
    /// # Errors
    /// Not found; forbidden, with what to do; unavailable, when the provider is down.
    pub async fn by_oidc(
        &self,
        app: &App,
        name: &str,
        (begun, code): (&BegunLogin, &str),
        address: &str,
        now: Instant,
    ) -> Result<LoginStep> {
        let login = at_provider::finish(app, name, (begun, code)).await?;
        enter(app, login, address, now).await
    }

    /// Asks the plugin about a login that no password of ours fits. It is not told passwords of accounts that it
    /// does not know.
    pub(super) async fn by_plugin(
        &self,
        app: &App,
        user: Option<&User>,
        login: LoginTry<'_>,
        now: Instant,
    ) -> Result<Option<LoginStep>> {
        let Some(plugin) = &app.outside.plugin else {
            return Ok(None);
        };
        if !may_know(app, user).await? {
            return Ok(None);
        }
        let (name, address) = (login.name.trim(), login.address);
        let proof = LoginProof::Password {
            name,
            password: login.password,
        };
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        match plugin.ask(proof, address, now).await? {
            Some(known) => enter(app, known, address, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// Logs in whoever has this cookie of another system, if the plugin knows them. Each cookie is asked about now and
    /// then only. Whoever has a second factor here enters by the form.
    ///
    /// # Errors
    /// Of the store.
    pub async fn by_cookie(
        &self,
        app: &App,
        cookie: &str,
        address: &str,
        now: Instant,
    ) -> Result<Option<LoggedIn>> {
        let Some(plugin) = &app.outside.plugin else {
            return Ok(None);
        };
        if !is_within(&self.cookies, &hex::encode(Sha256::digest(cookie))) {
            return Ok(None);
        }
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        // Trouble is in the log already; pages that guests may see are still there.
        let Ok(Some(known)) = plugin.ask(LoginProof::Cookie(cookie), address, now).await else {
            return Ok(None);
        };
        match enter(app, known, address, now).await {
            Ok(LoginStep::In(known)) => Ok(Some(known)),
            Ok(LoginStep::Half(_)) => Ok(None),
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The cookie of another system that the plugin is asked about.
    pub fn foreign_cookie(app: &App) -> Option<&str> {
        app.outside.plugin.as_ref()?.cookie.as_deref()
    }
}

/// Whether the plugin may know somebody of whom we have this account: none, or one that is linked to it.
async fn may_know(app: &App, user: Option<&User>) -> Result<bool> {
    let Some(user) = user else { return Ok(true) };
    let known = identities::of_user(&app.store, user.id).await?;
    Ok(known.iter().any(|one| one.provider == LoginProvider::Plugin))
}

/// Logs in somebody whom a provider knows.
async fn enter(app: &App, login: OutsideLogin, address: &str, now: Instant) -> Result<LoginStep> {
    let OutsideAccount { user, identity } = outside::account(app, &login, address).await?;
    let known = LoggedIn {
        user,
        groups: login.groups,
        stamp: outside::mark(&identity),
        device: String::new(),
        second_factor: login.second_factor,
        until: login.lifetime.map(|lifetime| now + lifetime),
        provider: Some(identity.provider.to_string()),
    };
    if !login.second_factor
        && second_factors::confirmed_at(&app.store, known.user.id)
            .await?
            .is_some()
    {
        return Ok(LoginStep::Half(half_in(&known, now)));
    }
    let actor = Actor::user(known.user.name.as_str(), address);
    let (right, event) = done(&actor, EventKind::LoginSucceeded);
    let change = app.store.change(right, now).await?;
    users::logged_in(&change, known.user.id, now).await?;
    identities::note_groups(&change, identity.id, &known.groups, now).await?;
    let event = event
        .with("by", json!(identity.provider))
        .with("groups", json!(known.groups));
    change.commit(event).await?;
    Ok(LoginStep::In(known))
}
