//! What the keeper leaves alone at balancers: servers that a deployment holds, and what it cannot know while an
//! endpoint is away.

use std::time::Duration;

use deployer::balancer::Admin;
use deployer::domain::DeploymentId;
use deployer::domain::deployment::Service;
use deployer::store::servers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::balanced_again::{until_admins, with_one_left_out};
use super::balanced_endpoints::{
    decided, endpoints, enter, leave_out, mend, told, until_decided, until_seen_out,
};
use super::balanced_pair::{until_all_serve, until_service, with_two_endpoints};
use super::fleet::{Fleet, slot};
use super::hardship::tamper;
use crate::support::haproxy::Haproxy;
use crate::support::world::World;

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

/// A deployment whose second endpoint went away while web1 was out of service. `then` ends its script.
async fn half_away(then: &str, go_away: impl Fn(&mut Haproxy)) -> (Fleet, Haproxy, DeploymentId) {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let script = format!("[ \"$2\" != web1 ] || {{ echo begun; sleep 1; {then}; }}");
    fleet.world.script("deploy.sh", &script);
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    fleet.world.until_it_says(id, "begun").await;
    go_away(&mut second);
    fleet.world.end(id).await;
    (fleet, second, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_back_waits_for_its_endpoint_and_for_who_holds_the_server() {
    let (fleet, mut second, id) = half_away("exit 0", Haproxy::stop).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(fleet.services(id).await[0], Service::PuttingBack);
    hold(&fleet, id).await;
    second.start_again().await;
    until_all_serve(&fleet).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(fleet.services(id).await[0], Service::PuttingBack);
    let_go(&fleet).await;
    until_service(&fleet, id, Service::Back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_out_once_every_endpoint_says_so() {
    let (fleet, mut second, id) = half_away("exit 1", Haproxy::stop).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(fleet.services(id).await[0], Service::TakingOut);
    second.start_again().await;
    until_decided(&second, Admin::Maint).await;
    until_service(&fleet, id, Service::Out).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_not_put_back_before_it_is_up() {
    let hang = |second: &mut Haproxy| signal(second, Signal::SIGSTOP);
    let (fleet, second, id) = half_away("exit 0", hang).await;
    assert_eq!(fleet.services(id).await[0], Service::PuttingBack);
    fleet.backends[0].fail(true);
    // The checks of the first one find out.
    tokio::time::sleep(SOME_LOOKS).await;
    signal(&second, Signal::SIGCONT);
    tokio::time::sleep(SOME_LOOKS).await;
    assert_ne!(decided(&second).await, Admin::Ready);
    fleet.backends[0].fail(false);
    until_decided(&second, Admin::Ready).await;
    until_service(&fleet, id, Service::Back).await;
}

fn signal(haproxy: &Haproxy, signal: Signal) {
    kill(Pid::from_raw(haproxy.pid().cast_signed()), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_in_a_restart_is_left_to_who_holds_the_server() {
    let (mut fleet, id) = with_one_left_out().await;
    tokio::time::sleep(SOME_LOOKS).await;
    hold(&fleet, id).await;
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    let_go(&fleet).await;
    until_admins(&fleet, &[Admin::Maint, Admin::Ready]).await;

    // A second time it is told a second time.
    tokio::time::sleep(SOME_LOOKS).await;
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    until_admins(&fleet, &[Admin::Maint, Admin::Ready]).await;
    let kept = told(&fleet, "deployment.kept_out").await;
    assert_eq!(kept.len(), 2, "{kept:?}");
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
