//! The whole way of a deployment on every database, and two instances over one database server.

use std::time::Duration;

use deployer::app::AppParts;
use deployer::domain::{DeploymentState, Kind, Target};
use deployer::store::{deployments, queue, servers};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::assert_chain;
use crate::support::world::World;

async fn a_deployment_gets_through_and_back(on: Database) {
    let mut world = World::project().clusters(&[2]).database(on).start().await;
    world.repository.write("page.html", "one");
    world.script("deploy.sh", "echo deployed: $(cat page.html)");
    let first = world.commit("One").await;
    let deployment = world.deploy(&first).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(deployment.target, Target::Environment);
    world.repository.write("page.html", "two \u{1f680}");
    let second = world.commit("Two \u{1f680}").await;
    let deployment = world.deploy(&second).await;
    world.assert_succeeded(&deployment).await;
    assert!(world.log(deployment.id).await.contains("deployed: two \u{1f680}"));
    assert_eq!(world.read(2, "dev/shop/page.html"), "two \u{1f680}");

    let back = deployer::app::deployments::DeployRequest {
        kind: Kind::Rollback,
        ..World::request(&first)
    };
    let id = world.ask(back).await;
    let deployment = world.end(id).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/page.html"), "one");
    assert_chain(&world.store).await;
}

async fn a_second_start_leaves_the_deployments_of_the_first_instance_alone(on: Database) {
    if !on.is_server() {
        // One instance serves an SQLite file.
        return;
    }
    let mut world = World::project().database(on).start().await;
    let go = world.home(1, "go");
    world.script(
        "deploy.sh",
        &format!("echo begun; while [ ! -e {} ]; do sleep 0.1; done", go.display()),
    );
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;

    let second = second_instance(&world).await;

    // Longer than between two looks for what was abandoned.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let meanwhile = deployments::by_id(&second.store, id).await.unwrap();
    assert_eq!(meanwhile.state, DeploymentState::Running, "{}", meanwhile.outcome);
    let held = servers::list(&second.store).await.unwrap()[0].id;
    assert_eq!(queue::holders(&second.store).await.unwrap().get(&held), Some(&id));
    std::fs::write(&go, "").unwrap();
    let deployment = world.end(id).await;
    world.assert_succeeded(&deployment).await;
    second.engine.shutdown().await;
}

/// Starts another instance over the same database server, with a directory of its own.
async fn second_instance(world: &World) -> AppParts {
    let url = world.database.as_ref().map(|database| database.url.clone());
    let dir = world.dir.path().join("second");
    std::fs::create_dir(&dir).unwrap();
    let key = world.dir.path().join("deployer");
    World::project().parts(&dir, &key, url, "second").await
}

on_every_database! {
    a_deployment_gets_through_and_back,
    a_second_start_leaves_the_deployments_of_the_first_instance_alone,
}
