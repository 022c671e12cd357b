//! A second person whom policy asks for.

use chrono::TimeDelta;
use deployer::app::deployments;
use deployer::app::watch;
use deployer::domain::{Actor, DeploymentState, EnvironmentOptions, ErrorKind, ServerState};

use super::{ask, begin, carry_out, commit, on_sunday, person, seen, state, wanted};
use crate::support::store::noon;
use crate::support::world::World;

/// Tess needs somebody of the leads for dev; Lea leads, Rita may approve and leads nothing.
const LINES: &str = "p, tess, shop, dev, deploy, always, allow with role:lead
p, role:lead, shop, *, approve, always, allow
p, lea, shop, dev, deploy, always, allow
g, lea, role:lead
g, group:leads, role:lead
g, rita, role:releaser";

async fn still(options: EnvironmentOptions) -> World {
    let project = World::project().options(options).policy(LINES);
    on_sunday(project.workers(0).start().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_asks_for_one_of_a_role_where_the_form_asks_for_nobody() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "tess", wanted(&commit)).await.unwrap().id();
    let awaiting = seen(&world, id).await;
    assert_eq!(awaiting.state, DeploymentState::Awaiting);
    let approval = awaiting.approval.unwrap();
    assert_eq!(approval.by, ["role:lead"]);
    assert_eq!(approval.expires_at, noon() + TimeDelta::hours(24));
    assert_eq!(begin(&world, noon()).await, None, "it began without approval");

    // They may approve, and are not whom the line asks for.
    for name in ["rita", "admin"] {
        let refused = deployments::approve(&world.app, &person(name), id)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden, "{name}");
        assert_eq!(
            refused.message(),
            "Deployment 1 needs the approval of a second person of role:lead."
        );
        let (_, acts) = watch::see(&world.app, &person(name), id).await.unwrap();
        assert!(!acts.approve && acts.approve_obstacle.unwrap().contains("role:lead"));
    }
    let by_group = Actor {
        groups: vec!["leads".to_owned()],
        ..person("gina")
    };
    let (_, acts) = watch::see(&world.app, &by_group, id).await.unwrap();
    assert!(acts.approve);
    deployments::approve(&world.app, &person("lea"), id)
        .await
        .unwrap();
    assert_eq!(state(&world, id).await, DeploymentState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_only_says_how_long_there_is_and_keeps_its_own_wish() {
    let options = EnvironmentOptions {
        approval_hours: Some(2),
        ..EnvironmentOptions::default()
    };
    let mut world = still(options).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "tess", wanted(&commit)).await.unwrap().id();
    let approval = seen(&world, id).await.approval.unwrap();
    assert_eq!(approval.expires_at, noon() + TimeDelta::hours(2));
    assert_eq!(approval.by, ["role:lead"]);
    deployments::reject(&world.app, &person("lea"), id, "")
        .await
        .unwrap();
    // A line that takes nobody else leaves what the form asks for.
    let id = ask(&world, "lea", wanted(&commit)).await.unwrap().id();
    assert_eq!(seen(&world, id).await.approval.unwrap().by, [""; 0]);
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_carries_over_while_its_giver_is_whom_policy_asks_for() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "tess", wanted(&commit)).await.unwrap().id();
    deployments::approve(&world.app, &person("lea"), id)
        .await
        .unwrap();
    carry_out(&world, id, &[ServerState::Failed], DeploymentState::Failed).await;
    let again = deployments::retry(&world.app, &person("tess"), id)
        .await
        .unwrap()
        .id();
    assert_eq!(state(&world, again).await, DeploymentState::Queued);
    carry_out(&world, again, &[ServerState::Failed], DeploymentState::Failed).await;

    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("g, lea, role:lead\n", "")).unwrap();
    world.parts.access.reload().unwrap();
    let once_more = deployments::retry(&world.app, &person("tess"), again)
        .await
        .unwrap()
        .id();
    assert_eq!(state(&world, once_more).await, DeploymentState::Awaiting);
}
