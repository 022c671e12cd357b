//! Logins that somebody else decides: the sysadmin's plugin, by a password or by another system's cookie.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{LoggedIn, LoginStep, LoginTry, Logins, done, half_in, record, refused};
use crate::app::App;
use crate::app::outside::plugin::{self, PluginLogin, Shown};
use crate::app::outside;
use crate::app::throttle::is_within;
use crate::domain::{Actor, Error, ErrorKind, EventKind, Instant, LoginProvider, Result, User};
use crate::store::{identities, second_factors, users};

impl Logins {
    /// Asks the plugin about a login that no password of ours fits. It is not told passwords of accounts that it
    /// does not know.
    pub(super) async fn by_plugin(
        &self,
        app: &App,
        user: Option<&User>,
        login: LoginTry<'_>,
        now: Instant,
    ) -> Result<Option<LoginStep>> {
        if app.config.logins.plugin.is_none() || !may_know(app, user).await? {
            return Ok(None);
        }
        let (name, address) = (login.name.trim(), login.address);
        let shown = Shown::Password {
            name,
            password: login.password,
        };
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        let Some(known) = plugin::ask(app, shown, address).await? else {
            return Ok(None);
        };
        match let_in(app, known, address, now).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                record(&app.store, refused(name, address, EventKind::LoginFailed), now).await?;
                Err(error)
            }
            step => step.map(Some),
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
        let key = hex::encode(Sha256::digest(cookie));
        if app.config.logins.plugin.is_none() || !is_within(&self.cookies, &key) {
            return Ok(None);
        }
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        let asked = plugin::ask(app, Shown::Cookie(cookie), address).await;
        // Trouble is in the log already; pages that guests may see are still there.
        let Ok(Some(known)) = asked else { return Ok(None) };
        match let_in(app, known, address, now).await {
            Ok(LoginStep::In(known)) => Ok(Some(known)),
            Ok(LoginStep::Half(_)) => Ok(None),
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the plugin may know somebody of whom we have this account: none, or one that is linked to it.
async fn may_know(app: &App, user: Option<&User>) -> Result<bool> {
    let Some(user) = user else { return Ok(true) };
    let known = identities::of_user(&app.store, user.id).await?;
    Ok(known.iter().any(|one| one.provider == LoginProvider::Plugin))
}

/// Logs in somebody whom the plugin knows.
async fn let_in(app: &App, known: PluginLogin, address: &str, now: Instant) -> Result<LoginStep> {
    let PluginLogin { login, lifetime } = known;
    let user = outside::account(app, &login, address).await?;
    let identity = identities::by_subject(&app.store, login.provider, &login.subject).await?;
    let Some(identity) = identity else {
        return Err(Error::conflict("Your login was taken away a moment ago. Try again."));
    };
    let until = Some(now + lifetime);
    let known = LoggedIn {
        groups: login.groups,
        stamp: outside::mark(&identity),
        device: String::new(),
        second_factor: false,
        until,
        user,
    };
    if second_factors::confirmed_at(&app.store, known.user.id).await?.is_some() {
        return Ok(LoginStep::Half(half_in(&known, now)));
    }
    let actor = Actor::user(known.user.name.as_str(), address);
    let (right, event) = done(&actor, EventKind::LoginSucceeded);
    let change = app.store.change(right, now).await?;
    users::logged_in(&change, known.user.id, now).await?;
    let event = event.with("by", json!(login.provider)).with("groups", json!(known.groups));
    change.commit(event).await?;
    Ok(LoginStep::In(known))
}
