//! Logins at OpenID providers.
//!
//! A login begins here with secrets of one try, which the browser keeps, goes on at the provider and ends here with
//! the claims that the provider signed. What of them is the name and what are groups is configured, as every
//! provider does it in its own way.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::believed::{forbidden, groups};
use crate::config::{Config, OidcSettings};
use crate::domain::{Error, ErrorKind, Instant, LoginProvider, OutsideLogin, Result};
use crate::oidc::{Claims, OidcOptions, OidcProvider, OidcTry};

/// How long somebody may take at the provider.
const TRY_FOR: TimeDelta = TimeDelta::minutes(15);
/// How far the clock may have been set back between the beginning and the end of a try.
const SET_BACK: TimeDelta = TimeDelta::minutes(1);
/// The address of this program that a provider sends browsers back to, around the name of the provider.
const BACK: (&str, &str) = ("/login/with/", "/back");

/// An OpenID provider, and how its claims are read.
#[derive(Debug)]
pub struct OidcLogin {
    /// In addresses and the configuration.
    pub(super) name: String,
    settings: OidcSettings,
    provider: OidcProvider,
    /// How long a login lasts at most.
    longest: Duration,
}

/// A try to log in, as the browser keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub struct BegunLogin {
    begun: OidcTry,
    at: Instant,
}

impl std::fmt::Debug for BegunLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BegunLogin")
    }
}

impl BegunLogin {
    /// What the provider repeats.
    pub fn state(&self) -> &str {
        &self.begun.state
    }
}

/// A provider that people can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcChoice {
    /// In addresses and the configuration.
    pub name: String,
    /// For people.
    pub title: String,
}

/// The providers of `config`.
pub(super) fn logins(config: &Config) -> Vec<OidcLogin> {
    let of = |(name, settings): (&String, &OidcSettings)| {
        let secret = settings.client_secret.as_ref();
        let options = OidcOptions {
            issuer: settings.issuer.clone(),
            client: settings.client_id.clone(),
            secret: secret.map(|secret| secret.expose().to_owned()),
            scopes: settings.scopes.clone(),
            back: format!("{}{}{name}{}", config.public_url(), BACK.0, BACK.1),
            certificates: settings.certificates.clone(),
        };
        OidcLogin {
            name: name.clone(),
            settings: settings.clone(),
            provider: OidcProvider::new(options),
            longest: settings.lifetime.min(config.access.groups_max_age),
        }
    };
    config.oidc.iter().map(of).collect()
}

impl OidcLogin {
    /// As people choose it.
    pub(super) fn choice(&self) -> OidcChoice {
        OidcChoice {
            name: self.name.clone(),
            title: self.title().to_owned(),
        }
    }

    /// Begins a login: the address that the browser goes to, and what it keeps meanwhile.
    ///
    /// # Errors
    /// Unavailable, when the provider is down.
    pub(super) async fn begin(&self, now: Instant) -> Result<(String, BegunLogin)> {
        let begun = self.provider.begin(now).await;
        let (url, begun) = begun.map_err(|error| self.failed(&error))?;
        Ok((url, BegunLogin { begun, at: now }))
    }

    /// Where a session at the provider is ended; it leads back to `back`.
    pub(super) async fn leaving(&self, back: &str, now: Instant) -> Option<String> {
        let url = self.provider.leaving(back, now).await;
        url.unwrap_or_else(|error| {
            tracing::warn!("the session at {} cannot be ended: {error}", self.issuer());
            None
        })
    }

    /// Who comes back with `code`.
    ///
    /// # Errors
    /// Forbidden, unavailable and others with a sentence, when the provider's answer proves nothing.
    pub(super) async fn finish(
        &self,
        (begun, code): (&BegunLogin, &str),
        now: Instant,
    ) -> Result<OutsideLogin> {
        if now - begun.at > TRY_FOR || begun.at - now > SET_BACK {
            return Err(forbidden("This login took too long. Begin it again."));
        }
        let wanted = self.wanted_claims();
        let claims = self.provider.finish((&begun.begun, code), &wanted, now).await;
        self.read(&claims.map_err(|error| self.failed(&error))?)
    }

    /// The address that the provider calls itself.
    pub(super) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// What people call it.
    pub(super) fn title(&self) -> &str {
        match self.settings.title.as_str() {
            "" => &self.name,
            title => title,
        }
    }

    /// The first names of the claims that are read, for asking the provider again where one is missing.
    fn wanted_claims(&self) -> Vec<String> {
        let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        let mut wanted = vec![first(&self.settings.name_claim)];
        if !self.settings.groups.is_empty() {
            wanted.push(first(&self.settings.groups_claim));
        }
        wanted
    }

    /// Logs why a login failed, and says it.
    fn failed(&self, error: &crate::oidc::Error) -> Error {
        let (title, detail) = (self.title(), error.detail());
        tracing::warn!("a login at {} failed: {error} {detail}", self.issuer());
        let kind = match error.is_down() {
            true => ErrorKind::Unavailable,
            false => ErrorKind::Forbidden,
        };
        Error::new(kind, format!("{title}: {error}"))
    }

    /// Who has these claims.
    fn read(&self, claims: &Claims) -> Result<OutsideLogin> {
        let text = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        };
        let wrong = |why: String| forbidden(format!("{}: {why}", self.title()));
        let name_claim = &self.settings.name_claim;
        let name = match at(claims, name_claim) {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            Some(_) => {
                return Err(wrong(format!(
                    "the claim “{name_claim}”, which should hold your name, holds something else. An administrator can \
                     name another claim with name_claim of [oidc.{}].",
                    self.name
                )));
            }
            None => {
                return Err(wrong(format!(
                    "the provider told no claim “{name_claim}”, which should hold your name. An administrator can name \
                     another claim with name_claim of [oidc.{}], or ask for more scopes.",
                    self.name
                )));
            }
        };
        Ok(OutsideLogin {
            provider: LoginProvider::Issuer(self.issuer().to_owned()),
            subject: text("sub"),
            name,
            display_name: text("name"),
            email: text("email"),
            groups: groups(self.groups_of(claims).map_err(wrong)?, &self.settings.groups),
            lifetime: Some(self.longest),
            second_factor: self.settings.second_factor,
        })
    }

    /// The groups of these claims, before it is asked which are believed. Nobody gets in with half of them: a line of
    /// policy may refuse something to a group.
    fn groups_of(&self, claims: &Claims) -> std::result::Result<Vec<String>, String> {
        let claim = &self.settings.groups_claim;
        if self.settings.groups.is_empty() {
            return Ok(Vec::new());
        }
        let is_elsewhere = claims
            .get("_claim_names")
            .and_then(|names| names.get(claim))
            .is_some();
        if is_elsewhere {
            return Err(format!(
                "you are in too many groups for the claim “{claim}”: the provider told where to ask for them instead \
                 of which they are. An administrator there can have it tell only groups of this application."
            ));
        }
        let wrong = || {
            format!(
                "the claim “{claim}”, which should be a list of groups, is something else. An administrator can name \
                 another claim with groups_claim of [oidc.{}].",
                self.name
            )
        };
        match at(claims, claim) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(all)) => {
                let text = |one: &Value| one.as_str().map(str::to_owned).ok_or_else(wrong);
                all.iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// The claim of this name, or else at this path, whose parts are separated by dots.
fn at<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(whole) = claims.get(path) {
        return Some(whole);
    }
    let mut parts = path.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}
