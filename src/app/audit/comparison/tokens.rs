//! Compares API tokens with the events about them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::passwords;
use crate::domain::{ApiToken, AuditEvent, EventKind, Instant, Result};
use crate::store::audit::AuditReading;
use crate::store::{AuditFilter, Store, tokens};

/// What the events say of a token, as far as they say it.
#[derive(Debug)]
struct LoggedToken {
    account: String,
    scope: Option<String>,
    expires_at: Option<Instant>,
    made_by: String,
    /// A digest of what the database knows its secret by; events of earlier versions have none.
    secret: Option<String>,
    is_revoked: bool,
}

impl LoggedToken {
    fn of(event: &AuditEvent, account: &str) -> Self {
        let detail = &event.event.detail;
        let text = |name: &str| detail[name].as_str().map(str::to_owned);
        Self {
            account: account.to_owned(),
            scope: text("scope"),
            expires_at: text("expires_at").and_then(|at| at.parse().ok()),
            made_by: event.event.actor.clone(),
            secret: text("secret_digest"),
            is_revoked: false,
        }
    }

    /// What a token is otherwise, as parts of a sentence.
    fn differences(&self, token: &ApiToken, digest: &str) -> Vec<String> {
        let time = |at: Option<Instant>| match at {
            Some(at) => at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            None => "never".to_owned(),
        };
        let revoked = |is_revoked: bool| if is_revoked { "revoked" } else { "not revoked" };
        let stored_account = token.account.clone().unwrap_or_else(|| self.account.clone());
        let logged_scope = self.scope.clone().unwrap_or_else(|| token.scope.to_string());
        let made_by = match token.made_by.as_str() {
            "" => self.made_by.clone(),
            name => name.to_owned(),
        };
        let pairs = [
            ("the account", stored_account, self.account.clone()),
            ("the scope", token.scope.to_string(), logged_scope),
            ("the expiry", time(token.expires_at), time(self.expires_at)),
            ("its maker", made_by, self.made_by.clone()),
            (
                "its state",
                revoked(token.revoked_at.is_some()).to_owned(),
                revoked(self.is_revoked).to_owned(),
            ),
        ];
        let differ = pairs.into_iter().filter(|(_, stored, logged)| stored != logged);
        let mut said: Vec<String> = differ
            .map(|(what, stored, logged)| {
                format!("{what} is {logged} in the audit log, and {stored} in the database")
            })
            .collect();
        if self
            .secret
            .as_ref()
            .is_some_and(|logged| *logged != passwords::digest(digest))
        {
            said.push("its secret is not the one that was made; it was replaced in the database".to_owned());
        }
        said
    }
}

/// API tokens that are not what the log says, as sentences. `forgotten_until`: when the events that are left
/// begin; `None`: they are all there.
///
/// # Errors
/// Of the store.
pub async fn differences_of_tokens(store: &Store, forgotten_until: Option<Instant>) -> Result<Vec<String>> {
    let mut logged = in_log(store).await?;
    let mut said = Vec::new();
    for (token, digest) in tokens::with_digests(store).await? {
        let (number, name) = (token.id, &token.name);
        match logged.remove(&token.id.0) {
            Some(known) => said.extend(known.differences(&token, &digest).iter().map(|one| {
                format!("The API token “{name}” (number {number}) of {}: {one}.", known.account)
            })),
            None if forgotten_until.is_some_and(|until| token.created_at < until) => {}
            None => said.push(format!(
                "The API token “{name}” (number {number}) is in the database, and was never made by the audit log."
            )),
        }
    }
    let gone = logged.iter();
    said.extend(gone.map(|(number, token)| {
        format!(
            "The API token number {number} of {} was removed from the database.",
            token.account
        )
    }));
    Ok(said)
}

/// The tokens that were made, by their numbers, without those of accounts that were deleted since.
async fn in_log(store: &Store) -> Result<BTreeMap<i64, LoggedToken>> {
    let kinds = [
        EventKind::TokenMade,
        EventKind::TokenRevoked,
        EventKind::UserDeleted,
    ];
    let mut reading = AuditReading::of(AuditFilter {
        actions: kinds.map(|kind| kind.as_str().to_owned()).to_vec(),
        ..AuditFilter::default()
    });
    let mut logged = BTreeMap::new();
    loop {
        let events = reading.next(store).await?;
        if events.is_empty() {
            return Ok(logged);
        }
        for event in events {
            let event = event.into_event();
            let Some(account) = event.event.resource.strip_prefix("user ") else {
                continue;
            };
            let number = event.event.detail.get("number").and_then(Value::as_i64);
            match (EventKind::parse(&event.event.action), number) {
                (Some(EventKind::TokenMade), Some(number)) => {
                    logged.insert(number, LoggedToken::of(&event, account));
                }
                (Some(EventKind::TokenRevoked), Some(number)) => {
                    if let Some(token) = logged.get_mut(&number) {
                        token.is_revoked = true;
                    }
                }
                (Some(EventKind::UserDeleted), _) => {
                    logged.retain(|_, token| !token.account.eq_ignore_ascii_case(account));
                }
                _ => {}
            }
        }
    }
}
