//! A request as a value: method, target, headers and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use hyper::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use url::form_urlencoded;

use super::Error;
use super::host::{Host, name_of};

/// Our name in access logs.
const USER_AGENT: &str = concat!("deployer/", env!("CARGO_PKG_VERSION"));

/// One request. It always carries `Connection: close` and our `User-Agent`.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    target: String,
    host: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    defect: Option<&'static str>,
}

impl Request {
    /// Asks for `target`: a path beginning with `/`, perhaps with a query.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    /// As [`Request::get`], with another method.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            host: None,
            headers: Vec::new(),
            body: Bytes::new(),
            defect: None,
        }
    }

    /// Sends the fields of a form to `target`, encoded as browsers do.
    pub fn post_form<'a>(
        target: impl Into<String>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self {
            body: body.into(),
            ..Self::new(Method::POST, target)
        }
        .header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sends `value` as JSON.
    #[must_use]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body.into(),
            Err(_) => self.defect = Some("its body cannot be written as JSON"),
        }
        self.header("content-type", "application/json")
    }

    /// Sends `body` as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the `Host` header; by default it is the host the request goes to.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a header. One that HTTP does not allow makes [`super::send`] fail with [`Error::BadRequest`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => self.headers.push((name, value)),
            _ => self.defect = Some("a header holds what headers cannot"),
        }
        self
    }

    /// Adds a user's name and password (HTTP basic authentication).
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        match basic_credentials(user, password) {
            Some(value) => self.headers.push((header::AUTHORIZATION, value)),
            None => self.defect = Some("the user's name holds a “:”"),
        }
        self
    }

    /// The name that a certificate has to be for when the request goes to `host`.
    pub(super) fn tls_name<'a>(&'a self, host: &'a Host) -> &'a str {
        self.host.as_deref().map_or(host.name.as_str(), name_of)
    }

    /// The request as hyper wants it; `to` is its `Host` header if it has none of its own.
    pub(super) fn build(&self, to: &str) -> Result<hyper::Request<Full<Bytes>>, Error> {
        self.build_for(&self.target, to)
    }

    /// The request for a proxy that passes it on to `to` in plain text.
    pub(super) fn build_for_proxy(&self, to: &str) -> Result<hyper::Request<Full<Bytes>>, Error> {
        self.build_for(&format!("http://{to}{}", self.target), to)
    }

    fn build_for(&self, uri: &str, to: &str) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let bad = |reason| Error::BadRequest { reason };
        if let Some(reason) = self.defect {
            return Err(bad(reason));
        }
        let is_plain = self.target.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.target.starts_with('/') || !is_plain {
            return Err(bad(
                "the path does not begin with “/”, or holds blanks or letters outside ASCII",
            ));
        }
        let mut request = hyper::Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .header(header::HOST, self.host.as_deref().unwrap_or(to))
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONNECTION, "close");
        if !self.headers.iter().any(|(name, _)| name == header::ACCEPT) {
            request = request.header(header::ACCEPT, "*/*");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(self.body.clone()))
            .map_err(|_| bad("its path or its host name cannot be written in HTTP"))
    }

    /// The same request for another path.
    pub(super) fn with_target(mut self, target: String) -> Self {
        self.target = target;
        self
    }
}

/// A header's value for HTTP basic authentication; `None` for a user's name that holds a “:”.
pub(super) fn basic_credentials(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    (!user.contains(':')).then_some(value)
}
