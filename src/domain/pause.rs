//! Pauses of deployments, the answers to them, and approvals.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Instant;
use super::access::{Actor, PolicyLine, UsedToken};
use super::words::words;

/// A pause of a running deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why it pauses.
    pub reason: PauseReason,
    pub since: Instant,
    /// When it continues automatically; `None`: when a person answers.
    pub until: Option<Instant>,
    /// What a later start of the deployer found changed, as sentences: while it is so, it cannot continue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What was chosen before something stood in the way: Continue means that then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// An answer that could not be followed at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// What it answers.
    pub question: PauseReason,
    pub answer: Answer,
}

impl Pause {
    /// A pause that begins with a question.
    pub fn new(reason: PauseReason, since: Instant, until: Option<Instant>) -> Self {
        Self {
            reason,
            since,
            until,
            findings: Vec::new(),
            chosen: None,
        }
    }

    /// What it is about in the end, whatever stands in the way now.
    pub fn question(&self) -> &PauseReason {
        self.chosen
            .as_ref()
            .map_or(&self.reason, |chosen| &chosen.question)
    }

    /// The possible answers.
    pub fn answers(&self) -> &'static [Answer] {
        use Answer::{Resume, RollBack, Stop};
        match self.findings.as_slice() {
            [] => self.reason.answers(),
            _ => &[Resume, RollBack, Stop],
        }
    }
}

/// Why a deployment pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PauseReason {
    /// A person asked for it.
    Person { by: String },
    /// The canaries are deployed; a person or a timer decides whether the rest follows.
    Canary,
    /// Servers failed, and the environment wants a person to choose.
    Failure { servers: Vec<String> },
    /// Policy does not allow it to continue at this time.
    Policy {
        /// What it says.
        why: String,
    },
}

impl PauseReason {
    /// The possible answers, where nothing else stands in the way.
    fn answers(&self) -> &'static [Answer] {
        use Answer::{Resume, Retry, RollBack, Skip, Stop};
        match self {
            Self::Person { .. } | Self::Canary | Self::Policy { .. } => &[Resume, RollBack, Stop],
            Self::Failure { .. } => &[Retry, Skip, RollBack, Stop],
        }
    }
}

words! {
    /// What a person answers to a pause.
    Answer {
        /// Continue with the next batch.
        Resume = "resume", "Continue";
        /// Deploy to the failed servers again.
        Retry = "retry", "Retry failed servers";
        /// Leave the failed servers as they are and continue with the others.
        Skip = "skip", "Skip them and continue";
        /// End it, and roll back the servers that are done.
        RollBack = "roll_back", "Roll back";
        /// End it; servers that are done stay so.
        Stop = "stop", "Stop here";
    }
}

impl Answer {
    /// Whether more servers will get the new release.
    pub fn goes_on(self) -> bool {
        !matches!(self, Self::Stop | Self::RollBack)
    }
}

/// An answer and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub answer: Answer,
    pub by: Answerer,
    pub at: Instant,
    /// The groups of the person then; see [`Actor::groups`](super::Actor::groups).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The API token by which the person answered, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<UsedToken>,
    /// The account that acted in the person's name, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<String>,
    /// Whether the person took the deployment over, as its requester had lost the right to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_over: bool,
    /// The policy line that let the person answer, or carry the deployment on; unknown in answers of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<PolicyLine>,
}

impl Answered {
    /// An answer that nobody gave.
    pub fn by_time(answer: Answer, at: Instant) -> Self {
        Self {
            answer,
            by: Answerer::Time,
            at,
            groups: Vec::new(),
            token: None,
            impersonator: None,
            takes_over: false,
            permit: None,
        }
    }

    /// Who answered, for people: `ada`, `ada through root`.
    pub fn who(&self) -> String {
        through(&self.by.to_string(), self.impersonator.as_deref())
    }

    /// The person, as somebody who may carry the deployment on; `address` as in [`Actor`](super::Actor).
    pub fn person(&self, address: &str) -> Option<Actor> {
        match &self.by {
            Answerer::Person(name) => Some(Actor {
                groups: self.groups.clone(),
                token: self.token.clone(),
                impersonator: self.impersonator.clone(),
                ..Actor::user(name, address)
            }),
            Answerer::Time => None,
        }
    }
}

/// A pause that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastPause {
    /// Why it paused.
    pub reason: PauseReason,
    pub since: Instant,
    pub answered: Answered,
}

/// Who answered a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answerer {
    /// The user of this name.
    Person(String),
    /// The end of the pause.
    Time,
}

impl fmt::Display for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(name) => name,
            Self::Time => "the end of the pause",
        })
    }
}

/// The approval of a second person that a deployment needs, or has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The deadline of the approval.
    pub expires_at: Instant,
    /// Who approved it, and when; never the requester.
    pub given: Option<(String, Instant)>,
    /// The account that approved it in the approver's name, if any.
    #[serde(default)]
    pub impersonator: Option<String>,
    /// The approver's groups; unknown in approvals of earlier versions.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// The API token by which it was given, if any.
    #[serde(default)]
    pub token: Option<UsedToken>,
    /// When the requester last gave the approver a password, if ever: auditors want to know.
    #[serde(default)]
    pub password_given_at: Option<Instant>,
    /// A digest of the environment's and the project's settings at the request; see
    /// [`Environment::terms`](super::Environment::terms). Empty in approvals of earlier versions.
    #[serde(default)]
    pub terms: String,
    /// Of which roles, groups or users the approver has to be, as policy lines write them; empty:
    /// whoever may approve there.
    #[serde(default)]
    pub by: Vec<String>,
}

impl Approval {
    /// Whether the account `name` gave it, in its own name or acting as another one.
    pub fn is_by(&self, name: &str) -> bool {
        self.approver("").is_some_and(|approver| approver.is_by(name))
    }

    /// Who gave it, for people: `ada`, `ada through root`; `None`: it is not given.
    pub fn who(&self) -> Option<String> {
        let (name, _) = self.given.as_ref()?;
        Some(through(name, self.impersonator.as_deref()))
    }

    /// Who gave it, as policy knows them; `None`: it is not given.
    pub fn approver(&self, address: &str) -> Option<Actor> {
        let (name, _) = self.given.as_ref()?;
        Some(Actor {
            groups: self.groups.clone().unwrap_or_default(),
            token: self.token.clone(),
            impersonator: self.impersonator.clone(),
            ..Actor::user(name, address)
        })
    }
}

/// A name, and the account that acted in it.
fn through(name: &str, impersonator: Option<&str>) -> String {
    match impersonator {
        Some(behind) => format!("{name} through {behind}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_be_named_time() {
        let stored = serde_json::json!({ "answer": "resume", "by": "time", "at": "2026-11-22T12:00:00Z" });
        let answered: Answered = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(answered.by, Answerer::Person("time".to_owned()));
        assert_ne!(answered.by, Answerer::Time);
        assert_eq!(serde_json::to_value(answered).unwrap(), stored);
    }
}
