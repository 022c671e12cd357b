//! HAProxies whose configuration is changed while a server is out of service because of a deployment.

use std::time::Duration;

use deployer::balancer::{Admin, BackendSlot};
use deployer::domain::deployment::Service;
use deployer::domain::{Deployment, DeploymentId, DeploymentState};
use deployer::store::{clusters, deployments};

use super::balanced_endpoints::told;
use super::balanced_pair::{until_service, with_two_endpoints};
use super::fleet::{Fleet, ONE, slot};
use crate::support::haproxy::Haproxy;
use crate::support::store::{bring_in, change};

const MOMENT: Duration = Duration::from_millis(50);
/// How long HAProxy must not know a server before it is let go.
const GONE_AFTER: Duration = Duration::from_secs(30);
/// Longer than the keeper looks back, so that what changes then has not changed in a restart.
const A_WHILE: Duration = Duration::from_secs(6);

/// Restarts HAProxy with another configuration.
async fn configure(fleet: &mut Fleet, change: impl Fn(&str) -> String) {
    let file = fleet.haproxy.socket("admin").with_file_name("haproxy.cfg");
    let before = std::fs::read_to_string(&file).unwrap();
    let after = change(&before);
    assert_ne!(before, after);
    std::fs::write(&file, after).unwrap();
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
}

async fn until_decided(fleet: &Fleet, place: &BackendSlot, wanted: Admin) {
    let now = async || {
        let state = fleet.balancer.state().await.ok()?;
        Some(state.of(place)?.admin)
    };
    for _ in 0..400 {
        if now().await == Some(wanted) {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{place}: {:?}", now().await);
}

/// A fleet in which a deployment failed on web1 and left it out of service.
async fn without_web1() -> (Fleet, Deployment) {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    (fleet, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_left_out_stays_out_when_its_backend_is_renamed() {
    let (mut fleet, failed) = without_web1().await;

    configure(&mut fleet, |text| {
        text.replace("\nbackend web\n", "\nbackend shop\n")
            .replace("default_backend web\n", "default_backend shop\n")
    })
    .await;
    let tx = change(&fleet.world.store).await;
    for mut cluster in clusters::list(&tx).await.unwrap() {
        cluster.backends = vec!["shop".into()];
        clusters::update(&tx, &cluster).await.unwrap();
    }
    bring_in(tx).await;

    let place = BackendSlot::new("shop", "web1").unwrap();
    until_decided(&fleet, &place, Admin::Maint).await;
    assert_eq!(fleet.services(failed.id).await[0], Service::Out);
    // What people do there from now on is theirs.
    tokio::time::sleep(A_WHILE).await;
    fleet.balancer.ready(std::slice::from_ref(&place)).await.unwrap();
    until_service(&fleet, failed.id, Service::Back).await;
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
    until_decided(&fleet, &place, Admin::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_from_haproxy_for_a_while_is_taken_out_when_it_is_there_again() {
    let (mut fleet, failed) = without_web1().await;

    configure(&mut fleet, |text| {
        text.replace("  server web1 ", "  # server web1 ")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fleet.services(failed.id).await[0], Service::Out);
    configure(&mut fleet, |text| {
        text.replace("  # server web1 ", "  server web1 ")
    })
    .await;

    let place = BackendSlot::new("web", "web1").unwrap();
    until_decided(&fleet, &place, Admin::Maint).await;
    assert_eq!(fleet.services(failed.id).await[0], Service::Out);
}

/// A server is being put back when its deployment ends, as an endpoint is away.
async fn being_put_back() -> (Fleet, Haproxy, DeploymentId) {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let (_, id) = fleet.begin_on_web1().await;
    second.stop();
    fleet.world.end(id).await;
    assert_eq!(fleet.services(id).await[0], Service::PuttingBack);
    (fleet, second, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_removed_from_haproxy_while_it_is_being_put_back_is_let_go() {
    let (mut fleet, mut second, id) = being_put_back().await;

    let without = |text: &str| text.replace("  server web1 ", "  # server web1 ");
    configure(&mut fleet, without).await;
    let file = second.socket("admin").with_file_name("haproxy.cfg");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, without(&text)).unwrap();
    second.start_again().await;

    tokio::time::sleep(GONE_AFTER / 2).await;
    assert_eq!(
        fleet.services(id).await[0],
        Service::PuttingBack,
        "it may come back"
    );
    tokio::time::sleep(GONE_AFTER / 2).await;
    until_service(&fleet, id, Service::ByHand).await;
    assert_eq!(
        told(&fleet, "deployment.taken_out_by_hand").await,
        [
            "web1 is no longer in web of balancer edge, so nothing more is done with it there. Enter it there again to have it serve."
        ]
    );
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_one_endpoint_has_lost_for_good_is_put_back_at_the_others() {
    let (fleet, mut second, id) = being_put_back().await;

    let file = second.socket("admin").with_file_name("haproxy.cfg");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("  server web1 ", "  # server web1 ")).unwrap();
    second.start_again().await;

    tokio::time::sleep(GONE_AFTER).await;
    until_service(&fleet, id, Service::Back).await;
    let first = fleet.haproxy.balancer("runtime").state().await.unwrap();
    assert_eq!(first.of(&slot("web1")).unwrap().admin, Admin::Ready);
}
