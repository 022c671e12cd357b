//! Rollouts behind a real HAProxy that go wrong: cancels, servers that stay down, a HAProxy that is
//! restarted, away, or knows other names.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use deployer::app::deployments::cancel;
use deployer::balancer::Admin;
use deployer::domain::deployment::{ServerState, Service};
use deployer::domain::{DeploymentId, DeploymentState, OnFailure, Share, StepKind, Strategy};

use super::fleet::{Fleet, ONE};
use crate::support::haproxy::Haproxy;
use crate::support::world::{World, admin};

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_puts_correct_servers_back_in_service() {
    let mut fleet = Fleet::start(&[1, 1, 1], Strategy::ClusterByCluster).await;
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web2 ] || { echo begun; sleep 30; }");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Maint]);

    cancel(&fleet.world.app, &admin(), id).await.unwrap();

    let deployment = fleet.world.end(id).await;
    assert_eq!(deployment.outcome, "Cancelled by admin.");
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Ready]);
    let parts = fleet.world.parts(id).await;
    let states: Vec<_> = parts.iter().map(|part| (part.state, part.service)).collect();
    let expected = [
        (ServerState::Succeeded, Service::Back),
        (ServerState::Cancelled, Service::Out),
        (ServerState::Skipped, Service::Back),
    ];
    assert_eq!(states, expected);
    assert!(
        parts[2].detail.ends_with(" and is back in service."),
        "{}",
        parts[2].detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_up_is_taken_out_again_and_fails() {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.up_limit(1)).await;
    fleet.backends[0].fail(false);
    fleet.world.script("deploy.sh", "echo begun; sleep 1");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.backends[0].fail(true);

    let deployment = fleet.world.end(id).await;

    assert_eq!(deployment.outcome, "Failed on web1. Left 1 server untouched.");
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    let part = &fleet.world.parts(id).await[0];
    assert_eq!((part.state, part.service), (ServerState::Failed, Service::Out));
    assert!(
        part.detail.contains("did not report web/web1 UP"),
        "{}",
        part.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_does_not_know_a_server_stops_a_deployment_before_anything_is_touched() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    let store = &fleet.world.store.clone();
    let mut cluster = deployer::store::clusters::by_name(store, "cluster1")
        .await
        .unwrap();
    cluster.members[1].balancer_name = Some("other".into());
    let tx = crate::support::store::change(store).await;
    deployer::store::clusters::update(&tx, &cluster).await.unwrap();
    crate::support::store::bring_in(tx).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment.outcome.contains("has no server “other”"),
        "{}",
        deployment.outcome
    );
    assert_eq!(fewest, 2);
    assert!(!fleet.world.home(1, "dev/shop").exists());

    // By the name the balancer has, it goes.
    cluster.members.swap(0, 1);
    cluster.members[0].balancer_name = Some("web2".into());
    let tx = crate::support::store::change(store).await;
    deployer::store::clusters::update(&tx, &cluster).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(
        fleet.world.deploy(&commit).await.state,
        DeploymentState::Succeeded
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_balancer_stops_a_deployment_before_anything_is_touched() {
    let mut fleet = Fleet::start(&[1], ONE).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;
    fleet.haproxy.stop();

    let deployment = fleet.world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment.outcome.contains("cannot be reached"),
        "{}",
        deployment.outcome
    );
    assert!(!fleet.world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_balancer_sends_nobody_to_a_server_that_is_being_deployed_to() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web1 ] || { echo begun; sleep 6; }");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;

    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        fleet.admins().await,
        [Admin::Maint, Admin::Ready],
        "it was taken out again"
    );
    let deployment = fleet.world.end(id).await;
    fleet
        .world
        .assert_outcome(&deployment, "2 servers deployed.")
        .await;
    assert!(fleet.world.log(id).await.contains("as after a restart"));
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_server_that_stays_out_counts_against_the_limit_of_the_strategy() {
    let strategy = Strategy::Rolling {
        batch: Share::Count(1),
        keep: Some(Share::Count(2)),
    };
    let mut fleet = Fleet::with(&[3], strategy, |project| {
        project.on_failure(OnFailure::Continue { up_to: 3 }).up_limit(2)
    })
    .await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    assert_eq!(fewest, 2);
    assert!(
        deployment
            .outcome
            .starts_with("Stopped before Batch 2: web of balancer edge has 2 of 3 in service"),
        "{}",
        deployment.outcome
    );
    let states: HashMap<_, _> = fleet
        .world
        .parts(deployment.id)
        .await
        .into_iter()
        .map(|part| (part.server, part.state))
        .collect();
    assert_eq!(states["web1"], ServerState::Failed);
    assert_eq!(states["web3"], ServerState::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rollout_waits_for_a_balancer_that_is_unreachable_when_a_server_is_done() {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.up_limit(30)).await;
    let (_, id) = fleet.begin_on_web1().await;
    fleet.haproxy.stop();
    tokio::time::sleep(Duration::from_secs(7)).await;
    fleet.haproxy.start_again().await;

    let deployment = fleet.world.end(id).await;

    fleet
        .world
        .assert_outcome(&deployment, "2 servers deployed.")
        .await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

/// A fleet that runs a first commit, and a second one to deploy. A user of web1 stays, so that its drain
/// takes its whole limit.
async fn with_a_slow_drain() -> (Fleet, String) {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.repository.write("a", "1");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    let url = format!("{}/hold", fleet.haproxy.url("web"));
    while fleet.backends[0].held() == 0 {
        tokio::spawn(reqwest::get(url.clone()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.world.repository.write("a", "2");
    let second = fleet.world.commit("Second").await;
    (fleet, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_vanishes_before_the_switch_goes_back_into_service() {
    let (mut fleet, second) = with_a_slow_drain().await;
    let id = fleet.world.ask(World::request(&second)).await;
    fleet
        .world
        .until_it_says(id, "No new sessions for web/web1")
        .await;
    fleet.world.servers[0].go_down();

    let ended = fleet.world.end(id).await;

    assert_eq!(ended.outcome, "Failed on web1. Left 1 server untouched.");
    let part = &fleet.world.parts(id).await[0];
    assert!(part.detail.contains("cannot be reached"), "{}", part.detail);
    assert!(
        part.detail.contains("It still runs") && part.detail.ends_with(" and is back in service."),
        "{}",
        part.detail
    );
    assert_eq!(part.service, Service::Back);
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_vanishes_in_the_switch_goes_back_when_it_can_be_asked_again() {
    let (mut fleet, second) = with_a_slow_drain().await;
    // A switch that hangs before it is made.
    let (bin, mark) = (fleet.world.home(1, "bin"), fleet.world.home(1, "switching"));
    std::fs::create_dir(&bin).unwrap();
    let mv = format!(
        "#!/bin/sh\ncase \"$*\" in *.deployer-link-*) touch {}; sleep 60;; esac\nexec /bin/mv \"$@\"\n",
        mark.display()
    );
    std::fs::write(bin.join("mv"), mv).unwrap();
    std::fs::set_permissions(bin.join("mv"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("export PATH={}:$PATH\n", bin.display());
    std::fs::write(fleet.world.home(1, ".bashrc"), path).unwrap();
    let id = fleet.world.ask(World::request(&second)).await;
    while !mark.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.world.servers[0].go_down();
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.world.servers[0].come_back();

    let ended = fleet.world.end(id).await;

    assert_eq!(ended.outcome, "Failed on web1. Left 1 server untouched.");
    let part = &fleet.world.parts(id).await[0];
    assert!(
        part.detail.contains("It still runs") && part.detail.ends_with(" and is back in service."),
        "{}",
        part.detail
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_process_holds_for_a_while_ends_no_rollout() {
    use sea_orm::{ConnectOptions, ConnectionTrait, Database};
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.script("deploy.sh", "echo begun; sleep 1");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    fleet.world.until_it_says(id, "begun").await;
    let file = fleet.world.dir.path().join("deployer.db");
    let mut one = ConnectOptions::new(format!("sqlite://{}", file.display()));
    one.max_connections(1);
    let other = Database::connect(one).await.unwrap();
    // Longer than a transaction waits for its turn, shorter than the lease lasts.
    other
        .execute_unprepared("BEGIN IMMEDIATE; SELECT 1;")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    other.execute_unprepared("ROLLBACK").await.unwrap();
    other.close().await.unwrap();

    let ended = fleet.world.end(id).await;

    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

/// Behind an HAProxy that gives a server its full weight only some seconds after it came up.
async fn growing(seconds: u32) -> Fleet {
    let words = format!("check inter 100ms rise 2 fall 2 slowstart {seconds}s");
    let haproxy = Haproxy::builder().server_options_of("web", &words);
    let fleet = Fleet::behind(haproxy, &[2], ONE, |project| project.up_limit(6)).await;
    fleet.world.script("deploy.sh", "exit 0");
    fleet
}

/// When web1 was back, and when web2 went out.
async fn turn(fleet: &Fleet, id: DeploymentId) -> Duration {
    let back = fleet
        .step(id, "web1", StepKind::Restore)
        .await
        .finished_at
        .unwrap();
    let out = fleet.step(id, "web2", StepKind::Drain).await.started_at.unwrap();
    out.signed_duration_since(back).to_std().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_goes_out_when_the_one_before_has_its_full_weight() {
    let mut fleet = growing(4).await;
    let commit = fleet.world.commit("First").await;

    let done = fleet.world.deploy(&commit).await;

    fleet.world.assert_outcome(&done, "2 servers deployed.").await;
    let turn = turn(&fleet, done.id).await;
    assert!(turn > Duration::from_secs(3), "{turn:?}");
    let log = fleet.world.log(done.id).await;
    assert!(!log.contains("slowstart"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_that_grows_for_long_is_waited_for_only_for_a_while() {
    let mut fleet = growing(600).await;
    let commit = fleet.world.commit("First").await;

    let done = fleet.world.deploy(&commit).await;

    fleet.world.assert_outcome(&done, "2 servers deployed.").await;
    let turn = turn(&fleet, done.id).await;
    assert!(turn > Duration::from_secs(5), "{turn:?}");
    let log = fleet.world.log(done.id).await;
    assert!(
        log.contains("After 6 s, balancer edge still gives a server only "),
        "{log}"
    );
}
