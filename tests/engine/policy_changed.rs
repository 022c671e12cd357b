//! What was allowed when it was requested or approved is asked again when its time comes: policy may have
//! taken the right meanwhile.

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::app::deployments::{self, DeployRequest, approve};
use deployer::clock::Clock;
use deployer::domain::{Actor, Deployment, DeploymentState};

use crate::support::world::World;

const DEPLOY: &str = "p, tess, shop, dev, deploy, always, allow";
const APPROVE: &str = "p, lea, shop, dev, approve, always, allow";
/// Both lines, and rights to look.
const LINES: &str = "p, tess, shop, dev, deploy, always, allow
p, lea, shop, dev, approve, always, allow
p, tess, shop, dev, view, always, allow
p, lea, shop, dev, view, always, allow";

/// What became of a deployment of tess in an hour, before which policy loses `line`.
async fn without(line: &str, needs_approval: bool) -> (Deployment, World) {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let setup = World::project().clock(Clock::set_to(at)).policy(LINES);
    let setup = if needs_approval {
        setup.approval_hours(4)
    } else {
        setup
    };
    let mut world = setup.start().await;
    let commit = world.commit("First").await;
    let later = at + TimeDelta::hours(1);
    let request = DeployRequest {
        at: Some(later),
        ..World::request(&commit)
    };
    let tess = Actor::user("tess", "192.0.2.7");
    let requested = deployments::request(&world.app, &tess, request).await.unwrap();
    if needs_approval {
        let lea = Actor::user("lea", "192.0.2.7");
        approve(&world.app, &lea, requested.id()).await.unwrap();
    }
    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(line, "")).unwrap();
    world.parts.access.reload().unwrap();
    world.clock.move_to(later + TimeDelta::minutes(1));
    (world.end(requested.id()).await, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_that_policy_took_the_right() {
    let (ended, world) = without(DEPLOY, false).await;
    assert_eq!(
        ended.state,
        DeploymentState::Failed,
        "{}",
        world.log(ended.id).await
    );
    assert_eq!(ended.started_at, None, "a worker began it");
    assert!(
        ended
            .outcome
            .starts_with("Its time came, but it is not allowed now: tess may not deploy shop/dev"),
        "{}",
        ended.outcome
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_that_policy_took_the_right_of_the_approver() {
    let (ended, world) = without(APPROVE, true).await;
    assert_eq!(
        ended.state,
        DeploymentState::Failed,
        "{}",
        world.log(ended.id).await
    );
    assert_eq!(ended.started_at, None, "a worker began it");
    assert!(ended.outcome.contains("lea may not approve"), "{}", ended.outcome);
}
