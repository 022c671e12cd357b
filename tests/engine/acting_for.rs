//! An approval that somebody gave in another's name: both of them have to be able to act when it counts.

use chrono::{TimeZone, Utc};
use deployer::app::deployments::approve;
use deployer::clock::Clock;
use deployer::domain::{Actor, DeploymentId};
use deployer::store::deployments;

use super::permission::{disable, in_an_hour};
use crate::support::world::World;

/// A deployment that rita approves through boss, and what comes of it after `meanwhile`.
async fn approved_through_boss(meanwhile: impl AsyncFnOnce(&World)) -> String {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let policy = "g, rita, role:releaser\np, boss, *, *, impersonate, always, allow";
    let mut world = World::project()
        .clock(Clock::set_to(at))
        .approval_hours(2)
        .policy(policy)
        .start()
        .await;
    let commit = world.commit("First").await;
    for name in ["rita", "boss"] {
        world.account(name).await;
    }
    in_an_hour(&world, &commit, async {
        let rita = Actor {
            impersonator: Some("boss".into()),
            ..Actor::user("rita", "192.0.2.7")
        };
        approve(&world.app, &rita, DeploymentId(1)).await.unwrap();
        let approved = deployments::by_id(&world.store, DeploymentId(1)).await;
        let who = approved.unwrap().approval.unwrap().who();
        assert_eq!(who.as_deref(), Some("rita through boss"));
        meanwhile(&world).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_whoever_approved_in_anothers_name_disabled() {
    let outcome = approved_through_boss(async |world: &World| disable(world, "boss").await).await;
    assert_eq!(
        outcome,
        "Its time came, but it is not allowed now: The approval by rita no longer counts: The account of boss is disabled. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_that_nobody_may_act_for_the_approver_any_more() {
    let outcome = approved_through_boss(async |world: &World| {
        let file = world.dir.path().join("policies/policy.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(
            &file,
            text.replace("p, boss, *, *, impersonate, always, allow", ""),
        )
        .unwrap();
        world.parts.access.reload().unwrap();
    })
    .await;
    assert!(
        outcome.contains("The approval by rita no longer counts: boss may not impersonate everything"),
        "{outcome}"
    );
}
