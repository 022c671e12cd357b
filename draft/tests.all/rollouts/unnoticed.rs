//! Not one request fails while everything is restarted under its users.

use deployer::balancer::Admin;
use deployer::domain::{Share, Strategy, SyncMethod};

use super::fleet::Fleet;
use super::load::Load;

const QUARTER: Share = Share::Percent(25);
const ROLLING: Strategy = Strategy::Rolling {
    batch: QUARTER,
    keep: None,
};
const CANARY: Strategy = Strategy::Canary {
    first: 1,
    wait: Some(1),
    batch: Share::Count(2),
    keep: Some(Share::Percent(75)),
};

/// Eight servers in two clusters, rolled out to under load: nobody notices, and never do fewer than
/// `least` serve.
async fn unnoticed(clusters: [(usize, &str); 2], kind: &'static str, strategy: Strategy, least: usize) {
    // What differs between the two ways of putting a release in place is tried along.
    let method = match kind {
        "stats" => SyncMethod::InPlace,
        _ => SyncMethod::Symlink,
    };
    let mut fleet = Fleet::start(&clusters, kind, method).await;
    fleet.stand_behind().await;
    let commit = fleet.next_commit().await;
    let (load, watch) = (Load::start(&fleet.addresses()), fleet.watch());

    let deployment = fleet.deploy(&commit, strategy).await;

    let (tally, fewest) = (load.end().await, watch.end().await);
    let log = fleet.world.log(deployment.id).await;
    assert!(tally.failed.is_empty(), "{log}\n{tally:?}");
    assert_eq!(tally.served.len(), 2, "old and new were served: {tally:?}");
    assert!(tally.served.values().sum::<usize>() > 100, "{tally:?}");
    assert!(fewest >= least, "only {fewest} were in service\n{log}");
    let keep: usize = fleet
        .plan(&deployment)
        .await
        .pools
        .iter()
        .map(|pool| pool.keep)
        .sum();
    assert!(
        fewest >= keep,
        "only {fewest} were in service, planned {keep}\n{log}"
    );
    assert_eq!(fleet.served().await, vec![commit; 8]);
    let state = fleet.balancer.state().await.unwrap();
    for server in &state.servers {
        assert!(server.is_proven() && server.admin == Admin::Ready, "{server:?}");
    }
}

/// A strategy over both types of balancer.
macro_rules! nobody_notices {
    ($($name:ident: $strategy:expr, $least:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn over_the_socket() {
                unnoticed([(4, "shop"), (4, "shop")], "runtime", $strategy, $least).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn over_the_page() {
                unnoticed([(4, "shop"), (4, "shop")], "stats", $strategy, $least).await;
            }
        }
    )*};
}

nobody_notices! {
    cluster_by_cluster: Strategy::ClusterByCluster, 4;
    rolling: ROLLING, 7;
    canaries: CANARY, 6;
    all_at_once: Strategy::AllAtOnce, 4;
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_with_their_own_backends_roll_out_without_downtime() {
    let clusters = [(4, "shop"), (4, "search")];
    unnoticed(clusters, "runtime", Strategy::ClusterByCluster, 4).await;
}

/// What the tests above prove is worth something only if the users do notice.
#[tokio::test(flavor = "multi_thread")]
async fn users_notice_servers_that_are_restarted_while_they_serve() {
    let mut fleet = Fleet::start(&[(2, "shop"), (2, "shop")], "runtime", SyncMethod::Symlink).await;
    let commit = fleet.next_commit().await;
    let load = Load::start(&fleet.addresses());

    // The deployer knows of no balancer.
    fleet.deploy(&commit, ROLLING).await;

    let tally = load.end().await;
    assert!(!tally.failed.is_empty(), "{tally:?}");
}
