//! What a person chose before something stood in the way, and what is asked again afterwards.

use std::time::{Duration, Instant};

use deployer::app::deployments::DeployRequest;
use deployer::domain::ServerState::{Failed, Succeeded, Waiting};
use deployer::domain::{
    Answer, Deployment, DeploymentId, DeploymentState, Kind, OnFailure, PauseReason, Share, Strategy,
};
use deployer::store::deployments as rows;

use super::hardship::variable;
use super::killed::{PATIENCE, Served};
use super::taken_up::{
    CANARY, answer, assert_whole, disable, environment, prepared, recorded, request, said, until_found,
    until_taken_up, update,
};
use crate::support::world::World;

const ONE_BY_ONE: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: None,
};

/// A deployment that asks what to do about web2, where `~/broken` is in the way; and the deployer at work.
async fn asking() -> (World, DeploymentId, Served) {
    let (mut world, _, _) = prepared(World::project().on_failure(OnFailure::Ask)).await;
    world.script("deploy.sh", "test ! -e ~/broken");
    let commit = world.commit("Third").await;
    std::fs::write(world.home(2, "broken"), "").unwrap();
    let id = request(&world, &commit, ONE_BY_ONE).await;
    let served = Served::start(&world);
    let servers = vec!["web2".to_owned()];
    assert_eq!(world.until_paused(id).await, PauseReason::Failure { servers });
    std::fs::remove_file(world.home(2, "broken")).unwrap();
    (world, id, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_was_refused_is_done_once_it_is_permitted_again() {
    let (world, id, _served) = asking().await;
    disable(&world, true).await;
    answer(&world, id, Answer::Retry).await;
    let refused = |one: &Deployment| {
        let reason = one.pause.as_ref().map(|pause| &pause.reason);
        matches!(reason, Some(PauseReason::Policy { .. }))
    };
    world.until(id, "it is refused", refused).await;
    disable(&world, false).await;
    answer(&world, id, Answer::Resume).await;
    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nothing_stands_in_the_way_any_more_says_nothing_about_failed_servers() {
    let (world, id, served) = asking().await;
    served.kill();
    let before = environment(&world).await;
    let mut changed = before.clone();
    changed.options.excluded = vec!["version".to_owned()];
    update(&world, &changed).await;
    let _again = Served::start(&world);
    let found = until_found(&world, id, "The settings of dev were changed").await;
    let answers = found.pause.map(|pause| pause.answers());
    assert_eq!(
        answers,
        Some(&[Answer::Resume, Answer::RollBack, Answer::Stop][..])
    );
    update(&world, &before).await;
    answer(&world, id, Answer::Resume).await;

    let asks_again = |one: &Deployment| {
        let pause = one.pause.as_ref().filter(|pause| pause.findings.is_empty());
        pause.is_some_and(|pause| {
            matches!(pause.reason, PauseReason::Failure { .. }) && pause.chosen.is_none()
        })
    };
    let asked = world.until(id, "it asks about web2 again", asks_again).await;
    assert_eq!(asked.state, DeploymentState::Paused);
    assert_eq!(world.states(id).await, [Succeeded, Failed, Waiting]);
    answer(&world, id, Answer::Retry).await;
    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_killed_right_after_a_pause_ran_out_goes_on_at_its_next_start() {
    let (mut world, _, _) = prepared(World::project()).await;
    world.script("predeploy.sh", "echo is being made; sleep 2; echo 1 > made");
    let commit = world.commit("Slow to make").await;
    let canary = Strategy::Canary {
        first: 1,
        wait: Some(6),
        batch: Share::Count(2),
        keep: None,
    };
    let id = request(&world, &commit, canary).await;
    let first = Served::start(&world);
    world.until_paused(id).await;
    first.kill();
    let second = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    let begun = Instant::now();
    while world.log(id).await.matches("is being made").count() < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", said(&world));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let running = rows::by_id(&world.store, id).await.unwrap();
    assert_eq!((running.state, running.pause), (DeploymentState::Running, None));
    second.kill();

    let _third = Served::start(&world);

    assert_whole(&world, &world.end(id).await).await;
    let told = recorded(&world, id).await;
    assert!(
        told.contains("The deployer stopped before it followed this: "),
        "{told}"
    );
    assert!(!told.contains("deployment.interrupted"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_given_while_no_deployer_runs_is_followed_when_what_was_found_is_mended() {
    let (world, _, second) = prepared(World::project()).await;
    let id = request(&world, &second, CANARY).await;
    let first = Served::start(&world);
    world.until_paused(id).await;
    first.kill();
    let before = environment(&world).await;
    let mut changed = before.clone();
    changed.options.excluded = vec!["version".to_owned()];
    update(&world, &changed).await;
    let again = Served::start(&world);
    until_found(&world, id, "The settings of dev were changed").await;
    again.kill();
    update(&world, &before).await;
    answer(&world, id, Answer::Resume).await;

    let _third = Served::start(&world);

    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_tells_no_secret() {
    let (mut world, _, _) = prepared(World::project().options(variable("HIDDEN", "hidden-part"))).await;
    let own = world.dir.path().join("hidden-part");
    std::fs::create_dir(&own).unwrap();
    std::os::unix::fs::symlink("/bin/sh", own.join("sh")).unwrap();
    let script = format!("#!{}/sh\nexit 0\n", own.display());
    world.repository.write("deploy.sh", &script);
    let commit = world.commit("With a shell of its own").await;
    let id = request(&world, &commit, CANARY).await;
    let served = Served::start(&world);
    world.until_paused(id).await;
    served.kill();
    std::fs::remove_file(own.join("sh")).unwrap();
    let _again = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    answer(&world, id, Answer::Resume).await;

    let found = until_found(&world, id, "deploy.sh").await;

    let findings = found.pause.unwrap().findings.concat();
    let told = format!(
        "{findings}\n{}\n{}",
        world.log(id).await,
        recorded(&world, id).await
    );
    assert!(findings.contains("•••"), "nothing was hidden: {told}");
    assert!(!told.contains("hidden-part"), "{told}");
    answer(&world, id, Answer::Stop).await;
    let ended = world.end(id).await;
    assert!(!ended.outcome.contains("hidden-part"), "{}", ended.outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_stopped_while_it_prepares_to_go_on_leaves_it_paused() {
    let (mut world, _, _) = prepared(World::project()).await;
    world.script("predeploy.sh", "echo is being made; sleep 3; echo 1 > made");
    let commit = world.commit("Slow to make").await;
    let id = request(&world, &commit, CANARY).await;
    let first = Served::start(&world);
    world.until_paused(id).await;
    first.kill();
    let second = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    answer(&world, id, Answer::Resume).await;
    let begun = Instant::now();
    while world.log(id).await.matches("is being made").count() < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", said(&world));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    second.terminate();
    let left = rows::by_id(&world.store, id).await.unwrap();
    assert_eq!(left.state, DeploymentState::Paused, "{}", left.outcome);
    assert_eq!(world.states(id).await, [Succeeded, Waiting, Waiting]);
    let _third = Served::start(&world);
    until_taken_up(&world, id, 2).await;
    answer(&world, id, Answer::Resume).await;
    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_what_lies_on_the_servers_goes_on_without_the_repository() {
    let (world, first, second) = prepared(World::project()).await;
    let id = request(&world, &second, ONE_BY_ONE).await;
    let served = Served::start(&world);
    assert_whole(&world, &world.end(id).await).await;
    let back = DeployRequest {
        kind: Kind::Rollback,
        strategy: Some(CANARY),
        ..World::request(&first)
    };
    let id = world.ask(back).await;
    world.until_paused(id).await;
    served.kill();
    let repository = world.repository.path();
    let away = repository.with_extension("away");
    std::fs::rename(&repository, &away).unwrap();
    let _again = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    answer(&world, id, Answer::Resume).await;
    let ended = world.end(id).await;
    world.assert_succeeded(&ended).await;
    for server in 1..=3 {
        assert_eq!(world.read(server, "dev/shop/version"), "1", "web{server}");
    }
    std::fs::rename(&away, &repository).unwrap();
}
