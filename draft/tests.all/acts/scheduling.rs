//! Deployments for later, and when policy would allow what it refuses now.

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::app::deployments::{self, DeployRequest};
use deployer::domain::{Action, DeploymentState, EnvironmentOptions, ErrorKind, Kind};
use deployer::store::audit;

use super::{ask, begin, commit, person, seen, still, wanted};
use crate::support::store::noon;

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_can_be_scheduled_into_an_open_window_while_it_is_closed() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let monday = Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).unwrap();
    let now = ask(&world, "olaf", wanted(&commit)).await.unwrap_err();
    let offered = now.refusal().unwrap().next_allowed;
    assert_eq!(offered, Some(monday));
    let never = ask(&world, "lena", wanted(&commit)).await.unwrap_err();
    assert_eq!(never.refusal().unwrap().next_allowed, None);

    let then = DeployRequest {
        at: offered,
        ..wanted(&commit)
    };
    let id = ask(&world, "olaf", then.clone()).await.unwrap().id();
    let scheduled = seen(&world, id).await;
    assert_eq!(
        (scheduled.state, scheduled.kind, scheduled.scheduled_at),
        (DeploymentState::Scheduled, Kind::Scheduled, Some(monday))
    );
    assert_eq!(begin(&world, noon()).await, None, "it began before its time");
    let twice = ask(&world, "olaf", then).await.unwrap();
    assert_eq!(twice, deployments::Requested::Known(id));
    deployments::cancel(&world.app, &person("admin"), id)
        .await
        .unwrap();
    assert_eq!(seen(&world, id).await.state, DeploymentState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_policy_forbids_is_refused_with_the_next_allowed_one() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let evening = Utc.with_ymd_and_hms(2026, 11, 23, 22, 0, 0).unwrap();
    let tuesday = Utc.with_ymd_and_hms(2026, 11, 24, 8, 0, 0).unwrap();

    let refused = DeployRequest {
        at: Some(evening),
        ..wanted(&commit)
    };
    let refused = ask(&world, "olaf", refused).await.unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert_eq!(refused.refusal().unwrap().next_allowed, Some(tuesday));
    let page = audit::list(&world.store, &Default::default(), Default::default(), 10).await;
    let event = page.unwrap().items.remove(0).event;
    assert_eq!((event.at, event.action.as_str()), (noon(), "deploy.refused"));
    assert_eq!(event.detail["for"], "2026-11-23T22:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_must_be_in_the_near_future() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    for (at, told) in [
        (noon(), "has passed"),
        (noon() - TimeDelta::days(1), "has passed"),
        (noon() + TimeDelta::days(61), "within the next 60 days"),
    ] {
        let wanted = DeployRequest {
            at: Some(at),
            ..wanted(&commit)
        };
        let refused = ask(&world, "dora", wanted).await.unwrap_err();
        assert_eq!(refused.field_errors()[0].field, "at");
        assert!(refused.message().contains(told), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_configure_can_use_another_strategy() {
    use deployer::domain::{Share, Strategy};
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let rolling = Strategy::Rolling {
        batch: Share::Count(1),
        keep: None,
    };
    let special = DeployRequest {
        strategy: Some(rolling),
        ..wanted(&commit)
    };

    let refused = ask(&world, "dora", special.clone()).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().action, Action::Configure);
    let id = ask(&world, "admin", special).await.unwrap().id();
    assert_eq!(seen(&world, id).await.strategy, Some(rolling));
}
