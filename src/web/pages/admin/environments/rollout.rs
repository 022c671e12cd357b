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

/// What was sent; a field that is not there keeps what `kept` says.
pub(super) fn read(fields: &Fields, kept: RolloutForm) -> RolloutForm {
    // An unticked box is not sent: its neighbours tell whether it was there at all.
    let was_there = fields.is_ticked("strategy");
    let text = |name, kept| fields.text_or(name, kept);
    RolloutForm {
        strategy: StrategyForm {
            kind: text("strategy", kept.strategy.kind),
            batch: text("batch", kept.strategy.batch),
            keep: text("keep", kept.strategy.keep),
            first: text("first", kept.strategy.first),
            wait: text("wait", kept.strategy.wait),
        },
        on_failure: text("on_failure", kept.on_failure),
        up_to: text("up_to", kept.up_to),
        drain_limit: text("drain_limit", kept.drain_limit),
        up_limit: text("up_limit", kept.up_limit),
        approval_hours: text("approval_hours", kept.approval_hours),
        watch_drift: if was_there {
            fields.is_ticked("watch_drift")
        } else {
            kept.watch_drift
        },
        keep_days: text("keep_days", kept.keep_days),
    }
}
