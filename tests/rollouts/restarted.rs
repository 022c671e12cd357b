//! A deployer that ends while a rollout is paused: the next one waits on, goes on when it is told to, and no user
//! notices.

use deployer::app::deployments::DeployRequest;
use deployer::balancer::Admin;
use deployer::domain::{
    Answer, Cluster, DeploymentId, DeploymentState, OnFailure, PauseReason, Share, Strategy, SyncMethod,
};
use deployer::store::{clusters, environments, projects};

use super::fleet::Fleet;
use super::load::Load;
use crate::engine::killed::Served;
use crate::engine::taken_up::{CANARY, answer, said, until_found, until_taken_up};
use crate::support::world::{World, bring_in, change};

/// Four servers behind a balancer, with an engine in a process of its own.
async fn fleet(method: SyncMethod) -> Fleet {
    let fleet = Fleet::start(&[(4, "shop")], "runtime", method).await;
    fleet.stand_behind().await;
    fleet.world.app.stop_engine().await;
    fleet
}

async fn request(fleet: &Fleet, commit: &str, strategy: Strategy) -> DeploymentId {
    let request = DeployRequest {
        strategy: Some(strategy),
        ..World::request(commit)
    };
    fleet.world.ask(request).await
}

/// Everything has the commit and is in service, and nobody noticed.
async fn assert_unnoticed(fleet: &Fleet, id: DeploymentId, load: Load, commit: &str) {
    let world = &fleet.world;
    let deployment = world.end(id).await;
    let log = world.log(id).await;
    assert_eq!(
        deployment.state,
        DeploymentState::Succeeded,
        "{log}\n{}",
        said(world)
    );
    let tally = load.end().await;
    assert!(tally.failed.is_empty(), "{log}\n{tally:?}");
    assert_eq!(fleet.served().await, vec![commit.to_owned(); 4], "{log}");
    let state = fleet.balancer.state().await.unwrap();
    assert!(state.servers.iter().all(|one| one.admin == Admin::Ready), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_goes_on_after_the_deployer_was_killed_twice() {
    let mut fleet = fleet(SyncMethod::Symlink).await;
    let commit = fleet.next_commit().await;
    let load = Load::start(&fleet.addresses());
    let id = request(&fleet, &commit, CANARY).await;
    let served = Served::start(&fleet.world);
    assert_eq!(fleet.world.until_paused(id).await, PauseReason::Canary);
    served.kill();
    let again = Served::start(&fleet.world);
    until_taken_up(&fleet.world, id, 1).await;
    again.kill();
    let _last = Served::start(&fleet.world);
    until_taken_up(&fleet.world, id, 2).await;
    answer(&fleet.world, id, Answer::Resume).await;
    assert_unnoticed(&fleet, id, load, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_goes_on_after_the_deployer_was_stopped() {
    let mut fleet = fleet(SyncMethod::InPlace).await;
    let commit = fleet.next_commit().await;
    let load = Load::start(&fleet.addresses());
    let id = request(&fleet, &commit, CANARY).await;
    let served = Served::start(&fleet.world);
    assert_eq!(fleet.world.until_paused(id).await, PauseReason::Canary);
    served.terminate();
    assert_eq!(fleet.world.until_paused(id).await, PauseReason::Canary);
    let _again = Served::start(&fleet.world);
    until_taken_up(&fleet.world, id, 1).await;
    answer(&fleet.world, id, Answer::Resume).await;
    assert_unnoticed(&fleet, id, load, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_stand_elsewhere_at_their_balancers_keep_it_paused() {
    let mut fleet = fleet(SyncMethod::Symlink).await;
    let commit = fleet.next_commit().await;
    let load = Load::start(&fleet.addresses());
    let id = request(&fleet, &commit, CANARY).await;
    let served = Served::start(&fleet.world);
    fleet.world.until_paused(id).await;
    served.kill();
    let before = clusters::list(&fleet.world.store).await.unwrap().remove(0);
    let enter = async |cluster: &Cluster| {
        let tx = change(&fleet.world.store).await;
        clusters::update(&tx, cluster).await.unwrap();
        bring_in(tx).await;
    };
    enter(&Cluster {
        balancer: None,
        ..before.clone()
    })
    .await;
    let _again = Served::start(&fleet.world);
    until_taken_up(&fleet.world, id, 1).await;
    answer(&fleet.world, id, Answer::Resume).await;
    until_found(&fleet.world, id, "stands elsewhere at its balancers than planned").await;
    enter(&before).await;
    answer(&fleet.world, id, Answer::Resume).await;
    assert_unnoticed(&fleet, id, load, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_failed_stays_out_over_restarts_until_it_is_retried() {
    let mut fleet = fleet(SyncMethod::Symlink).await;
    let project = projects::by_name(&fleet.world.store, "shop").await.unwrap();
    let tx = change(&fleet.world.store).await;
    let mut environment = environments::by_name(&tx, project.id, "dev").await.unwrap();
    environment.options.rollout.on_failure = OnFailure::Ask;
    environments::update(&tx, &environment).await.unwrap();
    bring_in(tx).await;
    fleet.world.script("tests/run_tests.sh", "test ! -e ~/broken");
    let commit = fleet.next_commit().await;
    std::fs::write(fleet.world.home(2, "broken"), "").unwrap();
    let id = request(
        &fleet,
        &commit,
        Strategy::Rolling {
            batch: Share::Count(1),
            keep: None,
        },
    )
    .await;
    let served = Served::start(&fleet.world);
    let servers = vec!["web2".to_owned()];
    assert_eq!(
        fleet.world.until_paused(id).await,
        PauseReason::Failure { servers }
    );
    served.kill();
    let _again = Served::start(&fleet.world);
    until_taken_up(&fleet.world, id, 1).await;
    // A balancer that is restarted has forgotten what was out.
    let second = fleet.slots().remove(1);
    fleet.balancer.ready(std::slice::from_ref(&second)).await.unwrap();
    let start = std::time::Instant::now();
    while fleet.balancer.state().await.unwrap().of(&second).unwrap().admin != Admin::Maint {
        assert!(
            start.elapsed().as_secs() < 30,
            "it is left in service: {}",
            said(&fleet.world)
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();
    let load = Load::start(&fleet.addresses());
    answer(&fleet.world, id, Answer::Retry).await;
    assert_unnoticed(&fleet, id, load, &commit).await;
}
