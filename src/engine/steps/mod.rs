//! What single steps do. Each takes the running deployment and writes into the step's log; beginning
//! and ending the step, and what follows from its result, is the business of `run` and `rollout`.

pub(super) mod check;
pub(super) mod checkout;
pub(super) mod health;
pub(super) mod reuse;
pub(super) mod script;
pub(super) mod transfer;

use crate::domain::{Error, StepState};

/// How a step that did not fail went.
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
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit_code: None,
            half: false,
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
