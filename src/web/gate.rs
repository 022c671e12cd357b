//! What every request goes through, in order: an id for the log, its sender, its size, whether the
//! form is ours, the handler, errors, cookies, headers, compression, and one line in the log.
//!
//! One function instead of a stack of middlewares, because the order matters and is read here.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use poem::web::{Compress, CompressionAlgo, CompressionLevel};
use poem::{Endpoint, IntoResponse, Request, Response};
use tracing::Instrument;

use super::csrf::FormCheck;
use super::frame::go_to;
use super::kept::{self, KeptForm};
use super::site::Site;
use super::visitor::Visitor;
use super::{assets, csrf, errors, hook_address, urls};
use crate::app::second_factor;
use crate::domain::{Error, ErrorKind};

/// Nothing from other sites, nothing inline. Tabler's style sheet holds a few images as `data:`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";
/// Headers of every answer.
const SECURITY_HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];
/// A year, as browsers' preload lists ask for.
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// All pages, behind the gate.
pub struct Gated<E> {
    site: Arc<Site>,
    inner: E,
}

impl<E> Gated<E> {
    pub fn new(site: Arc<Site>, inner: E) -> Self {
        Self { site, inner }
    }
}

impl<E: Endpoint> Endpoint for Gated<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let id = hex::encode(rand::random::<[u8; 8]>());
        let method = request.method().clone();
        // Whoever reads the log must not learn the addresses of hooks.
        let path = match request.uri().path() {
            path if hook_address::is_one(path) => hook_address::of("…"),
            path => path.to_owned(),
        };
        let span = tracing::info_span!("request", id);
        let response = self.pass(request, id).instrument(span.clone()).await;
        let _entered = span.enter();
        let status = response.status().as_u16();
        let milliseconds = started.elapsed().as_millis();
        if path.starts_with("/static/") {
            tracing::debug!(%method, path, status, milliseconds, "answered");
        } else {
            tracing::info!(%method, path, status, milliseconds, "answered");
        }
        Ok(response)
    }
}

impl<E: Endpoint> Gated<E> {
    async fn pass(&self, request: Request, id: String) -> Response {
        let packs = assets::takes_gzip(&request);
        let answering = self.answer(request, id);
        let response = self.site.app.steadily(answering).await;
        if packs { pack(response) } else { response }
    }

    async fn answer(&self, mut request: Request, id: String) -> Response {
        let (visitor, opened) = Visitor::open(&self.site, &request, id).await;
        request.set_data(visitor.clone());
        let outcome = match opened {
            Ok(()) => self.handle(request, &visitor).await,
            Err(error) => Err(error.into()),
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(error) => errors::respond(error, &visitor).await,
        };
        if let Err(error) = visitor.close(response.headers_mut()).await {
            response = errors::respond(error.into(), &visitor).await;
        }
        finish_headers(
            response.headers_mut(),
            self.site.settings.https,
            visitor.request_id(),
        );
        response
    }

    async fn handle(&self, mut request: Request, visitor: &Visitor) -> poem::Result<Response> {
        // A hook takes bodies of its own kind, and its sender has a proof of its own.
        if hook_address::is_one(request.uri().path()) {
            return self.call_handler(request).await;
        }
        let length = request
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > csrf::FORM_LIMIT) {
            return Err(poem::Error::from_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let (path, query) = (request.uri().path(), request.uri().query());
        if csrf::holds_nul(path.as_bytes()) {
            return Err(errors::no_page(path).into());
        }
        if query.is_some_and(|query| csrf::holds_nul(query.as_bytes())) {
            return Err(csrf::nul_refused().into());
        }
        if visitor.is_api() && visitor.actor().is_guest() && !csrf::only_asks(&request) {
            return Err(no_proof().into());
        }
        if visitor.principal().needs_form_token() {
            let public_origin = self.site.settings.public_origin.as_deref();
            let checked = csrf::check(&mut request, visitor.form_secret(), public_origin).await?;
            if let FormCheck::Expired(body) = checked {
                let is_page = !visitor.wants_fragment() && !visitor.wants_json();
                let kept = KeptForm::sent(request.uri().path(), sent_from(&request), &body);
                let kept = kept.filter(|_| is_page).ok_or_else(csrf::expired)?;
                return Ok(kept::show(visitor, kept).await?);
            }
        } else {
            csrf::take_in_unchecked(&mut request).await?;
        }
        if let Some(first) = to_do_first(visitor, request.uri().path()) {
            return first.answer(visitor);
        }
        self.call_handler(request).await
    }

    async fn call_handler(&self, request: Request) -> poem::Result<Response> {
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind().await;
        handled
            .unwrap_or_else(|_| Err(errors::panicked()))
            .map(IntoResponse::into_response)
    }
}

/// The error for a program that wants to change something and does not say who it is.
fn no_proof() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "Send an API token: “Authorization: Bearer …”. Nothing was done. Tokens are made on the profile page.",
    )
}

/// What an account has to do in its browser before anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ToDoFirst {
    ChangePassword,
    SecondFactor,
}

/// What has to be done before `path` may be asked for, if anything.
fn to_do_first(visitor: &Visitor, path: &str) -> Option<ToDoFirst> {
    let user = visitor.user().filter(|_| visitor.principal().is_session())?;
    if path.starts_with("/static/") || [urls::profile(), urls::logout(), urls::theme()].contains(&path) {
        return None;
    }
    if user.must_change_password() {
        return Some(ToDoFirst::ChangePassword);
    }
    let is_lacking = !visitor.principal().has_second_factor()
        && !path.starts_with(urls::second_factor())
        && second_factor::is_demanded(visitor.app(), visitor.actor());
    is_lacking.then_some(ToDoFirst::SecondFactor)
}

impl ToDoFirst {
    /// Leads to the form where it is done.
    fn answer(self, visitor: &Visitor) -> poem::Result<Response> {
        let (url, first) = match self {
            Self::ChangePassword => (
                urls::profile(),
                "An administrator set your password. Choose your own on your profile page first.",
            ),
            Self::SecondFactor => (
                urls::second_factor(),
                "Administrators need a second factor here. Set it up on your profile page first.",
            ),
        };
        if visitor.wants_fragment() || visitor.wants_json() {
            return Err(Error::new(ErrorKind::Forbidden, first).into());
        }
        Ok(go_to(url))
    }
}

/// The local address of the page that a form was on, where the browser names it.
fn sent_from(request: &Request) -> Option<&str> {
    let (_, rest) = request.header("referer")?.split_once("://")?;
    rest.find('/').and_then(|start| rest.get(start..))
}

fn finish_headers(headers: &mut HeaderMap, https: bool, request_id: &str) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(STRICT_TRANSPORT_SECURITY),
        );
    }
    // Pages differ from person to person and from minute to minute.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

/// Packs text, but never a stream of events: those have to arrive as they happen.
fn pack(mut response: Response) -> Response {
    let kind = response.content_type().unwrap_or_default();
    let is_text = ["text/html", "application/json", "text/plain", "text/csv"]
        .iter()
        .any(|text| kind.starts_with(text));
    if !is_text || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.remove(header::CONTENT_LENGTH);
    Compress::new(response, CompressionAlgo::GZIP)
        .with_quality(CompressionLevel::Fastest)
        .into_response()
}
