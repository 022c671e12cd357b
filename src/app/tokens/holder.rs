//! Who sent a request that has an API token.

use chrono::TimeDelta;
use serde_json::json;

use super::secret;
use crate::app::App;
use crate::app::refusals::Refused;
use crate::app::second_factor;
use crate::app::throttle::{Counter, LoginLimits, counter, is_within};
use crate::domain::access::{AUTO, GUEST};
use crate::domain::{
    Action, Actor, ApiToken, Error, ErrorKind, Event, EventKind, Instant, Resource, Result, TokenState,
    UsedToken, User, if_found,
};
use crate::store::{Right, tokens, users};

/// The last use is written at most this often.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Who sent a request with a token.
#[derive(Debug, Clone)]
pub struct TokenHolder {
    /// The account that the token is of.
    pub holder: User,
    /// The account in whose name it is asked: the same one, or another one that it acts for.
    pub user: User,
    pub actor: Actor,
}

impl TokenHolder {
    /// Whether the scope of the token is to view, and nothing else.
    pub fn only_views(&self) -> bool {
        let token = self.actor.token.as_ref();
        token.is_some_and(|token| token.scope.only_views())
    }
}

/// Counts wrong tokens. One for the whole process.
pub struct Tokens {
    wrong: Counter,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            wrong: counter(LoginLimits::default().tokens),
        }
    }
}

impl Tokens {
    /// Who sent `secret` from `address`, acting for the account `for_account` if one is named.
    ///
    /// # Errors
    /// Unauthenticated, with the reason; throttled after too many wrong ones from the address; forbidden where it
    /// may not act for the account; invalid where there is no such account.
    pub async fn holder(
        &self,
        app: &App,
        secret: &str,
        (address, for_account): (&str, Option<&str>),
    ) -> Result<TokenHolder> {
        let now = app.now();
        let token = match secret::is_well_formed(secret) {
            true => tokens::by_hash(&app.store, &secret::digest(secret)).await?,
            false => None,
        };
        let (token, user) = match usable_by(app, token, now).await? {
            Ok(known) => known,
            Err((token, why)) => return self.refuse(app, address, token, why).await,
        };
        touch(app, &token, address, now).await;
        let own = Actor {
            token: Some(UsedToken {
                id: token.id,
                name: token.name.to_string(),
                scope: token.scope,
            }),
            ..Actor::user(user.name.as_str(), address)
        };
        let holder = match for_account {
            None => TokenHolder {
                holder: user.clone(),
                user,
                actor: own,
            },
            Some(name) => act_for(app, own, user, name).await?,
        };
        demand_second_factor(app, &holder).await?;
        Ok(holder)
    }

    async fn refuse<T>(&self, app: &App, address: &str, token: Option<ApiToken>, why: String) -> Result<T> {
        match &token {
            None => app.unknown_token(address).await?,
            Some(token) => app.note(refused(token, address, &why)).await?,
        }
        if !is_within(&self.wrong, &address.to_owned()) {
            let message = "Too many wrong API tokens came from your address. Wait a minute, then try again.";
            return Err(Error::new(ErrorKind::Throttled, message));
        }
        Err(Error::new(ErrorKind::Unauthenticated, why))
    }
}

/// The refusal of a token that was made here.
fn refused(token: &ApiToken, address: &str, why: &str) -> Refused {
    let guest = Actor::guest(address);
    let account = token.account.as_deref().unwrap_or_default();
    let right = Right::at_the_gate(&guest, format!("user {account}"));
    let detail = json!({ "token": token.name, "number": token.id });
    let event = Event::new(EventKind::TokenRefused, detail).forbidden(why);
    Refused::new(&guest, format!("token {}", token.id), right, event)
}

/// Refuses the token of a person who has to have a second factor and has none. Service accounts log in nowhere.
async fn demand_second_factor(app: &App, token: &TokenHolder) -> Result<()> {
    let holder = &token.holder;
    if !holder.has_password
        || !second_factor::is_demanded(app, &Actor::user(holder.name.as_str(), &token.actor.address))
        || second_factor::is_on(app, holder).await?
    {
        return Ok(());
    }
    let message =
        "Administrators need a second factor here, also to act by an API token. Set it up on your profile.";
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// Whether `holder` may still do what it began to do, long after the request began.
///
/// # Errors
/// Of the store.
pub async fn still_stands(app: &App, holder: &TokenHolder) -> Result<bool> {
    let Some(used) = &holder.actor.token else {
        return Ok(false);
    };
    let Some(token) = if_found(tokens::by_id(&app.store, used.id).await)? else {
        return Ok(false);
    };
    let Ok((_, user)) = usable_by(app, Some(token), app.now()).await? else {
        return Ok(false);
    };
    if holder.actor.impersonator.is_none() {
        return Ok(true);
    }
    let own = Actor {
        token: Some(used.clone()),
        ..Actor::user(user.name.as_str(), &holder.actor.address)
    };
    let target = users::by_id(&app.store, holder.user.id).await;
    let stands = target.is_ok_and(|target| !target.disabled && target.name == holder.user.name);
    Ok(stands && app.may(&own, Action::Impersonate, &Resource::Everything))
}

/// The token with its account, or the reason why it is not accepted.
async fn usable_by(
    app: &App,
    token: Option<ApiToken>,
    now: Instant,
) -> Result<Result<(ApiToken, User), (Option<ApiToken>, String)>> {
    let Some(token) = token else {
        let why = "There is no such API token. Nothing was done.";
        return Ok(Err((None, why.to_owned())));
    };
    let user = users::by_id(&app.store, token.user).await?;
    let name = &token.name;
    let is_renamed = token
        .account
        .as_ref()
        .is_some_and(|account| *account != user.name.as_str());
    let why = match token.state(now) {
        TokenState::Revoked => format!("The API token “{name}” was revoked."),
        TokenState::Expired => format!("The API token “{name}” has expired."),
        _ if user.disabled => format!("The account of the API token “{name}” is disabled."),
        _ if is_renamed => format!("The account of the API token “{name}” has another name now."),
        _ => return Ok(Ok((token, user))),
    };
    Ok(Err((Some(token), format!("{why} Nothing was done."))))
}

/// Notes the use of a token, unless that was noted just now. A store that cannot be written stops no request.
async fn touch(app: &App, token: &ApiToken, address: &str, now: Instant) {
    let is_noted = token.last_used_at.is_some_and(|last| now - last < TOUCH_EVERY);
    if is_noted {
        return;
    }
    let noted = async {
        let record = app.store.record().await?;
        tokens::used(&record, token.id, address, now).await?;
        record.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!("The use of an API token could not be noted: {error}");
    }
}

/// Lets `own`, the holder of a token, act for the account `name`: it may then do what that account may, within the
/// scope of the token.
async fn act_for(app: &App, own: Actor, holder: User, name: &str) -> Result<TokenHolder> {
    app.permit(&own, Action::Impersonate, &Resource::Everything)
        .await?;
    let unknown = || {
        let name = name.escape_debug();
        Error::invalid(format!(
            "X-Impersonate-Username names “{name}”, which is no active account. Nothing was done."
        ))
    };
    let user = if_found(users::by_name(&app.store, name).await)?.ok_or_else(unknown)?;
    let is_reserved = [GUEST, AUTO]
        .iter()
        .any(|one| user.name.as_str().eq_ignore_ascii_case(one));
    if user.disabled || is_reserved || user.id == holder.id {
        return Err(unknown());
    }
    let actor = Actor {
        name: user.name.to_string(),
        impersonator: Some(own.name),
        groups: Vec::new(),
        token: own.token,
        address: own.address,
    };
    Ok(TokenHolder { holder, user, actor })
}
