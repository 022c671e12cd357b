//! Compares accounts with the events about them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::app::passwords;
use crate::domain::{AuditEvent, EventKind, Identity, Instant, Name, Result, User, UserId};
use crate::store::audit::AuditReading;
use crate::store::{Store, identities, second_factors, users};

/// What the events say of an account, as far as they say it.
#[derive(Debug, Default)]
struct Told {
    name: String,
    exists: Option<bool>,
    disabled: Option<bool>,
    email: Option<String>,
    display_name: Option<String>,
    /// The digest of its password's hash; `Some(None)`: it has no password.
    password: Option<Option<String>>,
    /// By which logins from outside it is known: provider and subject.
    links: BTreeSet<(String, String)>,
    /// Since when its second factor counts; `Some(None)`: it has none.
    second_factor: Option<Option<Instant>>,
}

impl Told {
    fn take(&mut self, event: &AuditEvent) {
        let detail = &event.event.detail;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let link = text(&detail["by"]).zip(text(&detail["subject"]));
        match EventKind::parse(&event.event.action) {
            Some(EventKind::UserAdded) => {
                *self = Self {
                    name: std::mem::take(&mut self.name),
                    exists: Some(true),
                    disabled: Some(false),
                    email: text(&detail["email"]),
                    display_name: detail.get("display_name").and_then(text),
                    password: detail.get("password_digest").map(text),
                    links: link.into_iter().collect(),
                    second_factor: Some(None),
                };
            }
            Some(EventKind::IdentityLinked) => self.links.extend(link),
            Some(EventKind::IdentityUnlinked) => {
                if let Some(link) = link {
                    self.links.remove(&link);
                }
            }
            Some(EventKind::UserChanged) => {
                let now = |name: &str| text(&detail[name]["to"]);
                self.email = now("email").or(self.email.take());
                self.display_name = now("display_name").or(self.display_name.take());
            }
            Some(EventKind::UserDisabled) => self.disabled = Some(true),
            Some(EventKind::UserEnabled) => self.disabled = Some(false),
            Some(EventKind::UserDeleted) => self.exists = Some(false),
            Some(EventKind::PasswordSet | EventKind::PasswordChanged) => {
                self.password = detail.get("password_digest").map(text);
            }
            Some(EventKind::SecondFactorOn) => self.second_factor = Some(Some(event.event.at)),
            Some(EventKind::SecondFactorOff | EventKind::SecondFactorReset) => {
                self.second_factor = Some(None)
            }
            _ => {}
        }
    }

    /// What an account's second factor is otherwise; `since`: since when it counts in the database.
    fn difference_of_factor(&self, user: &User, since: Option<Instant>) -> Option<String> {
        let logged = self.second_factor?;
        let second = |at: Option<Instant>| at.map(|at| at.timestamp());
        let name = &user.name;
        (second(logged) != second(since)).then(|| match (logged, since) {
            (Some(_), None) => format!(
                "The account {name} has a second factor in the audit log, and none in the database: it was removed there."
            ),
            (None, _) => format!(
                "The account {name} has no second factor in the audit log, and one in the database: it was put there."
            ),
            (Some(_), Some(_)) => format!(
                "The account {name}: its second factor is not the one that the audit log says was set up; it was replaced in the database."
            ),
        })
    }

    /// What an account is otherwise.
    fn differences(&self, user: &User, hash: Option<&str>) -> Vec<String> {
        let name = &user.name;
        let mut said = Vec::new();
        if self.disabled.is_some_and(|disabled| disabled != user.disabled) {
            let (logged, stored) = match user.disabled {
                true => ("enabled", "disabled"),
                false => ("disabled", "enabled"),
            };
            said.push(format!(
                "The account {name} is {logged} in the audit log, and {stored} in the database."
            ));
        }
        for (what, logged, stored) in [
            ("e-mail address", &self.email, &user.email),
            ("display name", &self.display_name, &user.display_name),
        ] {
            if let Some(logged) = logged.as_ref().filter(|logged| *logged != stored) {
                said.push(format!(
                    "The account {name}: the {what} is “{logged}” in the audit log, and “{stored}” in the database."
                ));
            }
        }
        if let Some(logged) = &self.password
            && *logged != hash.map(passwords::digest)
        {
            said.push(format!(
                "The account {name}: its password is not the one that the audit log says was set; it was replaced in the database."
            ));
        }
        said
    }

    /// Which logins from outside the account has otherwise. Those of before `forgotten_until` may have no event left.
    fn differing_links(
        &self,
        name: &Name,
        known: &[&Identity],
        forgotten_until: Option<Instant>,
    ) -> Vec<String> {
        let key = |one: &Identity| (one.provider.to_string(), one.subject.clone());
        let stored: BTreeSet<(String, String)> = known.iter().map(|one| key(one)).collect();
        let is_old = |one: &Identity| forgotten_until.is_some_and(|until| one.created_at < until);
        let slipped_in = known
            .iter()
            .filter(|one| !self.links.contains(&key(one)) && !is_old(one));
        let slipped_in = slipped_in.map(|one| {
            format!(
                "The account {name} is linked to “{}” of {} in the database, which the audit log does not know of.",
                one.subject.escape_debug(),
                one.provider.title()
            )
        });
        let gone = self.links.difference(&stored).map(|(provider, subject)| {
            format!(
                "The account {name} is linked to “{}” of {provider} by the audit log, and is not in the database.",
                subject.escape_debug()
            )
        });
        slipped_in.chain(gone).collect()
    }
}

/// Accounts that are not what the log says, as sentences. `forgotten_until`: when the events that are left
/// begin; `None`: they are all there.
///
/// # Errors
/// Of the store.
pub async fn differences_of_accounts(store: &Store, forgotten_until: Option<Instant>) -> Result<Vec<String>> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut changes = AuditReading::of_action("user.");
    loop {
        let events = changes.next(store).await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            let event = event.into_event();
            let Some(name) = event.event.resource.strip_prefix("user ") else {
                continue;
            };
            let account = told.entry(name.to_ascii_lowercase()).or_default();
            name.clone_into(&mut account.name);
            account.take(&event);
        }
    }
    let factors: HashMap<UserId, Instant> = second_factors::confirmed(store).await?.into_iter().collect();
    let mut said = Vec::new();
    let linked = identities::list(store).await?;
    for (user, hash) in users::with_password_hashes(store).await? {
        let logged = told
            .remove(&user.name.as_str().to_ascii_lowercase())
            .unwrap_or_default();
        let is_forgotten = forgotten_until.is_some_and(|until| user.created_at < until);
        if logged.exists == Some(false) || (logged.exists.is_none() && !is_forgotten) {
            said.push(format!(
                "The account {} is in the database, and was never added, or deleted since, by the audit log.",
                user.name
            ));
            continue;
        }
        said.extend(logged.differences(&user, hash.as_deref()));
        let own: Vec<&Identity> = linked.iter().filter(|one| one.user == user.id).collect();
        said.extend(logged.differing_links(&user.name, &own, forgotten_until));
        said.extend(logged.difference_of_factor(&user, factors.get(&user.id).copied()));
    }
    let gone = told.values().filter(|account| account.exists == Some(true));
    said.extend(gone.map(|account| format!("The account {} was removed from the database.", account.name)));
    Ok(said)
}
