//! Bad weather: servers that vanish, hang or don't listen, plans that don't fit, windows that close.

use std::fs;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, TimeZone as _, Utc};
use deployer::app::deployments::{self, Choice, DeployRequest, answer, cancel};
use deployer::clock::Clock;
use deployer::domain::deployment::ServerState;
use deployer::domain::{Actor, Answer, ErrorKind, Share, Strategy, SyncMethod};

use super::fleet::Fleet;
use super::load::Load;
use crate::support::setup::Setup;
use crate::support::world::{World, admin};

const ONE: Strategy = rolling(Share::Count(1));

const fn rolling(batch: Share) -> Strategy {
    Strategy::Rolling { batch, keep: None }
}

fn rollout(clusters: &[usize], strategy: Strategy) -> Setup {
    World::project().clusters(clusters).strategy(strategy)
}

/// Changes a server's row.
async fn deactivate(world: &World, name: &str) {
    use deployer::store::servers;
    let store = &world.store;
    let mut server = servers::by_name(store, name).await.unwrap();
    server.active = false;
    let tx = crate::support::store::change(store).await;
    servers::update(&tx, &server).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_at_most_its_whole_cluster() {
    let mut world = rollout(&[2, 1], rolling(Share::Count(10))).start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.outcome, "3 servers deployed.");
    let plan = deployer::store::deployments::plan(&world.store, deployment.id).await;
    let sizes: Vec<usize> = plan
        .unwrap()
        .unwrap()
        .batches
        .iter()
        .map(|batch| batch.servers.len())
        .collect();
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_an_active_server_is_skipped_and_cannot_be_a_target() {
    let mut world = rollout(&[1, 1], Strategy::ClusterByCluster).start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    deactivate(&world, "web1").await;

    let deployment = world.deploy(&commit).await;
    assert_eq!(deployment.outcome, "1 server deployed.");
    assert!(!world.home(1, "dev/shop").exists());
    assert_eq!(world.read(2, "dev/shop/a"), "1");

    let store = &world.store;
    let cluster = deployer::store::clusters::by_name(store, "cluster1")
        .await
        .unwrap();
    let request = DeployRequest {
        choice: Choice::Cluster(cluster.id),
        ..World::request(&commit)
    };
    let refused = deployments::request(&world.app, &admin(), request)
        .await
        .unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::Conflict | ErrorKind::Invalid),
        "{refused:?}"
    );
    assert!(refused.message().contains("active"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_two_clusters_is_deployed_to_once_without_downtime() {
    use deployer::store::clusters;
    let mut fleet = Fleet::start(&[(2, "shop"), (2, "shop")], "runtime", SyncMethod::Symlink).await;
    fleet.stand_behind().await;
    let store = fleet.world.store.clone();
    let first = clusters::by_name(&store, "cluster1").await.unwrap();
    let mut second = clusters::by_name(&store, "cluster2").await.unwrap();
    second.members.push(first.members[0].clone());
    let tx = crate::support::store::change(&store).await;
    clusters::update(&tx, &second).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let commit = fleet.next_commit().await;
    let load = Load::start(&fleet.addresses());

    let deployment = fleet.deploy(&commit, Strategy::ClusterByCluster).await;

    let tally = load.end().await;
    assert!(tally.failed.is_empty(), "{tally:?}");
    assert_eq!(deployment.outcome, "4 servers deployed.");
    let log = fleet.world.log(deployment.id).await;
    assert_eq!(log.matches("web1/deploy: $").count(), 1, "{log}");
    assert_eq!(fleet.served().await, vec![commit; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_even_a_script_that_ignores_sigterm() {
    let mut world = World::simple().await;
    let deaf = "trap '' TERM HUP INT; echo $$ > ~/pid; echo begun; while :; do sleep 0.2; done";
    world.script("deploy.sh", deaf);
    let commit = world.commit("Deaf").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;
    let pid = world.read(1, "pid");
    let process = format!("/proc/{}", pid.trim());
    assert!(fs::exists(&process).unwrap(), "it runs");

    cancel(&world.app, &admin(), id).await.unwrap();

    let deployment = world.end(id).await;
    assert_eq!(deployment.outcome, "Cancelled by admin.");
    assert!(!fs::exists(&process).unwrap(), "it runs on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reboots_in_the_middle_fails_alone_and_is_retried_when_it_is_back() {
    let mut world = rollout(&[2], ONE).start().await;
    world.script(
        "deploy.sh",
        "[ -e ~/back ] || [ \"$2\" = web2 ] || { echo begun; sleep 30; }",
    );
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;

    world.servers[0].go_down();

    let failed = world.end(id).await;
    assert_eq!(failed.outcome, "Failed on web1. Left 1 server untouched.");
    assert_eq!(
        world.states(id).await,
        [ServerState::Failed, ServerState::Skipped]
    );
    let detail = &world.parts(id).await[0].detail;
    assert!(
        detail.contains("It runs ") && detail.ends_with(" Deploy again."),
        "{detail}"
    );

    let again = deployments::retry(&world.app, &admin(), id).await.unwrap().id();
    let refused = world.end(again).await;
    assert!(refused.outcome.contains("Not ready: web1"), "{}", refused.outcome);

    world.servers[0].come_back();
    fs::write(world.home(1, "back"), "").unwrap();
    let deployment = world.deploy(&commit).await;
    world.assert_outcome(&deployment, "2 servers deployed.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_with_its_connection_open_fails() {
    let mut world = rollout(&[2], ONE).keepalive(Duration::from_secs(1)).start().await;
    world.script("deploy.sh", "[ \"$2\" = web2 ] || { echo begun; sleep 60; }");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;

    world.servers[0].hang();

    let begun = Instant::now();
    let failed = world.end(id).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(failed.outcome, "Failed on web1. Left 1 server untouched.");
    assert_eq!(
        world.states(id).await,
        [ServerState::Failed, ServerState::Skipped]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_simultaneous_deployments_run_one_after_the_other() {
    let mut world = rollout(&[2], ONE).start().await;
    world.script("deploy.sh", "mkdir ~/lock || exit 9; sleep 0.3; rmdir ~/lock");
    let one = world.commit("One").await;
    world.repository.write("a", "2");
    let two = world.commit("Two").await;

    let ids = tokio::join!(world.ask(World::request(&one)), world.ask(World::request(&two)));

    let (one, two) = (world.end(ids.0).await, world.end(ids.1).await);
    for deployment in [&one, &two] {
        world.assert_outcome(deployment, "2 servers deployed.").await;
    }
    let (first, second) = if one.id < two.id { (one, two) } else { (two, one) };
    assert!(second.started_at >= first.finished_at, "both ran at once");
}

/// Olaf's hours are those of business; the clock stands where the test puts it.
async fn by_olaf(strategy: Strategy) -> (World, Actor) {
    let monday = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let world = rollout(&[2], strategy)
        .policy("p, olaf, shop, *, deploy, business-hours, allow")
        .clock(Clock::set_to(monday))
        .start()
        .await;
    world.account("olaf").await;
    (world, Actor::user("olaf", "192.0.2.7"))
}

fn hours_pass(world: &World, hours: i64) {
    let clock = &world.clock;
    clock.move_to(clock.now() + TimeDelta::hours(hours));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_rollout_continues_when_its_window_closes() {
    let (mut world, olaf) = by_olaf(ONE).await;
    world.script("deploy.sh", "echo begun on $2; sleep 1");
    let commit = world.commit("First").await;
    let asked = deployments::request(&world.app, &olaf, World::request(&commit)).await;
    let id = asked.unwrap().id();
    world.until_it_says(id, "begun on web1").await;

    hours_pass(&world, 12);

    let deployment = world.end(id).await;
    world.assert_outcome(&deployment, "2 servers deployed.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_pauses_checks_permission_again() {
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let (mut world, olaf) = by_olaf(canary).await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let asked = deployments::request(&world.app, &olaf, World::request(&commit)).await;
    let id = asked.unwrap().id();
    world.until_paused(id).await;

    hours_pass(&world, 12);
    answer(&world.app, &admin(), id, Answer::Resume).await.unwrap();

    // Olaf may not go on at this hour, but whoever continued it may.
    let ended = world.end(id).await;
    assert_eq!(ended.outcome, "2 servers deployed.");
    assert_eq!(ended.taken_over_by(), Some("admin".to_owned()));
}
