//! Sentences about accounts and logins.

use super::parts::{changes, time, who};
use crate::domain::{EventKind, LoginProvider, NewAuditEvent};

/// The sentence of an event; `None` for a kind of another file.
pub fn told(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let (who, resource) = (who(event), event.resource.as_str());
    let account = resource.strip_prefix("user ").unwrap_or(resource);
    let repeated = match event.detail["repeated"].as_u64() {
        Some(times) => format!(", {times} more times until {}", time(&event.detail["last"])),
        None => String::new(),
    };
    Some(match kind {
        EventKind::UserAdded => match event.detail["by"].as_str() {
            Some(provider) => {
                format!(
                    "{who} got an account at the first login with {}.",
                    title(provider)
                )
            }
            None => format!("{who} added the account {account}."),
        },
        EventKind::UserChanged => format!("{who} changed the account {account}{}.", changes(event)),
        EventKind::UserDisabled => format!("{who} disabled the account {account}."),
        EventKind::UserEnabled => format!("{who} enabled the account {account}."),
        EventKind::UserDeleted => format!("{who} deleted the account {account}."),
        EventKind::PasswordSet => {
            let until = match event.detail["must_change"].as_bool() {
                Some(true) => ", to be changed at the next login",
                _ => "",
            };
            format!("{who} set the password of {account}{until}.")
        }
        EventKind::PasswordChanged => format!("{who} changed their own password."),
        EventKind::PasswordChangeFailed => {
            format!("{who} entered a wrong current password{repeated}.")
        }
        EventKind::PasswordChangeThrottled => {
            format!("{who} tried too often to change a password{repeated}.")
        }
        EventKind::LoginSucceeded => match event.detail["by"].as_str() {
            Some(provider) => format!("{who} logged in with {} from {}.", title(provider), event.address),
            None => format!("{who} logged in from {}.", event.address),
        },
        EventKind::LoginFailed => format!("{who} failed to log in as {account}{repeated}."),
        EventKind::LoginThrottled => {
            format!("{who} was turned away after too many attempts to log in as {account}{repeated}.")
        }
        EventKind::TokenRefused => match event.detail["token"].as_str() {
            Some(token) => {
                format!("{who} sent the API token {token} of {account}, which is not accepted{repeated}.")
            }
            None => format!("{who} sent a token that is not known{repeated}."),
        },
        EventKind::Logout => format!("{who} logged out."),
        _ => return means(kind, event, (&who, account), &repeated),
    })
}

/// What a provider is called in a sentence.
fn title(provider: &str) -> String {
    LoginProvider::parse(provider).map_or_else(|| provider.to_owned(), |provider| provider.title())
}

/// The sentence of an event about what an account has to prove itself: tokens, sessions, a second factor.
fn means(
    kind: EventKind,
    event: &NewAuditEvent,
    (who, account): (&str, &str),
    repeated: &str,
) -> Option<String> {
    let text = |name: &str| event.detail[name].as_str().unwrap_or_default();
    let (token, provider) = (text("token"), title(text("by")));
    let subject = text("subject").escape_debug();
    Some(match kind {
        EventKind::IdentityLinked => {
            format!("{who} linked the account {account} to “{subject}” of {provider}.")
        }
        EventKind::IdentityUnlinked => {
            format!("{who} unlinked the account {account} from “{subject}” of {provider}.")
        }
        EventKind::OutsideLoginRefused => {
            format!("{who} was let in as “{subject}” by {provider}, and was refused here{repeated}.")
        }
        EventKind::TokenMade => {
            format!(
                "{who} made the API token {token} of {account}, for {}.",
                text("scope")
            )
        }
        EventKind::TokenRevoked => format!("{who} revoked the API token {token} of {account}."),
        EventKind::SessionsEnded => {
            let number = event.detail["sessions"].as_u64().unwrap_or_default();
            format!("{who} ended sessions of {account}: {number}.")
        }
        EventKind::SecondFactorBegun => format!("{who} began to set up a second factor."),
        EventKind::SecondFactorOn => format!("{who} set up a second factor."),
        EventKind::SecondFactorOff => format!("{who} turned their second factor off."),
        EventKind::SecondFactorReset => format!("{who} took the second factor of {account} away."),
        EventKind::RecoveryCodesMade => format!("{who} made new recovery codes."),
        EventKind::CodeFailed => {
            format!("{who} entered a wrong code or password for the second factor{repeated}.")
        }
        _ => return None,
    })
}
