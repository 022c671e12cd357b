//! Logins that the sysadmin's plugin decides.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::believed::groups;
use crate::config::LoginPluginSettings;
use crate::domain::{Error, Instant, LoginProvider, OutsideLogin, Result};
use crate::plugin::{Plugin, PluginAnswer};

/// The plugin that checks logins.
pub struct LoginPlugin {
    plugin: Plugin,
    /// The groups that are believed.
    believed: Vec<String>,
    /// Whether it asks for a second factor.
    second_factor: bool,
    /// The cookie of another system that it is asked about.
    pub cookie: Option<String>,
    /// How long a login lasts at most.
    longest: Duration,
}

impl fmt::Debug for LoginPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plugin.fmt(f)
    }
}

/// What somebody shows to prove who they are.
#[derive(Debug, Clone, Copy)]
pub enum LoginProof<'a> {
    Password {
        name: &'a str,
        password: &'a str,
    },
    /// The cookie of another system's session.
    Cookie(&'a str),
}

#[derive(Deserialize)]
struct Told {
    name: String,
    /// What stays the same when the name changes.
    subject: Option<String>,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    groups: Vec<String>,
    /// Seconds.
    lifetime: Option<u64>,
}

impl LoginPlugin {
    /// The plugin of `settings`; its logins last `longest` at most.
    pub(super) fn of(settings: &LoginPluginSettings, longest: Duration) -> Option<Self> {
        let place = settings.place.clone()?;
        let secret = settings.secret.as_ref();
        Some(Self {
            plugin: Plugin {
                place,
                secret: secret.map(|secret| secret.expose().to_owned()),
                timeout: settings.timeout,
            },
            believed: settings.groups.clone(),
            second_factor: settings.second_factor,
            cookie: Some(settings.cookie.clone()).filter(|name| !name.is_empty()),
            longest,
        })
    }

    /// Who shows this from `address`, as the plugin says; `None` where it knows nobody.
    ///
    /// # Errors
    /// Unavailable, when the plugin cannot be asked or answers something else: nobody gets in by its trouble.
    pub async fn ask(
        &self,
        proof: LoginProof<'_>,
        address: &str,
        now: Instant,
    ) -> Result<Option<OutsideLogin>> {
        let input = match proof {
            LoginProof::Password { name, password } => {
                json!({ "name": name, "password": password, "address": address })
            }
            LoginProof::Cookie(cookie) => json!({ "cookie": cookie, "address": address }),
        };
        match self.plugin.ask("login", input, now).await {
            Ok(PluginAnswer::Output(output)) => self.told(output).map(Some),
            Ok(PluginAnswer::Nothing) => Ok(None),
            Ok(PluginAnswer::Refusal(why)) => {
                let why = why.escape_debug();
                tracing::info!("the login plugin refused somebody at {address}: {why}");
                Ok(None)
            }
            Err(error) => {
                tracing::error!("the login plugin {self:?} failed: {error}");
                Err(unavailable())
            }
        }
    }

    fn told(&self, output: Value) -> Result<OutsideLogin> {
        let told: Told = serde_json::from_value(output).map_err(|cause| {
            tracing::error!("the output of the login plugin {self:?} cannot be read: {cause}");
            unavailable()
        })?;
        let lifetime = told.lifetime.map_or(self.longest, Duration::from_secs);
        Ok(OutsideLogin {
            provider: LoginProvider::Plugin,
            subject: told.subject.unwrap_or_else(|| told.name.clone()),
            name: told.name,
            display_name: told.display_name,
            email: told.email,
            groups: groups(told.groups, &self.believed),
            lifetime: Some(lifetime.min(self.longest)),
            second_factor: self.second_factor,
        })
    }
}

fn unavailable() -> Error {
    Error::unavailable(
        "Logins cannot be checked at the moment. Try again soon; accounts with a password of their own can log in.",
    )
}
