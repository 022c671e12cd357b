//! What scripts on this host may write: their tree, their temporary directory, and the disk below them.

use std::time::{Duration, Instant};

use deployer::confinement::{Confinement, ConfinementOptions, WorkingTree, WriteLimits};
use deployer::domain::DeploymentState;
use deployer::process::{Command, Run};

use super::Heard;
use crate::support::world::World;

/// Limits of so many bytes to write.
fn written(bytes: u64) -> ConfinementOptions {
    ConfinementOptions {
        writing: WriteLimits {
            written: bytes,
            ..WriteLimits::default()
        },
        ..ConfinementOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_writes_without_end_is_ended_and_its_tree_is_removed() {
    for (is_off, place) in [(false, "."), (false, "$TMPDIR"), (true, ".")] {
        let options = ConfinementOptions {
            is_off,
            ..written(20 << 20)
        };
        let mut world = World::project().confinement(options).start().await;
        world.repository.write("index.html", "hello\n");
        world.script(
            "predeploy.sh",
            &format!(
                "cd \"{place}\"; mkdir -p a/b; n=0; while :; do n=$((n + 1)); head -c 1000000 /dev/urandom >a/b/$n; sleep 0.01; done"
            ),
        );
        let commit = world.commit("Much").await;
        let begun = Instant::now();
        let deployment = world.deploy(&commit).await;
        let log = world.log(deployment.id).await;
        assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
        assert!(
            log.contains("have more than 20 MiB together (engine.tree_limit_mib)"),
            "{log}"
        );
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        let trees = world.dir.path().join("work/trees");
        let gone = async || std::fs::read_dir(&trees).unwrap().count() == 0;
        while !gone().await {
            assert!(begun.elapsed() < Duration::from_secs(90), "{:?} is left", trees);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_file_of_any_size_is_refused_before_it_is_read() {
    let mut world = World::project().tree_limit(1 << 30).start().await;
    world.repository.write("index.html", "hello\n");
    world.script("predeploy.sh", "truncate -s 10T sparse");
    let commit = world.commit("Sparse").await;
    let begun = Instant::now();
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
    assert!(
        deployment
            .outcome
            .contains("The tree to deploy has more than 1073741824 bytes"),
        "{deployment:?} {log}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_started_where_the_disk_has_too_little_room() {
    let dir = tempfile::tempdir().unwrap();
    let confinement = Confinement::new(ConfinementOptions {
        scratch: dir.path().join("scratch"),
        writing: WriteLimits {
            free: u64::MAX,
            ..WriteLimits::default()
        },
        ..ConfinementOptions::default()
    });
    let mut said = Heard::default();
    let command = Command::new("/bin/sh").arg("-c").arg("echo it ran");
    let ran = confinement
        .run(command, WorkingTree::None, Run::default(), &mut said)
        .await;
    let told = ran.unwrap_err().to_string();
    assert!(told.contains("are free on the deployer's disk at"), "{told}");
    assert!(told.contains("engine.keep_free_mib"), "{told}");
    assert_eq!(said.0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_keeps_room_on_the_disk_as_well() {
    let options = ConfinementOptions {
        writing: WriteLimits {
            free: u64::MAX,
            ..WriteLimits::default()
        },
        ..ConfinementOptions::default()
    };
    let mut world = World::project().confinement(options).start().await;
    world.repository.write("index.html", "hello\n");
    let commit = world.commit("One").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
    assert!(
        log.contains("The export was ended or did not begin: less than"),
        "{log}"
    );
}
