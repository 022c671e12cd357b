//! The audit log holds together, and shows where it does not.

use deployer::domain::Outcome;
use deployer::store::{AuditFilter, Page, audit, projects};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, append, assert_chain, event, project};

async fn with_events(on: Database, count: i64) -> TestStore {
    let store = TestStore::on(on).await;
    for number in 0..count {
        let mut event = event(["alice", "bob"][number as usize % 2], "deployment.requested");
        if number % 3 == 0 {
            event.action = "login.failed".into();
            event.outcome = Outcome::Refused;
        }
        append(&store, &event).await;
    }
    store
}

async fn an_untouched_chain_is_whole(on: Database) {
    let store = with_events(on, 0).await;
    assert_chain(&store.store).await;
    let store = with_events(on, 10).await;
    assert_chain(&store.store).await;
    let page = audit::list(&store.store, &AuditFilter::default(), Page::Newest, 3)
        .await
        .unwrap();
    assert_eq!(
        page.items.iter().map(|one| one.id.0).collect::<Vec<_>>(),
        [10, 9, 8]
    );
    assert_eq!(page.items[0].prev_hash, page.items[1].hash);
    assert_eq!(page.older, Some(8));
}

async fn a_change_that_is_taken_back_leaves_no_event(on: Database) {
    let store = with_events(on, 1).await;
    let tx = crate::support::store::change(&store).await;
    projects::insert(&tx, &project("shop")).await.unwrap();
    drop(tx);
    append(&store, &event("alice", "project.changed")).await;
    assert_eq!(store.rows("audit_events").await, 2);
    assert_chain(&store.store).await;
}

async fn events_appended_at_once_are_one_chain(on: Database) {
    let store = with_events(on, 0).await;
    let mut people = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let store = store.store.clone();
        people.spawn(async move {
            append(&store, &event("alice", "login.failed")).await;
        });
    }
    while let Some(one) = people.join_next().await {
        one.unwrap();
    }
    assert_chain(&store.store).await;
    assert_eq!(store.rows("audit_events").await, 30);
}

fn who(text: &str) -> AuditFilter {
    AuditFilter {
        who: Some(text.to_owned()),
        ..AuditFilter::default()
    }
}

fn actions(names: &[&str]) -> AuditFilter {
    AuditFilter {
        actions: names.iter().map(|name| (*name).to_owned()).collect(),
        ..AuditFilter::default()
    }
}

fn about(text: &str) -> AuditFilter {
    AuditFilter {
        about: Some(text.to_owned()),
        ..AuditFilter::default()
    }
}

fn with_text(text: &str) -> AuditFilter {
    AuditFilter {
        text: Some(text.to_owned()),
        ..AuditFilter::default()
    }
}

async fn events_are_filtered(on: Database) {
    let store = with_events(on, 12).await;
    let mut odd = event("Änne_1", "lock.overridden");
    odd.resource = "user 100%Bob".into();
    append(&store, &odd).await;
    let refused = AuditFilter {
        outcome: Some(Outcome::Refused),
        ..AuditFilter::default()
    };
    let visible = AuditFilter {
        hidden: vec!["shop/prod".into()],
        ..AuditFilter::default()
    };
    let telling = |action, detail| AuditFilter {
        telling: vec![(action, detail)],
        ..actions(&["lock."])
    };
    let cases = [
        (telling("login.failed", "ABC"), 5),
        (telling("login.failed", "nothing"), 1),
        // An account that something was done to is found as well.
        (who("bob"), 7),
        (who("BOB"), 7),
        (who("ÄNNE"), 1),
        (who("e_1"), 1),
        (who("e%1"), 0),
        (actions(&["login.failed"]), 4),
        (actions(&["deployment."]), 8),
        (actions(&["login"]), 0),
        (actions(&["login.failed", "lock."]), 5),
        (refused, 4),
        (about("PROD"), 12),
        (about("100%"), 1),
        (about("blog/prod"), 0),
        (with_text("ABC"), 13),
        (with_text("policy.csv:3"), 13),
        (with_text("192.0.2"), 13),
        (with_text("!"), 0),
        (visible, 1),
    ];
    for (filter, expected) in cases {
        let page = audit::list(&store.store, &filter, Page::Newest, 100).await;
        assert_eq!(page.unwrap().items.len(), expected, "{filter:?}");
    }
}

on_every_database! {
    an_untouched_chain_is_whole,
    a_change_that_is_taken_back_leaves_no_event,
    events_appended_at_once_are_one_chain,
    events_are_filtered,
}
