//! Accounts of people whom a proxy or a plugin knows.
//!
//! What a provider says never makes somebody an account that it is not: they are known by what the provider calls
//! them (their subject), and an account is made for them at their first login only under a name that is free: no
//! account has it, none ever had it, and policy says nothing about it. Anything else takes an administrator, who
//! links an account. Groups count where the configuration believes them.

pub mod plugin;

use chrono::TimeDelta;
use serde_json::json;

use super::App;
use super::admin::{demand_administer, demand_reading};
use crate::access::Permit;
use crate::domain::access::{AUTO, GUEST, VISITOR};
use crate::domain::identity::SUBJECT_LIMIT;
use crate::domain::{
    Actor, Area, Error, ErrorKind, Event, EventKind, Identity, IdentityId, Instant, LoginProvider, Name,
    OutsideLogin, Result, User, UserId,
};
use crate::store::{Right, Store, identities, users};

/// The most groups of one login that count.
const MOST_GROUPS: usize = 200;

/// The account of somebody from outside, made at their first login.
///
/// # Errors
/// Forbidden, with what to do, where they have none and none may be made, or theirs is disabled.
pub async fn account(app: &App, login: &OutsideLogin, address: &str) -> Result<User> {
    if login.subject.is_empty() || login.subject.chars().count() > SUBJECT_LIMIT {
        return Err(forbidden("The login says no name, or one that is too long."));
    }
    let known = identities::by_subject(&app.store, login.provider, &login.subject).await?;
    let user = match known {
        Some(identity) => users::by_id(&app.store, identity.user).await?,
        None => first_login(app, login, address).await?,
    };
    if user.disabled {
        return Err(forbidden("This account is disabled. An administrator can enable it again."));
    }
    Ok(user)
}

/// The groups of `told` that `believed` names, each once.
pub fn groups(told: impl Iterator<Item = String>, believed: &[String]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in told.filter(|group| !group.is_empty() && is_believed(group, believed)) {
        if groups.len() < MOST_GROUPS && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

async fn first_login(app: &App, login: &OutsideLogin, address: &str) -> Result<User> {
    let name: Name = login
        .name
        .parse()
        .map_err(|why: String| forbidden(&format!("No account can be made for you: {why}")))?;
    let now = app.now();
    let actor = Actor::user(name.as_str(), address);
    let change = app.store.change(Right::at_the_gate(&actor, format!("user {name}")), now).await?;
    let reserved = [GUEST, VISITOR, AUTO];
    let is_reserved = reserved.iter().any(|one| name.as_str().eq_ignore_ascii_case(one));
    let exists = match users::by_name(&change, name.as_str()).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if exists || is_reserved || app.access.names(name.as_str()) || users::is_retired(&change, &name).await? {
        return Err(forbidden(&format!(
            "The {} calls you “{}”, which is, was or may become somebody else's account here. An administrator can link it to yours.",
            login.provider.title().to_lowercase(),
            login.subject.escape_debug()
        )));
    }
    let user = User {
        id: UserId(0),
        name,
        display_name: super::accounts::check_title(&login.display_name).unwrap_or_default(),
        email: super::accounts::check_email(&login.email).unwrap_or_default(),
        disabled: false,
        has_password: false,
        created_at: now,
        last_login_at: None,
        given_password: None,
    };
    let user = users::insert(&change, &user, None).await?;
    identities::insert(&change, &identity(user.id, (login.provider, &login.subject), now)).await?;
    let detail = json!({ "email": user.email, "by": login.provider, "subject": login.subject });
    change.commit(Event::new(EventKind::UserAdded, detail)).await?;
    Ok(user)
}

fn identity(user: UserId, (provider, subject): (LoginProvider, &str), now: Instant) -> Identity {
    Identity {
        id: IdentityId(0),
        user,
        provider,
        subject: subject.to_owned(),
        created_at: now,
    }
}

/// By what an account is known outside.
///
/// # Errors
/// Of the store.
pub async fn of_account(app: &App, permit: &Permit, user: &User) -> Result<Vec<Identity>> {
    demand_reading(permit, Area::Users)?;
    identities::of_user(&app.store, user.id).await
}

/// Lets the account `name` be known at `provider` as `subject`.
///
/// # Errors
/// A complaint about the field `subject`; not found.
pub async fn link(
    store: &Store,
    permit: &Permit,
    name: &str,
    (provider, subject): (LoginProvider, &str),
) -> Result<User> {
    demand_administer(permit)?;
    let subject = subject.trim();
    if subject.is_empty() || subject.chars().count() > SUBJECT_LIMIT || subject.chars().any(char::is_control) {
        let message = format!("Write what the other side calls them, in at most {SUBJECT_LIMIT} characters.");
        return Err(Error::field("subject", message));
    }
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    identities::insert(&change, &identity(user.id, (provider, subject), permit.at())).await?;
    let detail = json!({ "by": provider, "subject": subject });
    let event = Event::new(EventKind::IdentityLinked, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(user)
}

/// Ends what [`link`] began, or the first login.
///
/// # Errors
/// Not found.
pub async fn unlink(
    store: &Store,
    permit: &Permit,
    name: &str,
    (provider, subject): (LoginProvider, &str),
) -> Result<User> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    let known = identities::by_subject(&change, provider, subject.trim()).await?;
    let Some(known) = known.filter(|known| known.user == user.id) else {
        return Err(Error::not_found(format!("login “{}” of “{}”", subject.escape_debug(), user.name)));
    };
    identities::delete(&change, known.id).await?;
    let detail = json!({ "by": provider, "subject": known.subject });
    let event = Event::new(EventKind::IdentityUnlinked, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(user)
}

fn forbidden(why: &str) -> Error {
    Error::new(ErrorKind::Forbidden, why)
}

/// Whether one of `believed` is the group, or its beginning before a `*`.
fn is_believed(group: &str, believed: &[String]) -> bool {
    believed.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => group.starts_with(beginning),
        None => group == pattern,
    })
}

/// What marks sessions of a login from outside, for as long as it is linked.
pub(super) fn mark(identity: &Identity) -> String {
    format!("outside {}", identity.id)
}

/// How long after its last login a request by a proxy counts as another one.
const LOGIN_EVERY: TimeDelta = TimeDelta::hours(12);

/// Records, now and then, that `user` came by way of a proxy, which says so with each request.
///
/// # Errors
/// Of the store.
pub async fn note_login(app: &App, (actor, user): (&Actor, &User), by: LoginProvider) -> Result<()> {
    let now = app.now();
    if user.last_login_at.is_some_and(|last| now - last < LOGIN_EVERY) {
        return Ok(());
    }
    let right = Right::at_the_gate(actor, format!("user {}", user.name));
    let change = app.store.change(right, now).await?;
    users::logged_in(&change, user.id, now).await?;
    let detail = json!({ "by": by, "groups": actor.groups });
    change.commit(Event::new(EventKind::LoginSucceeded, detail)).await
}

/// Whether somebody from outside still has their account, long after the request began.
///
/// # Errors
/// Of the store.
pub async fn still_stands(app: &App, login: &OutsideLogin, user: &User) -> Result<bool> {
    let known = identities::by_subject(&app.store, login.provider, &login.subject).await?;
    if known.is_none_or(|known| known.user != user.id) {
        return Ok(false);
    }
    match users::by_id(&app.store, user.id).await {
        Ok(now) => Ok(!now.disabled && now.name == user.name),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
