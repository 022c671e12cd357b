//! One step of a deployment, as a dot with a title.

use crate::domain::{DeploymentId, Instant, Step, StepState};
use crate::web::{format, urls};

/// A step and the part of the log that is its own.
pub struct StepView {
    pub step: Step,
    pub log_url: String,
}

impl StepView {
    pub fn new(id: DeploymentId, step: Step) -> Self {
        Self {
            log_url: urls::deployment_log_of(id, &step.server_name, step.kind.as_str()),
            step,
        }
    }

    /// For tooltips and screen readers: what it is, how it went, how long it took.
    pub fn title(&self, now: &Instant) -> String {
        let Step {
            kind,
            state,
            started_at,
            finished_at,
            exit_code,
            detail,
            ..
        } = &self.step;
        let mut title = format!("{}: {}", kind.title(), state.title());
        if let Some(start) = started_at {
            title.push_str(&format!(", {}", format::took(start, finished_at, now)));
        }
        if let Some(code) = exit_code.filter(|code| *code != 0) {
            title.push_str(&format!(", exit code {code}"));
        }
        if !detail.is_empty() && *state != StepState::Succeeded {
            title.push_str(&format!(". {detail}"));
        }
        title
    }
}
