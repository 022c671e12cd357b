//! A strategy in a form. The fields of every kind are there at once, as a page without scripts
//! cannot exchange them; only those of the chosen kind are read and complained about.

use super::forms::{FormData, FormReader};
use crate::app::strategies;
use crate::domain::{Share, Strategy};

/// The strategies, as forms name them.
pub const STRATEGIES: &[(&str, &str)] = &[
    ("cluster-by-cluster", "Cluster by cluster"),
    ("rolling", "Rolling: a few at a time"),
    ("canary", "Canary: a few first, a pause, then the rest"),
    ("all-at-once", "All at once"),
];

/// The fields beside the choice of a strategy, `strategy`.
pub const FIELDS: &[&str] = &["batch", "keep", "first", "wait"];

/// Adds the fields of a strategy; those that it does not have get defaults.
pub fn fill(form: FormData, strategy: Strategy) -> FormData {
    let (batch, keep, first, wait) = match strategy {
        Strategy::ClusterByCluster | Strategy::AllAtOnce => (Share::Count(1), None, 1, None),
        Strategy::Rolling { batch, keep } => (batch, keep, 1, None),
        Strategy::Canary {
            first,
            wait,
            batch,
            keep,
        } => (batch, keep, first, wait),
    };
    let keep = keep.map(|keep| keep.to_string()).unwrap_or_default();
    let wait = wait.map(|seconds| seconds.to_string()).unwrap_or_default();
    form.with("strategy", strategy.as_str())
        .with("batch", batch)
        .with("keep", keep)
        .with("first", first)
        .with("wait", wait)
}

/// The chosen strategy.
pub fn read(form: &mut FormReader) -> Option<Strategy> {
    let before = form.complaints();
    let kind = form.form.text("strategy");
    let (mut batch, mut keep) = (Share::Count(1), None);
    if matches!(kind, "rolling" | "canary") {
        batch = form.parse("batch").unwrap_or(batch);
        keep = form.parse_opt("keep").flatten();
    }
    // Anything but a number becomes 0, which no rule accepts.
    let first = form.form.text("first").trim().parse().unwrap_or(0);
    let wait = Some(form.form.text("wait").trim()).filter(|wait| !wait.is_empty());
    let wait = wait.map(|wait| wait.parse().unwrap_or(0));
    let strategy = match kind {
        "cluster-by-cluster" => Strategy::ClusterByCluster,
        "rolling" => Strategy::Rolling { batch, keep },
        "canary" => Strategy::Canary {
            first,
            wait,
            batch,
            keep,
        },
        "all-at-once" => Strategy::AllAtOnce,
        _ => {
            form.complain("strategy", "Choose a strategy from the list.");
            return None;
        }
    };
    form.check(strategies::check(strategy));
    (form.complaints() == before).then_some(strategy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_back_what_it_was_made_of() {
        for strategy in [
            Strategy::ClusterByCluster,
            Strategy::AllAtOnce,
            Strategy::Rolling {
                batch: Share::Percent(25),
                keep: Some(Share::Count(2)),
            },
            Strategy::Canary {
                first: 2,
                wait: Some(90),
                batch: Share::Count(3),
                keep: None,
            },
        ] {
            let form = fill(FormData::default(), strategy);
            assert_eq!(form.read(read).unwrap(), strategy);
        }
    }

    #[test]
    fn only_fields_of_the_chosen_kind_are_complained_about() {
        let form = |kind: &str| {
            FormData::default()
                .with("strategy", kind)
                .with("batch", "0")
                .with("keep", "all")
                .with("first", "none")
                .with("wait", "a while")
        };
        let fields = |kind: &str| -> Vec<String> {
            let wrong = form(kind).read(read).unwrap_err();
            wrong.field_errors().iter().map(|one| one.field.clone()).collect()
        };
        assert_eq!(fields("canary"), ["batch", "keep", "first", "wait"]);
        assert_eq!(fields("rolling"), ["batch", "keep"]);
        assert_eq!(fields("odd"), ["strategy"]);
        assert_eq!(form("all-at-once").read(read).unwrap(), Strategy::AllAtOnce);
    }
}
