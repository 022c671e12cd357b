//! API tokens: making them and revoking them. `holder` finds out who sent a request that has one.
//!
//! A token is a secret of 200 random bits that is shown once; the store has its digest. As nobody can guess one,
//! a plain digest is enough, and a right token is never slowed down: what is counted and slowed are wrong ones.
//! A token acts for its account within its scope. People make their own; those of service accounts are made by
//! administrators, who would otherwise be able to act as somebody else without a trace.

mod holder;
mod secret;

use chrono::TimeDelta;
use serde_json::json;

pub use self::holder::{TokenHolder, Tokens, still_stands};
use super::admin::{demand_administer, demand_reading};
use super::{App, passwords};
use crate::access::Permit;
use crate::domain::token::EXPIRY_NOTICE;
use crate::domain::{
    Action, Actor, ApiToken, Area, Error, Event, EventKind, Instant, Name, Resource, Result, TokenId,
    TokenScope, User,
};
use crate::store::{Change, Right, Store, environments, projects, tokens, users};

/// The most tokens of one account that can be used at a time.
const TOKENS_AT_ONCE: usize = 50;
/// The newest tokens of an account that pages show.
const TOKENS_SHOWN: u64 = 200;
/// The most names of actions, projects or environments in a scope.
const SCOPE_NAMES: usize = 50;
/// The most days until a token expires; or it never does.
pub const LONGEST_DAYS: u32 = 3650;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For people, to tell it from others.
    pub name: Name,
    /// `None`: never.
    pub expires_at: Option<Instant>,
    pub scope: TokenScope,
}

/// A token with its secret, which is known only now.
#[derive(Debug)]
pub struct MadeToken {
    pub token: ApiToken,
    /// What a program sends.
    pub secret: String,
}

/// Makes a token for the account of `actor`.
///
/// # Errors
/// Complaints about the fields `name` and `expires`, and about the scope.
pub async fn make_own(app: &App, actor: &Actor, new: NewToken) -> Result<MadeToken> {
    let right = Right::at_the_gate(actor, format!("user {}", actor.name));
    let change = app.store.change(right, app.now()).await?;
    let user = users::by_name(&change, &actor.name).await?;
    let sees = |place: &Resource| app.may(actor, Action::View, place);
    demand_places(&change, &new.scope, sees).await?;
    make_for(change, &user, &actor.name, new).await
}

/// Makes a token for a service account; on the deployer's own host, for any account.
///
/// # Errors
/// As [`make_own`]; not found; a conflict for the account of a person.
pub async fn make(store: &Store, permit: &Permit, account: &str, new: NewToken) -> Result<MadeToken> {
    demand_administer(permit)?;
    // One could outgrow its own scope and end, and hide who asked.
    if permit.actor().token.is_some() {
        return Err(Error::conflict("An API token makes no tokens. Log in for that."));
    }
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, account).await?;
    if user.has_password && !permit.is_of_host() {
        return Err(Error::conflict(format!(
            "“{}” is the account of a person, who makes their own tokens. Make one for a service account.",
            user.name
        )));
    }
    demand_places(&change, &new.scope, |_| true).await?;
    make_for(change, &user, &permit.actor().name, new).await
}

/// Refuses a scope that names a project or an environment which is not there, or which its maker may not see: it
/// would be mistyped, and the token would silently do less than it was made for.
async fn demand_places(change: &Change, scope: &TokenScope, sees: impl Fn(&Resource) -> bool) -> Result<()> {
    if scope.projects.is_empty() && scope.environments.is_empty() {
        return Ok(());
    }
    let mut known = Vec::new();
    for project in projects::list(change).await? {
        if sees(&Resource::Project(project.name.to_string())) {
            known.push(project);
        }
    }
    let same = |one: &Name, other: &Name| one.as_str().eq_ignore_ascii_case(other.as_str());
    let is_unknown = |name: &&Name| !known.iter().any(|project| same(&project.name, name));
    if let Some(name) = scope.projects.iter().find(is_unknown) {
        let message = format!("There is no project “{name}”. Correct the name, or name none for all.");
        return Err(Error::field("projects", message));
    }
    let mut places = Vec::new();
    for environment in environments::all(change).await? {
        let Some(project) = known.iter().find(|one| one.id == environment.project_id) else {
            continue;
        };
        let is_meant =
            scope.projects.is_empty() || scope.projects.iter().any(|name| same(&project.name, name));
        let place = Resource::Environment(project.name.to_string(), environment.name.to_string());
        if is_meant && sees(&place) {
            places.push(environment.name);
        }
    }
    let is_nowhere = |name: &&Name| !places.iter().any(|place| same(place, name));
    match scope.environments.iter().find(is_nowhere) {
        None => Ok(()),
        Some(name) => {
            let of = match scope.projects.is_empty() {
                true => "No project has",
                false => "None of these projects has",
            };
            let message = format!("{of} an environment “{name}”. Correct the name, or name none for all.");
            Err(Error::field("environments", message))
        }
    }
}

/// Makes a token for a service account, for a page.
///
/// # Errors
/// As [`make`].
pub async fn make_of_service(app: &App, permit: &Permit, account: &str, new: NewToken) -> Result<MadeToken> {
    make(&app.store, permit, account, new).await
}

async fn make_for(change: Change, user: &User, by: &str, new: NewToken) -> Result<MadeToken> {
    let now = change.now();
    check(&new, now)?;
    let usable = tokens::usable(&change, (Some(user.id), None), now).await?;
    if usable.len() >= TOKENS_AT_ONCE {
        let message = format!("“{}” has {TOKENS_AT_ONCE} tokens. Revoke one first.", user.name);
        return Err(Error::field("name", message));
    }
    if usable.iter().any(|token| token.name == new.name) {
        let message = format!("“{}” has a token “{}” already.", user.name, new.name);
        return Err(Error::field("name", message));
    }
    let secret = secret::generated();
    let token = ApiToken {
        id: TokenId(0),
        user: user.id,
        account: Some(user.name.to_string()),
        name: new.name,
        scope: new.scope,
        hint: secret::hint(&secret),
        made_by: by.to_owned(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        last_used_from: String::new(),
        revoked_at: None,
    };
    let secret_digest = secret::digest(&secret);
    let token = tokens::insert(&change, &token, &secret_digest).await?;
    let detail = json!({
        "token": token.name, "number": token.id, "scope": token.scope.to_string(),
        "expires_at": token.expires_at, "secret_digest": passwords::digest(&secret_digest),
    });
    let event = Event::new(EventKind::TokenMade, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(MadeToken { token, secret })
}

fn check(new: &NewToken, now: Instant) -> Result<()> {
    if let Some(end) = new.expires_at
        && (end <= now || end > now + TimeDelta::days(i64::from(LONGEST_DAYS) + 1))
    {
        let message = format!("A token expires within 1 to {LONGEST_DAYS} days, or never.");
        return Err(Error::field("expires", message));
    }
    let TokenScope {
        actions,
        projects,
        environments,
    } = &new.scope;
    let counts = [
        ("actions", actions.len()),
        ("projects", projects.len()),
        ("environments", environments.len()),
    ];
    let too_many = counts.iter().find(|(_, count)| *count > SCOPE_NAMES);
    too_many.map_or(Ok(()), |(field, _)| {
        let message = format!("Name at most {SCOPE_NAMES}, or none for all.");
        Err(Error::field(*field, message))
    })
}

/// The instant `days` from `now` at which a token expires.
///
/// # Errors
/// A complaint about the field `expires`.
pub fn expiry(days: u32, now: Instant) -> Result<Instant> {
    if !(1..=LONGEST_DAYS).contains(&days) {
        let message = format!("A token expires within 1 to {LONGEST_DAYS} days, or never.");
        return Err(Error::field("expires", message));
    }
    Ok(now + TimeDelta::days(i64::from(days)))
}

/// The tokens of the account of `actor`, newest first.
///
/// # Errors
/// Of the store.
pub async fn own(app: &App, user: &User) -> Result<Vec<ApiToken>> {
    tokens::of_user(&app.store, user.id, TOKENS_SHOWN).await
}

/// An account and its tokens, newest first.
///
/// # Errors
/// Not found.
pub async fn of_account(app: &App, permit: &Permit, name: &str) -> Result<(User, Vec<ApiToken>)> {
    demand_reading(permit, Area::Users)?;
    of_named(&app.store, name).await
}

/// The same, for a command on the deployer's own host.
///
/// # Errors
/// Not found.
pub async fn of_named(store: &Store, name: &str) -> Result<(User, Vec<ApiToken>)> {
    let user = users::by_name(store, name).await?;
    let tokens = tokens::of_user(store, user.id, TOKENS_SHOWN).await?;
    Ok((user, tokens))
}

/// Revokes a token of the account of `actor`; does nothing when it is revoked.
///
/// # Errors
/// Not found.
pub async fn revoke_own(app: &App, (actor, user): (&Actor, &User), id: TokenId) -> Result<ApiToken> {
    let right = Right::at_the_gate(actor, format!("user {}", user.name));
    revoke_in(app.store.change(right, app.now()).await?, id, Some(user)).await
}

/// Revokes a token of any account, of `account` where one is named; does nothing when it is revoked.
///
/// # Errors
/// Not found.
pub async fn revoke(store: &Store, permit: &Permit, account: Option<&str>, id: TokenId) -> Result<ApiToken> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let user = match account {
        Some(name) => Some(users::by_name(&change, name).await?),
        None => None,
    };
    revoke_in(change, id, user.as_ref()).await
}

/// Revokes a token of the account `account`, for a page.
///
/// # Errors
/// As [`revoke`].
pub async fn revoke_of(app: &App, permit: &Permit, account: &str, id: TokenId) -> Result<ApiToken> {
    revoke(&app.store, permit, Some(account), id).await
}

async fn revoke_in(change: Change, id: TokenId, of: Option<&User>) -> Result<ApiToken> {
    let token = tokens::by_id(&change, id).await?;
    if of.is_some_and(|user| user.id != token.user) {
        return Err(Error::not_found(format!("API token number {id}")));
    }
    if token.revoked_at.is_some() {
        return Ok(token);
    }
    let user = users::by_id(&change, token.user).await?;
    tokens::revoke(&change, id, change.now()).await?;
    let detail = json!({ "token": token.name, "number": token.id });
    let event = Event::new(EventKind::TokenRevoked, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(token)
}

/// The tokens that expire soon and that `actor` can replace: their own, and for administrators those of service
/// accounts. Each with the name of its account.
///
/// # Errors
/// Of the store.
pub async fn expiring(app: &App, actor: &Actor, user: &User) -> Result<Vec<(String, ApiToken)>> {
    let now = app.now();
    let soon = tokens::usable(&app.store, (None, Some(now + EXPIRY_NOTICE)), now).await?;
    let administers = app.may(actor, Action::Administer, &Resource::Everything);
    let mut found = Vec::new();
    for token in soon {
        let is_own = token.user == user.id;
        if !is_own && !administers {
            continue;
        }
        let of = users::by_id(&app.store, token.user).await?;
        if is_own || !of.has_password {
            found.push((of.name.to_string(), token));
        }
    }
    Ok(found)
}
