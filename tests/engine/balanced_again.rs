//! Servers that a rollout behind a real HAProxy leaves out of service, or finds taken out: they stay
//! so through retries, cancels, a broken store, a restart of HAProxy and whoever acts by hand.

use std::time::Duration;

use deployer::app::deployments::{answer, cancel, roll_back};
use deployer::balancer::Admin;
use deployer::domain::deployment::{ServerState, Service};
use deployer::domain::health::{HealthCheck, HttpProbe, Probe};
use deployer::domain::{Answer, DeploymentId, DeploymentState, OnFailure, Strategy};
use deployer::store::deployments;

use super::fleet::{Fleet, ONE, slot};
use super::hardship::tamper;
use crate::support::world::{World, admin};

const MOMENT: Duration = Duration::from_millis(20);

/// Waits until the servers' standing is this.
pub async fn until_admins(fleet: &Fleet, wanted: &[Admin]) {
    for _ in 0..1000 {
        if let Ok(state) = fleet.balancer.state().await {
            let admins: Vec<Admin> = state.servers.iter().map(|one| one.admin).collect();
            if admins == wanted {
                return;
            }
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{:?} instead of {wanted:?}", fleet.admins().await);
}

/// A fleet whose first server is left out of service by a deployment that failed there.
pub async fn with_one_left_out() -> (Fleet, DeploymentId) {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    (fleet, failed.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stays_out_when_its_retry_is_cancelled() {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.on_failure(OnFailure::Ask)).await;
    // The second time it takes so long that it can be seen to go on.
    fleet.world.script(
        "deploy.sh",
        "[ \"$2\" != web1 ] || { [ ! -e ~/tried ] || sleep 20; touch ~/tried; exit 1; }",
    );
    let commit = fleet.world.commit("Fails on web1").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    let world = &fleet.world;
    world
        .until(id, "it pauses", |d| d.state == DeploymentState::Paused)
        .await;

    answer(&world.app, &admin(), id, Answer::Retry).await.unwrap();
    world
        .until(id, "it goes on", |d| d.state != DeploymentState::Paused)
        .await;
    cancel(&world.app, &admin(), id).await.unwrap();

    let ended = world.end(id).await;
    assert_eq!(ended.outcome, "Cancelled by admin.");
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    let part = &world.parts(id).await[0];
    assert_eq!((part.state, part.service), (ServerState::Cancelled, Service::Out));
    assert!(!part.detail.contains("Not touched"), "{}", part.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_writes_leaves_no_correct_server_out_of_service() {
    let mut fleet = Fleet::start(&[1, 1, 1], Strategy::ClusterByCluster).await;
    fleet.world.script(
        "deploy.sh",
        "[ \"$2\" != web2 ] || for i in $(seq 200); do echo line $i; sleep 0.1; done",
    );
    let commit = fleet.world.commit("Talks on web2").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    fleet.world.until_it_says(id, "line 3").await;
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Maint]);

    let full = "CREATE TRIGGER full BEFORE UPDATE ON deployments BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    tamper(&fleet.world, full).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    tamper(&fleet.world, "DROP TRIGGER full").await;

    let ended = fleet.world.end(id).await;
    assert_eq!(ended.outcome, "Stopped, because its log could not be stored.");
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Ready]);
    assert_eq!(
        fleet.services(id).await,
        [Service::Back, Service::Out, Service::Back]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_disabled_by_hand_during_a_rollout_stays_out() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    let (_, id) = fleet.begin_on_web1().await;
    fleet.balancer.maint(&[slot("web2")]).await.unwrap();

    let ended = fleet.world.end(id).await;

    assert_eq!(ended.outcome, "2 servers deployed.");
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint]);
    assert_eq!(fleet.services(id).await, [Service::Back, Service::ByHand]);
    let log = fleet.world.log(id).await;
    assert!(
        log.contains("Somebody has taken it out of web of balancer edge meanwhile"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_left_out_stays_out_after_a_restart_unless_somebody_enables_it() {
    let (mut fleet, id) = with_one_left_out().await;

    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    until_admins(&fleet, &[Admin::Maint, Admin::Ready]).await;

    // Longer than the watch looks back, so that web2 has stood there for a while.
    tokio::time::sleep(Duration::from_secs(6)).await;
    fleet.balancer.ready(&[slot("web1")]).await.unwrap();
    for _ in 0..1000 {
        if fleet.services(id).await[0] == Service::Back {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(fleet.services(id).await[0], Service::Back);
    assert_eq!(
        fleet.admins().await,
        [Admin::Ready; 2],
        "it is theirs who put it back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_made_by_hand_about_a_server_left_out_is_respected() {
    let (mut fleet, _) = with_one_left_out().await;
    let store = fleet.world.store.clone();
    let left = deployments::left_out(&store).await.unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "web1"));

    let tx = crate::support::store::change(&store).await;
    let balancer = left[0].slots[0].balancer;
    deployments::decided_by_hand(&tx, balancer, ("web", "web1"), Service::ByHand)
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;

    assert_eq!(deployments::left_out(&store).await.unwrap(), []);
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("Mended").await;
    let ended = fleet.world.deploy(&commit).await;
    assert_eq!(ended.state, DeploymentState::Succeeded);
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_possible_while_the_new_release_is_down() {
    let mut fleet = Fleet::start(&[1, 1], Strategy::ClusterByCluster).await;
    fleet.world.script("deploy.sh", "echo begun");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    let second = fleet.world.commit("Crashes an hour later").await;
    let bad = fleet.world.deploy(&second).await;
    assert_eq!(bad.state, DeploymentState::Succeeded);
    for backend in &fleet.backends {
        backend.fail(true);
    }
    for name in ["web1", "web2"] {
        while fleet.balancer.state().await.unwrap().of(&slot(name)).unwrap().up {
            tokio::time::sleep(MOMENT).await;
        }
    }

    let id = roll_back(&fleet.world.app, &admin(), bad.id).await.unwrap().id();
    fleet.world.until_it_says(id, "begun").await;
    for backend in &fleet.backends {
        backend.fail(false);
    }

    let ended = fleet.world.end(id).await;
    assert_eq!(
        ended.state,
        DeploymentState::Succeeded,
        "{}",
        fleet.world.log(id).await
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    assert!(fleet.world.read(1, "dev/shop/.git_release").contains(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_its_health_check_stays_out_and_may_be_rolled_back_automatically() {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.on_failure(OnFailure::RollBack)).await;
    fleet.world.script("deploy.sh", "exit 0");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    check_pages_of(&fleet, fleet.backends[0].port).await;
    fleet.backends[0].fail(true);
    let second = fleet.world.commit("Answers 503").await;

    let failed = fleet.world.deploy(&second).await;

    assert_eq!(failed.state, DeploymentState::Failed);
    assert!(
        failed.outcome.starts_with("Failed on web1."),
        "{}",
        failed.outcome
    );
    let part = &fleet.world.parts(failed.id).await[0];
    assert_eq!((part.state, part.service), (ServerState::Failed, Service::Out));
    assert!(part.detail.contains("503"), "{}", part.detail);
    // Its own deployment brings the one server back to what it ran, once that answers.
    let back = DeploymentId(failed.id.0 + 1);
    fleet.backends[0].fail(false);
    let ended = fleet.world.end(back).await;
    assert_eq!(
        ended.state,
        DeploymentState::Succeeded,
        "{}",
        fleet.world.log(back).await
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    assert!(fleet.world.read(1, "dev/shop/.git_release").contains(&first));
}

/// From now on every server is asked for a page on `port` after its scripts.
async fn check_pages_of(fleet: &Fleet, port: u16) {
    use deployer::store::environments;
    let store = &fleet.world.store;
    let mut environment = environments::all(store).await.unwrap().remove(0);
    environment.options.health = Some(HealthCheck {
        probe: Probe::Http(HttpProbe {
            port,
            ..HttpProbe::default()
        }),
        interval: 1,
        attempts: 2,
        ..HealthCheck::default()
    });
    let tx = crate::support::store::change(store).await;
    environments::update(&tx, &environment).await.unwrap();
    crate::support::store::bring_in(tx).await;
}
