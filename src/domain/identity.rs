//! Logins from outside: a proxy, a plugin or an OpenID provider says who somebody is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{IdentityId, Instant, UserId};

/// Longest name that a provider has for somebody, and longest address of a provider, in characters.
pub const SUBJECT_LIMIT: usize = 255;

/// What says who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginProvider {
    /// A proxy in front, by a header of each request.
    Proxy,
    /// A program or an HTTP endpoint that checks names and passwords, or cookies.
    Plugin,
    /// An OpenID provider, by the address that it calls itself (its issuer).
    Issuer(String),
}

impl LoginProvider {
    /// As the store and the command line write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Proxy => "proxy",
            Self::Plugin => "plugin",
            Self::Issuer(issuer) => issuer,
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "proxy" => Some(Self::Proxy),
            "plugin" => Some(Self::Plugin),
            _ if text.starts_with("https://") || text.starts_with("http://") => {
                Some(Self::Issuer(text.to_owned()))
            }
            _ => None,
        }
    }

    /// As a sentence has it.
    pub fn title(&self) -> String {
        match self {
            Self::Proxy => "the login proxy".to_owned(),
            Self::Plugin => "the login plugin".to_owned(),
            Self::Issuer(issuer) => issuer.escape_debug().to_string(),
        }
    }
}

impl fmt::Display for LoginProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for LoginProvider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
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
    /// The groups that the last login told.
    pub groups: Vec<String>,
    /// When it told them; `None`: nobody has logged in by it yet.
    pub groups_at: Option<Instant>,
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
    /// How long the login lasts, where the provider says so.
    pub lifetime: Option<Duration>,
    /// Whether the provider has asked for a second factor.
    pub second_factor: bool,
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
            _ => Err(format!(
                "“{text}” is neither the absolute path of a program nor an address"
            )),
        }
    }
}
