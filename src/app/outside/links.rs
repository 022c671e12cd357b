//! Which account is whose at a provider: shown, linked and unlinked by administrators.

use serde_json::json;

use super::{check_subject, new_identity};
use crate::access::Permit;
use crate::app::App;
use crate::app::admin::{demand_administer, demand_reading};
use crate::domain::identity::SUBJECT_LIMIT;
use crate::domain::{Area, Error, Event, EventKind, Identity, LoginProvider, Result, User};
use crate::store::{Store, identities, users};

/// By what an account is known outside.
///
/// # Errors
/// Of the store.
pub async fn of_account(app: &App, permit: &Permit, user: &User) -> Result<Vec<Identity>> {
    demand_reading(permit, Area::Users)?;
    identities::of_user(&app.store, user.id).await
}

/// By what all accounts are known outside.
///
/// # Errors
/// Of the store.
pub async fn of_all(app: &App, permit: &Permit) -> Result<Vec<Identity>> {
    demand_reading(permit, Area::Users)?;
    identities::list(&app.store).await
}

/// By what one's own account is known outside.
///
/// # Errors
/// Of the store.
pub async fn own(app: &App, user: &User) -> Result<Vec<Identity>> {
    identities::of_user(&app.store, user.id).await
}

/// Lets the account `name` be known at `provider` as `subject`, for a page.
///
/// # Errors
/// As [`link`].
pub async fn link_of(
    app: &App,
    permit: &Permit,
    name: &str,
    (provider, subject): (LoginProvider, String),
) -> Result<User> {
    link(&app.store, permit, name, (&provider, &subject)).await
}

/// Lets the account `name` be known at `provider` as `subject`.
///
/// # Errors
/// A complaint about the field `subject`; not found.
pub async fn link(
    store: &Store,
    permit: &Permit,
    name: &str,
    (provider, subject): (&LoginProvider, &str),
) -> Result<User> {
    demand_administer(permit)?;
    let subject = subject.trim();
    if check_subject(subject).is_err() || provider.as_str().chars().count() > SUBJECT_LIMIT {
        let message = format!("Write what the other side calls them, in at most {SUBJECT_LIMIT} characters.");
        return Err(Error::field("subject", message));
    }
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    let identity = new_identity(user.id, (provider, subject), permit.at());
    identities::insert(&change, &identity).await?;
    let detail = json!({ "by": provider, "subject": subject });
    let event = Event::new(EventKind::IdentityLinked, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(user)
}

/// Ends what [`link`] or the first login began, for a page.
///
/// # Errors
/// As [`unlink`].
pub async fn unlink_of(
    app: &App,
    permit: &Permit,
    name: &str,
    (provider, subject): (&LoginProvider, &str),
) -> Result<User> {
    unlink(&app.store, permit, name, (provider, subject)).await
}

/// Ends what [`link`] or the first login began: sessions that came of it end at once.
///
/// # Errors
/// Not found.
pub async fn unlink(
    store: &Store,
    permit: &Permit,
    name: &str,
    (provider, subject): (&LoginProvider, &str),
) -> Result<User> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    let known = identities::by_subject(&change, provider, subject.trim()).await?;
    let Some(known) = known.filter(|known| known.user == user.id) else {
        return Err(Error::not_found(format!(
            "login “{}” of “{}”",
            subject.escape_debug(),
            user.name
        )));
    };
    identities::delete(&change, known.id).await?;
    let detail = json!({ "by": provider, "subject": known.subject });
    let event = Event::new(EventKind::IdentityUnlinked, detail).about(format!("user {}", user.name));
    change.commit(event).await?;
    Ok(user)
}
