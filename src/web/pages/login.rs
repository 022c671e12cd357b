//! Logging in and out.

use poem::http::HeaderMap;
use poem::web::{Form, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::logins::{self, LoggedIn, LoginStep, LoginTry};
use crate::app::outside::at_provider;
use crate::app::tokens;
use crate::domain::{Actor, Error, ErrorKind, LoginProvider, Result};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{go_to, html};
use crate::web::kept::{self, CodePage, KeptForm, LoginPage};
use crate::web::pages::form_page;
use crate::web::session::SeenFrom;
use crate::web::visitor::Visitor;
use crate::web::{format, session, urls};

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
    /// Present after a logout.
    left: Option<String>,
    /// The OpenID provider where the session goes on after it, if any.
    #[serde(default)]
    at: String,
}

#[derive(Deserialize)]
struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
    /// The form that the login interrupted; may be empty.
    #[serde(default)]
    kept: String,
}

/// The form; a visitor who is logged in already is sent on at once.
#[handler]
pub async fn show(visitor: Visitor, Query(query): Query<LoginQuery>) -> Result<Response> {
    let next = urls::local_or_overview(&query.next);
    if visitor.user().is_some() {
        return Ok(go_to(next));
    }
    let mut page = LoginPage::new(&visitor, next).await?;
    page.left = query.left.is_some();
    page.still_at = at_provider::choices(visitor.app())
        .into_iter()
        .find(|choice| choice.name == query.at);
    html(&page)
}

/// Tries the name and the password, and continues where the visitor was going: with the form that the
/// login interrupted, where there is one.
#[handler]
pub async fn log_in(visitor: Visitor, headers: &HeaderMap, Form(form): Form<LoginForm>) -> Result<Response> {
    let site = visitor.site();
    let next = urls::local_or_overview(&form.next);
    let kept = KeptForm::unpacked(&form.kept);
    let login = LoginTry {
        name: &form.name,
        password: &form.password,
        address: &visitor.actor().address,
        device: session::device(&site.settings, headers),
    };
    let error = match site.logins.attempt(&site.app, login, visitor.now()).await {
        Ok(LoginStep::In(known)) => return let_in(&visitor, headers, &known, (next, kept)).await,
        Ok(LoginStep::Half(half)) => {
            session::keep_half(visitor.session(), &half).await?;
            return html(&CodePage::new(&visitor, next, kept).await?);
        }
        Err(error) => error,
    };
    if !is_about_the_form(&error) {
        return Err(error);
    }
    let page = LoginPage {
        name: form.name,
        kept,
        complaints: Complaints::of_error(&error),
        ..LoginPage::new(&visitor, next).await?
    };
    form_page(&page, &page.complaints)
}

fn is_about_the_form(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::Throttled | ErrorKind::Forbidden
    )
}

/// Opens a session, and continues where the visitor was going.
pub(super) async fn let_in(
    visitor: &Visitor,
    headers: &HeaderMap,
    known: &LoggedIn,
    (next, kept): (&str, Option<KeptForm>),
) -> Result<Response> {
    let from = SeenFrom::of(headers, &visitor.actor().address, visitor.now());
    session::sign_in(visitor.session(), known, from).await?;
    warn_of_tokens(visitor, known).await?;
    let mut answer = match kept {
        Some(kept) => kept::show(&visitor.logged_in().await?, kept).await?,
        None => go_to(next),
    };
    session::mark_device(&visitor.site().settings, answer.headers_mut(), known);
    Ok(answer)
}

/// `GET /login/code`: the form again, while a login awaits its code; else the login begins anew.
#[handler]
pub async fn show_code(visitor: Visitor, Query(query): Query<LoginQuery>) -> Result<Response> {
    let next = urls::local_or_overview(&query.next);
    if visitor.user().is_some() {
        return Ok(go_to(next));
    }
    match session::half(visitor.session()).await? {
        Some(half) if visitor.now() < half.until => html(&CodePage::new(&visitor, next, None).await?),
        _ => Ok(go_to(&urls::login_then(next))),
    }
}

#[derive(Deserialize)]
struct CodeForm {
    code: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    kept: String,
}

/// Takes the code of the second factor that the login awaits.
#[handler]
pub async fn enter_code(
    visitor: Visitor,
    headers: &HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response> {
    let site = visitor.site();
    let next = urls::local_or_overview(&form.next);
    let kept = KeptForm::unpacked(&form.kept);
    let Some(half) = session::half(visitor.session()).await? else {
        return Ok(go_to(&urls::login_then(next)));
    };
    let from = (
        visitor.actor().address.as_str(),
        session::device(&site.settings, headers),
    );
    let entered = (&half, form.code.as_str());
    let completed = site.logins.complete(&site.app, entered, from, visitor.now());
    match completed.await {
        Ok(known) => let_in(&visitor, headers, &known, (next, kept)).await,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            session::sign_out(visitor.session()).await?;
            let page = LoginPage {
                name: half.name,
                kept,
                complaints: Complaints::of_error(&error),
                ..LoginPage::new(&visitor, next).await?
            };
            form_page(&page, &page.complaints)
        }
        Err(error) if is_about_the_form(&error) => {
            let page = CodePage {
                complaints: Complaints::of_error(&error),
                ..CodePage::new(&visitor, next, kept).await?
            };
            form_page(&page, &page.complaints)
        }
        Err(error) => Err(error),
    }
}

/// Leaves a message for each API token that expires soon and that the person can replace.
async fn warn_of_tokens(visitor: &Visitor, known: &LoggedIn) -> Result<()> {
    let actor = Actor {
        groups: known.groups.clone(),
        ..Actor::user(known.user.name.as_str(), &visitor.actor().address)
    };
    for (account, token) in tokens::expiring(visitor.app(), &actor, &known.user).await? {
        let end = token.expires_at.as_ref().map(format::full).unwrap_or_default();
        let own = account == known.user.name.as_str();
        let (of, url) = match own {
            true => (String::new(), urls::tokens().to_owned()),
            false => (format!(" of “{account}”"), urls::admin_tokens(&account)),
        };
        let text = format!("The API token “{}”{of} expires on {end}.", token.name);
        visitor.flash(Flash::next(text, "Replace it", url)).await?;
    }
    Ok(())
}

/// Ends the session.
#[handler]
pub async fn log_out(visitor: Visitor) -> Result<Response> {
    let provider = visitor.principal().provider().and_then(LoginProvider::parse);
    let choice = provider.and_then(|provider| at_provider::choice_of(visitor.app(), &provider));
    if visitor.principal().is_session() {
        logins::logged_out(visitor.app(), visitor.actor(), visitor.now()).await?;
        session::sign_out(visitor.session()).await?;
    }
    let at = choice.map(|choice| choice.name).unwrap_or_default();
    Ok(go_to(&urls::with_query(
        urls::login(),
        &[("left", "yes"), ("at", &at)],
    )))
}
