//! What becomes of a push: deployed, left out, put off, dropped, or replaced by a newer one.

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::app::locks::{self, NewLock};
use deployer::domain::{DeploymentState, Kind, Resource, WhenRefused};

use super::{Pushed, still, until};
use crate::support::world::{World, admin};

const AUTO: &str = "p, auto, shop, dev, deploy, always, allow";
const IN_HOURS: &str = "p, auto, shop, dev, deploy, business-hours, allow";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_fetched_and_deployed_in_the_name_of_auto() {
    let world = World::project().policy(AUTO).start().await;
    let mut pushed = Pushed::to_dev(world, |_| {}).await.watched().await;
    let commit = pushed.commit_and_push("index.html", "The second").await;
    let push = pushed.handled().await;
    let [id] = push.deployments[..] else {
        panic!("one deployment: {push:?}");
    };
    let deployment = pushed.world.end(id).await;
    pushed.world.assert_succeeded(&deployment).await;
    assert_eq!(
        (
            deployment.kind,
            deployment.actor.as_str(),
            deployment.commit.as_str()
        ),
        (Kind::Automatic, "auto", commit.as_str())
    );
    assert_eq!(pushed.world.read(1, "dev/shop/index.html"), "The second");
    assert_eq!(push.delivery, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    // The same again, as somebody who recorded it would send it.
    pushed.push(&commit).await;
    let push = until("it is handled", async || {
        Some(pushed.handled().await).filter(|push| push.deployments.is_empty())
    });
    assert_eq!(push.await.outcome, "dev: Its branch has nothing new.");
    assert_eq!(pushed.deployments().await.len(), 1);
    // A hash that the branch does not have changes nothing: what the fetch shows counts.
    let third = pushed.commit("index.html", "The third");
    pushed.push(&"e".repeat(40)).await;
    let third = until("the third is deployed", async || {
        let all = pushed.deployments().await;
        all.into_iter().find(|one| one.commit.as_str() == third)
    });
    let third = third.await.id;
    pushed.world.end(third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_of_its_window_waits_for_it() {
    let mut pushed = Pushed::to_dev(still(IN_HOURS).await, |_| {})
        .await
        .watched()
        .await;
    let commit = pushed.commit_and_push("index.html", "On Sunday").await;
    let push = pushed.handled().await;
    assert!(push.outcome.contains("but not at this time"), "{push:?}");
    let progress = pushed.progress().await;
    assert_eq!(
        progress.pending.as_ref().map(|one| one.as_str()),
        Some(commit.as_str())
    );
    pushed.site.add_user("admin").await;
    pushed.site.log_in("admin", crate::web::support::PASSWORD).await;
    let page = pushed.site.get("/projects/shop/dev").await.text().await.unwrap();
    assert!(page.contains("waits since"), "{page}");
    let monday = Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).unwrap();
    pushed.world.clock.move_to(monday);
    let deployment = until("it is Monday", async || pushed.deployments().await.pop()).await;
    assert_eq!(deployment.commit.as_str(), commit);
    let settled = async || pushed.progress().await.pending.is_none().then_some(());
    until("nothing waits", settled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_puts_off_and_a_newer_push_replaces_what_waits() {
    let mut pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await.watched().await;
    let lock = NewLock {
        over: Resource::Environment("shop".into(), "dev".into()),
        reason: "Moving house".into(),
        ends_at: None,
    };
    let lock = locks::create(&pushed.world.app, &admin(), lock).await.unwrap();
    pushed.commit_and_push("index.html", "First").await;
    assert!(pushed.handled().await.outcome.contains("Moving house"));
    let second = pushed.commit_and_push("index.html", "Second").await;
    let waits = async || {
        let pending = pushed.progress().await.pending;
        pending.filter(|one| one.as_str() == second)
    };
    until("the second waits", waits).await;
    locks::lift(&pushed.world.app, &admin(), lock).await.unwrap();
    assert_eq!(pushed.deployments().await.len(), 0);
    pushed
        .world
        .clock
        .move_to(pushed.world.clock.now() + TimeDelta::minutes(1));
    let deployment = until("it is tried again", async || pushed.deployments().await.pop()).await;
    assert_eq!(deployment.commit.as_str(), second);
    let told = pushed.site.audited().await;
    assert!(
        told.contains(&"automatic.dropped shop/dev".to_owned()),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_cancels_what_has_not_begun() {
    let mut pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await.watched().await;
    pushed.commit_and_push("index.html", "First").await;
    until("it is queued", async || pushed.deployments().await.pop()).await;
    pushed.commit_and_push("index.html", "Second").await;
    let both = async || Some(pushed.deployments().await).filter(|all| all.len() == 2);
    let both = until("the second is queued", both).await;
    assert_eq!(both[0].state, DeploymentState::Cancelled);
    assert!(
        both[0].outcome.contains("Superseded by deployment"),
        "{}",
        both[0].outcome
    );
    assert_eq!(both[1].state, DeploymentState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_wait_and_what_is_never_allowed_is_dropped() {
    let drops = |dev: &mut deployer::domain::Environment| {
        dev.options.auto.when_refused = WhenRefused::Drop;
    };
    for (policy, says) in [(IN_HOURS, "not at this time"), ("", "no policy line allows it")] {
        let world = still(policy).await;
        let mut pushed = match policy {
            "" => Pushed::to_dev(world, |_| {}).await,
            _ => Pushed::to_dev(world, drops).await,
        };
        pushed = pushed.watched().await;
        pushed.commit_and_push("index.html", "Refused").await;
        let push = pushed.handled().await;
        assert!(
            push.outcome.contains("Dropped.") && push.outcome.contains(says),
            "{push:?}"
        );
        assert_eq!(pushed.progress().await.pending, None);
        let told = pushed.site.audited().await;
        assert!(
            told.contains(&"automatic.dropped shop/dev".to_owned()),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_files_decide_which_pushes_are_deployed() {
    let filtered = |dev: &mut deployer::domain::Environment| {
        dev.options.auto.not_if = vec!["[skip deploy]".into()];
        dev.options.auto.paths = vec!["web".into(), "**/*.css".into()];
    };
    let mut pushed = Pushed::to_dev(still(AUTO).await, filtered).await.watched().await;
    for (path, message, is_deployed) in [
        ("docs/a.md", "Docs", false),
        ("web/index.html", "Page [skip deploy]", false),
        ("web/other.html", "Page", true),
        ("lib/main.css", "Style", true),
        ("lib/main.js", "Script", false),
    ] {
        let before = pushed.deployments().await.len();
        let commit = pushed.commit_and_push(path, message).await;
        let seen = async || {
            let seen = pushed.progress().await;
            let is_seen = seen.seen.is_some_and(|seen| seen.as_str() == commit);
            (is_seen && seen.pending.is_none()).then_some(())
        };
        until("it is seen", seen).await;
        pushed.handled().await;
        let came = pushed.deployments().await.len() - before;
        assert_eq!(came == 1, is_deployed, "{path} {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_deleted_branches_and_branches_moved_back_deploy_nothing() {
    let mut pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await.watched().await;
    let old = pushed.world.repository.git(&["rev-parse", "HEAD"]);
    let zeros = "0".repeat(40);
    for body in [
        serde_json::json!({ "ref": "refs/tags/v1", "after": old }),
        serde_json::json!({ "ref": "refs/heads/gone", "after": zeros, "deleted": true }),
        serde_json::json!({ "ref": "refs/heads/main", "after": null }),
        serde_json::json!({ "ref": "refs/heads/other", "after": old }),
    ] {
        assert_eq!(pushed.send(&body).await.status(), 202, "{body}");
        pushed.handled().await;
    }
    let new = pushed.commit_and_push("index.html", "Forward").await;
    until("it is queued", async || pushed.deployments().await.pop()).await;
    pushed.world.repository.git(&["reset", "-q", "--hard", &old]);
    pushed.push(&old).await;
    let back = async || Some(pushed.handled().await).filter(|push| push.outcome.contains("moved back"));
    until("it is seen", back).await;
    let all = pushed.deployments().await;
    assert_eq!((all.len(), all[0].commit.as_str()), (1, new.as_str()));
}
