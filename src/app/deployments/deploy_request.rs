//! A request for a deployment as a person or a program states it, and the answer.

use crate::app::naming::Choice;
use crate::domain::{DeploymentId, Instant, Kind, Strategy};

/// What somebody wants deployed, and how.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    pub project: String,
    pub environment: String,
    /// Which servers.
    pub choice: Choice,
    /// A commit's hash, its first digits, a branch or a tag.
    pub commit: String,
    /// Why; may be empty.
    pub reason: String,
    /// What caused the request: a click, a schedule, a promotion, ….
    pub kind: Kind,
    /// A token of the form it came from: a form sent twice makes one request.
    pub request_key: Option<String>,
    /// A strategy other than the environment's; it needs the right to `configure`.
    pub strategy: Option<Strategy>,
    /// When to begin; `None`: as soon as possible.
    pub at: Option<Instant>,
    /// The reason for overriding a lock; an override needs the right to `lock`.
    pub lock_override: Option<String>,
}

impl DeployRequest {
    /// A regular request for all servers of an environment.
    pub fn new(
        project: impl Into<String>,
        environment: impl Into<String>,
        commit: impl Into<String>,
    ) -> Self {
        Self {
            project: project.into(),
            environment: environment.into(),
            choice: Choice::All,
            commit: commit.into(),
            reason: String::new(),
            kind: Kind::Regular,
            request_key: None,
            strategy: None,
            at: None,
            lock_override: None,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A deployment was made.
    New(DeploymentId),
    /// The same was requested before: by the same form, or it still waits.
    Known(DeploymentId),
}

impl Requested {
    /// The deployment, new or not.
    pub fn id(self) -> DeploymentId {
        match self {
            Self::New(id) | Self::Known(id) => id,
        }
    }
}
