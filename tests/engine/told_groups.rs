//! Groups that a login told count until another login tells others, and only for a while.

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::app::deployments::{self, DeployRequest};
use deployer::clock::Clock;
use deployer::domain::{Actor, Deployment, DeploymentState};

use crate::support::world::World;

/// A deployment that ann requested as one of the developers for `hours` later, when its time has come after
/// `meanwhile`.
async fn scheduled(hours: i64, meanwhile: impl AsyncFnOnce(&World)) -> Deployment {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let mut world = World::project().clock(Clock::set_to(at)).start().await;
    world.repository.write("index.html", "hello");
    let commit = world.commit("Begin").await;
    world.account("ann").await;
    world.told_groups("ann", &["developers", "staff"]).await;
    let ann = Actor {
        groups: vec!["developers".into(), "staff".into()],
        ..Actor::user("ann", "127.0.0.1")
    };
    let begin = at + TimeDelta::hours(hours);
    let request = DeployRequest {
        at: Some(begin),
        ..World::request(&commit)
    };
    let id = deployments::request(&world.app, &ann, request)
        .await
        .unwrap()
        .id();
    meanwhile(&world).await;
    world.clock.move_to(begin + TimeDelta::minutes(1));
    world.end(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_count_for_a_day() {
    let done = scheduled(23, async |_: &World| {}).await;
    assert_eq!(done.state, DeploymentState::Succeeded, "{}", done.outcome);
    let late = scheduled(24, async |_: &World| {}).await;
    assert_eq!(late.state, DeploymentState::Failed);
    let why = "The groups of ann were told too long ago to count: they count for 24 h. ann has to log in again, or \
               somebody else who may has to go on with it.";
    assert!(late.outcome.contains(why), "{}", late.outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_login_meanwhile_renews_them_or_takes_them_away() {
    let renewed = scheduled(30, async |world: &World| {
        world.clock.move_to(world.clock.now() + TimeDelta::hours(20));
        world.told_groups("ann", &["developers"]).await;
    });
    let renewed = renewed.await;
    assert_eq!(renewed.state, DeploymentState::Succeeded, "{}", renewed.outcome);
    let lost = scheduled(2, async |world: &World| {
        world.clock.move_to(world.clock.now() + TimeDelta::hours(1));
        world.told_groups("ann", &["staff"]).await;
    });
    let lost = lost.await;
    assert_eq!(lost.state, DeploymentState::Failed);
    assert!(
        lost.outcome.contains("ann is no longer in the group developers."),
        "{}",
        lost.outcome
    );
}
