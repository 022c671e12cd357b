//! The second factor of an account: codes of an authenticator app, and codes for when that is lost.

use std::fmt;

use super::{Instant, UserId};

/// What the store knows of an account's second factor.
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    pub user: UserId,
    /// What the app and we share, in base 32.
    pub secret: String,
    /// When the first code showed that the app has it; until then it counts for nothing.
    pub confirmed_at: Option<Instant>,
    /// The last interval whose code was used, counted from 1970. No code of it or before is taken again.
    pub last_step: u64,
    /// Digests of the recovery codes that were not used.
    pub recovery: Vec<String>,
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secret.
        f.debug_struct("SecondFactor")
            .field("user", &self.user)
            .field("confirmed_at", &self.confirmed_at)
            .finish_non_exhaustive()
    }
}
