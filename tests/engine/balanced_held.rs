//! What the keeper leaves alone at balancers: servers that a deployment holds, and what it cannot know while an
//! endpoint is away.

use std::time::Duration;

use deployer::balancer::Admin;
use deployer::domain::DeploymentId;
use deployer::domain::deployment::Service;
use deployer::store::servers;

use super::balanced_endpoints::{decided, endpoints, enter, leave_out, mend, until_decided, until_seen_out};
use super::balanced_pair::{until_all_serve, with_two_endpoints};
use super::fleet::{Fleet, slot};
use super::hardship::tamper;

/// Some looks of the keeper.
const SOME_LOOKS: Duration = Duration::from_secs(6);

/// Has `deployment` hold web1, as one that works on it does.
async fn hold(fleet: &Fleet, deployment: DeploymentId) {
    let web1 = servers::by_name(&fleet.world.store, "web1").await.unwrap().id;
    let row = format!("INSERT INTO reservations (server_id, deployment_id) VALUES ({web1}, {deployment})");
    tamper(&fleet.world, &row).await;
}

async fn let_go(fleet: &Fleet) {
    tamper(&fleet.world, "DELETE FROM reservations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_put_back_is_back_once_every_endpoint_says_so() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let failed = leave_out(&mut fleet).await;
    until_seen_out(&fleet, 2).await;
    second.stop();
    tokio::time::sleep(SOME_LOOKS).await;
    let first = fleet.haproxy.balancer("runtime");
    first.ready(&[slot("web1")]).await.unwrap();
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    assert_eq!(decided(&fleet.haproxy).await, Admin::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_out_at_one_endpoint_is_left_to_who_holds_the_server() {
    let (mut fleet, second) = with_two_endpoints().await;
    let both = endpoints(&fleet, &second);
    leave_out(&mut fleet).await;
    enter(&fleet, &both[..1]).await;
    mend(&fleet);
    let commit = fleet.world.commit("Mended").await;
    let ended = fleet.world.deploy(&commit).await;
    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    hold(&fleet, ended.id).await;
    enter(&fleet, &both).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(decided(&second).await, Admin::Maint);
    let_go(&fleet).await;
    until_decided(&second, Admin::Ready).await;
    until_all_serve(&fleet).await;
}
