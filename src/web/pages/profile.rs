//! A person's own page: their account and their password.

use askama::Template;
use poem::http::HeaderMap;
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::logins::LoggedIn;
use crate::app::outside::{self, links};
use crate::domain::user::User;
use crate::domain::{Error, ErrorKind, Instant, LoginProvider, Result};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::session::SeenFrom;
use crate::web::visitor::Visitor;
use crate::web::{session, urls};

/// The contract of `templates/profile/index.html`.
#[derive(Template)]
#[template(path = "profile/index.html")]
struct ProfilePage<'a> {
    frame: Frame,
    tabs: ProfileTabs,
    user: &'a User,
    /// The roles that policy gives them.
    roles: String,
    /// What said who they are, where their password did not.
    told_by: Option<ToldBy>,
    complaints: Complaints,
}

/// What said who somebody is, and more about them.
struct ToldBy {
    /// What people call it.
    title: String,
    groups: String,
    /// When it told them.
    at: Option<Instant>,
    /// When the session ends, where the login said so.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct PasswordForm {
    old: String,
    password: String,
    again: String,
}

/// Label, address, whether it is the present one.
pub(super) type ProfileTabs = Vec<(&'static str, &'static str, bool)>;

/// The pages about a person's own account.
pub(super) fn profile_tabs(current: &str) -> ProfileTabs {
    let all = [
        ("Account", urls::profile()),
        ("Second factor", urls::second_factor()),
        ("Sessions", urls::sessions()),
        ("API tokens", urls::tokens()),
    ];
    all.into_iter()
        .map(|(label, url)| (label, url, url == current))
        .collect()
}

/// The account of somebody who logged in. What an account does to itself is not done by its API tokens: a narrow
/// one could make a wide one.
pub(super) fn account(visitor: &Visitor) -> Result<&User> {
    let own = user(visitor)?;
    if visitor.principal().is_person() {
        return Ok(own);
    }
    let message = "An API token cannot do this. Log in with your browser.";
    Err(Error::new(ErrorKind::Forbidden, message))
}

fn user(visitor: &Visitor) -> Result<&User> {
    let nobody = || Error::new(ErrorKind::Unauthenticated, "Log in to see your profile.");
    visitor.user().ok_or_else(nobody)
}

/// What said who the visitor is, where their password did not.
async fn told_by(visitor: &Visitor, user: &User) -> Result<Option<ToldBy>> {
    let Some(provider) = visitor.principal().provider().and_then(LoginProvider::parse) else {
        return Ok(None);
    };
    let known = links::own(visitor.app(), user).await?;
    let known = known.iter().find(|one| one.provider == provider);
    Ok(Some(ToldBy {
        title: outside::title(visitor.app(), &provider),
        groups: visitor.actor().groups.join(", "),
        at: known.and_then(|one| one.groups_at),
        until: visitor.principal().until(),
    }))
}

async fn page<'a>(visitor: &Visitor, user: &'a User, complaints: Complaints) -> Result<ProfilePage<'a>> {
    Ok(ProfilePage {
        frame: visitor.frame("Profile", Section::Elsewhere).await?,
        tabs: profile_tabs(urls::profile()),
        told_by: told_by(visitor, user).await?,
        roles: visitor.app().policy().roles_of(&visitor.actor().name).join(", "),
        user,
        complaints,
    })
}

/// `GET /profile`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    html(&page(&visitor, user(&visitor)?, Complaints::default()).await?)
}

/// `POST /profile`: changes the password, which ends all other sessions.
#[handler]
pub async fn change_password(
    visitor: Visitor,
    headers: &HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Result<Response> {
    let user = account(&visitor)?;
    let (site, now) = (visitor.site(), visitor.now());
    let changed = if form.password == form.again {
        let (old, new) = (&form.old, &form.password);
        let logins = &site.logins;
        logins
            .change_password(&site.app, visitor.actor(), old, new, now)
            .await
    } else {
        let differ = "The two new passwords differ. Type the same one twice.";
        Err(Error::field("again", differ))
    };
    match changed {
        Ok(known) => {
            let known = LoggedIn {
                second_factor: visitor.principal().has_second_factor(),
                ..known
            };
            // A session that somebody else opened goes on, with the groups and the end that it has.
            if visitor.principal().provider().is_none() {
                let from = SeenFrom::of(headers, &visitor.actor().address, now);
                session::sign_in(visitor.session(), &known, from).await?;
            }
            let done = "Password changed. You are logged out everywhere else.";
            visitor.flash(Flash::done(done)).await?;
            let mut answer = go_to(urls::profile());
            session::mark_device(&site.settings, answer.headers_mut(), &known);
            Ok(answer)
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let page = page(&visitor, user, Complaints::of_error(&error)).await?;
            form_page(&page, &page.complaints)
        }
        Err(error) => Err(error),
    }
}
