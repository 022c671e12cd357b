//! What the web part takes from the configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use super::connections::Limits;
use crate::config::{Config, Network, Secret};

/// How long a viewer who lost the right may still see a stream: somebody whose account was disabled is to be
/// out within 5 s. Each check takes two short reads of the store, some hundred a second for the most viewers.
const CHECK_VIEWERS_EVERY: Duration = Duration::from_secs(4);

/// How long a session lasts, what is checked how often, and who is believed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether people reach us by https (through a proxy): cookies then demand it.
    pub https: bool,
    /// What browsers send as `Origin` from the configured public address.
    pub public_origin: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long an unused session lasts.
    pub session_idle: Duration,
    /// How long a session lasts, however much it is used.
    pub session_limit: Duration,
    /// The proxy that says who somebody is.
    pub login_proxy: Option<LoginProxy>,
    /// How often the viewer of an open stream is checked.
    pub check_viewers_every: Duration,
    /// How many connections there may be, and how long one may stay quiet.
    pub connections: Limits,
    /// Requests of the JSON API that one account or address may make in a minute.
    pub api_requests: NonZeroU32,
}

/// A proxy that says who somebody is, and how it does.
#[derive(Debug, Clone)]
pub struct LoginProxy {
    pub addresses: Vec<Network>,
    /// By what it proves itself.
    pub secret: Secret,
    /// In small letters.
    pub user_header: String,
    /// The same.
    pub groups_header: String,
}

impl LoginProxy {
    fn of(config: &Config) -> Option<Self> {
        let proxy = &config.login_proxy;
        let secret = proxy.secret.clone().filter(|_| !proxy.addresses.is_empty())?;
        Some(Self {
            addresses: proxy.addresses.clone(),
            secret,
            user_header: proxy.user_header.to_lowercase(),
            groups_header: proxy.groups_header.to_lowercase(),
        })
    }
}

impl Settings {
    pub fn of(config: &Config) -> Self {
        let origin = |url: &url::Url| url.origin().ascii_serialization();
        Self {
            https: config.is_https(),
            public_origin: config.http.public_url.as_ref().map(origin),
            trusted_proxies: config.http.trusted_proxies.clone(),
            session_idle: config.logins.session_idle,
            session_limit: config.logins.session_limit,
            login_proxy: LoginProxy::of(config),
            check_viewers_every: CHECK_VIEWERS_EVERY,
            connections: Limits::of(&config.http),
            api_requests: NonZeroU32::new(config.http.api_requests_per_minute).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// The name of a cookie of this site: bound to the host where https allows that.
    pub fn cookie_name(&self, name: &str) -> String {
        if self.https {
            format!("__Host-{name}")
        } else {
            name.to_owned()
        }
    }
}
