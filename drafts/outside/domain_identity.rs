//! Logins from outside: a proxy or a plugin says who somebody is.

use std::path::PathBuf;
use std::str::FromStr;

use super::words::words;
use super::{IdentityId, Instant, UserId};

/// Longest name of somebody at a login from outside, in characters.
pub const SUBJECT_LIMIT: usize = 255;

words! {
    /// What says who somebody is.
    LoginProvider {
        /// A proxy in front, by a header of each request.
        Proxy = "proxy", "Proxy";
        /// A program or an HTTP endpoint that checks names and passwords, or cookies.
        Plugin = "plugin", "Login plugin";
    }
}

/// That somebody at a provider is an account here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its row, counted up.
    pub id: IdentityId,
    pub user: UserId,
    pub provider: LoginProvider,
    /// What the provider calls them; it never calls somebody else so.
    pub subject: String,
    pub created_at: Instant,
}

/// Who somebody is, as a provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideLogin {
    pub provider: LoginProvider,
    /// See [`Identity::subject`].
    pub subject: String,
    /// The name for an account that is made for them.
    pub name: String,
    /// For people; may be empty.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Those that are believed.
    pub groups: Vec<String>,
}

/// Where a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginPlace {
    /// A program by its absolute path.
    Program(PathBuf),
    /// The `https://` or `http://` address of an endpoint.
    Endpoint(String),
}

impl FromStr for PluginPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = |scheme: &str| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
        match text {
            _ if is_url("https://") || is_url("http://") => Ok(Self::Endpoint(text.to_owned())),
            _ if text.starts_with('/') => Ok(Self::Program(PathBuf::from(text))),
            _ => Err(format!("“{text}” is neither the absolute path of a program nor an address")),
        }
    }
}
