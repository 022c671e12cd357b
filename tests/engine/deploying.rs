//! What is on the servers after a deployment, and what the store says of it.

use deployer::app::deployments::Choice;
use deployer::domain::deployment::ServerState;
use deployer::domain::{
    DeploymentState, EnvironmentOptions, ErrorKind, Kind, Release, StepState, SyncMethod,
};

use crate::support::world::{World, admin};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_commit_is_on_every_server_with_its_marker() {
    let mut world = World::project().clusters(&[2, 1]).start().await;
    world.repository.write("index.html", "hello\n");
    world.repository.write("odd ' name\n.txt", "odd\n");
    let commit = world.commit("Say hello").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    assert_eq!(deployment.outcome, "3 servers deployed.");
    for server in 1..=3 {
        assert_eq!(world.read(server, "dev/shop/index.html"), "hello\n");
        assert_eq!(world.read(server, "dev/shop/odd ' name\n.txt"), "odd\n");
        let marker = Release::parse_marker(&world.read(server, "dev/shop/.git_release")).unwrap();
        assert_eq!(
            (marker.branch.as_str(), marker.commit.as_str(), marker.in_progress),
            ("main", &*commit, false)
        );
    }
    let parts = world.parts(deployment.id).await;
    assert!(
        parts.iter().all(|part| part.state == ServerState::Succeeded),
        "{parts:#?}"
    );
    assert_eq!(
        parts.iter().map(|part| part.cluster.as_str()).collect::<Vec<_>>(),
        ["cluster1", "cluster1", "cluster2"]
    );
    world.assert_steps_ended(deployment.id).await;
    let steps = world.steps(deployment.id).await;
    assert!(
        steps.iter().all(|step| step.state != StepState::Failed),
        "{steps:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_methods_deploy_changes_and_deletions() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut world = World::project().method(method).start().await;
        world.repository.write("stays", "1");
        world.repository.write("goes", "1");
        let first = world.commit("Two files").await;
        world.deploy(&first).await;
        world.repository.write("stays", "2");
        world.repository.git(&["rm", "-q", "goes"]);
        let second = world.commit("One file").await;

        let deployment = world.deploy(&second).await;

        world.assert_succeeded(&deployment).await;
        assert_eq!(world.read(1, "dev/shop/stays"), "2");
        assert!(!world.home(1, "dev/shop/goes").exists());
        let is_link = world.home(1, "dev/shop").is_symlink();
        assert_eq!(is_link, method == SyncMethod::Symlink);
        assert_eq!(
            deployment.previous_commit.as_ref().map(|commit| commit.as_str()),
            Some(first.as_str())
        );
        let before = &world.parts(deployment.id).await[0].previous_commit;
        assert_eq!(
            before.as_ref().map(|commit| commit.as_str()),
            Some(first.as_str())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_and_shared_paths_stay() {
    let options = EnvironmentOptions {
        excluded: vec!["cache".into()],
        shared: vec!["uploads".into()],
        ..EnvironmentOptions::default()
    };
    let mut world = World::project().options(options).start().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    std::fs::create_dir_all(world.home(1, "dev/shop/cache")).unwrap();
    std::fs::write(world.home(1, "dev/shop/cache/warm"), "warm").unwrap();
    std::fs::create_dir_all(world.home(1, "dev/shop/uploads")).unwrap();
    std::fs::write(world.home(1, "dev/shop/uploads/photo"), "photo").unwrap();
    world.repository.write("a", "2");
    let second = world.commit("Second").await;

    let deployment = world.deploy(&second).await;

    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/a"), "2");
    assert_eq!(world.read(1, "dev/shop/cache/warm"), "warm");
    assert_eq!(world.read(1, "dev/shop/uploads/photo"), "photo");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_or_one_cluster_can_be_the_target() {
    let mut world = World::project().clusters(&[2, 1]).start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let server = deployer::store::servers::by_name(&world.store, "web2")
        .await
        .unwrap();
    let cluster = deployer::store::clusters::by_name(&world.store, "cluster2")
        .await
        .unwrap();

    for choice in [Choice::Server(server.id), Choice::Cluster(cluster.id)] {
        let mut request = World::request(&commit);
        request.choice = choice;
        let id = world.ask(request).await;
        assert_eq!(world.end(id).await.state, DeploymentState::Succeeded);
    }

    assert!(!world.home(1, "dev/shop").exists());
    assert_eq!(world.read(2, "dev/shop/a"), "1");
    assert_eq!(world.read(3, "dev/shop/a"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_must_succeed_in_the_previous_environment_first() {
    let mut world = World::project().environment("beta").start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let mut to_beta = World::request(&commit);
    to_beta.environment = "beta".into();

    let refused = deployer::app::deployments::request(&world.app, &admin(), to_beta.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(
        refused
            .message()
            .contains("must first succeed on all servers of dev"),
        "{refused}"
    );

    world.deploy(&commit).await;
    let id = world.ask(to_beta).await;
    assert_eq!(world.end(id).await.state, DeploymentState::Succeeded);
    assert_eq!(world.read(1, "beta/shop/a"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_goes_to_the_last_release_that_succeeded() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    world.repository.write("a", "2");
    let second = world.commit("Second").await;
    let bad = world.deploy(&second).await;

    let requested = deployer::app::deployments::roll_back(&world.app, &admin(), bad.id)
        .await
        .unwrap();

    let back = world.end(requested.id()).await;
    assert_eq!(
        (back.state, back.kind),
        (DeploymentState::Succeeded, Kind::Rollback)
    );
    assert_eq!(back.commit.as_str(), first);
    assert_eq!(world.read(1, "dev/shop/a"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_leads_only_to_a_commit_that_succeeded_there() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    world.repository.write("a", "2");
    let never = world.commit("Never deployed").await;

    // Whoever may roll back at night may not bring anything new by calling it that.
    let mut request = World::request(&never);
    request.kind = Kind::Rollback;
    let refused = deployer::app::deployments::request(&world.app, &admin(), request.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "commit");
    assert!(refused.message().contains("never"), "{refused}");

    world.deploy(&never).await;
    request.commit = first;
    let id = world.ask(request.clone()).await;
    assert_eq!(world.end(id).await.state, DeploymentState::Succeeded);

    // By now it has succeeded there, but it is newer than what runs.
    request.commit = never;
    let refused = deployer::app::deployments::request(&world.app, &admin(), request)
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("is newer than what runs there"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_commits_and_foreign_targets_are_refused_with_a_sentence() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    world.commit("First").await;
    for commit in ["--output=x", "$(id)", "../x", "", "deadbeef", "nowhere"] {
        let request = World::request(commit);
        let refused = deployer::app::deployments::request(&world.app, &admin(), request)
            .await
            .unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Invalid | ErrorKind::NotFound),
            "{commit}: {refused:?}"
        );
        assert!(refused.message().ends_with('.'), "{refused}");
    }
    let mut request = World::request("main");
    request.choice = Choice::Server(deployer::domain::ServerId(4711));
    let refused = deployer::app::deployments::request(&world.app, &admin(), request)
        .await
        .unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "target");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_project_is_deployed_to_the_same_place() {
    let mut world = World::simple().await;
    world.script("deploy.sh", "echo well");
    let first = world.commit("First").await;
    assert_eq!(world.deploy(&first).await.state, DeploymentState::Succeeded);
    let second = world.commit("Second").await;
    let store = world.store.clone();
    let mut project = deployer::store::projects::by_name(&store, "shop").await.unwrap();
    project.name = "store".parse().unwrap();
    let tx = crate::support::store::change(&store).await;
    deployer::store::projects::update(&tx, &project).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let mut request = World::request(&second);
    request.project = "store".into();
    let id = world.ask(request).await;

    let ended = world.end(id).await;
    assert_eq!(ended.state, DeploymentState::Succeeded, "{}", world.log(id).await);
    assert!(world.read(1, "dev/shop/.git_release").contains(&second));
}
