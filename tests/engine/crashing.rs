//! The deployer killed at fifty instants of rollouts, and what holds after its next start: on the
//! servers, at their balancer, in the store.
//!
//! Each world has four servers in two clusters behind a real HAProxy. Ten times a new commit is
//! deployed and the deployer killed: at the beginning or the end of a step, or after some time. It
//! is started again, and when it has closed what it left, everything is looked at. In the end a
//! deployment without a kill has to go through and leave every server in service.

mod crash;

use std::time::Duration;

use deployer::domain::StepKind::{Activate, Deploy, Drain, Restore, Sync, Tests};
use deployer::domain::{Share, Strategy, SyncMethod};

use self::crash::Crash;
use self::crash::When::{self, Begun, Ended};

/// Numbers that look random and are the same at every run.
struct Dice(u64);

impl Dice {
    fn millis(&mut self, most: u64) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        Duration::from_millis((self.0 >> 33) % most)
    }
}

/// Five boundaries, and five instants at random.
fn instants(boundaries: [When; 5], seed: u64) -> [When; 10] {
    let mut dice = Dice(seed);
    let mut all = [When::After(Duration::ZERO); 10];
    for (at, boundary) in boundaries.into_iter().enumerate() {
        all[2 * at] = boundary;
        all[2 * at + 1] = When::After(dice.millis(1500));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_by_cluster() {
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
async fn rolling() {
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
async fn all_at_once() {
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
async fn a_canary() {
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
async fn in_place() {
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
