//! Requests to absolute URLs.

use tokio_util::sync::CancellationToken;
use url::Url;

use super::exchange::{Limits, Response};
use super::fetch::Way;
use super::proxy::Proxies;
use super::{Error, Guard, Host, Request, Tls};

/// A client for requests to the internet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    tls: Tls,
    guard: Guard,
    proxies: Proxies,
}

impl Client {
    /// A client that trusts `tls`, sends only where `guard` allows, and through `proxies`.
    pub fn new(tls: Tls, guard: Guard, proxies: Proxies) -> Self {
        Self { tls, guard, proxies }
    }

    /// Sends `request` to `url`, whose path and query replace those of the request.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a URL of another scheme than http and https, or with a user's name
    /// or password in it; [`Error::Guarded`]; see [`Error`] for the rest. A status of 400 or more is
    /// not an error.
    pub async fn fetch(
        &self,
        url: &Url,
        request: Request,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Response, Error> {
        let bad = |reason| Error::BadRequest { reason };
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(self.tls.clone()),
            _ => return Err(bad("its address begins neither with http:// nor with https://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("its address holds a user's name or a password"));
        }
        let (Some(name), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(bad("its address names no host"));
        };
        let host = Host {
            name: name.trim_matches(['[', ']']).to_owned(),
            port,
            tls,
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let way = Way {
            guard: &self.guard,
            proxy: self.proxies.of(&host)?,
        };
        host.fetch_by(&way, &request.with_target(target), limits, cancel)
            .await
    }
}
