//! Errors of the JSON API, in the form of RFC 9457.
//!
//! Each kind has an address that stays the same, for programs to tell kinds apart by; the sentence for people is
//! the one that pages show. What a page would not say, the API does not say either.

use std::error::Error as _;
use std::fmt;

use poem::Response;
use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::visitor::Visitor;
use crate::domain::{Error, ErrorKind, FieldError, PolicyLine, Refusal};

/// The media type of every error of the API.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// What the addresses of kinds begin with.
pub const KINDS_ROOT: &str = "/api/problems/";
/// Seconds to wait after something outside was unavailable.
const RETRY_AFTER: &str = "5";

macro_rules! kinds {
    ($($variant:ident $slug:literal $status:ident $title:literal $meaning:literal;)*) => {
        /// What kind of error an answer of the API is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemKind { $($variant,)* }

        impl ProblemKind {
            /// Every kind, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The end of its address.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// The status of its answers.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A few words for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means and what to do, for the reference page.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    BadRequest "bad-request" BAD_REQUEST "Unreadable request"
        "The request could not be read: the body is not JSON, or a header holds what it must not.";
    BadCursor "bad-cursor" BAD_REQUEST "Unknown cursor"
        "The cursor is none of this list with these filters. Take it from the answer before, or leave it out.";
    Unauthenticated "unauthenticated" UNAUTHORIZED "Not logged in"
        "Send an API token as “Authorization: Bearer …”. The one that was sent is unknown, expired or revoked, or none was sent.";
    Forbidden "forbidden" FORBIDDEN "Not allowed"
        "Policy, or the scope of the token, does not allow it. “policy_line” names the line that decided, “next_allowed” when it will be allowed.";
    NotFound "not-found" NOT_FOUND "Not found"
        "There is nothing here, or nothing that this account may know of.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "Method not allowed"
        "The address exists and takes other methods: the header “Allow” has them.";
    Conflict "conflict" CONFLICT "Not possible now"
        "The request is fine, but the present state of things forbids it, such as a lock or a deployment that has ended.";
    Stale "stale" PRECONDITION_FAILED "Changed meanwhile"
        "Somebody changed it since it was read. Read it again and send its new ETag in “If-Match”.";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "Too large"
        "The body is larger than any that is needed.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "Not JSON"
        "Send the body as JSON, with “Content-Type: application/json”.";
    Invalid "invalid" UNPROCESSABLE_ENTITY "Not accepted"
        "Something in the request cannot be accepted. “errors” names each field and says what to do.";
    KeyReused "key-reused" UNPROCESSABLE_ENTITY "Key used before"
        "The Idempotency-Key was sent before, with another request. Use a new key for a new request.";
    PreconditionRequired "precondition-required" PRECONDITION_REQUIRED "If-Match is missing"
        "Changes need the header “If-Match” with the ETag of what is changed, so that nobody overwrites what others did.";
    Throttled "throttled" TOO_MANY_REQUESTS "Too many requests"
        "Wait as many seconds as “Retry-After” says.";
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong"
        "A fault of the deployer. Its log has the details under the request's id.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Unavailable"
        "Something outside failed: a server, a Git host, the database. Try again later.";
}

impl From<ErrorKind> for ProblemKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::Unauthenticated => Self::Unauthenticated,
            ErrorKind::Throttled => Self::Throttled,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

/// An error that only the API makes: about the form of a request, not about what it asks for.
#[derive(Debug, Clone)]
pub struct ApiFault {
    pub kind: ProblemKind,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// The methods that the address takes, for a header.
    pub allow: Option<String>,
}

impl ApiFault {
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
        }
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ApiFault {}

impl ResponseError for ApiFault {
    fn status(&self) -> StatusCode {
        self.kind.status()
    }
}

/// An error as it is about to be told.
struct Problem {
    fault: ApiFault,
    refusal: Option<Refusal>,
}

impl Problem {
    fn of(error: poem::Error) -> Self {
        let error = match error.downcast::<ApiFault>() {
            Ok(fault) => return Self { fault, refusal: None },
            Err(error) => error,
        };
        match error.downcast::<Error>() {
            Ok(error) => Self::of_domain(&error),
            Err(error) => Self::of_poem(&error),
        }
    }

    fn of_domain(error: &Error) -> Self {
        log(error);
        Self {
            fault: ApiFault {
                errors: error.field_errors().to_vec(),
                ..ApiFault::new(error.kind().into(), error.message())
            },
            refusal: error.refusal().cloned(),
        }
    }

    /// What the framework says is for its own log.
    fn of_poem(error: &poem::Error) -> Self {
        let (kind, detail) = match error.status() {
            StatusCode::NOT_FOUND => (ProblemKind::NotFound, "There is nothing at this address."),
            StatusCode::METHOD_NOT_ALLOWED => (
                ProblemKind::MethodNotAllowed,
                "This address does not take that method.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (
                ProblemKind::TooLarge,
                "The request is larger than accepted here. Nothing was done.",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                ProblemKind::UnsupportedMediaType,
                "Send the body as application/json. Nothing was done.",
            ),
            status if status.is_client_error() => (
                ProblemKind::BadRequest,
                "The request could not be read. Nothing was done.",
            ),
            _ => return Self::of_domain(&Error::internal(error.to_string())),
        };
        tracing::debug!("{error}");
        Self {
            fault: ApiFault::new(kind, detail),
            refusal: None,
        }
    }

    fn to_json(&self, ask: &[String], request_id: &str) -> Value {
        let ApiFault { kind, detail, .. } = &self.fault;
        let mut body = json!({
            "type": format!("{KINDS_ROOT}{}", kind.slug()),
            "title": kind.title(),
            "status": kind.status().as_u16(),
            "detail": detail,
            "request_id": request_id,
        });
        if !self.fault.errors.is_empty() {
            let errors = self.fault.errors.iter();
            let errors = errors.map(|one| json!({ "field": one.field, "message": one.message }));
            body["errors"] = errors.collect();
        }
        if let Some(refusal) = &self.refusal {
            body["action"] = json!(refusal.action.as_str());
            if let Some(line) = refusal.line.as_ref().or(refusal.outside_window.first()) {
                body["policy_line"] = json!(place_of(line));
                body["policy_text"] = json!(line.text);
            }
            if let Some(next) = refusal.next_allowed {
                body["next_allowed"] = json!(next);
            }
        }
        if !ask.is_empty() {
            body["ask"] = json!(ask);
        }
        body
    }
}

/// `policy.csv:12`; the words of what stands in no file.
fn place_of(line: &PolicyLine) -> String {
    match line.line {
        0 => line.text.clone(),
        number => format!("{}:{number}", line.file),
    }
}

/// The refusal in an error, if policy refused.
pub(super) fn refusal(error: &poem::Error) -> Option<&Refusal> {
    error.downcast_ref::<Error>().and_then(Error::refusal)
}

/// The answer to a request of the API that ended in `error`; `ask` names some who may do what was refused.
pub(super) fn answer(error: poem::Error, ask: &[String], visitor: &Visitor) -> Response {
    let mut problem = Problem::of(error);
    let is_guest = visitor.actor().is_guest();
    // Whoever is not logged in may be allowed once they are.
    if problem.fault.kind == ProblemKind::Forbidden && is_guest {
        problem.fault.kind = ProblemKind::Unauthenticated;
    }
    let kind = problem.fault.kind;
    let body = problem.to_json(ask, visitor.request_id());
    let mut response = Response::builder()
        .status(kind.status())
        .content_type(PROBLEM_JSON)
        .body(body.to_string());
    let headers = response.headers_mut();
    match kind {
        ProblemKind::Unauthenticated => {
            let challenge = match visitor.has_authorization() {
                true => "Bearer error=\"invalid_token\"",
                false => "Bearer",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        ProblemKind::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        _ => {}
    }
    if let Some(allow) = problem.fault.allow.and_then(|allow| allow.try_into().ok()) {
        headers.insert(header::ALLOW, allow);
    }
    response
}

fn log(error: &Error) {
    let mut causes = String::new();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        causes.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Unavailable => tracing::error!("{error}{causes}"),
        _ => tracing::debug!("{error}{causes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_addresses_of_their_own() {
        let mut slugs: Vec<&str> = ProblemKind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), ProblemKind::ALL.len());
        assert!(ProblemKind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
    }

    #[test]
    fn what_the_framework_says_stays_inside() {
        let error = poem::Error::from_string("param0: leaked", StatusCode::BAD_REQUEST);
        let body = Problem::of(error).to_json(&[], "7f").to_string();
        assert!(
            !body.contains("param0") && body.contains("/api/problems/bad-request"),
            "{body}"
        );
    }
}
