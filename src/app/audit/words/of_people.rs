//! Sentences about accounts and logins.

use super::parts::{changes, time, who};
use crate::domain::{EventKind, NewAuditEvent};

/// The sentence of an event; `None` for a kind of another file.
pub fn told(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let (who, resource) = (who(event), event.resource.as_str());
    let account = resource.strip_prefix("user ").unwrap_or(resource);
    let repeated = match event.detail["repeated"].as_u64() {
        Some(times) => format!(", {times} more times until {}", time(&event.detail["last"])),
        None => String::new(),
    };
    Some(match kind {
        EventKind::UserAdded => format!("{who} added the account {account}."),
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
        EventKind::LoginSucceeded => format!("{who} logged in from {}.", event.address),
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

/// The sentence of an event about what an account has to prove itself: tokens, sessions, a second factor.
fn means(
    kind: EventKind,
    event: &NewAuditEvent,
    (who, account): (&str, &str),
    repeated: &str,
) -> Option<String> {
    let text = |name: &str| event.detail[name].as_str().unwrap_or_default();
    let token = text("token");
    Some(match kind {
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
