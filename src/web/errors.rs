//! The one place where an error becomes an answer: a page, a fragment for htmx, or JSON; for the
//! JSON API a [`problem`].
//!
//! Handlers return [`domain::Error`] with `?`. The gate brings it here, together with poem's own
//! (no such page, wrong method, a form that cannot be read) and with panics. What a person reads
//! is the error's public sentence; the cause goes to the log under the request's id, which the page
//! of an internal error shows too.

use std::error::Error as _;

use askama::Template;
use poem::error::{ParsePathError, ResponseError};
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::json;

use super::frame::{Frame, Section, go_to, html};
use super::visitor::Visitor;
use super::{problem, urls};
use crate::app::whom_to_ask;
use crate::domain::{self, DeploymentId, Error, ErrorKind, Refusal};

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        status_of(self.kind())
    }
}

/// The HTTP status for a kind of error.
pub fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// When to try again after something was unavailable, in seconds.
const RETRY_AFTER: &str = "5";

/// Beneath it are the ways to log in.
const WAYS_IN: &str = "/login/";

/// There is no page at `path`.
pub(super) fn no_page(path: &str) -> Error {
    let shown: String = path.chars().take(120).collect();
    let shown = shown.escape_debug();
    match path.starts_with(WAYS_IN) {
        true => Error::new(
            ErrorKind::NotFound,
            format!("No way to log in is configured at “{shown}”. The login page has those that are."),
        ),
        false => Error::not_found(format!("page at “{shown}”")),
    }
}

/// An error ready to be shown.
struct Trouble {
    status: StatusCode,
    error: Error,
    /// Whether it may be there for somebody else: a visitor without a login is asked for one, and learns
    /// nothing else.
    may_be_hidden: bool,
}

impl Trouble {
    fn of(error: poem::Error, path: &str) -> Self {
        // An address with something other than a number where one belongs: there is no such page.
        let status = if error.is::<ParsePathError>() {
            StatusCode::NOT_FOUND
        } else {
            error.status()
        };
        let mut may_be_hidden = false;
        let error = match error.downcast::<Error>() {
            Ok(error) => {
                may_be_hidden = error.kind() == ErrorKind::NotFound;
                error
            }
            Err(error) => match status {
                StatusCode::NOT_FOUND => no_page(path),
                StatusCode::METHOD_NOT_ALLOWED => Error::invalid("This address does not accept that method."),
                StatusCode::PAYLOAD_TOO_LARGE => {
                    Error::invalid("The request is larger than accepted here. Nothing was done.")
                }
                status if status.is_client_error() => {
                    Error::invalid("The request could not be read. Go back, reload the page and try again.")
                        .because(error.to_string())
                }
                _ => Error::internal(error.to_string()),
            },
        };
        Self {
            status,
            error,
            may_be_hidden,
        }
    }

    /// Whether a guest may find more there once logged in.
    fn may_be_seen_after_login(&self) -> bool {
        self.error.refusal().is_some() || self.error.kind() == ErrorKind::NotFound
    }

    fn title(&self) -> &'static str {
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "Too large",
            _ => match self.error.kind() {
                ErrorKind::NotFound => "Not found",
                ErrorKind::Invalid => "Not accepted",
                ErrorKind::Conflict => "Not possible now",
                ErrorKind::Forbidden => "Not allowed",
                ErrorKind::Unauthenticated => "Please log in",
                ErrorKind::Throttled => "Too many attempts",
                ErrorKind::Unavailable => "Unavailable",
                ErrorKind::Internal => "Something went wrong",
            },
        }
    }

    fn icon(&self) -> &'static str {
        match self.error.kind() {
            ErrorKind::NotFound => "help-circle",
            ErrorKind::Forbidden | ErrorKind::Unauthenticated => "lock",
            ErrorKind::Throttled => "hourglass",
            ErrorKind::Unavailable => "plug-connected-x",
            _ => "alert-triangle",
        }
    }

    fn log(&self) {
        let mut causes = String::new();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            causes.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if self.status.is_server_error() {
            tracing::error!("{}{causes}", self.error);
        } else {
            tracing::debug!("{}{causes}", self.error);
        }
    }
}

#[derive(Template)]
#[template(path = "errors/page.html")]
struct ErrorPage<'a> {
    frame: Frame,
    icon: &'static str,
    message: &'a str,
    refusal: Option<&'a Refusal>,
    /// Some who may do it; empty where the visitor may not know any.
    ask: &'a [String],
    /// Where to log in; empty when that would not help.
    login: String,
    /// The deployment that a button was about.
    deployment: Option<DeploymentId>,
    /// The request's id, for what has to be looked up in the log.
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "errors/_toast.html")]
struct ErrorToast<'a> {
    title: &'static str,
    message: &'a str,
    /// Whom to ask, as a sentence; may be empty.
    ask: String,
    request_id: Option<&'a str>,
}

/// The answer to a request that ended in `error`.
pub(super) async fn respond(error: poem::Error, visitor: &Visitor) -> Response {
    if visitor.is_api() {
        let ask = whom_to_ask(problem::refusal(&error), visitor).await;
        return problem::answer(error, &ask, visitor);
    }
    let trouble = Trouble::of(error, visitor.path());
    trouble.log();
    let ask = whom_to_ask(trouble.error.refusal(), visitor).await;
    let wants_page = !visitor.wants_json() && !visitor.wants_fragment();
    if trouble.error.kind() == ErrorKind::Unauthenticated && wants_page && !visitor.has_authorization() {
        return go_to(&urls::login_then(visitor.return_path()));
    }
    let mut response = if visitor.wants_json() {
        as_json(&trouble, &ask, visitor)
    } else if visitor.wants_fragment() {
        as_toast(&trouble, &ask, visitor)
    } else {
        as_page(&trouble, &ask, visitor).await
    };
    response.set_status(trouble.status);
    if trouble.status == StatusCode::UNAUTHORIZED && visitor.has_authorization() {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if trouble.status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from_static(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Some who may do what policy refused. Whatever keeps that from being known keeps no answer back.
async fn whom_to_ask(refusal: Option<&Refusal>, visitor: &Visitor) -> Vec<String> {
    match refusal {
        Some(refusal) => {
            let asked = whom_to_ask::whom_to_ask(visitor.app(), refusal).await;
            asked.unwrap_or_default()
        }
        None => Vec::new(),
    }
}

/// The deployment that the buttons at `path` are about.
fn deployment_of(path: &str) -> Option<DeploymentId> {
    let (id, _act) = path.strip_prefix("/deployments/")?.split_once('/')?;
    id.parse().ok().map(DeploymentId)
}

/// The answer when the error page itself cannot be rendered.
fn plain(error: &Error) -> Response {
    error.message().to_owned().into_response()
}

async fn as_page(trouble: &Trouble, ask: &[String], visitor: &Visitor) -> Response {
    let asks_for_login = visitor.actor().is_guest() && trouble.may_be_hidden;
    let (title, icon, message) = match asks_for_login {
        true => ("Please log in", "lock", "Log in to see this page."),
        false => (trouble.title(), trouble.icon(), trouble.error.message()),
    };
    // Flash messages are in the store, which may be what is away: they wait for another page.
    let frame = match trouble.error.kind() {
        ErrorKind::Unavailable => None,
        _ => visitor.frame(title, Section::Elsewhere).await.ok(),
    };
    let frame = frame.unwrap_or_else(|| visitor.frame_without_flashes(title, Section::Elsewhere));
    let page = ErrorPage {
        frame,
        icon,
        message,
        refusal: trouble.error.refusal(),
        ask,
        login: if visitor.actor().is_guest() && trouble.may_be_seen_after_login() {
            urls::login_then(visitor.return_path())
        } else {
            String::new()
        },
        deployment: deployment_of(visitor.path()).filter(|_| trouble.status != StatusCode::NOT_FOUND),
        request_id: trouble.status.is_server_error().then_some(visitor.request_id()),
    };
    html(&page).unwrap_or_else(|error| plain(&error))
}

fn as_toast(trouble: &Trouble, ask: &[String], visitor: &Visitor) -> Response {
    let toast = ErrorToast {
        title: trouble.title(),
        message: trouble.error.message(),
        ask: whom_to_ask::in_words(ask),
        request_id: trouble.status.is_server_error().then_some(visitor.request_id()),
    };
    let mut response = html(&toast).unwrap_or_else(|error| plain(&error));
    let headers = response.headers_mut();
    let say = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    headers.extend([say("hx-retarget", "#toasts"), say("hx-reswap", "beforeend")]);
    response
}

fn as_json(trouble: &Trouble, ask: &[String], visitor: &Visitor) -> Response {
    let error = &trouble.error;
    let fields: Vec<_> = error
        .field_errors()
        .iter()
        .map(|complaint| json!({ "field": complaint.field, "message": complaint.message }))
        .collect();
    let refusal = error.refusal().map(|refusal| {
        json!({
            "actor": refusal.actor.name,
            "action": refusal.action,
            "project": refusal.resource.project(),
            "environment": refusal.resource.environment(),
            "line": refusal.line.as_ref().map(ToString::to_string),
            "next_allowed": refusal.next_allowed,
            "ask": ask,
        })
    });
    let body = json!({
        "error": {
            "status": trouble.status.as_u16(),
            "title": trouble.title(),
            "message": error.message(),
            "fields": fields,
            "refusal": refusal,
        },
        "request_id": visitor.request_id(),
    });
    Response::builder()
        .content_type("application/json")
        .body(body.to_string())
}

/// The error of a handler that panicked; the panic itself is in the log.
pub(super) fn panicked() -> poem::Error {
    domain::Error::internal("a handler panicked").into()
}
