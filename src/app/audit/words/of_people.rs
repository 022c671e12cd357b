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
        EventKind::TokenRefused => format!("{who} sent a token that is not known{repeated}."),
        EventKind::Logout => format!("{who} logged out."),
        _ => return None,
    })
}
