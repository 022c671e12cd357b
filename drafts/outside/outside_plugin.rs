//! Logins that the sysadmin's plugin decides.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::groups;
use crate::app::App;
use crate::domain::{Error, LoginProvider, OutsideLogin, Result};
use crate::plugin::{Answer, Plugin};

/// How long a login lasts for which the plugin says nothing else: its groups count no longer.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What somebody shows to prove who they are.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    Password { name: &'a str, password: &'a str },
    /// The cookie of another system's session.
    Cookie(&'a str),
}

/// Somebody whom the plugin knows.
#[derive(Debug, Clone)]
pub struct PluginLogin {
    pub login: OutsideLogin,
    /// How long it lasts.
    pub lifetime: Duration,
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

/// Who shows this from `address`, as the plugin says; `None` where there is no plugin, or it knows nobody.
///
/// # Errors
/// Unavailable, when the plugin cannot be asked or answers something else: nobody gets in by its trouble.
pub async fn ask(app: &App, shown: Shown<'_>, address: &str) -> Result<Option<PluginLogin>> {
    let settings = &app.config.logins;
    let Some(place) = &settings.plugin else { return Ok(None) };
    let plugin = Plugin {
        place: place.clone(),
        secret: settings.plugin_secret.as_ref().map(|secret| secret.expose().to_owned()),
        timeout: settings.plugin_timeout,
    };
    let input = match shown {
        Shown::Password { name, password } => {
            json!({ "name": name, "password": password, "address": address })
        }
        Shown::Cookie(cookie) => json!({ "cookie": cookie, "address": address }),
    };
    match plugin.ask("login", input, app.now()).await {
        Ok(Answer::Output(output)) => told(app, output).map(Some),
        Ok(Answer::Nothing) => Ok(None),
        Ok(Answer::Refusal(why)) => {
            tracing::info!("the login plugin refused somebody at {address}: {}", why.escape_debug());
            Ok(None)
        }
        Err(error) => {
            tracing::error!("the login plugin {plugin:?} failed: {error}");
            Err(Error::unavailable(
                "Logins cannot be checked at the moment. Try again soon; accounts with a password of their own can log in.",
            ))
        }
    }
}

fn told(app: &App, output: Value) -> Result<PluginLogin> {
    let told: Told = serde_json::from_value(output).map_err(|cause| {
        tracing::error!("the login plugin's output cannot be read: {cause}");
        Error::unavailable("Logins cannot be checked at the moment. Try again soon.")
    })?;
    let lifetime = told.lifetime.map_or(LIFETIME, Duration::from_secs);
    Ok(PluginLogin {
        login: OutsideLogin {
            provider: LoginProvider::Plugin,
            subject: told.subject.unwrap_or_else(|| told.name.clone()),
            name: told.name,
            display_name: told.display_name,
            email: told.email,
            groups: groups(told.groups.into_iter(), &app.config.logins.plugin_groups),
        },
        lifetime: lifetime.min(app.config.logins.session_limit),
    })
}
