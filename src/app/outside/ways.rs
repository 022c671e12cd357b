//! The ways to log in from outside that the configuration has.

use super::oidc::{self, OidcLogin};
use super::plugin::LoginPlugin;
use crate::config::Config;
use crate::domain::LoginProvider;

/// The ways to log in from outside that the configuration has.
#[derive(Debug, Default)]
pub struct Outside {
    pub plugin: Option<LoginPlugin>,
    pub(super) oidc: Vec<OidcLogin>,
    by_proxy: bool,
}

impl Outside {
    /// Those of `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            plugin: LoginPlugin::of(&config.login_plugin, config.access.groups_max_age),
            oidc: oidc::logins(config),
            by_proxy: !config.login_proxy.addresses.is_empty(),
        }
    }

    /// Whether somebody whom `provider` knows may still come by it.
    pub fn has(&self, provider: &LoginProvider) -> bool {
        match provider {
            LoginProvider::Proxy => self.by_proxy,
            LoginProvider::Plugin => self.plugin.is_some(),
            LoginProvider::Issuer(issuer) => self.oidc.iter().any(|one| one.issuer() == issuer),
        }
    }

    /// All that is configured, each with what people call it: for choosing.
    pub(super) fn all(&self) -> Vec<(LoginProvider, String)> {
        let oidc = self.oidc.iter().map(|one| {
            let provider = LoginProvider::Issuer(one.issuer().to_owned());
            (provider, one.title().to_owned())
        });
        let proxy = self
            .by_proxy
            .then(|| (LoginProvider::Proxy, "Login proxy".to_owned()));
        let plugin = self.plugin.as_ref();
        let plugin = plugin.map(|_| (LoginProvider::Plugin, "Login plugin".to_owned()));
        oidc.chain(proxy).chain(plugin).collect()
    }
}
