//! Hooks and what comes through them.

use chrono::TimeDelta;
use deployer::domain::{
    AutoProgress, Hook, HookSender, Polling, ProjectId, PushState, PushedBranch, ReceivedPush,
};
use deployer::store::{auto_progress, hooks, polling, pushes};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, after, commit, noon};

fn push(project: ProjectId, state: PushState) -> ReceivedPush {
    ReceivedPush {
        id: 0,
        project,
        at: noon(),
        sender: HookSender::GitLab,
        delivery: "d".repeat(255),
        branches: vec![PushedBranch {
            name: "feature/é".parse().unwrap(),
            commit: Some(commit(7)),
        }],
        state,
        outcome: "Fetched. ".repeat(20_000),
        deployments: Vec::new(),
    }
}

async fn the_last_hundred_pushes_of_a_project_are_kept_and_all_that_wait(on: Database) {
    let store = TestStore::on(on).await;
    let (shop, blog) = (store.project("shop").await, store.project("blog").await);
    let record = store.store.record().await.unwrap();
    pushes::insert(&record, &push(blog.id, PushState::Handled))
        .await
        .unwrap();
    pushes::insert(&record, &push(shop.id, PushState::Received))
        .await
        .unwrap();
    for _ in 0..120 {
        let mut small = push(shop.id, PushState::Handled);
        small.outcome.clear();
        pushes::insert(&record, &small).await.unwrap();
    }
    pushes::trim(&record, shop.id).await.unwrap();
    record.commit().await.unwrap();
    assert_eq!(store.rows("pushes").await, 102);
    let waiting = pushes::received(&store.store, &[blog.id]).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let others = pushes::received(&store.store, &[shop.id]).await.unwrap();
    assert_eq!(others, []);
    let mut done = waiting[0].clone();
    assert_eq!(
        ReceivedPush {
            id: 0,
            ..done.clone()
        },
        push(shop.id, PushState::Received)
    );
    done.state = PushState::Handled;
    done.outcome = "Done.".into();
    done.deployments = vec![deployer::domain::DeploymentId(9)];
    let record = store.store.record().await.unwrap();
    pushes::update(&record, &done).await.unwrap();
    pushes::trim(&record, shop.id).await.unwrap();
    record.commit().await.unwrap();
    assert_eq!(pushes::last(&store.store, shop.id).await.unwrap().len(), 100);
    assert_eq!(store.rows("pushes").await, 101);
}

async fn a_secret_is_sealed_for_its_project(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hook = Hook {
        project: shop.id,
        token: "t".repeat(40),
        secret: "whsec_hunter2hunter2".into(),
        created_at: noon(),
    };
    for _ in 0..2 {
        let tx = crate::support::store::change(&store.store).await;
        hooks::put(&tx, &hook).await.unwrap();
        crate::support::store::bring_in(tx).await;
    }
    let found = hooks::by_token(&store.store, &hook.token).await.unwrap();
    assert_eq!(found.as_ref(), Some(&hook));
    assert_eq!(
        hooks::by_token(&store.store, &"u".repeat(40)).await.unwrap(),
        None
    );
    let clear = "SELECT count(*) FROM hooks WHERE secret LIKE '%hunter2%'";
    assert_eq!((store.rows("hooks").await, store.number(clear).await), (1, 0));
    let tx = crate::support::store::change(&store.store).await;
    assert_eq!(hooks::seal_anew(&tx).await.unwrap(), []);
    hooks::delete(&tx, shop.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(hooks::of_project(&store.store, shop.id).await.unwrap(), None);
}

async fn what_is_due_is_found(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let dev = store.environment(&shop, "dev", &[]).await;
    let mut asked = Polling {
        project: shop.id,
        minutes: 5,
        next_at: after(60),
        failures: 0,
        trouble: String::new(),
    };
    let mut waits = AutoProgress {
        pending: Some(commit(2)),
        since: Some(noon()),
        why: "A lock.".into(),
        next_at: Some(after(60)),
        ..AutoProgress::begins_at(dev.id, Some(commit(1)))
    };
    let tx = crate::support::store::change(&store.store).await;
    polling::put(&tx, &asked).await.unwrap();
    auto_progress::put(&tx, &waits).await.unwrap();
    crate::support::store::bring_in(tx).await;
    for (seconds, count) in [(59, 0), (60, 1)] {
        let (asked, waits) = (
            polling::due(&store.store, after(seconds)).await.unwrap(),
            auto_progress::due(&store.store, after(seconds)).await.unwrap(),
        );
        assert_eq!((asked.len(), waits.len()), (count, count), "{seconds}");
    }
    let found = auto_progress::of_environment(&store.store, dev.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&waits));
    waits.settle();
    asked.next_at = noon() + TimeDelta::days(1);
    asked.trouble = "It does not answer.".into();
    let record = store.store.record().await.unwrap();
    polling::note(&record, &asked).await.unwrap();
    auto_progress::put(&record, &waits).await.unwrap();
    record.commit().await.unwrap();
    assert_eq!(
        polling::of_project(&store.store, shop.id).await.unwrap(),
        Some(asked)
    );
    assert_eq!(auto_progress::all(&store.store).await.unwrap(), [waits]);
}

on_every_database! {
    the_last_hundred_pushes_of_a_project_are_kept_and_all_that_wait,
    a_secret_is_sealed_for_its_project,
    what_is_due_is_found,
}
