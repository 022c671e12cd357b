//! A pause of a deployment that was answered: how, by whom and when.

use crate::domain::{Answer, Answerer, Instant, PastPause, PauseReason};

/// A pause that was answered.
pub struct PauseView {
    /// What the deployment waited for.
    pub reason: String,
    /// What was answered.
    pub answer: &'static str,
    /// `None`: the time for an answer passed.
    pub by: Option<String>,
    /// The account that acted in their name, if any.
    pub through: Option<String>,
    pub at: Instant,
}

impl PauseView {
    pub fn new(past: &PastPause) -> Self {
        Self {
            reason: match &past.reason {
                PauseReason::Person { by } => format!("Pause by {by}"),
                PauseReason::Canary => "Canary".to_owned(),
                PauseReason::Failure { servers } => match servers.as_slice() {
                    [one] => format!("{one} failed"),
                    some => format!("{} servers failed", some.len()),
                },
                PauseReason::Policy { .. } => "Not permitted".to_owned(),
            },
            answer: match past.answered.answer {
                Answer::Resume => "continued",
                Answer::Retry => "retried",
                Answer::Skip => "continued without them",
                Answer::RollBack => "rolled back",
                Answer::Stop => "stopped",
            },
            by: match &past.answered.by {
                Answerer::Person(name) => Some(name.clone()),
                Answerer::Time => None,
            },
            through: past.answered.impersonator.clone(),
            at: past.answered.at,
        }
    }
}
