//! Logging in at an OpenID provider, and out there: begun by links, as browsers follow no form to another site.
//!
//! The secrets of a try lie in a cookie of its own, named by what the provider repeats: two tabs do not disturb each
//! other, and a try that another browser began is nobody's here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::{HeaderMap, StatusCode, header};
use poem::web::{Path, Query};
use poem::{Response, handler};
use serde::{Deserialize, Serialize};

use super::form_page;
use super::login::let_in;
use crate::app::logins::LoginStep;
use crate::app::outside::at_provider;
use crate::app::outside::oidc::BegunLogin;
use crate::domain::{Error, ErrorKind, Result};
use crate::web::forms::Complaints;
use crate::web::frame::{go_to, html};
use crate::web::kept::{CodePage, LoginPage};
use crate::web::settings::Settings;
use crate::web::visitor::Visitor;
use crate::web::{cookies, session, urls};

/// What the cookie of a try is called before its mark.
const COOKIE: &str = "deployer_try_";
/// How long it is kept; the try itself says whether it is too old.
const COOKIE_SECONDS: i64 = 20 * 60;
/// How much of what the provider repeats names the cookie.
const MARK_LENGTH: usize = 22;
/// The longest address that a login leads back to; from a longer one it leads to the overview.
const NEXT_LENGTH: usize = 1000;
/// How much of a provider's words is shown, in characters.
const WORDS_LIMIT: usize = 200;

/// A try, as its cookie holds it.
#[derive(Serialize, Deserialize)]
struct Kept {
    begun: BegunLogin,
    next: String,
    /// The provider.
    at: String,
}

#[derive(Deserialize)]
struct BeginQuery {
    #[serde(default)]
    next: String,
}

/// `GET /login/with/{provider}`: to the provider.
#[handler]
pub async fn begin(
    visitor: Visitor,
    Path(provider): Path<String>,
    Query(query): Query<BeginQuery>,
) -> Result<Response> {
    let next = urls::local_or_overview(&query.next);
    if visitor.user().is_some() {
        return Ok(go_to(next));
    }
    let (url, begun) = match at_provider::begin(visitor.app(), &provider).await {
        Ok(begun) => begun,
        Err(error) => return again(&visitor, next, error).await,
    };
    let settings = &visitor.site().settings;
    let name = cookie_name(settings, begun.state());
    let next = if next.len() > NEXT_LENGTH {
        urls::overview()
    } else {
        next
    };
    let kept = Kept {
        begun,
        next: next.to_owned(),
        at: provider,
    };
    let packed = serde_json::to_vec(&kept).map_err(Error::internal)?;
    let mut answer = go_to(&url);
    let value = URL_SAFE_NO_PAD.encode(packed);
    cookies::set(answer.headers_mut(), settings, &name, &value, COOKIE_SECONDS);
    Ok(answer)
}

#[derive(Deserialize)]
struct BackQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// `GET /login/with/{provider}/back`: from the provider.
#[handler]
pub async fn back(
    visitor: Visitor,
    headers: &HeaderMap,
    Path(provider): Path<String>,
    Query(query): Query<BackQuery>,
) -> Result<Response> {
    let settings = &visitor.site().settings;
    let name = cookie_name(settings, &query.state);
    let kept = cookies::read(headers, &name).and_then(unpacked);
    let kept = kept.filter(|kept| kept.at == provider && kept.begun.state() == query.state);
    let Some(kept) = kept else {
        let why = "This login was not begun in this browser, or too long ago. Begin it again.";
        return again(&visitor, urls::overview(), Error::new(ErrorKind::Forbidden, why)).await;
    };
    let next = urls::local_or_overview(&kept.next);
    let mut answer = finished(&visitor, headers, (&provider, &kept.begun, next), &query).await?;
    cookies::set(answer.headers_mut(), settings, &name, "", 0);
    Ok(answer)
}

async fn finished(
    visitor: &Visitor,
    headers: &HeaderMap,
    (provider, begun, next): (&str, &BegunLogin, &str),
    query: &BackQuery,
) -> Result<Response> {
    if !query.error.is_empty() || query.code.is_empty() {
        return again(visitor, next, turned_away(query)).await;
    }
    let (site, address) = (visitor.site(), &visitor.actor().address);
    let come = (begun, query.code.as_str());
    let entered = site
        .logins
        .by_oidc(&site.app, provider, come, address, visitor.now());
    match entered.await {
        Ok(LoginStep::In(known)) => let_in(visitor, headers, &known, (next, None)).await,
        Ok(LoginStep::Half(half)) => {
            session::keep_half(visitor.session(), &half).await?;
            html(&CodePage::new(visitor, next, None).await?)
        }
        Err(error) => again(visitor, next, error).await,
    }
}

/// What a provider says that let nobody in.
fn turned_away(query: &BackQuery) -> Error {
    let words = match query.error_description.as_str() {
        "" => &query.error,
        words => words,
    };
    let words: String = words.chars().take(WORDS_LIMIT).collect();
    let why = match words.as_str() {
        "" => "The provider let nobody in, and did not say why. Begin again.".to_owned(),
        _ => format!("The provider let nobody in. It says: “{}”.", words.escape_debug()),
    };
    Error::new(ErrorKind::Forbidden, why)
}

/// The login page with what went wrong.
async fn again(visitor: &Visitor, next: &str, error: Error) -> Result<Response> {
    if error.kind() == ErrorKind::Internal {
        return Err(error);
    }
    let page = LoginPage {
        complaints: Complaints::of_error(&error),
        ..LoginPage::new(visitor, next).await?
    };
    form_page(&page, &page.complaints)
}

/// `GET /login/with/{provider}/leave`: ends the session there, after it was ended here.
#[handler]
pub async fn leave(visitor: Visitor, Path(provider): Path<String>) -> Result<Response> {
    let left = urls::with_query(urls::login(), &[("left", "yes")]);
    let url = match at_provider::leaving(visitor.app(), &provider, &left).await {
        Ok(url) => url,
        Err(error) => return again(&visitor, urls::overview(), error).await,
    };
    let mut answer = go_to(url.as_deref().unwrap_or(&left));
    answer.set_status(StatusCode::SEE_OTHER);
    answer.headers_mut().insert(
        header::REFERRER_POLICY,
        header::HeaderValue::from_static("no-referrer"),
    );
    Ok(answer)
}

fn cookie_name(settings: &Settings, state: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    let mark: String = state.chars().filter(plain).take(MARK_LENGTH).collect();
    settings.cookie_name(&format!("{COOKIE}{mark}"))
}

fn unpacked(text: &str) -> Option<Kept> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
