//! Who is logged in with a session, and from where.

use serde::{Deserialize, Serialize};

use super::{Instant, UserId};

/// The person a session belongs to, as of the login, and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    pub id: UserId,
    /// The user's name in policy lines.
    pub name: String,
    /// The groups that came with the login.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Changes with the password, so that a session opened before no longer fits.
    pub stamp: String,
    /// Whether it was opened with a second factor, or one was set up in it.
    #[serde(default)]
    pub second_factor: bool,
    /// The secret behind this session's form tokens.
    pub csrf: String,
    /// When its use was last noted.
    pub seen: Instant,
    /// When it began; unknown in sessions of earlier versions.
    #[serde(default)]
    pub since: Option<Instant>,
    /// When it ends, where the login said so.
    #[serde(default)]
    pub until: Option<Instant>,
    /// What said who this is, as [`LoginProvider`](super::LoginProvider) writes it; `None`: their password did.
    #[serde(default)]
    pub provider: Option<String>,
    /// Where it was last used from: an IP address.
    #[serde(default)]
    pub address: String,
    /// What the browser calls itself, cut to a sensible length; may be empty.
    #[serde(default)]
    pub browser: String,
}

impl SignedIn {
    /// The key of this in a session's data.
    pub const KEY: &'static str = "who";
}

/// Somebody whose password was right and whose second factor is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfIn {
    pub id: UserId,
    pub name: String,
    /// The groups that the login reported.
    pub groups: Vec<String>,
    /// As [`SignedIn::stamp`].
    pub stamp: String,
    /// Afterwards the password is asked for again.
    pub until: Instant,
    /// When the session ends that comes of it, where the login says so.
    #[serde(default)]
    pub ends: Option<Instant>,
    /// As [`SignedIn::provider`].
    #[serde(default)]
    pub provider: Option<String>,
}

impl HalfIn {
    /// The key of this in a session's data.
    pub const KEY: &'static str = "half";
}

/// A session that can be used.
#[derive(Debug, Clone)]
pub struct UserSession {
    /// A digest by which it is named: nobody can use the session with it.
    pub key: String,
    pub signed_in: SignedIn,
    /// When it ends unless it is used before.
    pub expires_at: Instant,
}

/// Which of an account's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichSessions {
    All,
    /// All but the one with this key.
    Others(String),
    /// The one with this key.
    One(String),
}

impl WhichSessions {
    /// Whether the session `key` is among them.
    pub fn include(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Others(present) => key != present,
            Self::One(one) => key == one,
        }
    }
}
