//! What a deployment finds out only when it begins, and then does not begin.

use deployer::app::deployments;
use deployer::domain::{Actor, DeploymentState, EnvironmentOptions};

use super::hardship::tamper;
use crate::support::world::World;

/// Deploys, and expects that both servers are refused as one machine.
async fn assert_refused_as_one_machine(world: &World, commit: &str) {
    let done = world.deploy(commit).await;
    assert_eq!(done.state, DeploymentState::Failed, "{}", done.outcome);
    let parts = world.parts(done.id).await;
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert!(part.detail.contains("so both are one machine"), "{part:#?}");
    }
    for server in 1..=2 {
        assert!(!world.home(server, "dev/shop").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_under_two_names_is_refused() {
    let mut world = World::project().clusters(&[2]).start().await;
    let commit = world.commit("Begin").await;
    tamper(
        &world,
        "UPDATE servers SET port = (SELECT port FROM servers WHERE name = 'web1')",
    )
    .await;
    assert_refused_as_one_machine(&world, &commit).await;
    // Under another spelling it is known by its key, and by where the name leads.
    let web = "(SELECT id FROM servers WHERE name = ";
    for sql in [
        "UPDATE servers SET address = 'localhost' WHERE name = 'web2'".to_owned(),
        format!(
            "UPDATE host_keys SET openssh = (SELECT openssh FROM host_keys WHERE server_id = {web}'web1')) WHERE server_id = {web}'web2')"
        ),
    ] {
        tamper(&world, &sql).await;
    }
    assert_refused_as_one_machine(&world, &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_left_its_branch_is_not_deployed() {
    let mut world = World::simple().await;
    let first = world.commit("Begin").await;
    world.repository.write("more", "1");
    let lost = world.commit("Soon lost").await;
    // Somebody rewrites the branch after the mirror was brought up to date.
    world.repository.git(&["reset", "--hard", &first]);
    world.repository.write("other", "1");
    world.repository.commit("Instead");
    let done = world.deploy(&lost).await;
    assert_eq!(done.state, DeploymentState::Failed, "{}", done.outcome);
    assert!(
        done.outcome.contains("is no longer on branch main"),
        "{}",
        done.outcome
    );
    assert!(!world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_release_is_refused() {
    let mut world = World::project()
        .options(EnvironmentOptions {
            excluded: vec!["*".into()],
            ..EnvironmentOptions::default()
        })
        .start()
        .await;
    let commit = world.commit("Begin").await;
    let done = world.deploy(&commit).await;
    assert_eq!(done.state, DeploymentState::Failed);
    assert!(done.outcome.contains("nothing to deploy"), "{}", done.outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_deploy_by_a_group_still_may_when_it_begins() {
    let mut world = World::simple().await;
    world.repository.write("index.html", "hello");
    let commit = world.commit("Begin").await;
    let ann = Actor {
        groups: vec!["developers".into()],
        ..Actor::user("ann", "127.0.0.1")
    };
    world.account("ann").await;
    world.told_groups("ann", &["developers"]).await;
    let requested = deployments::request(&world.app, &ann, World::request(&commit)).await;
    let done = world.end(requested.unwrap().id()).await;
    assert_eq!(done.state, DeploymentState::Succeeded, "{}", done.outcome);
    assert_eq!(done.groups, ["developers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_a_directory_are_refused() {
    let mut world = World::project().clusters(&[3]).start().await;
    world.repository.write("index.html", "hello");
    let commit = world.commit("Begin").await;
    let shared = world.home(1, "dev");
    std::fs::create_dir_all(&shared).unwrap();
    std::os::unix::fs::symlink(&shared, world.home(2, "dev")).unwrap();
    let done = world.deploy(&commit).await;
    assert_eq!(
        done.outcome,
        "Not ready: web1, web2. Nothing was touched on any server."
    );
    let parts = world.parts(done.id).await;
    let details: Vec<&str> = parts.iter().map(|part| part.detail.as_str()).collect();
    for (detail, other) in [(details[0], "web2"), (details[1], "web1")] {
        assert!(
            detail.contains(&format!(
                "is that of {other} as well: they are names of one machine, or share"
            )),
            "{detail}"
        );
    }
    assert!(!details[2].contains("as well"), "{}", details[2]);
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0, "a mark was left");

    // Once something is there, too; and apart, they are fine.
    std::fs::remove_file(world.home(2, "dev")).unwrap();
    world.assert_succeeded(&world.deploy(&commit).await).await;
    std::fs::remove_dir_all(world.home(2, "dev")).unwrap();
    std::os::unix::fs::symlink(&shared, world.home(2, "dev")).unwrap();
    let again = world.deploy(&commit).await;
    assert!(
        again.outcome.contains("Not ready: web1, web2."),
        "{}",
        again.outcome
    );
    assert_eq!(world.read(1, "dev/shop/index.html"), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_to_the_shared_paths_is_refused_before_anything_is_sent() {
    let mut world = World::simple().await;
    world.repository.write("index.html", "1");
    let first = world.commit("First").await;
    world.assert_succeeded(&world.deploy(&first).await).await;
    std::fs::create_dir(world.home(1, "dev/shop/uploads")).unwrap();
    std::fs::write(world.home(1, "dev/shop/uploads/photo"), "theirs").unwrap();
    // The store is on another file system, where no rename leads to.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), world.home(1, "dev/shop_shared")).unwrap();
    let options = EnvironmentOptions {
        shared: vec!["uploads".into()],
        ..EnvironmentOptions::default()
    };
    let options = serde_json::to_string(&options).unwrap();
    tamper(&world, &format!("UPDATE environments SET options = '{options}'")).await;
    world.repository.write("index.html", "2");
    let second = world.commit("Second").await;
    let refused = world.deploy(&second).await;
    assert_eq!(
        refused.outcome,
        "Not ready: web1. Nothing was touched on any server."
    );
    let detail = world.parts(refused.id).await[0].detail.clone();
    assert!(
        detail.contains("run “mv ") && detail.contains("/uploads "),
        "{detail}"
    );
    assert_eq!(world.read(1, "dev/shop/index.html"), "1");
    let began = world.steps(refused.id).await;
    let touched = began.iter().filter(|step| step.started_at.is_some());
    let touched: Vec<&str> = touched.map(|step| step.kind.as_str()).collect();
    assert!(
        !touched.contains(&"sync") && !touched.contains(&"drain"),
        "{touched:?}"
    );
    assert_eq!(world.read(1, "dev/shop/uploads/photo"), "theirs");
}
