//! Local user accounts.

use serde::{Deserialize, Serialize};

use super::names::Name;
use super::{Instant, UserId};

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
    pub created_at: Instant,
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
