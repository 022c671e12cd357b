//! Rollouts without balancers: in which order servers are worked on, what happens when one fails,
//! what a person may answer.

use deployer::app::deployments::{answer, approve, pause};
use deployer::domain::deployment::ServerState;
use deployer::domain::{
    Actor, Answer, DeploymentId, DeploymentState, Kind, OnFailure, PauseReason, Share, StepKind, Strategy,
    SyncMethod,
};

use crate::support::setup::Setup;
use crate::support::world::{World, admin};

const ONE: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: None,
};

fn rollout(clusters: &[usize], strategy: Strategy, on_failure: OnFailure) -> Setup {
    let project = World::project().clusters(clusters);
    project.strategy(strategy).on_failure(on_failure)
}

/// Servers in the order in which their `deploy.sh` began, with their batches.
async fn order(world: &World, id: DeploymentId) -> Vec<(String, Option<i32>)> {
    let mut steps = world.steps(id).await;
    steps.retain(|step| step.kind == StepKind::Deploy && step.started_at.is_some());
    steps.sort_by_key(|step| step.started_at);
    let parts = world.parts(id).await;
    let batch = |name: &str| {
        parts
            .iter()
            .find(|part| part.server == name)
            .and_then(|part| part.batch)
    };
    steps
        .iter()
        .map(|step| (step.server_name.clone(), batch(&step.server_name)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_goes_batch_by_batch_and_canaries_wait_for_a_person() {
    let strategy = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let mut world = rollout(&[3], strategy, OnFailure::Stop).start().await;
    world.script("deploy.sh", "exit 0");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;

    assert_eq!(world.until_paused(id).await, PauseReason::Canary);
    assert_eq!(order(&world, id).await, [("web1".into(), Some(0))]);
    assert!(!world.home(2, "dev/shop").exists());
    answer(&world.app, &admin(), id, Answer::Resume).await.unwrap();

    let deployment = world.end(id).await;
    world.assert_outcome(&deployment, "3 servers deployed.").await;
    let batches = [
        ("web1".into(), Some(0)),
        ("web2".into(), Some(1)),
        ("web3".into(), Some(2)),
    ];
    assert_eq!(order(&world, id).await, batches);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_ahead_to_later_batches_without_being_used() {
    let mut world = rollout(&[2], ONE, OnFailure::Stop).start().await;
    world.script("deploy.sh", "[ \"$2\" != web1 ] || sleep 2");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    world.end(id).await;

    let steps = world.steps(id).await;
    let of = |server: &str, kind: StepKind| {
        let step = steps
            .iter()
            .find(|step| step.server_name == server && step.kind == kind);
        step.cloned().unwrap()
    };
    let (first, second) = (of("web1", StepKind::Deploy), of("web2", StepKind::Sync));
    assert!(
        second.finished_at < first.finished_at,
        "the files of web2 were there before web1 was done"
    );
    assert!(of("web2", StepKind::Activate).started_at >= first.finished_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_pause_comes_after_the_batch_and_can_end_the_rollout() {
    let mut world = rollout(&[2], ONE, OnFailure::Stop).start().await;
    world.script("deploy.sh", "echo begun; sleep 2");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    while !world.log(id).await.contains("begun") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    pause(&world.app, &admin(), id).await.unwrap();

    assert_eq!(
        world.until_paused(id).await,
        PauseReason::Person { by: "admin".into() }
    );
    assert_eq!(
        world.states(id).await,
        [ServerState::Succeeded, ServerState::Waiting]
    );
    answer(&world.app, &admin(), id, Answer::Stop).await.unwrap();

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Cancelled);
    assert_eq!(
        deployment.outcome,
        "Stopped by admin. Deployed to 1 server. Left 1 server untouched."
    );
    let parts = world.parts(id).await;
    assert_eq!(
        parts[1].detail,
        "The rollout was stopped before its turn. Not touched: it runs what it ran before."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_continues_while_no_more_servers_fail_than_allowed() {
    let mut world = rollout(&[4], ONE, OnFailure::Continue { up_to: 1 }).start().await;
    world.script("deploy.sh", "case $2 in web1|web3) exit 4;; esac");
    let commit = world.commit("First").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(
        deployment.outcome,
        "Failed on web1, web3. Deployed to 1 server. Left 1 server untouched."
    );
    use ServerState::{Failed, Skipped, Succeeded};
    assert_eq!(
        world.states(deployment.id).await,
        [Failed, Succeeded, Failed, Skipped]
    );
}

async fn asked_then_retried(method: SyncMethod, is_first: bool) {
    let project = rollout(&[2], ONE, OnFailure::Ask).method(method);
    let mut world = project.start().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    if !is_first {
        world.deploy(&first).await;
    }
    world.script("deploy.sh", "[ \"$2\" = web2 ] || [ -e ~/mended ]");
    let second = world.commit("Second").await;
    let id = world.ask(World::request(&second)).await;

    assert_eq!(
        world.until_paused(id).await,
        PauseReason::Failure {
            servers: vec!["web1".into()]
        }
    );
    std::fs::write(world.home(1, "mended"), "").unwrap();
    answer(&world.app, &admin(), id, Answer::Retry).await.unwrap();

    let deployment = world.end(id).await;
    world.assert_outcome(&deployment, "2 servers deployed.").await;
    assert!(!world.home(1, "dev/shop/deploy.sh").exists());
    let parts = world.parts(id).await;
    assert_eq!(
        parts[0].previous_commit.as_ref().map(|one| one.as_str()),
        (!is_first).then_some(first.as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_retry_a_failed_server() {
    asked_then_retried(SyncMethod::Symlink, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_previous_release_can_be_retried() {
    asked_then_retried(SyncMethod::Symlink, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_server_is_retried_in_place_too() {
    asked_then_retried(SyncMethod::InPlace, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_skip_a_failed_server() {
    let mut world = rollout(&[2], ONE, OnFailure::Ask).start().await;
    world.script("deploy.sh", "[ \"$2\" = web2 ]");
    let commit = world.commit("First").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_paused(id).await;
    answer(&world.app, &admin(), id, Answer::Skip).await.unwrap();

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Failed);
    assert_eq!(deployment.outcome, "Failed on web1. Deployed to 1 server.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_rollout_is_rolled_back_by_a_deployment_of_its_own() {
    let mut world = rollout(&[3], ONE, OnFailure::RollBack).start().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    world.repository.write("a", "2");
    world.script("deploy.sh", "[ \"$2\" = web1 ]");
    let second = world.commit("Second").await;

    let failed = world.deploy(&second).await;

    assert_eq!(failed.state, DeploymentState::Failed);
    let back = DeploymentId(failed.id.0 + 1);
    assert!(
        failed.outcome.ends_with(&format!(
            "Deployment {back} is to return 2 servers to {}.",
            &first[..8]
        )),
        "{}",
        failed.outcome
    );
    let back = world.end(back).await;
    assert_eq!((back.kind, back.origin), (Kind::Rollback, Some(failed.id)));
    world.assert_succeeded(&back).await;
    assert_eq!(back.outcome, "2 servers deployed.");
    for server in 1..=3 {
        assert_eq!(world.read(server, "dev/shop/a"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_failed_is_rolled_back_without_a_pause() {
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let mut world = rollout(&[3], canary, OnFailure::RollBack).start().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    let id = world.ask(World::request(&first)).await;
    world.until_paused(id).await;
    answer(&world.app, &admin(), id, Answer::Resume).await.unwrap();
    world.assert_succeeded(&world.end(id).await).await;
    world.repository.write("a", "2");
    world.script("deploy.sh", "[ \"$2\" = web1 ]");
    let second = world.commit("Second").await;
    let id = world.ask(World::request(&second)).await;
    world.until_paused(id).await;
    answer(&world.app, &admin(), id, Answer::Resume).await.unwrap();
    assert_eq!(world.end(id).await.state, DeploymentState::Failed);

    let back = world.end(DeploymentId(id.0 + 1)).await;

    world.assert_succeeded(&back).await;
    assert_eq!(back.pauses, []);
    for server in 1..=3 {
        assert_eq!(world.read(server, "dev/shop/a"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_that_fails_has_nothing_to_roll_back_to() {
    let mut world = rollout(&[1], ONE, OnFailure::RollBack).start().await;
    world.script("deploy.sh", "exit 1");
    let commit = world.commit("First").await;
    let failed = world.deploy(&commit).await;
    assert_eq!(
        failed.outcome,
        "Failed on web1. web1 had no earlier release that it could go back to."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deployed_if_the_plan_changed_since_its_approval() {
    let noon = deployer::clock::Clock::System.now();
    let project = rollout(&[2], ONE, OnFailure::Stop).approval_hours(1);
    let mut world = project
        .policy("p, boss, *, *, administer, always, allow")
        .clock(deployer::clock::Clock::set_to(noon))
        .start()
        .await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let boss = Actor::user("boss", "127.0.0.1");
    let later = noon + chrono::TimeDelta::hours(1);
    let request = deployer::app::deployments::DeployRequest {
        at: Some(later),
        ..World::request(&commit)
    };
    let id = world.ask(request).await;
    approve(&world.app, &boss, id).await.unwrap();
    let store = &world.store;
    let mut server = deployer::store::servers::by_name(store, "web2").await.unwrap();
    server.active = false;
    let tx = crate::support::store::change(store).await;
    deployer::store::servers::update(&tx, &server).await.unwrap();
    crate::support::store::bring_in(tx).await;

    world.clock.move_to(later + chrono::TimeDelta::minutes(1));

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment
            .outcome
            .starts_with("The plan has changed since it was approved"),
        "{}",
        deployment.outcome
    );
    assert!(!world.home(1, "dev/shop").exists());
}
