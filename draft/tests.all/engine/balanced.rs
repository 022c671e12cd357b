//! Rollouts behind a real HAProxy: who is out of service when, and who is left so.

use deployer::balancer::Admin;
use deployer::domain::deployment::Service;
use deployer::domain::{DeploymentState, StepKind, StepState, Strategy};

use super::fleet::{Fleet, ONE, slot};
use crate::support::setup::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_out_of_service_only_from_the_switch_to_the_last_test() {
    let mut fleet = Fleet::start(&[3], ONE).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    let id = deployment.id;
    fleet
        .world
        .assert_outcome(&deployment, "3 servers deployed.")
        .await;
    assert_eq!(fewest, 2, "one at a time");
    assert_eq!(fleet.services(id).await, [Service::Back; 3]);
    assert_eq!(fleet.admins().await, [Admin::Ready; 3]);
    let kinds = [
        StepKind::Sync,
        StepKind::Drain,
        StepKind::Activate,
        StepKind::Deploy,
        StepKind::Tests,
        StepKind::Restore,
    ];
    let mut begins = Vec::new();
    for kind in kinds {
        begins.push(fleet.step(id, "web2", kind).await.started_at.unwrap());
    }
    assert!(begins.is_sorted(), "{begins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_by_cluster_drains_all_old_servers_before_the_second_cluster() {
    let mut fleet = Fleet::with(&[2, 2, 1], Strategy::ClusterByCluster, Setup::in_place).await;
    fleet.world.script("deploy.sh", "sleep 0.3");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    let id = deployment.id;
    fleet
        .world
        .assert_outcome(&deployment, "5 servers deployed.")
        .await;
    assert!(fewest >= 1, "somebody always serves");
    assert_eq!(fleet.admins().await, [Admin::Ready; 5]);
    let back = fleet.step(id, "web2", StepKind::Restore).await.finished_at;
    let out = fleet.step(id, "web5", StepKind::Drain).await;
    assert!(
        out.started_at >= back,
        "the first cluster serves again before the others go"
    );
    assert!(out.finished_at <= fleet.step(id, "web3", StepKind::Deploy).await.started_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_server_stays_out_and_the_others_serve_the_old_release() {
    let mut fleet = Fleet::start(&[2, 2], Strategy::ClusterByCluster).await;
    fleet.world.repository.write("a", "1");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    fleet.world.script("deploy.sh", "[ \"$2\" != web3 ]");
    let second = fleet.world.commit("Second").await;

    let (deployment, _) = fleet.deploy(&second).await;

    let id = deployment.id;
    let log = fleet.world.log(id).await;
    assert_eq!(
        deployment.outcome, "Failed on web3. Deployed to 3 servers.",
        "{log}"
    );
    assert_eq!(
        fleet.admins().await,
        [Admin::Ready, Admin::Ready, Admin::Maint, Admin::Ready]
    );
    use Service::{Back, Out};
    assert_eq!(fleet.services(id).await, [Back, Back, Out, Back]);
    let detail = &fleet.world.parts(id).await[2].detail;
    assert!(
        detail.ends_with("and is out of service. Deploy again, or roll back."),
        "{detail}"
    );

    // The next one knows that nobody took it out by hand.
    fleet.world.script("deploy.sh", "exit 0");
    let third = fleet.world.commit("Third").await;
    let (deployment, _) = fleet.deploy(&third).await;
    fleet
        .world
        .assert_outcome(&deployment, "4 servers deployed.")
        .await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_disabled_by_hand_stays_out() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.balancer.maint(&[slot("web1")]).await.unwrap();
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, _) = fleet.deploy(&commit).await;

    let id = deployment.id;
    fleet
        .world
        .assert_outcome(&deployment, "2 servers deployed.")
        .await;
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    assert_eq!(fleet.services(id).await, [Service::ByHand, Service::Back]);
    let detail = &fleet.world.parts(id).await[0].detail;
    assert!(
        detail.ends_with(" and stays out of service, as someone took it out by hand."),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_two_clusters_is_deployed_to_once_and_an_inactive_cluster_is_no_obstacle() {
    let mut fleet = Fleet::start(&[2, 1], ONE).await;
    let store = &fleet.world.store.clone();
    let first = deployer::store::clusters::by_name(store, "cluster1")
        .await
        .unwrap();
    let mut second = deployer::store::clusters::by_name(store, "cluster2")
        .await
        .unwrap();
    let mut lonely = deployer::store::servers::by_name(store, "web3").await.unwrap();
    lonely.active = false;
    let tx = crate::support::store::change(store).await;
    deployer::store::servers::update(&tx, &lonely).await.unwrap();
    second.members.push(first.members[1].clone());
    deployer::store::clusters::update(&tx, &second).await.unwrap();
    crate::support::store::bring_in(tx).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, _) = fleet.deploy(&commit).await;

    let id = deployment.id;
    fleet
        .world
        .assert_outcome(&deployment, "2 servers deployed.")
        .await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 3]);
    let drains = fleet.world.steps(id).await;
    let drains = drains
        .iter()
        .filter(|step| step.kind == StepKind::Drain && step.state == StepState::Succeeded);
    assert_eq!(drains.count(), 2);
    assert!(
        fleet
            .world
            .log(id)
            .await
            .contains("web3 in cluster cluster2: Inactive")
    );
}
