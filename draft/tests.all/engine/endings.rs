//! Deployments that end otherwise: cancelled, interrupted, on servers that are not there.

use chrono::TimeDelta;
use deployer::clock::Clock;
use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentState, StepState, SyncMethod};

use crate::support::store::noon;
use crate::support::world::{World, admin};

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_script_and_names_what_is_in_use() {
    let mut world = World::simple().await;
    world.script("deploy.sh", "echo begun; sleep 30; echo never");
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    world
        .until(id, "the script has begun", |d| {
            d.last_line > 0 && d.phase.as_str() == "roll_out"
        })
        .await;
    while !world.log(id).await.contains("begun") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    deployer::app::deployments::cancel(&world.app, &admin(), id)
        .await
        .unwrap();

    let deployment = world.end(id).await;
    assert_eq!(
        deployment.state,
        DeploymentState::Cancelled,
        "{}",
        world.log(id).await
    );
    assert_eq!(deployment.outcome, "Cancelled by admin.");
    let parts = world.parts(id).await;
    assert_eq!(parts[0].state, ServerState::Cancelled);
    assert!(
        parts[0].detail.contains("but deploy.sh was not seen to end"),
        "{}",
        parts[0].detail
    );
    world.assert_steps_ended(id).await;
    assert!(!world.log(id).await.contains("never"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_deployment_can_be_cancelled_before_it_begins() {
    let mut world = World::simple().await;
    world.script("deploy.sh", "sleep 3");
    let commit = world.commit("Slow").await;
    let first = world.ask(World::request(&commit)).await;
    world
        .until(first, "it runs", |d| d.state == DeploymentState::Running)
        .await;
    world.repository.write("b", "1");
    let next = world.commit("Next").await;
    let second = world.ask(World::request(&next)).await;

    deployer::app::deployments::cancel(&world.app, &admin(), second)
        .await
        .unwrap();

    let second = world.end(second).await;
    assert_eq!(second.state, DeploymentState::Cancelled);
    assert_eq!(
        second.outcome,
        "Cancelled by admin before it began; no server was touched."
    );
    assert_eq!(world.end(first).await.state, DeploymentState::Succeeded);
    let again = deployer::app::deployments::cancel(&world.app, &admin(), first)
        .await
        .unwrap_err();
    assert!(again.message().contains("has ended already"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_fails_the_deployment_before_anything_is_touched() {
    let mut world = World::project().clusters(&[2]).start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    drop(world.servers.pop());

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert_eq!(
        deployment.outcome,
        "Not ready: web2. Nothing was touched on any server."
    );
    assert!(!world.home(1, "dev/shop").exists());
    let parts = world.parts(deployment.id).await;
    assert!(
        parts[1]
            .detail
            .ends_with("Not touched: it runs what it ran before."),
        "{}",
        parts[1].detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deployed_to_a_server_whose_host_key_changed() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let other = crate::support::sshd::Sshd::start().await;
    let server = deployer::store::servers::by_name(&world.store, "web1")
        .await
        .unwrap();
    let tx = crate::support::store::change(&world.store).await;
    deployer::store::servers::pin_host_key(&tx, server.id, &other.host_key)
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    let detail = &world.parts(deployment.id).await[0].detail;
    assert!(detail.contains("host key"), "{detail}");
    assert!(!world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_target_leaves_the_running_release_as_it_was() {
    for method in [SyncMethod::Symlink, SyncMethod::InPlace] {
        let mut world = World::project().method(method).start().await;
        world.repository.write("a", "1");
        let commit = world.commit("First").await;
        std::fs::create_dir_all(world.home(1, "dev")).unwrap();
        // A file where a directory has to be: nothing can be put below it, not even by root.
        let blocked = if method == SyncMethod::Symlink {
            "dev/shop_releases"
        } else {
            "dev/shop"
        };
        std::fs::write(world.home(1, blocked), "in the way").unwrap();

        let deployment = world.deploy(&commit).await;

        assert_eq!(
            deployment.state,
            DeploymentState::Failed,
            "{}",
            world.log(deployment.id).await
        );
        assert_eq!(world.read(1, blocked), "in the way");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_deployer_closes_what_runs() {
    let mut world = World::simple().await;
    world.script("deploy.sh", "echo begun; sleep 30");
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    while !world.log(id).await.contains("begun") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    world.app.stop_engine().await;

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Interrupted);
    assert_eq!(
        deployment.outcome,
        "Interrupted: the deployer stopped while it ran. Each server shows what it runs."
    );
    assert_eq!(world.parts(id).await[0].state, ServerState::Interrupted);
    let steps = world.steps(id).await;
    assert!(
        steps.iter().any(|step| step.state == StepState::Interrupted),
        "{steps:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_does_not_change_how_long_a_deployment_took() {
    let clock = Clock::set_to(noon());
    let mut world = World::project().clock(clock).start().await;
    world.script(
        "deploy.sh",
        "echo begun; while [ ! -e ~/go ]; do sleep 0.02; done",
    );
    let commit = world.commit("Waits").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;
    world.clock.move_to(noon() + TimeDelta::days(1));
    std::fs::write(world.home(1, "go"), "").unwrap();
    let ended = world.end(id).await;
    world.assert_succeeded(&ended).await;
    let took = ended.finished_at.unwrap() - ended.started_at.unwrap();
    assert!(took < TimeDelta::hours(1), "{took}");
}
