//! How a step ended, and how a whole deployment did.

use super::stop::{Stop, StopReason};
use super::words;
use crate::domain::{Actor, CommitId, DeploymentState, Error, PolicyLine, StepState, Target};
use crate::store::deployments::NewPart;

/// The result of a step that did not fail.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub state: StepState,
    pub detail: String,
    pub exit_code: Option<i32>,
}

impl Done {
    pub fn well(detail: impl Into<String>) -> Self {
        Self {
            state: StepState::Succeeded,
            detail: detail.into(),
            exit_code: None,
        }
    }

    /// A script that exited with `code`.
    pub fn exited(code: i32) -> Self {
        Self {
            exit_code: Some(code),
            ..Self::well("")
        }
    }

    pub fn nothing(detail: impl Into<String>) -> Self {
        Self {
            state: StepState::Skipped,
            ..Self::well(detail)
        }
    }
}

/// Why a step failed: a sentence for the page, and the script's exit code where one ran.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub message: String,
    pub exit_code: Option<i32>,
    /// Whether files in service may be of two releases now.
    pub half: bool,
    /// Whether the release in use was deleted.
    pub gone: bool,
    /// Whether nothing was begun on the server.
    pub never_began: bool,
    /// Whether the deployment is paused and stays so, as the deployer is being stopped.
    pub stays_paused: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit_code: None,
            half: false,
            gone: false,
            never_began: false,
            stays_paused: false,
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: Error = error.into();
        if let Some(cause) = std::error::Error::source(&error) {
            tracing::warn!(cause, "a step failed: {error}");
        }
        Self::new(error.message())
    }
}

pub(super) type StepResult<T = Done> = Result<T, Failure>;

/// How a deployment ended.
pub(super) enum Ending {
    Succeeded(String),
    Failed(String),
    /// The rollout decided how.
    Ended(Box<End>),
    /// The reason is in [`Stop`].
    Stopped,
    /// It has not ended: it is paused, and the next start of a deployer carries it on.
    Paused,
}

/// The end of a rollout that did not succeed.
pub(super) struct End {
    /// Failed, or cancelled where a person chose it.
    pub state: DeploymentState,
    pub sentence: String,
    /// What further deployments will undo.
    pub undo: Option<Undo>,
}

/// What will be undone after a failed rollout.
pub(super) struct Undo {
    pub reason: String,
    pub permit: Option<PolicyLine>,
    /// In whose name, where the requester may not do it any more.
    pub heir: Option<Actor>,
    pub groups: Vec<UndoGroup>,
    /// What cannot be undone, and why, as sentences.
    pub not: Vec<String>,
}

/// Servers that go back to the same commit.
pub(super) struct UndoGroup {
    pub commit: CommitId,
    pub title: String,
    pub target: Target,
    pub parts: Vec<NewPart>,
}

impl Ending {
    /// The deployer stopped in the middle, and it cannot be carried on.
    pub fn interrupted(sentence: String) -> Self {
        Self::Ended(Box::new(End {
            state: DeploymentState::Interrupted,
            sentence,
            undo: None,
        }))
    }

    /// Whether it was cut off, so that nobody has seen to its servers.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Ended(end) if end.state == DeploymentState::Interrupted)
    }

    /// The state to close in, and the sentence.
    pub fn close(&self, stop: &Stop, who: Option<&str>) -> (DeploymentState, String) {
        match (self, stop.reason()) {
            (Self::Succeeded(sentence), _) => (DeploymentState::Succeeded, sentence.clone()),
            (Self::Stopped | Self::Paused, reason) => {
                let state = match reason {
                    Some(StopReason::Cancelled) => DeploymentState::Cancelled,
                    Some(StopReason::LogBroken) => DeploymentState::Failed,
                    _ => DeploymentState::Interrupted,
                };
                (state, words::stopped(reason, who))
            }
            (Self::Failed(sentence), _) => (DeploymentState::Failed, sentence.clone()),
            (Self::Ended(end), _) => (end.state, end.sentence.clone()),
        }
    }

    /// What will be undone, if anything.
    pub fn undo(&self) -> Option<&Undo> {
        match self {
            Self::Ended(end) => end.undo.as_ref(),
            _ => None,
        }
    }
}
