//! A difference between the database and the audit log, and how a page shows what the log says.

use crate::domain::{Deployment, DeploymentState};

/// Who asked for it.
pub const REQUESTER: &str = "requester";
/// Who acted in the requester's name.
pub const THROUGH: &str = "account behind the requester";
/// Why, in the requester's words.
pub const REASON: &str = "reason";
/// What was deployed.
pub const COMMIT: &str = "commit";
/// The first line of its message.
pub const TITLE: &str = "commit's title";
/// Who ended it.
pub const CANCELLED: &str = "person who cancelled it";
/// How it ended.
pub const STATE: &str = "state";
/// What came of it, in a sentence.
pub const OUTCOME: &str = "outcome";
/// Why a lock did not stop it.
pub const OVERRIDE: &str = "reason for overriding a lock";
/// Who acted in the second person's name.
pub const APPROVED_THROUGH: &str = "account behind the approver";
/// The second person.
pub const APPROVER: &str = "approver";

/// Something that the database and the audit log tell differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// What it is about: `requester`.
    pub what: &'static str,
    /// What the database says.
    pub stored: String,
    /// What the log says.
    pub logged: String,
}

impl Contradiction {
    pub(super) fn new(what: &'static str, stored: impl Into<String>, logged: impl Into<String>) -> Self {
        let said = |text: String| {
            if text.is_empty() {
                "nothing".to_owned()
            } else {
                text
            }
        };
        Self {
            what,
            stored: said(stored.into()),
            logged: said(logged.into()),
        }
    }

    /// For people.
    pub fn sentence(&self) -> String {
        let Self { what, stored, logged } = self;
        format!("the {what} is {logged} in the audit log, and {stored} in the database")
    }
}

/// Makes a deployment say what the log says.
pub fn apply(one: &mut Deployment, contradiction: &Contradiction) {
    let logged = contradiction.logged.clone();
    let some = |text: String| (text != "nothing").then_some(text);
    match contradiction.what {
        REQUESTER => one.actor = logged,
        THROUGH => one.impersonator = some(logged),
        REASON => one.reason = some(logged).unwrap_or_default(),
        TITLE => one.commit_title = logged,
        OUTCOME => one.outcome = some(logged).unwrap_or_default(),
        CANCELLED => one.cancelled_by = some(logged),
        OVERRIDE => one.lock_override = some(logged),
        COMMIT => {
            if let Ok(commit) = logged.parse() {
                one.commit = commit;
            }
        }
        STATE => one.state = DeploymentState::parse(&logged).unwrap_or(one.state),
        APPROVED_THROUGH => {
            if let Some(approval) = &mut one.approval {
                approval.impersonator = some(logged);
            }
        }
        APPROVER => {
            if let Some(approval) = &mut one.approval {
                let at = approval.given.take().map(|(_, at)| at);
                approval.given = some(logged).zip(at);
            }
        }
        _ => {}
    }
}
