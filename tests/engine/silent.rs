//! Servers that were away when their deployment was closed are looked at again; questions that have no answer are
//! not asked.

use std::time::{Duration, Instant};

use deployer::balancer::Admin;
use deployer::domain::deployment::Service;
use deployer::domain::{Answer, DeploymentId, DeploymentState, OnFailure, PauseReason, ServerState};

use super::fleet::{Fleet, ONE};
use super::killed::{PATIENCE, Served};
use super::taken_up::{CANARY, answer};
use crate::support::world::World;

/// A server behind a balancer that was away when a killed deployer came back.
async fn away_after_a_kill(deploy: &str, tests: &str, until: &str) -> (Fleet, Served, DeploymentId) {
    let mut fleet = Fleet::with(&[2], ONE, |project| project.workers(0)).await;
    fleet.world.script("deploy.sh", deploy);
    fleet.world.script("tests/run_tests.sh", tests);
    let commit = fleet.world.commit("Tested").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    let first = Served::start(&fleet.world);
    fleet.world.until_it_says(id, until).await;
    first.kill();
    fleet.world.servers[0].go_down();
    let again = Served::start(&fleet.world);
    assert_eq!(fleet.world.end(id).await.state, DeploymentState::Interrupted);
    let told = &fleet.world.parts(id).await[0].detail;
    assert!(told.contains("The server could not be asked: "), "{told}");
    fleet.world.servers[0].come_back();
    (fleet, again, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_again_is_no_longer_said_to_be_silent() {
    let tests = "echo testing; sleep 60";
    let (fleet, _served, id) = away_after_a_kill("exit 0", tests, "testing").await;
    let start = Instant::now();
    loop {
        let part = fleet.world.parts(id).await.remove(0);
        if !part.detail.contains("could not be asked") {
            let told = part.detail;
            assert!(
                told.contains("its tests were not seen to end; it is out of service. Deploy again."),
                "{told}"
            );
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{}", part.detail);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fleet.admins().await[0], Admin::Maint);
    assert_eq!(fleet.services(id).await[0], Service::Out);
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_that_failed_and_were_skipped_are_not_asked_about() {
    let project = World::project().clusters(&[3]).on_failure(OnFailure::Ask);
    let mut world = project.strategy(CANARY).start().await;
    world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    let reason = world.until_paused(id).await;
    assert!(matches!(reason, PauseReason::Failure { .. }), "{reason:?}");

    answer(&world, id, Answer::Skip).await;

    let ended = world.end(id).await;
    assert_eq!(ended.outcome, "Failed on web1. Deployed to 2 servers.");
    let states: Vec<ServerState> = world.parts(id).await.iter().map(|part| part.state).collect();
    assert_eq!(states[1..], [ServerState::Succeeded, ServerState::Succeeded]);
}
