//! The part of an environment's form about its rollouts: its fields and their choices.

use crate::app::admin::environments::rollout::RolloutForm;
use crate::app::strategies::StrategyForm;
use crate::web::pages::admin::fields::Fields;

/// The strategies, with what a person reads.
pub const STRATEGIES: &[(&str, &str)] = &[
    ("cluster-by-cluster", "Cluster by cluster"),
    ("rolling", "Rolling: a few at a time"),
    ("canary", "Canary: a few first, a pause, then the rest"),
    ("all-at-once", "All at once"),
];

/// What happens when a server fails, with what a person reads.
pub(super) const ON_FAILURE: &[(&str, &str)] = &[
    ("stop", "Stop: no further server is begun"),
    ("ask", "Ask: pause, and a person chooses"),
    ("continue", "Go on while only a few have failed"),
    ("roll-back", "Roll back what was done"),
];

/// What was sent. A form without these fields changes none of them from the defaults.
pub(super) fn read(fields: &Fields) -> RolloutForm {
    let plain = RolloutForm::default();
    if fields.all("strategy").next().is_none() {
        return plain;
    }
    RolloutForm {
        strategy: StrategyForm {
            kind: fields.text("strategy"),
            batch: fields.text("batch"),
            keep: fields.text("keep"),
            first: fields.text("first"),
            wait: fields.text("wait"),
        },
        on_failure: fields.text("on_failure"),
        up_to: fields.text("up_to"),
        drain_limit: fields.text("drain_limit"),
        up_limit: fields.text("up_limit"),
        approval_hours: fields.text("approval_hours"),
        watch_drift: fields.is_ticked("watch_drift"),
        keep_days: fields.text("keep_days"),
    }
}
