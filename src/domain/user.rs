//! The people (and robots) this installation knows by itself.

use serde::{Deserialize, Serialize};

use super::names::Name;
use super::{Instant, TokenId, UserId};

/// Somebody who may log in. Policy decides what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Unique; what policy lines call them.
    pub name: Name,
    /// For people; may be empty.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Whether logging in is refused.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Instant,
    /// When they last logged in.
    pub last_login_at: Option<Instant>,
}

impl User {
    /// The display name, or the name where there is none.
    pub fn title(&self) -> &str {
        if self.display_name.is_empty() {
            self.name.as_str()
        } else {
            &self.display_name
        }
    }
}

/// A key to the API that acts as its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What its user calls it.
    pub name: String,
    /// What it is narrowed to; empty: all its user may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it stops working by itself.
    pub expires_at: Option<Instant>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

impl Token {
    /// Whether it works at `now`.
    pub fn is_valid(&self, now: Instant) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
