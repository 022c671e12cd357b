//! Who runs when: reservations, duplicates, permission at the time of carrying out.

use deployer::app::deployments::{self, Requested};
use deployer::domain::{Actor, DeploymentState, ErrorKind};

use crate::support::store::assert_chain;
use crate::support::world::{World, admin};

#[tokio::test(flavor = "multi_thread")]
async fn deployments_that_share_a_server_never_run_at_once() {
    let mut world = World::project().environment("other").start().await;
    let proof = world.dir.path().join("turns");
    world.script(
        "deploy.sh",
        &format!("echo in >> {0}; sleep 0.4; echo out >> {0}", proof.display()),
    );
    let commit = world.commit("Turns").await;
    // Two environments on the same servers; the second must not need the first.
    let store = world.store.clone();
    let store = &store;
    let project = deployer::store::projects::by_name(store, "shop").await.unwrap();
    let mut other = deployer::store::environments::by_name(store, project.id, "other")
        .await
        .unwrap();
    world.repository.git(&["branch", "side"]);
    world.commit("Side").await;
    other.branch = "side".parse().unwrap();
    let tx = crate::support::store::change(store).await;
    deployer::store::environments::update(&tx, &other).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let first = world.ask(World::request(&commit)).await;
    let mut request = World::request(&commit);
    request.environment = "other".into();
    let second = world.ask(request).await;

    assert_eq!(world.end(first).await.state, DeploymentState::Succeeded);
    assert_eq!(
        world.end(second).await.state,
        DeploymentState::Succeeded,
        "{}",
        world.log(second).await
    );
    assert_eq!(std::fs::read_to_string(proof).unwrap(), "in\nout\nin\nout\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_deployment_is_refused_once_its_account_is_disabled() {
    use deployer::store::{audit, users};

    let mut world = World::simple().await;
    world.script("deploy.sh", "sleep 1");
    let first = world.commit("Slow").await;
    let running = world.ask(World::request(&first)).await;
    world
        .until(running, "it runs", |d| d.state == DeploymentState::Running)
        .await;
    let second = world.commit("Waits").await;
    let waiting = world.ask(World::request(&second)).await;
    let mut user = users::by_name(&world.store, "admin").await.unwrap();
    user.disabled = true;
    let tx = crate::support::store::change(&world.store).await;
    users::update(&tx, &user).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let refused = world.end(waiting).await;

    assert_eq!(refused.state, DeploymentState::Failed);
    let sentence = "No longer allowed: The account of admin is disabled.";
    assert_eq!(refused.outcome, format!("{sentence} No server was touched."));
    let page = audit::list(&world.store, &Default::default(), Default::default(), 20).await;
    let events = page.unwrap().items;
    let mut refusals = events
        .iter()
        .filter(|one| one.event.action == "deployment.refused");
    assert_eq!(refusals.next().unwrap().event.detail["outcome"], sentence);
    assert!(world.read(1, "dev/shop/.git_release").contains(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_returns_the_waiting_deployment() {
    let mut world = World::simple().await;
    world.script("deploy.sh", "sleep 1");
    let commit = world.commit("Slow").await;
    let first = world.ask(World::request(&commit)).await;
    world
        .until(first, "it runs", |d| d.state == DeploymentState::Running)
        .await;

    let second = deployments::request(&world.app, &admin(), World::request(&commit))
        .await
        .unwrap();
    let third = deployments::request(&world.app, &admin(), World::request(&commit))
        .await
        .unwrap();

    assert_eq!(third, Requested::Known(second.id()));
    assert_eq!(world.end(second.id()).await.state, DeploymentState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_is_one_deployment() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let mut request = World::request(&commit);
    request.request_key = Some("form-1".into());

    let first = world.ask(request.clone()).await;
    world.end(first).await;
    let second = deployments::request(&world.app, &admin(), request).await.unwrap();

    assert_eq!(second, Requested::Known(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deployment_is_audited() {
    let mut world = World::project().policy("g, rita, role:reader").start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    let rita = Actor::user("rita", "127.0.0.1");

    let refused = deployments::request(&world.app, &rita, World::request(&commit))
        .await
        .unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert_eq!(
        refused.message(),
        "rita may not deploy shop/dev: no policy line allows it."
    );
    let filter = deployer::store::AuditFilter {
        who: Some("rita".into()),
        actions: vec!["deploy.".into()],
        ..Default::default()
    };
    let page = deployer::store::audit::list(&world.store, &filter, Default::default(), 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].event.action, "deploy.refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deployment_leaves_its_acts_in_the_audit_log() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    world.deploy(&commit).await;

    let store = &world.store;
    let page = deployer::store::audit::list(store, &Default::default(), Default::default(), 10)
        .await
        .unwrap();
    let ours = page.items.iter().filter(|one| one.event.actor != "test");
    let mut events: Vec<_> = ours
        .map(|one| {
            (
                one.event.action.as_str(),
                one.event.permit.contains("policy.csv:"),
            )
        })
        .collect();
    events.reverse();
    assert_eq!(
        events,
        [
            ("deployment.requested", true),
            ("deployment.started", true),
            ("deployment.succeeded", true)
        ]
    );
    assert_chain(store).await;
}
