//! What every request of the API goes through: how many there are, whether it has the form that the document says,
//! the handler, and what all answers have in common.

use std::sync::Arc;

use bytes::Bytes;
use poem::http::header::{self, HeaderName};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use serde_json::Value;

use super::contract::{self, Operation};
use super::document;
use super::repeated::Repetition;
use super::reply::etag_of;
use crate::domain::{Error, FieldErrors};
use crate::web::errors;
use crate::web::problem::{ApiFault, ProblemKind};
use crate::web::rate::RateLeft;
use crate::web::visitor::Visitor;

/// Where the document is, below the root of the API.
pub const DOCUMENT_PATH: &str = "/openapi.json";

/// The operations behind the door.
pub struct ApiDoor<E> {
    inner: Arc<E>,
}

impl<E> ApiDoor<E> {
    pub fn new(inner: E) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl<E: Endpoint + 'static> Endpoint for ApiDoor<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let visitor = request.data::<Visitor>().cloned();
        let visitor = visitor.ok_or_else(|| Error::internal("the API runs outside the gate"))?;
        let left = visitor.site().api_rate().count(&who(&visitor));
        let outcome = match left.wait {
            None => self.answer(request, &visitor).await,
            Some(seconds) => Err(too_many(seconds).into()),
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(error) => errors::respond(error, &visitor).await,
        };
        tell_rate(&mut response, left);
        Ok(response)
    }
}

impl<E: Endpoint + 'static> ApiDoor<E> {
    async fn answer(&self, mut request: Request, visitor: &Visitor) -> poem::Result<Response> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if path == DOCUMENT_PATH && matches!(method, Method::GET | Method::HEAD) {
            let document = Response::builder()
                .content_type("application/json")
                .body(document::text());
            return with_etag(&request, document).await;
        }
        let operation = contract::find(method.as_str(), &path)?;
        let body = check(operation, &mut request).await?;
        let conditions = Conditions::of(&request);
        let repetition = Repetition::of(visitor, &request, &body)?;
        if let Some(repetition) = &repetition
            && let Some(answer) = repetition.begin(visitor).await?
        {
            return Ok(answer);
        }
        match repetition {
            Some(repetition) => self.carry_out(request, visitor.clone(), repetition).await,
            None => {
                let response = self.inner.call(request).await.map(IntoResponse::into_response)?;
                conditions.apply(response).await
            }
        }
    }

    /// Carries out what has a key on a task of its own: a client that goes away and asks again finds its answer.
    async fn carry_out(
        &self,
        request: Request,
        visitor: Visitor,
        repetition: Repetition,
    ) -> poem::Result<Response> {
        let inner = Arc::clone(&self.inner);
        let doing = tokio::spawn(async move {
            let app = visitor.app().clone();
            let work = async {
                let outcome = inner.call(request).await.map(IntoResponse::into_response);
                repetition.end(&visitor, outcome).await
            };
            app.steadily(work).await
        });
        doing.await.unwrap_or_else(|_| Err(errors::panicked()))
    }
}

/// Whose requests are counted together.
fn who(visitor: &Visitor) -> String {
    match visitor.user() {
        Some(user) => format!("account {}", user.id),
        None => format!("address {}", visitor.actor().address),
    }
}

fn too_many(seconds: u64) -> ApiFault {
    let detail = format!("These are too many requests. Wait {seconds} s.");
    ApiFault::new(ProblemKind::Throttled, detail)
}

fn tell_rate(response: &mut Response, left: RateLeft) {
    let headers = response.headers_mut();
    let mut tell = |name: &'static str, value: u64| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    };
    tell("ratelimit-limit", left.limit.into());
    tell("ratelimit-remaining", left.remaining.into());
    tell("ratelimit-reset", left.reset);
    if let Some(wait) = left.wait {
        tell("retry-after", wait);
    }
}

/// Holds a request against its operation, and gives its body, which stays in place.
async fn check(operation: &Operation, request: &mut Request) -> poem::Result<Bytes> {
    let mut wrong = FieldErrors::default();
    let query = request.uri().query().unwrap_or_default().to_owned();
    operation.check_address(request.uri().path(), &query, &mut wrong);
    let mut body = request.take_body().into_bytes().await?;
    if body.is_empty() && operation.takes_nothing() {
        body = Bytes::from_static(b"{}");
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    match (operation.takes_body(), body.is_empty()) {
        (true, _) => {
            demand_json(request)?;
            let value: Value = serde_json::from_slice(&body).map_err(|cause| not_json(&cause))?;
            operation.check_body(&value, &mut wrong);
        }
        (false, true) => {}
        // What takes no fields takes an empty object as well, which many clients send.
        (false, false) if body.as_ref() == b"{}" => {}
        (false, false) => wrong.add("", "This takes no body."),
    }
    invalid(wrong)?;
    request.set_body(body.clone());
    Ok(body)
}

fn invalid(wrong: FieldErrors) -> Result<(), ApiFault> {
    wrong.none().map_err(|error| {
        let told = error.field_errors().iter();
        let told: Vec<String> = told
            .map(|one| match one.field.as_str() {
                "" => one.message.clone(),
                field => format!("{field}: {}", one.message),
            })
            .collect();
        ApiFault {
            errors: error.field_errors().to_vec(),
            ..ApiFault::new(ProblemKind::Invalid, told.join(" "))
        }
    })
}

fn demand_json(request: &Request) -> Result<(), ApiFault> {
    let is_json = request.content_type().is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
    });
    match is_json {
        true => Ok(()),
        false => Err(ApiFault::new(
            ProblemKind::UnsupportedMediaType,
            "Send the body as JSON, with “Content-Type: application/json”. Nothing was done.",
        )),
    }
}

fn not_json(cause: &serde_json::Error) -> ApiFault {
    let (line, column) = (cause.line(), cause.column());
    let detail = match cause.is_eof() {
        true => "The body ends before its JSON does. Nothing was done.".to_owned(),
        false => format!("The body is not JSON: see line {line}, column {column}. Nothing was done."),
    };
    ApiFault::new(ProblemKind::BadRequest, detail)
}

/// What a request says about the version that its sender has.
struct Conditions {
    asks: bool,
    known: Vec<String>,
}

impl Conditions {
    fn of(request: &Request) -> Self {
        let known = request.header("if-none-match").unwrap_or_default();
        Self {
            asks: matches!(*request.method(), Method::GET | Method::HEAD),
            known: known
                .split(',')
                .map(|one| one.trim().trim_start_matches("W/").to_owned())
                .collect(),
        }
    }

    /// The answer with its version; without a body where the sender has this one.
    async fn apply(&self, mut response: Response) -> poem::Result<Response> {
        let is_json = response
            .content_type()
            .is_some_and(|kind| kind.starts_with("application/json"));
        if !self.asks || response.status() != StatusCode::OK || !is_json {
            return Ok(response);
        }
        let body = response.take_body().into_bytes().await?;
        let etag = etag_of(&body);
        let is_known = self.known.iter().any(|known| *known == etag || known == "*");
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, value);
        }
        if is_known {
            headers.remove(header::CONTENT_TYPE);
            response.set_status(StatusCode::NOT_MODIFIED);
        } else {
            response.set_body(Body::from_bytes(body));
        }
        Ok(response)
    }
}

async fn with_etag(request: &Request, response: Response) -> poem::Result<Response> {
    Conditions::of(request).apply(response).await
}
