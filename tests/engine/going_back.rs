//! Rolling back to a release that still lies on the servers: nothing is sent, and its scripts run.

use std::path::PathBuf;

use deployer::app::deployments;
use deployer::domain::{DeploymentState, EnvironmentOptions, Kind, StepKind, StepState, SyncMethod};

use crate::support::world::{World, admin};

/// Two commits deployed to two servers, the second in use; each `deploy.sh` notes its commit.
async fn twice(method: SyncMethod) -> (World, [String; 2], deployer::domain::DeploymentId) {
    let mut world = World::project().clusters(&[2]).method(method).start().await;
    world.repository.write("index.html", "first\n");
    world.script("deploy.sh", "echo first $3 >> ~/told");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    world.repository.write("index.html", "second\n");
    world.script("deploy.sh", "echo second $3 >> ~/told");
    let second = world.commit("Second").await;
    let last = world.deploy(&second).await;
    assert_eq!(last.state, DeploymentState::Succeeded);
    (world, [first, second], last.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rollback_returns_to_is_kept_even_where_no_old_release_is() {
    let options = EnvironmentOptions {
        keep_releases: 0,
        ..EnvironmentOptions::default()
    };
    let mut world = World::project().options(options).start().await;
    for (version, kept) in [("1", &["1"][..]), ("2", &["1", "2"]), ("3", &["2", "3"])] {
        world.repository.write("version", version);
        let commit = world.commit(version).await;
        let done = world.deploy(&commit).await;
        world.assert_succeeded(&done).await;
        let mut releases: Vec<String> = std::fs::read_dir(world.home(1, "dev/shop_releases"))
            .unwrap()
            .map(|one| std::fs::read_to_string(one.unwrap().path().join("version")).unwrap())
            .collect();
        releases.sort();
        assert_eq!(releases, kept);
    }
}

/// Where the first commit still lies on a server.
fn first_release(world: &World, server: usize) -> PathBuf {
    let link = std::fs::read_link(world.home(server, "dev/shop")).unwrap();
    let releases = world.home(server, "dev").join(link.parent().unwrap());
    let is_first = |release: &PathBuf| {
        std::fs::read_to_string(release.join("index.html")).is_ok_and(|text| text == "first\n")
    };
    let mut all = std::fs::read_dir(&releases)
        .unwrap()
        .map(|one| one.unwrap().path());
    all.find(is_first).unwrap()
}

fn state(steps: &[deployer::domain::Step], kind: StepKind) -> Vec<StepState> {
    steps
        .iter()
        .filter(|step| step.kind == kind)
        .map(|step| step.state)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_switches_to_the_release_on_disk_and_runs_its_scripts() {
    let (world, [first, second], last) = twice(SyncMethod::Symlink).await;
    // Were anything sent, this would not be there.
    for server in 1..=2 {
        let file = first_release(&world, server).join("index.html");
        std::fs::write(&file, "first, as it lay there\n").unwrap();
    }
    let id = deployments::roll_back(&world.app, &admin(), last)
        .await
        .unwrap()
        .id();
    let back = world.end(id).await;
    let log = world.log(id).await;
    assert_eq!(
        (back.state, back.kind),
        (DeploymentState::Succeeded, Kind::Rollback),
        "{log}"
    );
    let steps = world.steps(id).await;
    for kind in [StepKind::Fetch, StepKind::Export, StepKind::Sync] {
        let states = state(&steps, kind);
        assert!(!states.is_empty(), "{kind} is not planned: {log}");
        assert!(
            states.iter().all(|one| *one == StepState::Skipped),
            "{kind}: {log}"
        );
    }
    for server in 1..=2 {
        assert_eq!(
            world.read(server, "dev/shop/index.html"),
            "first, as it lay there\n"
        );
        let told = format!("first {first}\nsecond {second}\nfirst {first}\n");
        assert_eq!(world.read(server, "told"), told);
        assert!(!world.home(server, "dev/shop/deploy.sh").exists());
        assert!(world.read(server, "dev/shop/.git_release").contains(&first));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_sends_the_release_to_a_server_that_lacks_it() {
    let (world, [first, _], last) = twice(SyncMethod::Symlink).await;
    std::fs::remove_dir_all(first_release(&world, 2)).unwrap();
    let id = deployments::roll_back(&world.app, &admin(), last)
        .await
        .unwrap()
        .id();
    let back = world.end(id).await;
    assert_eq!(back.state, DeploymentState::Succeeded, "{}", world.log(id).await);
    for server in 1..=2 {
        assert_eq!(world.read(server, "dev/shop/index.html"), "first\n");
        assert!(world.read(server, "dev/shop/.git_release").contains(&first));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_in_place_sends_the_files_again() {
    let (world, [first, _], last) = twice(SyncMethod::InPlace).await;
    let id = deployments::roll_back(&world.app, &admin(), last)
        .await
        .unwrap()
        .id();
    let back = world.end(id).await;
    assert_eq!(back.state, DeploymentState::Succeeded, "{}", world.log(id).await);
    assert_eq!(world.read(1, "dev/shop/index.html"), "first\n");
    assert!(world.read(2, "dev/shop/.git_release").contains(&first));
}
