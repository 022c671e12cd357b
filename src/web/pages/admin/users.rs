//! Users: the list, and one with their password, their roles, and the door.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{Part, Tabs, may_administer, refused, settle, tabs};
use crate::app::admin::users::{self, UserForm};
use crate::domain::{ErrorKind, Result, User};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/users.html`.
#[derive(Template)]
#[template(path = "admin/users.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    rows: Vec<Row>,
}

struct Row {
    user: User,
    url: String,
    roles: Vec<String>,
}

/// The contract of `templates/admin/user.html`.
#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    title: String,
    action: String,
    form: UserForm,
    complaints: Complaints,
    /// Where to have one that exists deleted.
    delete: String,
    /// For one that exists.
    known: Option<Row>,
    /// Whether it is the visitor's own account.
    is_own: bool,
}

/// The contract of `templates/admin/password.html`: shown once, in answer to the form.
#[derive(Template)]
#[template(path = "admin/password.html")]
struct PasswordPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    user: User,
    password: String,
    url: String,
}

/// `GET /admin/users`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let all = users::list(visitor.app(), &permit).await?;
    let rows = all.into_iter().map(|user| row(&visitor, user)).collect();
    html(&ListPage {
        frame: visitor.frame("Users · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Users),
        rows,
    })
}

fn row(visitor: &Visitor, user: User) -> Row {
    let roles = visitor.app().policy().roles_of(user.name.as_str());
    let plain = |role: String| role.strip_prefix("role:").map(str::to_owned).unwrap_or(role);
    Row {
        url: urls::admin_user(user.name.as_str()),
        roles: roles.into_iter().map(plain).collect(),
        user,
    }
}

fn trail() -> Vec<(&'static str, String)> {
    vec![
        ("Admin", urls::admin().to_owned()),
        ("Users", urls::admin_users().to_owned()),
    ]
}

/// `GET /admin/new/user`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    may_administer(&visitor).await?;
    html(&page(&visitor, None, UserForm::default(), Complaints::default()).await?)
}

/// `POST /admin/new/user`
#[handler]
pub async fn add(visitor: Visitor, Form(form): Form<UserForm>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    match users::add(visitor.app(), &permit, &form).await {
        Ok((user, None)) => {
            visitor
                .flash(Flash::done(format!("User “{}” is added.", user.name)))
                .await?;
            Ok(go_to(&urls::admin_user(user.name.as_str())))
        }
        Ok((user, Some(password))) => shown_once(&visitor, user, password).await,
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let form = UserForm {
                password: String::new(),
                ..form
            };
            refused(&page(&visitor, None, form, Complaints::of_error(&error)).await?)
        }
        Err(error) => Err(error),
    }
}

/// `GET /admin/users/{user}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let user = users::by_name(visitor.app(), &permit, &name).await?;
    let form = UserForm::of(&user);
    html(&page(&visitor, Some(user), form, Complaints::default()).await?)
}

/// `POST /admin/users/{user}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<UserForm>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    match users::edit(visitor.app(), &permit, &name, &form).await {
        Ok(user) => {
            visitor
                .flash(Flash::done(format!("User “{}” is saved.", user.name)))
                .await?;
            Ok(go_to(&urls::admin_user(user.name.as_str())))
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let user = users::by_name(visitor.app(), &permit, &name).await?;
            refused(&page(&visitor, Some(user), form, Complaints::of_error(&error)).await?)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    disabled: String,
}

/// `POST /admin/users/{user}/disabled`
#[handler]
pub async fn set_disabled(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let outcome = users::set_disabled(visitor.app(), &permit, &name, wanted.disabled == "yes").await;
    let outcome = outcome.map(|user| {
        if user.disabled {
            format!("User “{}” is shut out, and logged out everywhere.", user.name)
        } else {
            format!("User “{}” may log in again.", user.name)
        }
    });
    let url = urls::admin_user(&name);
    settle(&visitor, outcome, &url, &url).await
}

/// `POST /admin/users/{user}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let outcome = users::delete(visitor.app(), &permit, &name).await;
    let outcome = outcome.map(|user| format!("User “{}” is deleted. Their history stays.", user.name));
    settle(&visitor, outcome, urls::admin_users(), &urls::admin_user(&name)).await
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    #[serde(default)]
    password: String,
}

/// `POST /admin/users/{user}/password`
#[handler]
pub async fn set_password(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(sent): Form<PasswordForm>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    match users::set_password(visitor.app(), &permit, &name, sent.password).await {
        Ok((user, None)) => {
            let said = format!(
                "User “{}” has another password, and is logged out everywhere.",
                user.name
            );
            visitor.flash(Flash::done(said)).await?;
            Ok(go_to(&urls::admin_user(user.name.as_str())))
        }
        Ok((user, Some(password))) => shown_once(&visitor, user, password).await,
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let user = users::by_name(visitor.app(), &permit, &name).await?;
            let form = UserForm::of(&user);
            refused(&page(&visitor, Some(user), form, Complaints::of_error(&error)).await?)
        }
        Err(error) => Err(error),
    }
}

async fn shown_once(visitor: &Visitor, user: User, password: String) -> Result<Response> {
    html(&PasswordPage {
        frame: visitor
            .frame(format!("Password of {}", user.name), Section::Admin)
            .await?,
        trail: trail(),
        url: urls::admin_user(user.name.as_str()),
        user,
        password,
    })
}

async fn page(
    visitor: &Visitor,
    existing: Option<User>,
    form: UserForm,
    complaints: Complaints,
) -> Result<UserPage> {
    let (title, action) = match &existing {
        Some(user) => (user.title().to_owned(), urls::admin_user(user.name.as_str())),
        None => ("Add a user".to_owned(), urls::admin_new_user().to_owned()),
    };
    let own = |user: &User| visitor.user().is_some_and(|own| own.id == user.id);
    Ok(UserPage {
        frame: visitor.frame(title.clone(), Section::Admin).await?,
        trail: trail(),
        title,
        delete: urls::admin_act(&action, "delete"),
        action,
        form,
        complaints,
        is_own: existing.as_ref().is_some_and(own),
        known: existing.map(|user| row(visitor, user)),
    })
}
