//! Logging in at the OpenID providers of the configuration.

use super::oidc::{BegunLogin, OidcChoice, OidcLogin};
use crate::app::App;
use crate::domain::{Error, LoginProvider, OutsideLogin, Result};

/// The providers that people can choose, in the order of their names.
pub fn choices(app: &App) -> Vec<OidcChoice> {
    app.outside.oidc.iter().map(OidcLogin::choice).collect()
}

/// The provider whose issuer is `provider`, if it can be chosen.
pub fn choice_of(app: &App, provider: &LoginProvider) -> Option<OidcChoice> {
    let mut all = app.outside.oidc.iter();
    let found = all.find(|one| one.issuer() == provider.as_str());
    found.map(OidcLogin::choice)
}

/// Begins a login at the provider `name`: the address that the browser goes to, and what it keeps meanwhile.
///
/// # Errors
/// Not found; unavailable, when the provider is down.
pub async fn begin(app: &App, name: &str) -> Result<(String, BegunLogin)> {
    named(app, name)?.begin(app.now()).await
}

/// The address at the provider `name` where a session there is ended, which leads back to `back` on this site; `None`
/// where the provider has none or is down.
///
/// # Errors
/// Not found.
pub async fn leaving(app: &App, name: &str, back: &str) -> Result<Option<String>> {
    let back = format!("{}{back}", app.config.public_url());
    Ok(named(app, name)?.leaving(&back, app.now()).await)
}

/// Who comes back from the provider `name` with `code`.
///
/// # Errors
/// Not found; forbidden, unavailable and others with a sentence, when the provider's answer proves nothing.
pub(in crate::app) async fn finish(app: &App, name: &str, come: (&BegunLogin, &str)) -> Result<OutsideLogin> {
    named(app, name)?.finish(come, app.now()).await
}

fn named<'a>(app: &'a App, name: &str) -> Result<&'a OidcLogin> {
    let found = app.outside.oidc.iter().find(|one| one.name == name);
    found.ok_or_else(|| Error::not_found(format!("login provider “{}”", name.escape_debug())))
}
