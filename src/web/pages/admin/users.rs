//! Users: the list, and one with their account, password and roles.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{Part, Tabs, may_administer, may_change, may_read, saved, settle, tabs};
use crate::app::accounts::{self, Keeping, NewUser};
use crate::app::admin::users::{self, UserSpec};
use crate::app::outside::{self, links};
use crate::app::{passwords, second_factor};
use crate::domain::{Area, Identity, Result, User};
use crate::web::forms::{FormData, FormReader, VERSION, version};
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/users.html`.
#[derive(Template)]
#[template(path = "admin/users.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    /// Whether the visitor may also change what is listed.
    may_change: bool,
    rows: Vec<Row>,
}

struct Row {
    user: User,
    url: String,
    roles: Vec<String>,
    /// Whether nobody can log in to it.
    is_service: bool,
}

/// A login from outside that an account is known by.
struct LinkedLogin {
    identity: Identity,
    /// What people call the provider.
    title: String,
}

/// The contract of `templates/admin/user.html`.
#[derive(Template)]
#[template(path = "admin/user.html")]
pub(super) struct UserPage {
    frame: Frame,
    trail: Trail,
    action: String,
    pub(super) form: FormData,
    /// An existing user.
    known: Option<Row>,
    /// Whether it is the visitor's own account.
    is_own: bool,
    has_second_factor: bool,
    logins: Vec<LinkedLogin>,
    /// The providers that there are: as the store writes them, and what people call them.
    providers: Vec<(String, String)>,
}

/// The contract of `templates/admin/password.html`: shown once, in answer to the form.
#[derive(Template)]
#[template(path = "admin/password.html")]
struct PasswordPage {
    frame: Frame,
    trail: Trail,
    user: User,
    password: String,
    url: String,
}

/// `GET /admin/users`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_read(&visitor, Area::Users).await?;
    let all = users::list(visitor.app(), &permit).await?;
    let linked = links::of_all(visitor.app(), &permit).await?;
    let is_linked = |user: &User| linked.iter().any(|one| one.user == user.id);
    let rows = all.into_iter().map(|user| {
        let is_linked = is_linked(&user);
        row(&visitor, user, is_linked)
    });
    let rows = rows.collect();
    html(&ListPage {
        frame: visitor.frame("Users · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Users),
        may_change: may_change(&visitor, Area::Users),
        rows,
    })
}

fn row(visitor: &Visitor, user: User, is_linked: bool) -> Row {
    let roles = visitor.app().policy().roles_of(user.name.as_str());
    let plain = |role: String| role.strip_prefix("role:").map(str::to_owned).unwrap_or(role);
    Row {
        url: urls::admin_user(user.name.as_str()),
        roles: roles.into_iter().map(plain).collect(),
        is_service: !user.has_password && !is_linked,
        user,
    }
}

fn trail() -> Trail {
    trail::admin("Users", urls::admin_users())
}

/// `GET /admin/new/user`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    may_administer(&visitor).await?;
    html(&page(&visitor, None, FormData::default()).await?)
}

/// `POST /admin/new/user`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let added = form.submit(new_user, |user| users::add(visitor.app(), &permit, user));
    let Some((user, generated)) = added.await? else {
        form.forget("password");
        let page = page(&visitor, None, form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!("User “{}” was added.", user.name);
    password_set(&visitor, user, generated, done).await
}

/// `GET /admin/users/{user}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let user = users::by_name(visitor.app(), &permit, &name).await?;
    let form = filled(&user);
    let now = version(&form);
    let form = form.with(VERSION, now);
    html(&page(&visitor, Some(user), form).await?)
}

/// `POST /admin/users/{user}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let now = version(&filled(&users::by_name(visitor.app(), &permit, &name).await?));
    let changed = form.submit_over(&now, spec, |spec| {
        users::edit(visitor.app(), &permit, &name, spec)
    });
    let Some(user) = changed.await? else {
        let user = users::by_name(visitor.app(), &permit, &name).await?;
        let page = page(&visitor, Some(user), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!("User “{}” was saved.", user.name);
    saved(&visitor, done, &urls::admin_user(user.name.as_str())).await
}

/// The form of a user as they are.
pub(super) fn filled(user: &User) -> FormData {
    FormData::default()
        .with("name", &user.name)
        .with("display_name", &user.display_name)
        .with("email", &user.email)
}

fn spec(form: &mut FormReader) -> Option<UserSpec> {
    let display_name = form.check(accounts::check_title(form.form.text("display_name")));
    let email = form.check(accounts::check_email(form.form.text("email")));
    Some(UserSpec {
        display_name: display_name?,
        email: email?,
    })
}

/// A user, and whether it is a service account.
fn new_user(form: &mut FormReader) -> Option<(NewUser, bool)> {
    let (name, spec, password) = (form.parse("name"), spec(form), password(form));
    let spec = spec?;
    let account = NewUser {
        name: name?,
        display_name: spec.display_name,
        email: spec.email,
        password: password?,
        keeping: Keeping::UntilLogin,
    };
    Some((account, form.form.has("service")))
}

/// The password as typed; `None`: one is to be generated.
fn password(form: &mut FormReader) -> Option<Option<String>> {
    match form.form.text("password") {
        "" => Some(None),
        typed => {
            form.check(passwords::check_password(typed, &[]))?;
            Some(Some(typed.to_owned()))
        }
    }
}

/// Whether an account is disabled.
#[derive(Deserialize)]
pub(super) struct DisabledForm {
    disabled: String,
}

/// `POST /admin/users/{user}/disabled`
#[handler]
pub async fn set_disabled(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<DisabledForm>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let outcome = users::set_disabled(visitor.app(), &permit, &name, form.disabled == "yes").await;
    let outcome = outcome.map(|user| {
        if user.disabled {
            format!(
                "The account of “{}” is disabled, and logged out everywhere.",
                user.name
            )
        } else {
            format!("The account of “{}” is enabled.", user.name)
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
    let outcome = outcome.map(|user| format!("User “{}” was deleted. Their history stays.", user.name));
    settle(&visitor, outcome, urls::admin_users(), &urls::admin_user(&name)).await
}

/// `POST /admin/users/{user}/second-factor`: takes it away, for somebody who lost it.
#[handler]
pub async fn reset_second_factor(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let outcome = second_factor::reset_of(visitor.app(), &permit, &name).await;
    let outcome = outcome.map(|user| {
        format!(
            "“{}” has no second factor any more, and is logged out everywhere.",
            user.name
        )
    });
    let url = urls::admin_user(&name);
    settle(&visitor, outcome, &url, &url).await
}

/// `POST /admin/users/{user}/password`
#[handler]
pub async fn set_password(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut sent): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let changed = sent.submit(password, |password| {
        users::set_password(visitor.app(), &permit, &name, password)
    });
    let Some((user, generated)) = changed.await? else {
        let user = users::by_name(visitor.app(), &permit, &name).await?;
        let mut form = filled(&user);
        form.complaints = sent.complaints;
        let page = page(&visitor, Some(user), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!(
        "The password of “{}” was changed; they are logged out everywhere.",
        user.name
    );
    password_set(&visitor, user, generated, done).await
}

/// After a password was set: shows a generated one, this once.
async fn password_set(
    visitor: &Visitor,
    user: User,
    generated: Option<String>,
    done: String,
) -> Result<Response> {
    let url = urls::admin_user(user.name.as_str());
    let Some(password) = generated else {
        return saved(visitor, done, &url).await;
    };
    html(&PasswordPage {
        frame: visitor
            .frame(format!("Password of {}", user.name), Section::Admin)
            .await?,
        trail: trail(),
        url,
        user,
        password,
    })
}

pub(super) async fn page(visitor: &Visitor, existing: Option<User>, form: FormData) -> Result<UserPage> {
    let (title, action) = match &existing {
        Some(user) => (user.title().to_owned(), urls::admin_user(user.name.as_str())),
        None => ("Add a user".to_owned(), urls::admin_new_user().to_owned()),
    };
    let own = |user: &User| visitor.user().is_some_and(|own| own.id == user.id);
    let (has_second_factor, linked) = match &existing {
        Some(user) => (
            second_factor::is_on(visitor.app(), user).await?,
            links::of_account(visitor.app(), &may_administer(visitor).await?, user).await?,
        ),
        None => (false, Vec::new()),
    };
    let is_linked = !linked.is_empty();
    let login = |identity: Identity| LinkedLogin {
        title: outside::title(visitor.app(), &identity.provider),
        identity,
    };
    let providers = outside::providers(visitor.app()).into_iter();
    Ok(UserPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail(),
        action,
        form,
        has_second_factor,
        logins: linked.into_iter().map(login).collect(),
        providers: providers.map(|(one, title)| (one.to_string(), title)).collect(),
        is_own: existing.as_ref().is_some_and(own),
        known: existing.map(|user| row(visitor, user, is_linked)),
    })
}
