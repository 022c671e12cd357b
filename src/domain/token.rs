//! API tokens: what is known of one, its secret aside.

use chrono::TimeDelta;

use super::access::TokenScope;
use super::names::Name;
use super::words::words;
use super::{Instant, TokenId, UserId};
use serde::{Deserialize, Serialize};

/// How long before its end a token is called expiring.
pub const EXPIRY_NOTICE: TimeDelta = TimeDelta::days(14);

/// A token by which programs act as an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its row, counted up.
    pub id: TokenId,
    /// The account.
    pub user: UserId,
    /// The account's name when the token was made: policy gives rights to names, so a token is of one.
    pub account: Option<String>,
    /// What its owner calls it.
    pub name: Name,
    pub scope: TokenScope,
    /// The beginning of its secret, to tell tokens from each other.
    pub hint: String,
    /// Who made it; empty for tokens of an earlier version.
    pub made_by: String,
    pub created_at: Instant,
    /// `None`: never.
    pub expires_at: Option<Instant>,
    /// Told at most once a minute.
    pub last_used_at: Option<Instant>,
    /// The address of that use; may be empty.
    pub last_used_from: String,
    pub revoked_at: Option<Instant>,
}

words! {
    /// Whether a token can be used.
    TokenState {
        Active = "active", "Active";
        /// It can, but not for long.
        Expiring = "expiring", "Expires soon";
        Expired = "expired", "Expired";
        Revoked = "revoked", "Revoked";
    }
}

impl ApiToken {
    /// What can be done with it `now`.
    pub fn state(&self, now: Instant) -> TokenState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => TokenState::Revoked,
            (None, Some(end)) if end <= now => TokenState::Expired,
            (None, Some(end)) if end <= now + EXPIRY_NOTICE => TokenState::Expiring,
            (None, _) => TokenState::Active,
        }
    }

    /// Whether requests by it are accepted `now`.
    pub fn is_usable(&self, now: Instant) -> bool {
        matches!(self.state(now), TokenState::Active | TokenState::Expiring)
    }
}
