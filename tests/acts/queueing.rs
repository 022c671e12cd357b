//! Who waits for whom, and what a newer push makes pointless.

use deployer::app::activity;
use deployer::app::deployments::{DeployRequest, Requested};
use deployer::domain::{DeploymentState, EnvironmentOptions, Kind};
use deployer::store::users;

use super::{ask, audited, begin, commit, person, seen, state, still, wanted};
use crate::support::store::noon;

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_simultaneous_deployments_waits() {
    let mut world = still(EnvironmentOptions::default()).await;
    let one = commit(&mut world, "1").await;
    let two = commit(&mut world, "2").await;

    let (first, second) = tokio::join!(
        ask(&world, "dora", wanted(&one)),
        ask(&world, "admin", wanted(&two)),
    );
    let mut ids = [first.unwrap().id(), second.unwrap().id()];
    ids.sort_unstable();

    assert_eq!(begin(&world, noon()).await.map(|(id, _)| id), Some(ids[0]));
    assert_eq!(begin(&world, noon()).await, None, "both began");
    let now = activity::now(&world.app, &person("lena")).await.unwrap();
    assert_eq!(now.running[0].deployment.id, ids[0]);
    let waits = &now.waiting[0];
    let behind: Vec<_> = waits.behind.iter().map(|one| one.id).collect();
    assert_eq!((waits.deployment.id, waits.position), (ids[1], Some(1)));
    assert_eq!(behind, [ids[0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_simultaneous_equal_requests_get_the_same_deployment() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let (first, second) = tokio::join!(
        ask(&world, "dora", wanted(&commit)),
        ask(&world, "admin", wanted(&commit)),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.id(), second.id());
    assert!(matches!(first, Requested::New(_)) != matches!(second, Requested::New(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_begin_any_more_takes_nobody_elses_place() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let dead = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    let mut account = users::by_name(&world.store, "dora").await.unwrap();
    account.disabled = true;
    let tx = crate::support::store::change(&world.store).await;
    users::update(&tx, &account).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let valid = ask(&world, "admin", wanted(&commit)).await.unwrap();

    assert!(matches!(valid, Requested::New(_)), "{valid:?}");
    assert_ne!(valid.id(), dead);
    let again = ask(&world, "admin", wanted(&commit)).await.unwrap();
    assert_eq!(again.id(), valid.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_supersedes_what_an_older_one_queued() {
    let mut world = still(EnvironmentOptions::default()).await;
    let automatic = |commit: &str| DeployRequest {
        kind: Kind::Automatic,
        ..wanted(commit)
    };
    let mut commits = Vec::new();
    for text in ["0", "1", "2", "3"] {
        commits.push(commit(&mut world, text).await);
    }
    let running = ask(&world, "auto", automatic(&commits[0])).await.unwrap().id();
    begin(&world, noon()).await.unwrap();
    let person_asked = ask(&world, "dora", wanted(&commits[1])).await.unwrap().id();
    let older = ask(&world, "auto", automatic(&commits[2])).await.unwrap().id();

    let newer = ask(&world, "auto", automatic(&commits[3])).await.unwrap().id();

    let ended = seen(&world, older).await;
    assert_eq!(ended.state, DeploymentState::Cancelled);
    assert_eq!(
        ended.outcome,
        format!("Superseded by deployment {newer}; no server was touched.")
    );
    assert_eq!(state(&world, running).await, DeploymentState::Running);
    assert_eq!(state(&world, person_asked).await, DeploymentState::Queued);
    assert_eq!(state(&world, newer).await, DeploymentState::Queued);
    assert_eq!(
        audited(&world).await.last().unwrap(),
        "auto deployment.superseded allowed"
    );
}
