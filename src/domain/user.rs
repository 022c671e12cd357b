//! Local user accounts.

use serde::{Deserialize, Serialize};

use super::names::Name;
use super::{Instant, UserId};

/// Somebody who may log in. Policy decides what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Unique; the name that policy lines use.
    pub name: Name,
    /// For people; may be empty.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Whether logging in is refused.
    pub disabled: bool,
    /// Without one nobody can log in to it: a service account, which acts by API tokens.
    pub has_password: bool,
    pub created_at: Instant,
    pub last_login_at: Option<Instant>,
    /// The last password that somebody else gave it. Stays known after the account chose its own.
    pub given_password: Option<GivenPassword>,
}

/// A password that an account did not choose itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenPassword {
    /// Who set it.
    pub by: String,
    pub at: Instant,
    /// Whether the account has to choose its own before it may do anything else.
    pub must_change: bool,
}

impl User {
    /// Whether it has to choose a password of its own first.
    pub fn must_change_password(&self) -> bool {
        self.given_password
            .as_ref()
            .is_some_and(|given| given.must_change)
    }

    /// The display name, or the name where there is none.
    pub fn title(&self) -> &str {
        if self.display_name.is_empty() {
            self.name.as_str()
        } else {
            &self.display_name
        }
    }
}
