//! The part of an environment's form about its rollouts: strategy, failures, limits, approval,
//! drift.

use crate::app::admin::Wrongs;
use crate::app::strategies::StrategyForm;
use crate::domain::{EnvironmentOptions, OnFailure, RolloutOptions};

/// An hour: sessions that last longer do not end by waiting.
const LONGEST_DRAIN: u64 = 3600;
/// An hour: what is not up by then will not be.
const LONGEST_UP: u64 = 3600;
/// A fortnight: what nobody approved by then nobody remembers.
const LONGEST_APPROVAL: u64 = 14 * 24;
/// Ten years.
const MOST_DAYS: u64 = 3650;
/// More than fleets have servers.
const MOST_FAILED: u64 = 10_000;

/// As typed.
#[derive(Debug, Clone)]
pub struct RolloutForm {
    /// See [`RolloutOptions::strategy`].
    pub strategy: StrategyForm,
    /// `stop`, `continue`, `roll-back` or `ask`.
    pub on_failure: String,
    /// For `continue`: how many may fail.
    pub up_to: String,
    /// Seconds.
    pub drain_limit: String,
    /// Seconds.
    pub up_limit: String,
    /// Hours; empty: nobody has to approve.
    pub approval_hours: String,
    /// See [`EnvironmentOptions::watch_drift`].
    pub watch_drift: bool,
    /// See [`EnvironmentOptions::keep_days`].
    pub keep_days: String,
}

impl Default for RolloutForm {
    fn default() -> Self {
        Self::of(&EnvironmentOptions::default())
    }
}

impl RolloutForm {
    /// The form of what is set.
    pub(super) fn of(options: &EnvironmentOptions) -> Self {
        let rollout = &options.rollout;
        Self {
            strategy: StrategyForm::of(rollout.strategy),
            on_failure: rollout.on_failure.as_str().to_owned(),
            up_to: match rollout.on_failure {
                OnFailure::Continue { up_to } => up_to.to_string(),
                _ => "1".to_owned(),
            },
            drain_limit: rollout.drain_limit.to_string(),
            up_limit: rollout.up_limit.to_string(),
            approval_hours: options
                .approval_hours
                .map(|hours| hours.to_string())
                .unwrap_or_default(),
            watch_drift: options.watch_drift,
            keep_days: options.keep_days.to_string(),
        }
    }

    /// Puts what was typed into `options`; `None` when something is wrong.
    pub(super) fn fill(
        &self,
        mut options: EnvironmentOptions,
        wrong: &mut Wrongs,
    ) -> Option<EnvironmentOptions> {
        let strategy = match self.strategy.read() {
            Ok(strategy) => Some(strategy),
            Err(complaints) => {
                for one in complaints {
                    wrong.add(&one.field, one.message);
                }
                None
            }
        };
        let small = |number: u64| u32::try_from(number).ok();
        let on_failure = match self.on_failure.as_str() {
            "stop" => Some(OnFailure::Stop),
            "roll-back" => Some(OnFailure::RollBack),
            "ask" => Some(OnFailure::Ask),
            "continue" => wrong
                .number("up_to", &self.up_to, 1..=MOST_FAILED)
                .and_then(small)
                .map(|up_to| OnFailure::Continue { up_to }),
            _ => {
                wrong.add("on_failure", "Choose what happens from the list.");
                None
            }
        };
        let drain_limit = wrong.number("drain_limit", &self.drain_limit, 0..=LONGEST_DRAIN);
        let up_limit = wrong.number("up_limit", &self.up_limit, 1..=LONGEST_UP);
        let approval_hours = if self.approval_hours.trim().is_empty() {
            Some(None)
        } else {
            wrong
                .number("approval_hours", &self.approval_hours, 1..=LONGEST_APPROVAL)
                .map(small)
        };
        let keep_days = wrong
            .number("keep_days", &self.keep_days, 0..=MOST_DAYS)
            .and_then(small);
        options.rollout = RolloutOptions {
            strategy: strategy?,
            on_failure: on_failure?,
            drain_limit: drain_limit?,
            up_limit: up_limit?,
        };
        options.approval_hours = approval_hours?;
        options.keep_days = keep_days?;
        options.watch_drift = self.watch_drift;
        Some(options)
    }
}
