//! Answers of the API: JSON with a status and headers, nothing at all, or a stream.

use poem::http::header::{self, HeaderName};
use poem::http::{HeaderValue, StatusCode};
use poem::{IntoResponse, Response};
use poem_openapi::payload::{Json, Payload as _};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{ApiResponse, Object};
use sha2::{Digest as _, Sha256};

use crate::domain::Error;
use crate::web::api_address::ROOT;
use crate::web::urls;

/// An answer in JSON, with the status `STATUS`.
pub struct JsonReply<T, const STATUS: u16 = 200> {
    body: T,
    headers: Vec<(HeaderName, String)>,
}

/// An answer about something that was made.
pub type Created<T> = JsonReply<T, 201>;

/// An answer about something that was begun.
pub type Accepted<T> = JsonReply<T, 202>;

impl<T, const STATUS: u16> JsonReply<T, STATUS> {
    pub fn new(body: T) -> Self {
        Self {
            body,
            headers: Vec::new(),
        }
    }

    /// The same with the address of what it is about.
    #[must_use]
    pub fn at(self, address: String) -> Self {
        self.with(header::LOCATION, address)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl<T> JsonReply<List<T>>
where
    T: ParseFromJSON + ToJSON + Send + Sync,
{
    /// A list that has no further pages.
    pub fn all(items: impl IntoIterator<Item = T>) -> Self {
        Self::new(List {
            items: items.into_iter().collect(),
            next: None,
        })
    }
}

impl<T: ToJSON, const STATUS: u16> IntoResponse for JsonReply<T, STATUS> {
    fn into_response(self) -> Response {
        let body = self.body.to_json().unwrap_or_default().to_string();
        let status = StatusCode::from_u16(STATUS).unwrap_or_default();
        let mut response = Response::builder()
            .status(status)
            .content_type("application/json; charset=utf-8")
            .body(body);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

impl<T: Type + ToJSON, const STATUS: u16> ApiResponse for JsonReply<T, STATUS> {
    fn meta() -> MetaResponses {
        let content = MetaMediaType {
            content_type: Json::<T>::CONTENT_TYPE,
            schema: T::schema_ref(),
        };
        one_response(STATUS, vec![content])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn one_response(status: u16, content: Vec<MetaMediaType>) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse {
            description: "",
            status: Some(status),
            status_range: None,
            content,
            headers: Vec::new(),
        }],
    }
}

/// NoContent, and nothing to say.
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        one_response(204, Vec::new())
    }

    fn register(_: &mut Registry) {}
}

/// An answer whose form the document gets by its own hand: text, or a stream.
pub struct Raw(pub Response);

impl IntoResponse for Raw {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Raw {
    fn meta() -> MetaResponses {
        one_response(200, Vec::new())
    }

    fn register(_: &mut Registry) {}
}

/// Errors become problems outside, in one place, and so stand in the document once for all.
impl ApiResponse for Error {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: Vec::new(),
        }
    }

    fn register(_: &mut Registry) {}
}

/// Some of a list.
#[derive(Object)]
#[oai(rename = "List", skip_serializing_if_is_none)]
pub struct List<T>
where
    T: ParseFromJSON + ToJSON + Send + Sync,
{
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; absent on the last one. The header `Link` has it too.
    pub next: Option<String>,
}

/// What tells versions of `body` apart, as the header `ETag` has it.
pub fn etag_of(body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    format!("\"{}\"", digest.get(..32).unwrap_or_default())
}

/// The `ETag` that an answer with `body` has.
pub fn etag(body: &impl ToJSON) -> String {
    etag_of(body.to_json().unwrap_or_default().to_string().as_bytes())
}

/// The address of what these names lead to in the API.
pub fn api_path(names: &[&str]) -> String {
    names.iter().fold(ROOT.to_owned(), |path, name| {
        format!("{path}/{}", urls::encode(name))
    })
}
