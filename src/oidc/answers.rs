//! Requests of the protocol over our client, and what tokens hold.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use openidconnect::{HttpRequest, HttpResponse, http};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::Error;
use crate::http::{self as client, Client, Guard, Limits, Proxies, Request, Tls};

/// A request on its way.
type Asking = BoxFuture<'static, Result<HttpResponse, Arc<client::Error>>>;

/// Sends the requests of the protocol.
pub(super) struct Asker {
    client: Client,
    limits: Limits,
}

impl Asker {
    /// One that trusts the system's certificates and those of the file.
    ///
    /// # Errors
    /// When the file of its certificates cannot be used.
    pub fn new(certificates: Option<&Path>) -> Result<Self, Error> {
        let tls = Tls::of_system(certificates);
        let tls = tls.map_err(|cause| Error::Misconfigured(cause.to_string()))?;
        Ok(Self {
            client: Client::new(tls, Guard::open(), Proxies::default()),
            limits: Limits::default(),
        })
    }

    /// The same as a function, which the crate takes.
    pub fn function(self) -> impl Fn(HttpRequest) -> Asking {
        let own = Arc::new(self);
        move |request| {
            let own = Arc::clone(&own);
            Box::pin(async move { own.ask(request).await })
        }
    }

    /// Sends a request and waits for its answer.
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Arc<client::Error>> {
        let bad = |reason| Arc::new(client::Error::BadRequest { reason });
        let url: Url = request
            .uri()
            .to_string()
            .parse()
            .map_err(|_| bad("its address is no URL"))?;
        let mut sent = Request::new(request.method().clone(), "/");
        for (name, value) in request.headers() {
            let value = value
                .to_str()
                .map_err(|_| bad("a header holds what headers cannot"))?;
            sent = sent.header(name.as_str(), value);
        }
        let sent = sent.body(request.into_body());
        let never = CancellationToken::new();
        let answer = self
            .client
            .fetch(&url, sent, &self.limits, &never)
            .await
            .map_err(Arc::new)?;
        let mut response = http::Response::new(answer.body.to_vec());
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).map_err(|_| bad("its answer has no status"))?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// What a signed token says. Its signature has to be verified before.
///
/// # Errors
/// [`Error::Unusable`].
pub(super) fn payload(token: &str) -> Result<Map<String, Value>, Error> {
    let unusable = || Error::Unusable("its ID token cannot be read".to_owned());
    let part = token.split('.').nth(1).ok_or_else(unusable)?;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| unusable())?;
    serde_json::from_slice(&bytes).map_err(|_| unusable())
}
