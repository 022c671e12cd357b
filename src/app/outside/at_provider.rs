//! Logging in at the OpenID providers of the configuration.

use super::oidc::{BegunLogin, OidcChoice, OidcLogin};
use crate::app::App;
use crate::domain::{Error, ErrorKind, LoginProvider, OutsideLogin, Result};

/// Characters of an unknown provider's name that are shown.
const SHOWN: usize = 60;

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
    found.ok_or_else(|| no_such_provider(app, name))
}

/// Says which providers there are instead: they stand on the login page anyway.
fn no_such_provider(app: &App, name: &str) -> Error {
    let known: Vec<&str> = app.outside.oidc.iter().map(OidcLogin::title).collect();
    let shown: String = name.chars().take(SHOWN).collect();
    let instead = match known.as_slice() {
        [] => "Log in with a name and a password on the login page".to_owned(),
        known => format!("Choose {} on the login page", known.join(" or ")),
    };
    let sentence = format!(
        "No login provider “{}” is configured here. {instead}.",
        shown.escape_debug()
    );
    Error::new(ErrorKind::NotFound, sentence)
}
