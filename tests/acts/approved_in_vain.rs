//! What was requested is what may be approved: an approval that could only fail is neither offered nor taken.

use chrono::TimeDelta;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::watch;
use deployer::domain::deployment::ServerState;
use deployer::domain::{
    DeploymentId, DeploymentState, Environment, ErrorKind, Extras, Lock, LockId, OnFailure, Project, Server,
    SyncMethod,
};
use deployer::store::{environments, locks, projects, servers, users};

use super::approving::approved;
use super::{PEOPLE, ask, carry_out, commit, environment, person, seen, state, still, wanted};
use crate::support::store::noon;
use crate::support::world::{World, bring_in, change};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_was_approved_is_deployed() {
    let mut world = World::project()
        .clusters(&[2])
        .policy(PEOPLE)
        .options(approved())
        .start()
        .await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    let done = world.end(id).await;
    assert_eq!(done.state, DeploymentState::Succeeded, "{}", done.outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_than_those_that_were_requested_are_not_approved() {
    let mut world = still(approved()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    let mut away = servers::by_name(&world.store, "web2").await.unwrap();
    for is_active in [false, true] {
        away.active = is_active;
        let tx = change(&world.store).await;
        servers::update(&tx, &away).await.unwrap();
        bring_in(tx).await;
        if !is_active {
            assert_approved_in_vain(&world, id, CHANGED).await;
        }
    }
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_of_a_server_than_at_the_request_is_not_approved() {
    let mut world = still(approved()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    let before = servers::by_name(&world.store, "web2").await.unwrap();
    let other_port = Server {
        port: before.port + 1,
        ..before.clone()
    };
    let other_host = Server {
        address: "192.0.2.7".into(),
        ..before.clone()
    };
    let put = async |server: &Server| {
        let tx = change(&world.store).await;
        servers::update(&tx, server).await.unwrap();
        bring_in(tx).await;
    };
    for moved in [other_port, other_host] {
        put(&moved).await;
        assert_approved_in_vain(&world, id, CHANGED).await;
    }
    put(&before).await;
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_does_not_cover_the_rest_at_another_address() {
    let mut world = still(approved()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    let halfway = [ServerState::Succeeded, ServerState::Failed];
    carry_out(&world, id, &halfway, DeploymentState::Failed).await;
    let mut moved = servers::by_name(&world.store, "web2").await.unwrap();
    moved.port += 1;
    let tx = change(&world.store).await;
    servers::update(&tx, &moved).await.unwrap();
    bring_in(tx).await;

    let rest = deployments::retry(&world.app, &person("dora"), id).await.unwrap();

    let rest = seen(&world, rest.id()).await;
    assert_eq!(rest.state, DeploymentState::Awaiting);
    assert_eq!(rest.approval.unwrap().given, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_than_those_that_were_requested_are_not_approved() {
    let mut world = still(approved()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    let before = environment(&world, "dev").await;
    let project = projects::by_name(&world.store, "shop").await.unwrap();
    let put = async |environment: &Environment, project: &Project| {
        let tx = change(&world.store).await;
        environments::update(&tx, environment).await.unwrap();
        projects::update(&tx, project).await.unwrap();
        bring_in(tx).await;
    };
    let mut other = before.clone();
    other.options.rollout.on_failure = OnFailure::Continue { up_to: 9 };
    let with = |extras: Extras| Project {
        extras,
        ..project.clone()
    };
    let without_lfs = with(Extras {
        lfs: false,
        ..project.extras
    });
    let with_submodules = with(Extras {
        submodules: true,
        ..project.extras
    });
    let in_place = Project {
        method: SyncMethod::InPlace,
        ..project.clone()
    };
    let elsewhere = Project {
        git_url: format!("{}/", project.git_url),
        ..project.clone()
    };
    for (environment, changed) in [
        (&other, &project),
        (&before, &without_lfs),
        (&before, &with_submodules),
        (&before, &in_place),
        (&before, &elsewhere),
    ] {
        put(environment, changed).await;
        assert_approved_in_vain(&world, id, CHANGED).await;
        put(&before, &project).await;
    }
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    assert_eq!(state(&world, id).await, DeploymentState::Queued);
}

pub(super) const CHANGED: &str = "What it would do has changed since it was requested: other servers, another address of one, another order, or other settings of the environment or project. Request it again.";

/// The page offers no approval and says why, and one that is given all the same is not taken.
async fn assert_approved_in_vain(world: &World, id: DeploymentId, why: &str) {
    let (_, acts) = watch::see(&world.app, &person("rita"), id).await.unwrap();
    assert_eq!((acts.approve, acts.reject), (false, true));
    assert_eq!(acts.approve_obstacle.as_deref(), Some(why));
    let refused = deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap_err();
    assert_eq!((refused.kind(), refused.message()), (ErrorKind::Conflict, why));
    assert_eq!(state(world, id).await, DeploymentState::Awaiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_could_only_fail_is_not_taken() {
    let mut world = still(approved()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    let disable = async |is_disabled: bool| {
        let mut dora = users::by_name(&world.store, "dora").await.unwrap();
        dora.disabled = is_disabled;
        let tx = change(&world.store).await;
        users::update(&tx, &dora).await.unwrap();
        bring_in(tx).await;
    };
    disable(true).await;
    assert_approved_in_vain(&world, id, "The account of dora is disabled.").await;
    disable(false).await;

    let lock = Lock {
        id: LockId(0),
        project: Some(environment(&world, "dev").await.project_id),
        environment: None,
        reason: "the database is being moved".into(),
        author: "admin".into(),
        created_at: noon(),
        ends_at: None,
    };
    let tx = change(&world.store).await;
    locks::insert(&tx, &lock).await.unwrap();
    bring_in(tx).await;
    let locked = "admin has locked this: the database is being moved.";
    assert_approved_in_vain(&world, id, locked).await;
    let tx = change(&world.store).await;
    for lock in locks::in_force(&world.store, noon()).await.unwrap() {
        locks::delete(&tx, lock.id).await.unwrap();
    }
    bring_in(tx).await;

    // One for later is judged by what policy says of its time.
    let later = DeployRequest {
        at: Some(noon() + TimeDelta::hours(1)),
        ..wanted(&first)
    };
    let scheduled = ask(&world, "dora", later).await.unwrap().id();
    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("g, dora, role:developer", "")).unwrap();
    world.parts.access.reload().unwrap();
    let (_, acts) = watch::see(&world.app, &person("rita"), scheduled).await.unwrap();
    let told = acts.approve_obstacle.unwrap();
    assert!(told.starts_with("dora may not deploy"), "{told}");
    assert_approved_in_vain(&world, scheduled, &told).await;
    std::fs::write(&file, text).unwrap();
    world.parts.access.reload().unwrap();

    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    assert_eq!(state(&world, id).await, DeploymentState::Queued);
}
