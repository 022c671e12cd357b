//! What a killed deployer still owed is done at its next start: tests that had not ended, a rollback that was
//! not queued yet.

use std::time::{Duration, Instant};

use deployer::app::deployments::{DeployRequest, cancel};
use deployer::domain::deployment::ServerState;
use deployer::domain::{
    DeploymentId, DeploymentState, EnvironmentOptions, Kind, OnFailure, RolloutOptions, Share, Strategy,
};
use deployer::store::deployments as rows;

use super::hardship::variable;
use super::killed::{PATIENCE, Served, standing_still};
use crate::support::world::{World, admin};

/// A deployment whose deployer was killed while the tests ran, which end well the next time.
async fn killed_in_the_tests() -> (World, DeploymentId) {
    let mut world = standing_still().await;
    world.script("deploy.sh", "exit 0");
    world.script(
        "tests/run_tests.sh",
        "[ -e ~/again ] || { touch ~/again; echo testing; sleep 60; }; echo proven",
    );
    let commit = world.commit("Tested").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "testing").await;
    first.kill();
    (world, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_killed_in_the_tests_runs_them_again_at_its_next_start() {
    let (world, id) = killed_in_the_tests().await;

    let _second = Served::start(&world);

    assert_eq!(world.end(id).await.state, DeploymentState::Interrupted);
    let log = world.log(id).await;
    assert!(log.contains("proven"), "{log}");
    let part = &world.parts(id).await[0];
    assert_eq!(part.state, ServerState::Succeeded, "{}", part.detail);
    world.assert_steps_ended(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_what_was_cancelled_meanwhile_are_not_run_again() {
    let (world, id) = killed_in_the_tests().await;
    cancel(&world.app, &admin(), id).await.unwrap();

    let _second = Served::start(&world);

    assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
    let log = world.log(id).await;
    assert!(!log.contains("proven"), "{log}");
    world.assert_steps_ended(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_are_run_again_and_fail_tell_no_secret() {
    let options = variable("HIDDEN", "run_tests");
    let mut world = World::project().options(options).workers(0).start().await;
    world.script("deploy.sh", "exit 0");
    world.script(
        "tests/run_tests.sh",
        "[ -e ~/again ] || { touch ~/again; echo testing; sleep 60; }; exit 3",
    );
    let commit = world.commit("Tested").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "testing").await;
    first.kill();

    let _second = Served::start(&world);

    let ended = world.end(id).await;
    let part = world.parts(id).await.remove(0);
    assert_eq!(part.state, ServerState::Failed);
    let steps: Vec<String> = world.steps(id).await.into_iter().map(|one| one.detail).collect();
    let told = format!(
        "{steps:?}\n{}\n{}\n{}",
        part.detail,
        ended.outcome,
        world.log(id).await
    );
    assert!(!told.contains("run_tests"), "{told}");
    for (what, text) in [("the steps", steps.concat()), ("the server", part.detail)] {
        assert!(text.contains("•••"), "nothing was hidden in {what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_a_killed_deployer_owed_is_queued_at_its_next_start() {
    let rollout = RolloutOptions {
        strategy: Strategy::Rolling {
            batch: Share::Count(2),
            keep: None,
        },
        on_failure: OnFailure::RollBack,
        ..RolloutOptions::default()
    };
    let options = EnvironmentOptions {
        rollout,
        parallel: 2,
        ..EnvironmentOptions::default()
    };
    let project = World::project().clusters(&[3]).options(options);
    let mut world = project.workers(0).start().await;
    world.repository.write("version", "1");
    let first = world.commit("First").await;
    let id = world.ask(World::request(&first)).await;
    let served = Served::start(&world);
    let deployed = world.end(id).await;
    world.assert_succeeded(&deployed).await;
    world.repository.write("version", "2");
    world.script(
        "deploy.sh",
        "[ \"$2\" = web1 ] || { echo begun; exec sleep 60; }; exit 3",
    );
    let second = world.commit("Second").await;
    let id = world.ask(World::request(&second)).await;
    world.until_it_says(id, "begun").await;
    let start = Instant::now();
    while world.states(id).await[0] != ServerState::Failed {
        assert!(start.elapsed() < PATIENCE, "web1 does not fail");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.kill();

    let _again = Served::start(&world);

    let failed = world.end(id).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    let expected = format!(
        "Failed on web1. The deployer stopped before it could queue the rollback. Deployment {}, queued when this one was closed, is to return 2 servers to {}.",
        id.0 + 1,
        &first[..8]
    );
    assert_eq!(failed.outcome, expected);
    let back = world.end(DeploymentId(id.0 + 1)).await;
    world.assert_succeeded(&back).await;
    // The third one was not touched.
    assert_eq!(world.parts(back.id).await.len(), 2);
    for server in [1, 2, 3] {
        assert_eq!(world.read(server, "dev/shop/version"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_failed_before_its_deployer_was_killed_is_not_rolled_back() {
    let rollout = RolloutOptions {
        strategy: Strategy::AllAtOnce,
        on_failure: OnFailure::RollBack,
        ..RolloutOptions::default()
    };
    let options = EnvironmentOptions {
        rollout,
        parallel: 2,
        ..EnvironmentOptions::default()
    };
    let project = World::project().clusters(&[2]).options(options);
    let mut world = project.workers(0).start().await;
    world.repository.write("version", "1");
    world.script(
        "deploy.sh",
        "[ -e ~/broken ] || exit 0; [ \"$2\" = web1 ] || { echo begun; exec sleep 60; }; exit 3",
    );
    let first = world.commit("First").await;
    world.repository.write("version", "2");
    let second = world.commit("Second").await;
    let served = Served::start(&world);
    for commit in [&first, &second] {
        let id = world.ask(World::request(commit)).await;
        world.assert_succeeded(&world.end(id).await).await;
    }
    for server in 1..=2 {
        std::fs::write(world.home(server, "broken"), "").unwrap();
    }
    let back = DeployRequest {
        kind: Kind::Rollback,
        ..World::request(&first)
    };
    let id = world.ask(back).await;
    world.until_it_says(id, "begun").await;
    let start = Instant::now();
    while world.states(id).await[0] != ServerState::Failed {
        assert!(start.elapsed() < PATIENCE, "web1 does not fail");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.kill();

    let _again = Served::start(&world);

    let ended = world.end(id).await;
    assert!(!ended.outcome.contains("queue"), "{}", ended.outcome);
    let next = rows::by_id(&world.store, DeploymentId(id.0 + 1)).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_fail_when_they_are_run_again_after_a_kill_are_a_failure_like_any_other() {
    let rollout = RolloutOptions {
        on_failure: OnFailure::RollBack,
        ..RolloutOptions::default()
    };
    let options = EnvironmentOptions {
        rollout,
        ..EnvironmentOptions::default()
    };
    let project = World::project().clusters(&[1]).options(options);
    let mut world = project.workers(0).start().await;
    world.repository.write("version", "1");
    let first = world.commit("First").await;
    let id = world.ask(World::request(&first)).await;
    let served = Served::start(&world);
    let deployed = world.end(id).await;
    world.assert_succeeded(&deployed).await;
    world.repository.write("version", "2");
    world.script(
        "tests/run_tests.sh",
        "[ ! -e ~/again ] || exit 4; touch ~/again; echo begun; exec sleep 60",
    );
    let second = world.commit("Second").await;
    let id = world.ask(World::request(&second)).await;
    world.until_it_says(id, "begun").await;
    served.kill();

    let _again = Served::start(&world);

    let failed = world.end(id).await;
    assert_eq!(failed.state, DeploymentState::Failed, "{}", failed.outcome);
    assert!(
        failed.outcome.starts_with("Failed on web1. "),
        "{}",
        failed.outcome
    );
    let back = world.end(DeploymentId(id.0 + 1)).await;
    world.assert_succeeded(&back).await;
    assert_eq!(world.read(1, "dev/shop/version"), "1");
}
