//! One attempt and its outcome, for the observer of a check.

use std::time::Duration;

use crate::{http, process, ssh};

/// One question to the server, and its answer.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// How many there are at most.
    pub of: u32,
    pub took: Duration,
    /// A sentence either way.
    pub outcome: Result<String, String>,
}

impl std::fmt::Display for Attempt {
    /// A line of a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, of, took, .. } = self;
        let (word, sentence) = match &self.outcome {
            Ok(answer) => ("passed", answer),
            Err(why) => ("failed", why),
        };
        write!(
            f,
            "Attempt {number} of {of} {word} after {} ms. {sentence}",
            took.as_millis()
        )
    }
}

/// Follows a check. Commands print into it.
pub trait Watch: process::Output {
    /// Called after each attempt.
    fn attempt(&mut self, attempt: &Attempt) -> impl Future<Output = ()> + Send;
}

/// Why one attempt failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) sentence: String,
    /// Whether the next attempt would end the same way.
    pub(super) lasting: bool,
}

impl Fault {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            lasting: false,
        }
    }
}

impl From<http::Error> for Fault {
    fn from(error: http::Error) -> Self {
        Self {
            lasting: matches!(error, http::Error::BadRequest { .. }),
            sentence: error.to_string(),
        }
    }
}

impl From<ssh::Error> for Fault {
    fn from(error: ssh::Error) -> Self {
        use ssh::Error::{BadCommand, ForwardForbidden, HostKeyChanged, HostKeyUnknown};
        Self {
            lasting: matches!(
                error,
                BadCommand { .. } | ForwardForbidden { .. } | HostKeyChanged { .. } | HostKeyUnknown { .. }
            ),
            sentence: error.to_string(),
        }
    }
}
