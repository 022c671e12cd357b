//! The part of an environment's form about its rollouts.

use crate::app::admin::environments::MostFailed;
use crate::domain::{EnvironmentOptions, OnFailure};
use crate::web::forms::{FormData, FormReader};
use crate::web::strategy_form;

/// The reactions to a failed server, as the form names them.
pub(super) const ON_FAILURE: &[(&str, &str)] = &[
    ("stop", "Stop: leave the other servers as they are"),
    ("ask", "Ask: pause until someone chooses"),
    ("continue", "Continue while only a few fail"),
    ("roll-back", "Roll back the servers that were deployed"),
];

/// The fields of this part without its checkbox, which is not sent when it is not ticked.
pub(super) const FIELDS: &[&str] = &[
    "strategy",
    "batch",
    "keep",
    "first",
    "wait",
    "on_failure",
    "up_to",
    "drain_limit",
    "up_limit",
    "approval_hours",
    "keep_days",
];

/// Adds the fields as `options` has them.
pub(super) fn fill(form: FormData, options: &EnvironmentOptions) -> FormData {
    let rollout = &options.rollout;
    let hours = options.approval_hours.map(|hours| hours.to_string());
    let up_to = match rollout.on_failure {
        OnFailure::Continue { up_to } => up_to,
        _ => 1,
    };
    strategy_form::fill(form, rollout.strategy)
        .with("on_failure", rollout.on_failure.as_str())
        .with("up_to", up_to)
        .with("drain_limit", rollout.drain_limit)
        .with("up_limit", rollout.up_limit)
        .with("approval_hours", hours.unwrap_or_default())
        .with("keep_days", options.keep_days)
        .with_tick("watch_drift", options.watch_drift)
}

/// The chosen reaction to a failed server.
pub(super) fn read_on_failure(form: &mut FormReader) -> Option<OnFailure> {
    match form.form.text("on_failure") {
        "stop" => Some(OnFailure::Stop),
        "roll-back" => Some(OnFailure::RollBack),
        "ask" => Some(OnFailure::Ask),
        "continue" => {
            let up_to = form.parse::<MostFailed>("up_to")?.get();
            Some(OnFailure::Continue { up_to })
        }
        _ => {
            form.complain("on_failure", "Choose a reaction from the list.");
            None
        }
    }
}
