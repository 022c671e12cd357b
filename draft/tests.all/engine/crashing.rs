//! The deployer is killed at fifty instants of rollouts (in a long run at hundreds), and started again:
//! what then holds on the servers, at their balancer and in the store.
//!
//! Each world has four servers in two clusters behind a real HAProxy. A new commit is deployed and the
//! deployer killed when a step begins, when it ends, or after a random time. It is started again, and
//! once it has closed the deployment, everything is checked. At last a deployment without a kill has to
//! succeed and leave every server in service.

mod crash;

use std::time::Duration;

use deployer::domain::StepKind::{Activate, Deploy, Drain, Restore, Sync, Tests};
use deployer::domain::{Share, Strategy, SyncMethod};

use self::crash::Crash;
use self::crash::When::{self, Begun, Ended};
use crate::support::rounds::{Dice, rounds};

/// Boundaries of steps with random instants in between; in a long run, many more of these.
fn instants(boundaries: [When; 5], seed: u64) -> Vec<When> {
    let mut dice = Dice::new(seed);
    let mut all = Vec::new();
    for boundary in boundaries {
        all.push(boundary);
        for _ in 0..rounds(1, 12) {
            all.push(When::After(Duration::from_millis(dice.below(1500) as u64)));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_rollout_cluster_by_cluster_leave_nothing_broken() {
    let crash = Crash::new(SyncMethod::Symlink, Strategy::ClusterByCluster).await;
    let boundaries = [
        Begun(1, Sync),
        Begun(1, Drain),
        Ended(1, Drain),
        Begun(3, Activate),
        Ended(3, Deploy),
    ];
    crash.run(instants(boundaries, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_rolling_rollout_leave_nothing_broken() {
    let strategy = Strategy::Rolling {
        batch: Share::Count(1),
        keep: None,
    };
    let crash = Crash::new(SyncMethod::Symlink, strategy).await;
    let boundaries = [
        Begun(1, Activate),
        Ended(1, Activate),
        Begun(2, Deploy),
        Begun(2, Restore),
        Ended(3, Restore),
    ];
    crash.run(instants(boundaries, 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_rollout_to_all_at_once_leave_nothing_broken() {
    let crash = Crash::new(SyncMethod::Symlink, Strategy::AllAtOnce).await;
    let boundaries = [
        Ended(2, Sync),
        Begun(3, Drain),
        Begun(1, Tests),
        Ended(1, Tests),
        Begun(4, Restore),
    ];
    crash.run(instants(boundaries, 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_canary_rollout_leave_nothing_broken() {
    let strategy = Strategy::Canary {
        first: 1,
        wait: Some(1),
        batch: Share::Count(1),
        keep: None,
    };
    let crash = Crash::new(SyncMethod::Symlink, strategy).await;
    let boundaries = [
        Ended(1, Restore),
        Begun(2, Drain),
        Ended(2, Drain),
        Begun(4, Deploy),
        Ended(4, Restore),
    ];
    crash.run(instants(boundaries, 4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_rollout_in_place_leave_nothing_broken() {
    let strategy = Strategy::Rolling {
        batch: Share::Percent(50),
        keep: None,
    };
    let crash = Crash::new(SyncMethod::InPlace, strategy).await;
    let boundaries = [
        Begun(1, Drain),
        Begun(1, Sync),
        Ended(2, Sync),
        Begun(2, Deploy),
        Ended(4, Tests),
    ];
    crash.run(instants(boundaries, 5)).await;
}
