//! Locks: who makes, lifts and overrides them, and how long they last.

use chrono::TimeDelta;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::locks::{self, NewLock};
use deployer::app::places;
use deployer::domain::{Action, DeploymentState, EnvironmentOptions, ErrorKind, Resource, ServerState};

use super::{PEOPLE, ask, audited, carry_out, commit, person, seen, still, wanted};
use crate::support::store::noon;
use crate::support::world::World;

fn dev() -> Resource {
    Resource::Environment("shop".into(), "dev".into())
}

fn lock(over: Resource) -> NewLock {
    NewLock {
        over,
        reason: "the database is being moved".into(),
        ends_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_blocks_deployments_until_it_is_removed() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let refused = locks::create(&world.app, &person("dora"), lock(dev())).await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Lock);
    let id = locks::create(&world.app, &person("admin"), lock(dev()))
        .await
        .unwrap();

    let stopped = ask(&world, "dora", wanted(&commit)).await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Conflict);
    assert_eq!(
        stopped.message(),
        "admin has locked this: the database is being moved."
    );
    let shown = locks::list(&world.app, &person("dora")).await.unwrap();
    assert_eq!((shown.len(), shown[0].may_lift), (1, false));
    assert_eq!(shown[0].over, dev());

    let refused = locks::lift(&world.app, &person("dora"), id).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Forbidden);
    locks::lift(&world.app, &person("admin"), id).await.unwrap();
    ask(&world, "dora", wanted(&commit)).await.unwrap();
    assert_eq!(
        audited(&world).await,
        [
            "dora lock.refused refused",
            "admin lock.created allowed",
            "dora unlock.refused refused",
            "admin lock.lifted allowed",
            "dora deployment.requested allowed",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_with_an_end_expires() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let end = noon() + TimeDelta::hours(1);
    let ending = NewLock {
        ends_at: Some(end),
        ..lock(Resource::Project("shop".into()))
    };
    locks::create(&world.app, &person("admin"), ending).await.unwrap();

    let now = ask(&world, "dora", wanted(&commit)).await.unwrap_err();
    assert!(now.message().contains("until 2026-11-22 13:00 UTC"), "{now}");
    let later = DeployRequest {
        at: Some(end),
        ..wanted(&commit)
    };
    ask(&world, "dora", later).await.expect("then it is over");

    world.clock.move_to(end);
    assert!(locks::list(&world.app, &person("dora")).await.unwrap().is_empty());
    ask(&world, "dora", wanted(&commit)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_can_lock_everything() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let refused = locks::create(&world.app, &person("rita"), lock(Resource::Everything)).await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Administer);
    locks::create(&world.app, &person("admin"), lock(Resource::Everything))
        .await
        .unwrap();
    assert!(ask(&world, "dora", wanted(&commit)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_needs_a_reason_and_an_end_in_the_future() {
    let world = still(EnvironmentOptions::default()).await;
    let wrong = NewLock {
        over: dev(),
        reason: "  ".into(),
        ends_at: Some(noon()),
    };
    let refused = locks::create(&world.app, &person("admin"), wrong)
        .await
        .unwrap_err();
    let fields: Vec<&str> = refused
        .field_errors()
        .iter()
        .map(|one| one.field.as_str())
        .collect();
    assert_eq!(fields, ["reason", "ends_at"]);
    for (length, is_taken) in [(2001, false), (2000, true)] {
        let wanted = NewLock {
            over: dev(),
            reason: "é".repeat(length),
            ends_at: None,
        };
        let made = locks::create(&world.app, &person("admin"), wanted).await;
        assert_eq!(made.is_ok(), is_taken, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_lock_can_override_a_lock_with_a_reason_and_the_engine_obeys() {
    let mut world = World::project().policy(PEOPLE).start().await;
    let commit = commit(&mut world, "1").await;
    locks::create(&world.app, &person("admin"), lock(dev()))
        .await
        .unwrap();
    let override_with = |reason: &str| DeployRequest {
        lock_override: Some(reason.into()),
        ..wanted(&commit)
    };

    let refused = ask(&world, "dora", override_with("I must")).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().action, Action::Unlock);
    let refused = ask(&world, "admin", override_with(" ")).await.unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "lock_override");
    let id = ask(&world, "admin", override_with("the fix for it"))
        .await
        .unwrap()
        .id();

    assert_eq!(world.end(id).await.state, DeploymentState::Succeeded);
    assert_eq!(
        seen(&world, id).await.lock_override.as_deref(),
        Some("the fix for it")
    );
    let told = audited(&world).await;
    assert!(
        told.contains(&"admin lock.overridden allowed".to_owned()),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_overrides_what_the_first_try_overrode_and_no_later_lock() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    locks::create(&world.app, &person("admin"), lock(dev()))
        .await
        .unwrap();
    let first = DeployRequest {
        lock_override: Some("the fix for it".into()),
        ..wanted(&commit)
    };
    let first = ask(&world, "admin", first).await.unwrap().id();
    let failed = [ServerState::Succeeded, ServerState::Failed];
    carry_out(&world, first, &failed, DeploymentState::Failed).await;

    world.clock.move_to(noon() + TimeDelta::minutes(1));
    let later = NewLock {
        reason: "the disks are being changed".into(),
        ..lock(dev())
    };
    let later = locks::create(&world.app, &person("admin"), later).await.unwrap();
    for stopped in [
        deployments::retry(&world.app, &person("admin"), first).await,
        deployments::resume(&world.app, &person("admin"), first).await,
    ] {
        assert_eq!(
            stopped.unwrap_err().message(),
            "admin has locked this: the disks are being changed."
        );
    }
    locks::lift(&world.app, &person("admin"), later).await.unwrap();
    deployments::retry(&world.app, &person("admin"), first)
        .await
        .unwrap();
}

/// Rita may lock and unlock, Lora only lock.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_lock_lifts_and_overrides_their_own_locks() {
    let mut world = World::project()
        .policy(
            "g, rita, role:releaser\np, rita, shop, dev, unlock, always, allow\n\
             p, lora, shop, dev, lock, always, allow\np, lora, shop, dev, deploy, always, allow",
        )
        .workers(0)
        .start()
        .await;
    let commit = commit(&mut world, "1").await;
    let (rita, lora) = (person("rita"), person("lora"));
    let of_rita = locks::create(&world.app, &rita, lock(dev())).await.unwrap();
    let overriding = || DeployRequest {
        lock_override: Some("the fix for it".into()),
        ..wanted(&commit)
    };
    let refused = locks::lift(&world.app, &lora, of_rita).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().action, Action::Unlock);
    let refused = ask(&world, "lora", overriding()).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().action, Action::Unlock);
    let shown = locks::list(&world.app, &lora).await.unwrap();
    assert!(!shown[0].may_lift);
    let page = places::environment(&world.app, &lora, "shop", "dev")
        .await
        .unwrap();
    assert!(page.may_lock && !page.may_override);

    locks::lift(&world.app, &rita, of_rita).await.unwrap();
    let of_lora = locks::create(&world.app, &lora, lock(dev())).await.unwrap();
    let page = places::environment(&world.app, &lora, "shop", "dev")
        .await
        .unwrap();
    assert!(page.may_override);
    ask(&world, "lora", overriding()).await.unwrap();
    locks::lift(&world.app, &lora, of_lora).await.unwrap();
    let of_lora = locks::create(&world.app, &lora, lock(dev())).await.unwrap();
    locks::lift(&world.app, &rita, of_lora)
        .await
        .expect("others' locks too");
}
