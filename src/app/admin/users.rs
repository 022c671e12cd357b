//! Users as administrators see them. Adding, passwords and shutting out are
//! [`crate::app::accounts`]; here is what only pages offer.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wrongs, demand, name};
use crate::access::Permit;
use crate::app::App;
use crate::app::accounts::{self, NewUser};
use crate::domain::{Action, Error, Event, EventKind, Resource, Result, User};
use crate::store::users;

/// Characters of a made-up password, without those that look alike; 32 of them, so that each
/// byte picks one evenly.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789W";
/// Groups of five letters: 100 bits.
const PASSWORD_GROUPS: usize = 4;

/// The form of a user, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UserForm {
    /// See [`User::name`]; only for new ones.
    pub name: String,
    /// See [`User::display_name`].
    pub display_name: String,
    /// See [`User::email`].
    pub email: String,
    /// Only for new ones; empty: made up.
    pub password: String,
}

impl UserForm {
    /// The form of a user as they are.
    pub fn of(user: &User) -> Self {
        Self {
            name: user.name.to_string(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            password: String::new(),
        }
    }

    fn check(&self, wrong: &mut Wrongs) -> Option<(String, String)> {
        let title = wrong.take("display_name", accounts::check_title(&self.display_name));
        let email = wrong.take("email", accounts::check_email(&self.email));
        title.zip(email)
    }
}

/// All users, for somebody who may administer them.
pub async fn list(app: &App, permit: &Permit) -> Result<Vec<User>> {
    demand_administer(permit)?;
    users::list(&app.store).await
}

/// One by name.
///
/// # Errors
/// Not found.
pub async fn by_name(app: &App, permit: &Permit, name: &str) -> Result<User> {
    demand_administer(permit)?;
    users::by_name(&app.store, name).await
}

/// Adds a user; gives back the password that was made up when none was typed.
///
/// # Errors
/// Complaints about fields.
pub async fn add(app: &App, permit: &Permit, form: &UserForm) -> Result<(User, Option<String>)> {
    demand_administer(permit)?;
    let mut wrong = Wrongs::default();
    let name = wrong.take("name", name(&form.name));
    let rest = form.check(&mut wrong);
    let made_up = form.password.is_empty().then(new_password);
    let password = made_up.clone().unwrap_or_else(|| form.password.clone());
    if let Err(error) = accounts::check_password(&password) {
        wrong.add("password", error.message());
    }
    match (name, rest) {
        (Some(name), Some((display_name, email))) if wrong.is_empty() => {
            let new = NewUser {
                name,
                display_name,
                email,
                password: Some(password),
            };
            Ok((accounts::add(&app.store, permit, new).await?, made_up))
        }
        _ => Err(wrong.into_error()),
    }
}

/// Changes what a user is called and their e-mail address; never their name, which policy knows.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(app: &App, permit: &Permit, name: &str, form: &UserForm) -> Result<User> {
    demand_administer(permit)?;
    let mut wrong = Wrongs::default();
    let Some((display_name, email)) = form.check(&mut wrong) else {
        return Err(wrong.into_error());
    };
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

/// Shuts a user out, or lets them in again.
///
/// # Errors
/// A conflict for oneself; not found.
pub async fn set_disabled(app: &App, permit: &Permit, name: &str, disabled: bool) -> Result<User> {
    let user = by_name(app, permit, name).await?;
    if disabled && is_own(permit, &user) {
        let message = "You cannot shut yourself out. Another administrator can.";
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
    if is_own(permit, &user) {
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

/// Whether it is the account of whoever holds the permit, or of who acts in their name.
fn is_own(permit: &Permit, user: &User) -> bool {
    let actor = permit.actor();
    let own = |name: &str| name.eq_ignore_ascii_case(user.name.as_str());
    own(&actor.name) || actor.impersonator.as_deref().is_some_and(own)
}

/// Gives a user another password; gives it back when it was made up because none was typed.
///
/// # Errors
/// A complaint about the field `password`; not found.
pub async fn set_password(
    app: &App,
    permit: &Permit,
    name: &str,
    typed: String,
) -> Result<(User, Option<String>)> {
    demand_administer(permit)?;
    let made_up = typed.is_empty().then(new_password);
    let password = made_up.clone().unwrap_or(typed);
    let user = accounts::set_password(&app.store, permit, name, password).await?;
    Ok((user, made_up))
}

/// A password nobody can guess and anybody can type: `k3mfa-9qwxz-…`.
fn new_password() -> String {
    let group = || {
        let bytes = rand::random::<[u8; 5]>();
        let letters = bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)]);
        letters.map(char::from).collect::<String>()
    };
    let groups: Vec<String> = std::iter::repeat_with(group).take(PASSWORD_GROUPS).collect();
    groups.join("-")
}

fn demand_administer(permit: &Permit) -> Result<()> {
    demand(permit, Action::Administer, &Resource::Everything)
}

fn told(user: &User) -> Value {
    json!({ "display_name": user.display_name, "email": user.email })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_passwords_are_long_enough_and_differ() {
        let (one, other) = (new_password(), new_password());
        assert_eq!(one.len(), 23);
        assert!(accounts::check_password(&one).is_ok());
        assert_ne!(one, other);
    }
}
