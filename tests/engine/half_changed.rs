//! Files in service that were changed in part: whoever has to mend the server is told of each.

use deployer::app::deployments::{self as requests, DeployRequest};
use deployer::app::health;
use deployer::domain::{DeploymentState, OnServer};

use crate::support::world::{World, admin};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_every_file_that_a_failed_sync_has_changed() {
    let mut world = World::project().in_place().start().await;
    world.repository.write("old", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    // What must not be removed, a repository, stands where a file is coming.
    std::fs::create_dir_all(world.home(1, "dev/shop/z/f/.git")).unwrap();
    std::fs::write(world.home(1, "dev/shop/z/f/.git/kept"), "x").unwrap();
    for n in 1..=7 {
        world.repository.write(&format!("f{n}"), "new");
    }
    world.repository.write("z/f", "new");
    let second = world.commit("Second").await;

    let deployment = world.deploy(&second).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    let log = world.log(deployment.id).await;
    for n in 1..=7 {
        let line = format!("web1/sync: Put in place: f{n}\n");
        assert!(log.contains(&line), "{log}");
    }
    assert!(!log.contains("Put in place: z/f"), "{log}");
    let told = &world.parts(deployment.id).await[0].detail;
    assert!(told.contains("7 of 8 files put in place (f1, f2"), "{told}");
}

/// A server in place that runs `first`, and on which a deployment of `second` put some of its files.
async fn half_changed() -> (World, String) {
    let mut world = World::project().in_place().start().await;
    world.repository.write("old", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    std::fs::create_dir_all(world.home(1, "dev/shop/z/f/.git")).unwrap();
    std::fs::write(world.home(1, "dev/shop/z/f/.git/kept"), "x").unwrap();
    world.repository.write("a", "new");
    world.repository.write("z/f", "new");
    let second = world.commit("Second").await;
    let half = world.deploy(&second).await;
    let part = world.parts(half.id).await.remove(0);
    assert_eq!(part.on_server, Some(OnServer::Mixed), "{}", part.detail);
    (world, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_left_half_changed_is_told_so_until_a_deployment_is_finished_there() {
    let (mut world, second) = half_changed().await;
    let told = format!(
        "Not changed: an earlier deployment was not finished there, so only some of its files are of {}. Deploy again.",
        &second[..8]
    );
    let reasons = async |world: &World| health::reasons(&world.app, &admin()).await.unwrap();
    const UNHEALTHY: &str = "shop/dev: web1: A deployment was not finished there, so its files are of two releases. Deploy again.";
    assert_eq!(reasons(&world).await, [UNHEALTHY]);

    // One that fails before it changes anything.
    world.script("predeploy.sh", "exit 1");
    let third = world.commit("Third").await;
    let failed = world.deploy(&third).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    let part = world.parts(failed.id).await.remove(0);
    assert_eq!(part.on_server, Some(OnServer::LeftMixed));
    let because = |told: &str| {
        told.trim_start_matches("Another server failed before its turn. ")
            .to_owned()
    };
    assert_eq!(because(&part.detail), told);
    assert_eq!(reasons(&world).await, [UNHEALTHY]);

    // One that fails in its check, and one that is cancelled before it begins.
    world.script("predeploy.sh", "exit 0");
    let fourth = world.commit("Fourth").await;
    let hidden = world.home(1, "dev-away");
    std::fs::rename(world.home(1, "dev"), &hidden).unwrap();
    std::fs::write(world.home(1, "dev"), "in the way").unwrap();
    let unready = world.deploy(&fourth).await;
    assert_eq!(unready.state, DeploymentState::Failed);
    let part = world.parts(unready.id).await.remove(0);
    assert_eq!(part.on_server, Some(OnServer::LeftMixed), "{}", part.detail);
    std::fs::remove_file(world.home(1, "dev")).unwrap();
    std::fs::rename(&hidden, world.home(1, "dev")).unwrap();
    let later = DeployRequest {
        at: Some(world.clock.now() + chrono::TimeDelta::hours(1)),
        ..World::request(&fourth)
    };
    let scheduled = world.ask(later).await;
    requests::cancel(&world.app, &admin(), scheduled).await.unwrap();
    let part = world.parts(scheduled).await.remove(0);
    assert!(
        part.detail
            .starts_with("Not changed: an earlier deployment was not finished there"),
        "{}",
        part.detail
    );
    assert_eq!(reasons(&world).await, [UNHEALTHY]);

    // What stood in the way is removed.
    std::fs::remove_dir_all(world.home(1, "dev/shop/z")).unwrap();
    let mended = world.deploy(&fourth).await;
    world.assert_succeeded(&mended).await;
    assert_eq!(reasons(&world).await, [""; 0]);
    let part = world.parts(mended.id).await.remove(0);
    assert_eq!(part.on_server, Some(OnServer::New));
}
