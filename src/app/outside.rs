//! Accounts of people whom a proxy, a plugin or an OpenID provider knows.
//!
//! What a provider says never makes somebody an account that it is not: they are known by what the provider calls
//! them (their subject), and an account is made for them at their first login only under a name that is free: no
//! account has it or ever had it, none is easily taken for it, and policy says nothing about it. Anything else takes
//! an administrator, who links an account. Groups count where the configuration believes them, and as long as
//! `access.groups_max_age` says.

pub mod at_provider;
pub mod believed;
pub mod links;
pub mod oidc;
pub mod plugin;
pub mod ways;

use chrono::TimeDelta;
use serde_json::json;

use self::believed::forbidden;
use super::App;
use super::accounts::{check_email, check_title, demand_free_name};
use super::refusals::Refused;
use crate::access::is_taken_for;
use crate::domain::identity::SUBJECT_LIMIT;
use crate::domain::{
    Actor, ErrorKind, Event, EventKind, Identity, IdentityId, Instant, LoginProvider, Name, OutsideLogin,
    Result, User, UserId, if_found,
};
use crate::store::{Change, Right, identities, users};

/// The name that policy files usually give the first administrator.
const FIRST_ADMINISTRATOR: &str = "admin";
/// How long after its last login a request by a proxy counts as another one.
const LOGIN_EVERY: TimeDelta = TimeDelta::hours(12);
/// The same groups are noted again after this.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(10);

/// Somebody from outside, with their account.
#[derive(Debug, Clone)]
pub struct OutsideAccount {
    pub user: User,
    /// By what they are known.
    pub identity: Identity,
}

/// The account of somebody from outside, made at their first login.
///
/// # Errors
/// Forbidden, with what to do, where they have none and none may be made, or theirs is disabled. That is recorded.
pub async fn account(app: &App, login: &OutsideLogin, address: &str) -> Result<OutsideAccount> {
    match found(app, login, address).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            app.note(refused(login, address, error.message())).await?;
            Err(error)
        }
        found => found,
    }
}

/// Somebody whom a provider let in and we do not. The name that it told is in the details only: it is nobody's here.
fn refused(login: &OutsideLogin, address: &str, why: &str) -> Refused {
    let guest = Actor::guest(address);
    let about = format!("login {}", login.provider);
    let detail = json!({ "by": login.provider, "subject": login.subject, "name": login.name });
    let event = Event::new(EventKind::OutsideLoginRefused, detail).forbidden(why);
    let right = Right::at_the_gate(&guest, about.clone());
    Refused::new(&guest, format!("{about} {}", login.subject), right, event)
}

async fn found(app: &App, login: &OutsideLogin, address: &str) -> Result<OutsideAccount> {
    check_subject(&login.subject).map_err(|why| forbidden(format!("{} {why}", by(login))))?;
    let known = identities::by_subject(&app.store, &login.provider, &login.subject).await?;
    let found = match known {
        Some(identity) => OutsideAccount {
            user: users::by_id(&app.store, identity.user).await?,
            identity,
        },
        None => first_login(app, login, address).await?,
    };
    if found.user.disabled {
        return Err(forbidden(
            "This account is disabled. An administrator can enable it again.",
        ));
    }
    Ok(found)
}

/// “https://login.example.org let you in, but”.
fn by(login: &OutsideLogin) -> String {
    let title = login.provider.title();
    let first = title
        .chars()
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    let rest: String = title.chars().skip(1).collect();
    match login.provider {
        LoginProvider::Issuer(_) => format!("{title} let you in, but"),
        _ => format!("{}{rest} let you in, but", first.unwrap_or_default()),
    }
}

async fn first_login(app: &App, login: &OutsideLogin, address: &str) -> Result<OutsideAccount> {
    let name: Name = login.name.parse().map_err(|why: String| {
        forbidden(format!(
            "{} no account can be made for “{}”: {why} {}",
            by(login),
            login.name.escape_debug(),
            what_to_do(login)
        ))
    })?;
    let now = app.now();
    let actor = Actor::user(name.as_str(), address);
    let change = app
        .store
        .change(Right::at_the_gate(&actor, format!("user {name}")), now)
        .await?;
    if let Some(why) = obstacle(app, &change, &name).await? {
        return Err(forbidden(format!("{} {why} {}", by(login), what_to_do(login))));
    }
    let user = User {
        id: UserId(0),
        name,
        display_name: check_title(&login.display_name).unwrap_or_default(),
        email: check_email(&login.email).unwrap_or_default(),
        disabled: false,
        has_password: false,
        created_at: now,
        last_login_at: None,
        given_password: None,
    };
    let user = users::insert(&change, &user, None).await?;
    let identity = new_identity(user.id, (&login.provider, &login.subject), now);
    let identity = identities::insert(&change, &identity).await?;
    let detail = json!({
        "email": user.email, "display_name": user.display_name,
        "password_digest": null, "by": login.provider, "subject": login.subject,
    });
    change.commit(Event::new(EventKind::UserAdded, detail)).await?;
    Ok(OutsideAccount { user, identity })
}

/// Why somebody from outside gets no account of this name, as the rest of a sentence.
async fn obstacle(app: &App, change: &Change, name: &Name) -> Result<Option<String>> {
    let is_reserved = demand_free_name(name).is_err() || is_taken_for(name.as_str(), FIRST_ADMINISTRATOR);
    if is_reserved {
        return Ok(Some(format!("the name “{name}” is reserved.")));
    }
    if users::is_retired(change, name).await? {
        return Ok(Some(format!(
            "“{name}” was the name of an account that was deleted."
        )));
    }
    let named = app.access.named_like(name.as_str());
    if named.iter().any(|one| one.eq_ignore_ascii_case(name.as_str())) {
        return Ok(Some(format!(
            "policy speaks of “{name}” already, and nobody gets the rights of a name by a login."
        )));
    }
    let accounts = users::list(change).await?;
    let mut accounts = accounts.iter().map(|user| user.name.as_str());
    let alike = accounts.find(|one| is_taken_for(one, name.as_str()));
    Ok(alike.or(named.first().map(String::as_str)).map(|other| {
        match other.eq_ignore_ascii_case(name.as_str()) {
            true => {
                format!("“{name}” is an account here already, and a login does not prove that it is yours.")
            }
            false => format!("“{name}” is easily taken for “{other}”, which is known here already."),
        }
    }))
}

/// What an administrator can do for somebody who is refused.
fn what_to_do(login: &OutsideLogin) -> String {
    let subject = login.subject.escape_debug();
    format!(
        "An administrator can link an account to you: under Admin, Users, the account, “Logins from outside”, or by \
         “deployer user link NAME --provider {} --subject {subject}”.",
        login.provider
    )
}

fn new_identity(user: UserId, (provider, subject): (&LoginProvider, &str), now: Instant) -> Identity {
    Identity {
        id: IdentityId(0),
        user,
        provider: provider.clone(),
        subject: subject.to_owned(),
        created_at: now,
        groups: Vec::new(),
        groups_at: None,
    }
}

/// What keeps `subject` from being one, as the rest of a sentence.
fn check_subject(subject: &str) -> std::result::Result<(), &'static str> {
    match subject {
        "" => Err("did not say who you are."),
        _ if subject.chars().count() > SUBJECT_LIMIT => Err("has a name for you that is too long."),
        _ if subject.chars().any(char::is_control) => {
            Err("has a name for you that holds control characters.")
        }
        _ => Ok(()),
    }
}

/// What marks sessions of a login from outside, for as long as it is linked.
pub(super) fn mark(identity: &Identity) -> String {
    format!("outside {}", identity.id)
}

/// Records, now and then, that somebody came by way of a proxy, which says so with each request, and what groups it
/// told.
///
/// # Errors
/// Of the store.
pub async fn note_request(app: &App, actor: &Actor, known: &OutsideAccount) -> Result<()> {
    let (now, user, identity) = (app.now(), &known.user, &known.identity);
    let is_noted = identity.groups_at.is_some_and(|at| now - at < NOTE_EVERY);
    if !is_noted || identity.groups != actor.groups {
        let record = app.store.record().await?;
        identities::note_groups(&record, identity.id, &actor.groups, now).await?;
        record.commit().await?;
    }
    if user.last_login_at.is_some_and(|last| now - last < LOGIN_EVERY) {
        return Ok(());
    }
    let right = Right::at_the_gate(actor, format!("user {}", user.name));
    let change = app.store.change(right, now).await?;
    users::logged_in(&change, user.id, now).await?;
    let detail = json!({ "by": identity.provider, "groups": actor.groups });
    change.commit(Event::new(EventKind::LoginSucceeded, detail)).await
}

/// Notes, with a login, the groups that the provider of `user` told.
pub(super) async fn note_groups(
    change: &Change,
    (user, provider): (&User, &str),
    groups: &[String],
) -> Result<()> {
    let known = identities::of_user(change, user.id).await?;
    for identity in known.iter().filter(|one| one.provider.as_str() == provider) {
        identities::note_groups(change, identity.id, groups, change.now()).await?;
    }
    Ok(())
}

/// Whether somebody from outside still has their account, long after the request began.
///
/// # Errors
/// Of the store.
pub async fn still_stands(app: &App, known: &OutsideAccount) -> Result<bool> {
    let Identity {
        provider, subject, ..
    } = &known.identity;
    let identity = identities::by_subject(&app.store, provider, subject).await?;
    if identity.is_none_or(|identity| identity.user != known.user.id) {
        return Ok(false);
    }
    let user = if_found(users::by_id(&app.store, known.user.id).await)?;
    Ok(user.is_some_and(|now| !now.disabled && now.name == known.user.name))
}

/// The configured ways to log in from outside, each with what people call it.
pub fn providers(app: &App) -> Vec<(LoginProvider, String)> {
    app.outside.all()
}

/// What people call `provider`; its address where the configuration has it no more.
pub fn title(app: &App, provider: &LoginProvider) -> String {
    let known = app.outside.all().into_iter().find(|(one, _)| one == provider);
    known.map_or_else(|| provider.to_string(), |(_, title)| title)
}
