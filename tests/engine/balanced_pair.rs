//! Two endpoints of one balancer, of which one dies during a rollout and comes back, and a balancer whose
//! row is replaced.

use std::time::Duration;

use deployer::app::watch;
use deployer::balancer::Admin;
use deployer::domain::deployment::Service;
use deployer::domain::{Deployment, DeploymentId, DeploymentState};
use deployer::store::{balancers, clusters};

use super::fleet::{Fleet, ONE, slot};
use crate::support::haproxy::{Haproxy, open, row};
use crate::support::store::{bring_in, change};
use crate::support::world::admin;

const MOMENT: Duration = Duration::from_millis(50);

/// A fleet of two whose balancer has a second endpoint.
pub async fn with_two_endpoints() -> (Fleet, Haproxy) {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.up_limit(2)).await;
    let servers: Vec<(String, u16)> = (1..)
        .zip(&fleet.backends)
        .map(|(number, backend)| (format!("web{number}"), backend.port))
        .collect();
    let servers: Vec<(&str, u16)> = servers
        .iter()
        .map(|(name, port)| (name.as_str(), *port))
        .collect();
    let second = Haproxy::builder().backend("web", &servers).start().await;
    let endpoints = [fleet.haproxy.endpoint("runtime"), second.endpoint("runtime")];
    let store = &fleet.world.store;
    let mut stored = balancers::list(store).await.unwrap().remove(0);
    stored.endpoints = endpoints.to_vec();
    let tx = change(store).await;
    balancers::update(&tx, &stored).await.unwrap();
    bring_in(tx).await;
    fleet.balancer = open("runtime", &endpoints, None);
    until_all_serve(&fleet).await;
    (fleet, second)
}

/// Waits until both servers are in service at every endpoint.
pub async fn until_all_serve(fleet: &Fleet) {
    for _ in 0..400 {
        if let Ok(state) = fleet.balancer.state().await
            && state.servers.iter().all(|one| one.up && one.agree)
        {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{:?}", fleet.balancer.state().await);
}

pub async fn until_service(fleet: &Fleet, id: DeploymentId, wanted: Service) {
    for _ in 0..200 {
        if fleet.services(id).await[0] == wanted {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{:?}", fleet.services(id).await);
}

/// An endpoint dies before web1 can go back at it, and the deployment ends.
async fn die_while_it_goes_back(fleet: &Fleet, endpoint: &mut Haproxy, id: DeploymentId) -> Deployment {
    endpoint.stop();
    let ended = fleet.world.end(id).await;
    assert_eq!(fleet.services(id).await[0], Service::PuttingBack);
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_put_back_at_an_endpoint_that_died_is_put_back_when_it_is_there_again() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let (commit, id) = fleet.begin_on_web1().await;
    let ended = die_while_it_goes_back(&fleet, &mut second, id).await;
    assert_eq!(ended.outcome, "Failed on web1. Left 1 server untouched.");
    let endpoint = second.endpoint("runtime");
    let late =
        format!("It could not be put back at once: {endpoint} could not be reached: nothing listens there.");
    let runs = format!("It runs {}", &commit[..8]);
    let told = &fleet.world.parts(id).await[0].detail;
    assert_eq!(
        *told,
        format!(
            "{late} {runs} and is being put back into service. That happens by itself once every endpoint of the \
             balancer answers; remove one that is gone for good."
        )
    );
    let (_, acts) = watch::see(&fleet.world.app, &admin(), id).await.unwrap();
    let helps = |one: &watch::Hindrance| one.why.contains("has to be removed from the balancer");
    assert!(acts.obstacles.iter().any(helps), "{acts:?}");

    second.start_again().await;

    until_all_serve(&fleet).await;
    until_service(&fleet, id, Service::Back).await;
    let told = &fleet.world.parts(id).await[0].detail;
    assert_eq!(*told, format!("{late} {runs} and is back in service."));
    let again = fleet.world.deploy(&commit).await;
    fleet.world.assert_outcome(&again, "2 servers deployed.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_that_is_gone_for_good_servers_are_back() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let (commit, id) = fleet.begin_on_web1().await;
    die_while_it_goes_back(&fleet, &mut second, id).await;

    let store = fleet.world.store.clone();
    let mut row = balancers::list(&store).await.unwrap().remove(0);
    row.endpoints.truncate(1);
    let tx = change(&store).await;
    balancers::update(&tx, &row).await.unwrap();
    bring_in(tx).await;

    until_service(&fleet, id, Service::Back).await;
    let state = fleet.haproxy.balancer("runtime").state().await.unwrap();
    assert!(
        state.servers.iter().all(|one| one.admin == Admin::Ready),
        "{state:?}"
    );
    let again = fleet.world.deploy(&commit).await;
    fleet.world.assert_outcome(&again, "2 servers deployed.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_somebody_takes_out_while_it_is_being_put_back_stays_out() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let (_, id) = fleet.begin_on_web1().await;
    die_while_it_goes_back(&fleet, &mut second, id).await;
    let first = fleet.haproxy.balancer("runtime");
    while first.state().await.unwrap().of(&slot("web1")).unwrap().admin != Admin::Ready {
        tokio::time::sleep(MOMENT).await;
    }
    // More looks than one.
    tokio::time::sleep(Duration::from_secs(5)).await;
    first.maint(&[slot("web1")]).await.unwrap();

    second.start_again().await;

    until_service(&fleet, id, Service::ByHand).await;
    let told = deployer::store::audit::list(&fleet.world.store, &Default::default(), Default::default(), 50)
        .await
        .unwrap();
    let is_told = |kind: &str| told.items.iter().any(|one| one.event.action == kind);
    assert!(is_told("deployment.taken_out_by_hand"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = first.state().await.unwrap();
    assert_eq!(now.of(&slot("web1")).unwrap().admin, Admin::Maint);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_disagree_about_what_we_left_out_do_not_stop_the_next_deployment() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.outcome, "Failed on web1. Left 1 server untouched.");
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    fleet.world.script("deploy.sh", "exit 0");
    let mended = fleet.world.commit("Mended").await;

    second.stop();
    second.start_again().await;
    let ended = fleet.world.deploy(&mended).await;

    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    until_all_serve(&fleet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_left_out_is_ours_after_the_row_of_the_balancer_was_replaced() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    let store = fleet.world.store.clone();
    let mut replacement = row("runtime", &[fleet.haproxy.tcp()]);
    replacement.name = "edge2".parse().unwrap();
    let old = balancers::list(&store).await.unwrap().remove(0);
    let tx = change(&store).await;
    let replacement = balancers::insert(&tx, &replacement).await.unwrap();
    for mut cluster in clusters::list(&store).await.unwrap() {
        cluster.balancer = Some(replacement.id);
        clusters::update(&tx, &cluster).await.unwrap();
    }
    balancers::delete(&tx, old.id).await.unwrap();
    bring_in(tx).await;

    // A restart of HAProxy forgets what was left out, and the new row's keeper does not.
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    for _ in 0..200 {
        if fleet.admins().await == [Admin::Maint, Admin::Ready] {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    fleet.world.script("deploy.sh", "exit 0");
    let mended = fleet.world.commit("Mended").await;
    let ended = fleet.world.deploy(&mended).await;

    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    assert_eq!(fleet.services(ended.id).await, [Service::Back; 2]);
}
