//! Phrases about deployments that several pages use.

use std::borrow::Borrow;

use crate::domain::rollout::Hold;
use crate::domain::{Deployment, DeploymentId, Kind, Share, Strategy};
use crate::web::format;

/// How a deployment follows from an earlier one.
pub fn origin_words(deployment: &Deployment, origin: DeploymentId) -> String {
    match deployment.kind {
        Kind::Rollback => format!("rollback of {origin}"),
        Kind::Promotion => format!("promotion of {origin}"),
        _ => format!("retry of {origin}"),
    }
}

/// A strategy with its numbers.
pub fn strategy_words(strategy: impl Borrow<Strategy>) -> String {
    let batch = |share: Share| match share {
        Share::Count(1) => "one server at a time".to_owned(),
        share => format!("{share} of a cluster at a time"),
    };
    let kept = |keep: Option<Share>| {
        keep.map(|keep| format!(", minimum {keep} in service"))
            .unwrap_or_default()
    };
    match *strategy.borrow() {
        strategy @ (Strategy::ClusterByCluster | Strategy::AllAtOnce) => strategy.title().to_owned(),
        Strategy::Rolling { batch: share, keep } => format!("Rolling, {}{}", batch(share), kept(keep)),
        Strategy::Canary {
            first,
            batch: share,
            keep,
            ..
        } => format!("Canary, {first} first, then {}{}", batch(share), kept(keep)),
    }
}

/// What a batch waits for.
pub fn hold_words(hold: Hold) -> String {
    match hold {
        Hold::Person => "waits for someone to continue".to_owned(),
        Hold::Seconds { seconds } => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            let length = chrono::TimeDelta::try_seconds(seconds).unwrap_or_default();
            format!("pauses for {}", format::duration(length))
        }
    }
}
