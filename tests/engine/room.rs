//! A server without room for the tree is named before anything is fetched or sent.

use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentState, EnvironmentOptions, Extras, StepKind, SyncMethod};
use deployer::git::Weighing;

use crate::support::disk::SmallDisk;
use crate::support::setup::Setup;
use crate::support::world::World;

/// Text that does not compress away.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

/// Two servers, the first of them on a small disk.
async fn world(setup: Setup) -> (World, SmallDisk) {
    let disk = SmallDisk::new();
    let world = setup.clusters(&[2]).on_small_disk(&disk).start().await;
    (world, disk)
}

/// Deploys a commit for which the first server has no room; the log.
async fn refused(world: &World, commit: &str) -> String {
    let deployment = world.deploy(commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
    assert_eq!(
        deployment.outcome, "Not ready: web1. Nothing was touched on any server.",
        "{log}"
    );
    for step in world.steps(deployment.id).await {
        let is_look = matches!(step.kind, StepKind::Check | StepKind::Inspect);
        assert_eq!(step.started_at.is_some(), is_look, "{:?}: {log}", step.kind);
    }
    let part = &world.parts(deployment.id).await[0];
    assert_eq!(part.state, ServerState::Failed);
    assert!(part.detail.contains("The deployment needs "), "{}", part.detail);
    assert!(
        part.detail.contains(" are free. Make room there."),
        "{}",
        part.detail
    );
    assert!(log.contains("web1: The deployment needs "), "{log}");
    assert!(!log.contains("web2: The deployment needs "), "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_the_tree_is_named_before_anything_is_sent() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let options = EnvironmentOptions {
            excluded: vec!["left-out".into()],
            ..EnvironmentOptions::default()
        };
        let (mut world, _disk) = world(World::project().method(method).options(options)).await;
        world.repository.write("big", noise(3_000_000));
        let big = world.commit("Big").await;
        refused(&world, &big).await;

        // What is not sent needs no room.
        world.repository.git(&["mv", "big", "left-out"]);
        world.repository.write("small", noise(300_000));
        let small = world.commit("Small").await;
        let deployed = world.deploy(&small).await;
        world.assert_succeeded(&deployed).await;

        world.repository.write("another", noise(900_000));
        let more = world.commit("More").await;
        refused(&world, &more).await;

        // In place, what is there already needs no room once more.
        world.repository.git(&["rm", "-qf", "another"]);
        world.repository.write("half", noise(430_000));
        let half = world.commit("Half").await;
        if method == SyncMethod::InPlace {
            let deployed = world.deploy(&half).await;
            world.assert_succeeded(&deployed).await;
        } else {
            refused(&world, &half).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_need_inodes_and_whole_blocks() {
    let (mut world, _disk) = world(World::project()).await;
    for number in 0..600 {
        world.repository.write(&format!("dir/{number}"), "x");
    }
    let many = world.commit("Many").await;
    refused(&world, &many).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_git_lfs_count_with_their_own_size() {
    let (mut world, _disk) = world(World::project().extras(Extras::default())).await;
    let repository = &world.repository;
    repository.git(&["lfs", "install", "--local", "--skip-repo"]);
    repository.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repository.write("large.bin", noise(3_000_000));
    let commit = world.commit("Large").await;
    refused(&world, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_predeploy_makes_smaller_is_deployed() {
    let (mut world, _disk) = world(World::project()).await;
    world.repository.write("sources", noise(3_000_000));
    world.script("predeploy.sh", "rm sources; echo made > product");
    let commit = world.commit("Sources").await;
    let deployment = world.deploy(&commit).await;
    world.assert_succeeded(&deployment).await;
    let log = world.log(deployment.id).await;
    assert!(
        log.contains("predeploy.sh may change what is sent, so the deployment continues."),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_weighs_what_its_export_has() {
    let mut world = World::simple().await;
    world.repository.write("a/one", noise(5_000));
    world.repository.write("a/b/two", noise(70));
    std::os::unix::fs::symlink("a/one", world.repository.path().join("link")).unwrap();
    let first = world.commit("First").await;
    world.repository.write("a/b/two", noise(71));
    world.repository.write("c/new", noise(1_000));
    let second = world.commit("Second").await;
    let project = deployer::store::projects::by_name(&world.store, "shop")
        .await
        .unwrap();
    let mirror = world.app.mirror(&project).unwrap();
    let into = world.dir.path().join("export");
    let never = tokio_util::sync::CancellationToken::new();
    let exported = mirror
        .export(&second.parse().unwrap(), &into, &never)
        .await
        .unwrap();
    let weigh = async |since: Option<&String>, without: &'static [u8]| {
        let what = Weighing {
            commit: second.parse().unwrap(),
            since: since.map(|commit| commit.parse().unwrap()),
            extras: project.extras,
            time: std::time::Duration::from_secs(10),
        };
        let size = mirror.weigh(what, move |path, _| path != without).await.unwrap();
        (size.bytes, size.entries)
    };
    assert_eq!(weigh(None, b"").await, (exported.bytes, exported.entries));
    // The directories a, a/b and c, and two files.
    assert_eq!(weigh(Some(&first), b"").await, (1_071, 5));
    assert_eq!(weigh(Some(&first), b"a").await, (1_000, 2));
    assert_eq!(weigh(Some(&second), b"").await, (0, 0));
}
