//! Users as administrators see them: [`crate::app::accounts`] with generated passwords, changes and
//! deletion.

use serde_json::{Value, json};

use super::{demand_administer, demand_reading};
use crate::access::Permit;
use crate::app::App;
use crate::app::accounts::{self, Keeping, NewUser};
use crate::app::passwords;
use crate::domain::{Area, Error, Event, EventKind, Result, User};
use crate::store::users;

/// What an administrator may change about a user; never the name, which policy refers to.
#[derive(Debug, Clone)]
pub struct UserSpec {
    pub display_name: String,
    pub email: String,
}

/// All users, for somebody who may read about them.
pub async fn list(app: &App, permit: &Permit) -> Result<Vec<User>> {
    demand_reading(permit, Area::Users)?;
    users::list(&app.store).await
}

/// A user by name.
pub async fn by_name(app: &App, permit: &Permit, name: &str) -> Result<User> {
    demand_administer(permit)?;
    users::by_name(&app.store, name).await
}

/// Adds a user; returns the password that was generated when `new` has none and it is no service account, which
/// goes without.
///
/// # Errors
/// Complaints about fields, as [`accounts::add`] has them.
pub async fn add(
    app: &App,
    permit: &Permit,
    (mut new, is_service): (NewUser, bool),
) -> Result<(User, Option<String>)> {
    demand_administer(permit)?;
    if is_service && new.password.is_some() {
        let message = "A service account has no password: leave this empty.";
        return Err(Error::field("password", message));
    }
    let generates = new.password.is_none() && !is_service;
    let generated = generates.then(passwords::generated_password);
    new.password = new.password.or_else(|| generated.clone());
    Ok((accounts::add(&app.store, permit, new).await?, generated))
}

/// Changes the display name and e-mail address of a user.
pub async fn edit(app: &App, permit: &Permit, name: &str, spec: UserSpec) -> Result<User> {
    demand_administer(permit)?;
    let display_name = accounts::check_title(&spec.display_name)?;
    let email = accounts::check_email(&spec.email)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = users::by_name(&change, name).await?;
    let changed = User {
        display_name,
        email,
        ..before.clone()
    };
    if before != changed {
        users::update(&change, &changed).await?;
        let detail = super::changes(&told(&before), &told(&changed));
        let resource = format!("user {}", before.name);
        change
            .commit(Event::new(EventKind::UserChanged, detail).about(resource))
            .await?;
    }
    Ok(changed)
}

/// Disables or enables an account.
///
/// # Errors
/// A conflict for oneself; not found.
pub async fn set_disabled(app: &App, permit: &Permit, name: &str, disabled: bool) -> Result<User> {
    let user = by_name(app, permit, name).await?;
    if disabled && permit.actor().is_by(user.name.as_str()) {
        let message = "You cannot disable your own account. Another administrator can.";
        return Err(Error::conflict(message));
    }
    accounts::set_disabled(&app.store, permit, name, disabled).await
}

/// Deletes a user. What they did stays in the history and in the audit log under their name.
///
/// # Errors
/// A conflict for oneself; not found.
pub async fn delete(app: &App, permit: &Permit, name: &str) -> Result<User> {
    demand_administer(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let user = users::by_name(&change, name).await?;
    if permit.actor().is_by(user.name.as_str()) {
        let message = "You cannot delete yourself. Another administrator can.";
        return Err(Error::conflict(message));
    }
    users::delete(&change, user.id).await?;
    let resource = format!("user {}", user.name);
    change
        .commit(Event::new(EventKind::UserDeleted, told(&user)).about(resource))
        .await?;
    Ok(user)
}

/// Sets the password of a user; returns it when it was generated because none was given.
///
/// # Errors
/// As [`accounts::set_password`].
pub async fn set_password(
    app: &App,
    permit: &Permit,
    name: &str,
    password: Option<String>,
) -> Result<(User, Option<String>)> {
    demand_administer(permit)?;
    let generated = password.is_none().then(passwords::generated_password);
    let password = password.or_else(|| generated.clone()).unwrap_or_default();
    let user = accounts::set_password(&app.store, permit, name, password, Keeping::UntilLogin).await?;
    Ok((user, generated))
}

fn told(user: &User) -> Value {
    json!({ "display_name": user.display_name, "email": user.email })
}
