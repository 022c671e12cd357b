//! Files in service that were changed in part: whoever has to mend the server is told of each.

use deployer::domain::{DeploymentState, EnvironmentOptions};

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_every_file_that_a_failed_sync_has_changed() {
    let options = EnvironmentOptions {
        excluded: vec!["z/f/kept".into()],
        ..Default::default()
    };
    let mut world = World::project().in_place().options(options).start().await;
    world.repository.write("old", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    // What must not be removed stands where a file is coming.
    std::fs::create_dir_all(world.home(1, "dev/shop/z/f")).unwrap();
    std::fs::write(world.home(1, "dev/shop/z/f/kept"), "x").unwrap();
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
