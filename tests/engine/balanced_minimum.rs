//! How many servers of a backend stay in service, when some of them are out or down already.

use std::time::Duration;

use deployer::app::deployments::{Choice, DeployRequest, retry, roll_back};
use deployer::app::plans;
use deployer::balancer::Admin;
use deployer::domain::{Deployment, DeploymentId, DeploymentState, OnFailure, Plan, Share, Strategy};

use super::fleet::{Fleet, ONE, slot};
use crate::support::world::{World, admin};

/// Three of four stay in service.
const THREE_OF_FOUR: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: Some(Share::Percent(75)),
};

/// Four servers, of which the second is left out: a deployment of a second commit failed there.
async fn with_one_of_four_out(strategy: Strategy, on_failure: OnFailure) -> (Fleet, Deployment) {
    let mut fleet = Fleet::with(&[4], strategy, |project| project.on_failure(on_failure)).await;
    fleet.world.script("deploy.sh", "[ ! -e ~/broken ]");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    std::fs::write(fleet.world.home(2, "broken"), "").unwrap();
    fleet.world.repository.write("news", "of today");
    let second = fleet.world.commit("Fails on web2").await;
    let failed = fleet.world.deploy(&second).await;
    assert!(
        failed.outcome.starts_with("Failed on web2."),
        "{}",
        failed.outcome
    );
    (fleet, failed)
}

async fn shown(fleet: &Fleet) -> Plan {
    let shown = plans::preview(&fleet.world.app, &admin(), ("shop", "dev"), Choice::All, None).await;
    shown.unwrap().expect("no obstacle")
}

async fn succeeds(fleet: &Fleet, id: DeploymentId) {
    let ended = fleet.world.end(id).await;
    let log = fleet.world.log(id).await;
    assert_eq!(ended.state, DeploymentState::Succeeded, "{} {log}", ended.outcome);
    assert_eq!(fleet.admins().await, [Admin::Ready; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_leaves_a_way_forward_when_a_server_has_failed() {
    let (mut fleet, _) = with_one_of_four_out(THREE_OF_FOUR, OnFailure::Stop).await;
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();
    let third = fleet.world.commit("Third").await;
    let plan = shown(&fleet).await;
    let order: Vec<&str> = plan.servers().map(|one| one.name.as_str()).collect();
    assert_eq!(order, ["web2", "web1", "web3", "web4"], "what is out goes first");

    let (deployment, fewest) = fleet.deploy(&third).await;

    succeeds(&fleet, deployment.id).await;
    assert_eq!(fewest, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_leaves_a_way_back_when_a_server_has_failed() {
    let (fleet, failed) = with_one_of_four_out(THREE_OF_FOUR, OnFailure::Stop).await;
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();

    let back = roll_back(&fleet.world.app, &admin(), failed.id).await.unwrap();

    succeeds(&fleet, back.id()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_never_holds_back_a_retry_that_takes_nobody_out() {
    let (fleet, failed) = with_one_of_four_out(THREE_OF_FOUR, OnFailure::Stop).await;
    let again = retry(&fleet.world.app, &admin(), failed.id).await.unwrap().id();
    let ended = fleet.world.end(again).await;
    assert_eq!(ended.outcome, "Failed on web2.");

    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();
    let again = retry(&fleet.world.app, &admin(), again).await.unwrap().id();

    succeeds(&fleet, again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_lets_a_failed_rollout_be_taken_back_by_itself() {
    let (fleet, failed) = with_one_of_four_out(THREE_OF_FOUR, OnFailure::RollBack).await;
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();
    let back = DeploymentId(failed.id.0 + 1);

    let ended = fleet.world.end(back).await;

    // It may have begun while web2 still failed.
    if ended.state != DeploymentState::Succeeded {
        assert_eq!(ended.outcome, "Failed on web2. Left 1 server untouched.");
        let again = retry(&fleet.world.app, &admin(), back).await.unwrap().id();
        fleet.world.end(again).await;
    }
    assert_eq!(fleet.admins().await, [Admin::Ready; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_keeps_half_of_the_whole_backend() {
    let (mut fleet, _) = with_one_of_four_out(ONE, OnFailure::Stop).await;
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();
    // A second one is out.
    std::fs::write(fleet.world.home(3, "broken"), "").unwrap();
    let third = fleet.world.commit("Third").await;
    let id = fleet.world.ask(World::request(&third)).await;
    assert_eq!(fleet.world.end(id).await.state, DeploymentState::Failed);
    fleet.world.script("deploy.sh", "sleep 0.5");
    let fourth = fleet.world.commit("Fourth").await;
    set_strategy(&fleet, Strategy::AllAtOnce).await;

    let (deployment, fewest) = fleet.deploy(&fourth).await;

    succeeds(&fleet, deployment.id).await;
    assert!(fewest >= 2, "{fewest} of 4 stayed in service");
}

/// From now on the environment rolls out so.
async fn set_strategy(fleet: &Fleet, strategy: Strategy) {
    use deployer::store::environments;
    let store = &fleet.world.store;
    let mut environment = environments::all(store).await.unwrap().remove(0);
    environment.options.rollout.strategy = strategy;
    let tx = crate::support::store::change(store).await;
    environments::update(&tx, &environment).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

/// A server that is down gets its repair, which brings it up.
async fn a_repair_reaches_a_server_that_is_down(strategy: Strategy, alone: bool) {
    let mut fleet = Fleet::with(&[2, 2], strategy, |project| project).await;
    fleet.world.script("deploy.sh", "echo begun on \"$2\"");
    fleet.backends[2].fail(true);
    while fleet
        .balancer
        .state()
        .await
        .unwrap()
        .of(&slot("web3"))
        .unwrap()
        .up
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let commit = fleet.world.commit("Repairs web3").await;
    let web3 = deployer::store::servers::by_name(&fleet.world.store, "web3").await;
    let choice = match alone {
        true => Choice::Server(web3.unwrap().id),
        false => Choice::All,
    };
    let id = fleet
        .world
        .ask(DeployRequest {
            choice,
            ..World::request(&commit)
        })
        .await;

    fleet.world.until_it_says(id, "begun on web3").await;
    fleet.backends[2].fail(false);

    succeeds(&fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_gets_its_repair_cluster_by_cluster() {
    a_repair_reaches_a_server_that_is_down(Strategy::ClusterByCluster, false).await;
    a_repair_reaches_a_server_that_is_down(Strategy::ClusterByCluster, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_gets_its_repair_although_a_minimum_is_reached() {
    a_repair_reaches_a_server_that_is_down(THREE_OF_FOUR, false).await;
    a_repair_reaches_a_server_that_is_down(THREE_OF_FOUR, true).await;
}

/// Says something to HAProxy's socket; it has nothing to answer.
async fn tell(fleet: &Fleet, command: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::UnixStream::connect(fleet.haproxy.socket("admin"))
        .await
        .unwrap();
    socket.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.trim(), "", "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_weight_0_takes_nobodys_place() {
    let keep_one = Strategy::Rolling {
        batch: Share::Count(1),
        keep: Some(Share::Count(1)),
    };
    let mut fleet = Fleet::start(&[2], keep_one).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;
    tell(&fleet, "set weight web/web2 0").await;

    let refused = fleet.world.deploy(&commit).await;

    assert!(
        refused
            .outcome
            .contains("would have 1 of 2 servers in service and must keep 1"),
        "{}",
        refused.outcome
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    tell(&fleet, "set weight web/web2 100%").await;
    let ended = fleet.world.deploy(&commit).await;
    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;

    // Without a minimum it is deployed to, and is as it was afterwards.
    tell(&fleet, "set weight web/web2 0").await;
    fleet.world.repository.write("news", "of today");
    let next = fleet.world.commit("Second").await;
    let request = DeployRequest {
        strategy: Some(ONE),
        ..World::request(&next)
    };
    let id = fleet.world.ask(request).await;
    let ended = fleet.world.end(id).await;
    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    let state = fleet.balancer.state().await.unwrap();
    assert!(state.of(&slot("web2")).unwrap().is_idle, "{state:?}");
}
