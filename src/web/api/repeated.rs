//! Requests with an `Idempotency-Key`: the answer is kept, and given again to the same request.

use poem::http::header::{self, HeaderName};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Request, Response};
use sha2::{Digest as _, Sha256};

use crate::app::kept_answers::{self, Repeated, RequestKey};
use crate::domain::Result;
use crate::store::kept_answers::AnswerParts;
use crate::web::problem::{ApiFault, ProblemKind};
use crate::web::visitor::Visitor;

/// The header that carries the key.
const KEY_HEADER: &str = "idempotency-key";
/// The longest key, in bytes: a UUID has 36.
const LONGEST_KEY: usize = 200;
/// Says in an answer that it is an earlier one.
const REPLAYED: &str = "idempotency-replayed";
/// Headers of an answer that are kept with it.
const KEPT_HEADERS: [&str; 2] = ["location", "content-type"];
/// Ends of addresses whose answers hold secrets.
const SECRET_ANSWERS: [&str; 3] = ["/tokens", "/users", "/password"];

/// A request with a key.
pub struct Repetition {
    key: RequestKey,
    /// The digest of all that makes up the request.
    request: String,
    has_secret: bool,
}

impl Repetition {
    /// The key of a request, if it has one; `body` is all of its body.
    ///
    /// # Errors
    /// A fault for a key that is none.
    pub fn of(visitor: &Visitor, request: &Request, body: &[u8]) -> Result<Option<Self>, ApiFault> {
        let Some(key) = request
            .headers()
            .get(KEY_HEADER)
            .filter(|_| *request.method() == Method::POST)
        else {
            return Ok(None);
        };
        let key = key.to_str().ok().map(str::trim);
        let key = key.filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
        let key = key.ok_or_else(|| {
            let detail = format!("An Idempotency-Key is a text of 1 to {LONGEST_KEY} plain characters.");
            ApiFault::new(ProblemKind::BadRequest, detail)
        })?;
        let path = request.uri().path();
        let mut digest = Sha256::new();
        digest.update(path);
        digest.update([0]);
        digest.update(request.uri().query().unwrap_or_default());
        digest.update([0]);
        digest.update(body);
        Ok(Some(Self {
            key: RequestKey::new(visitor.actor(), key),
            request: hex::encode(digest.finalize()),
            has_secret: SECRET_ANSWERS.iter().any(|end| path.ends_with(end)),
        }))
    }

    /// The earlier answer; `None` where the request is new, and to be carried out.
    ///
    /// # Errors
    /// A fault where the key was used for another request, a conflict while the first one is under way.
    pub async fn begin(&self, visitor: &Visitor) -> poem::Result<Option<Response>> {
        match kept_answers::begin(visitor.app(), &self.key, &self.request).await? {
            Repeated::New => Ok(None),
            Repeated::Answered(answer) => Ok(Some(replayed(answer)?)),
            Repeated::OtherRequest => Err(ApiFault::new(
                ProblemKind::KeyReused,
                "This Idempotency-Key was sent before with another request. Nothing was done.",
            )
            .into()),
        }
    }

    /// Keeps an answer that something was done, and passes it on.
    ///
    /// # Errors
    /// Those of `outcome`.
    pub async fn end(&self, visitor: &Visitor, outcome: poem::Result<Response>) -> poem::Result<Response> {
        let mut response = match outcome {
            Ok(response) if response.status().is_success() => response,
            other => {
                self.keep(visitor, None).await;
                return other;
            }
        };
        let body = response.take_body().into_string().await.unwrap_or_default();
        let header = |name: &&str| {
            let value = response.headers().get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        };
        let answer = AnswerParts {
            status: response.status().as_u16(),
            headers: KEPT_HEADERS.iter().filter_map(header).collect(),
            body: (!self.has_secret).then(|| body.clone()),
        };
        self.keep(visitor, Some(&answer)).await;
        response.set_body(body);
        Ok(response)
    }

    /// What was done is done, whether its answer can be kept or not.
    async fn keep(&self, visitor: &Visitor, answer: Option<&AnswerParts>) {
        if let Err(error) = kept_answers::end(visitor.app(), &self.key, answer).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an answer could not be kept"
            );
        }
    }
}

fn replayed(answer: AnswerParts) -> Result<Response> {
    let body = answer.body.ok_or_else(kept_answers::not_kept)?;
    let mut response = Response::from(body);
    response.set_status(StatusCode::from_u16(answer.status).unwrap_or_default());
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(REPLAYED),
        HeaderValue::from_static("true"),
    );
    Ok(response)
}

/// The key of a request for a deployment, as its row has it: so a deployer that is killed before the answer is kept
/// makes no second one.
pub fn request_key(visitor: &Visitor, request: &Request) -> Option<String> {
    let key = request.header(KEY_HEADER)?.trim();
    Some(RequestKey::new(visitor.actor(), key).short())
}
