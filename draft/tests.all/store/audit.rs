//! The audit log holds together, and shows where it does not.

use deployer::domain::{AuditId, Outcome};
use deployer::store::{Page, PastFilter, audit, projects};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, append, event, project};

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
    assert_eq!(audit::verify(&store.store).await.unwrap(), None);
    let store = with_events(on, 10).await;
    assert_eq!(audit::verify(&store.store).await.unwrap(), None);
    let page = audit::list(&store.store, &PastFilter::default(), Page::Newest, 3)
        .await
        .unwrap();
    assert_eq!(
        page.items.iter().map(|one| one.id.0).collect::<Vec<_>>(),
        [10, 9, 8]
    );
    assert_eq!(page.items[0].prev_hash, page.items[1].hash);
    assert_eq!(page.older, Some(8));
}

async fn what_somebody_did_to_the_table_is_found_where_they_did_it(on: Database) {
    let forged = "INSERT INTO audit_events SELECT 11, happened_at, actor, impersonator, address, action, \
                  resource, outcome, permit, detail, hash, 'made up' FROM audit_events WHERE id = 10";
    let cases = [
        ("UPDATE audit_events SET actor = 'mallory' WHERE id = 4", Some(4)),
        ("UPDATE audit_events SET detail = '{}' WHERE id = 1", Some(1)),
        (
            "UPDATE audit_events SET happened_at = happened_at + 1 WHERE id = 10",
            Some(10),
        ),
        ("UPDATE audit_events SET impersonator = '' WHERE id = 2", Some(2)),
        ("DELETE FROM audit_events WHERE id = 6", Some(7)),
        ("DELETE FROM audit_events WHERE id = 1", Some(2)),
        ("DELETE FROM audit_events WHERE id > 8", None),
        ("DELETE FROM audit_events", None),
        (
            "UPDATE settings SET value = '4:abc' WHERE name = 'audit_tip'",
            None,
        ),
    ];
    for (sql, expected) in cases {
        let store = with_events(on, 10).await;
        store.tamper(sql).await;
        let found = audit::verify(&store.store).await.unwrap().expect(sql);
        assert_eq!(found.event, expected.map(AuditId), "{sql}: {found:?}");
    }
    let store = with_events(on, 10).await;
    store.tamper(forged).await;
    let found = audit::verify(&store.store)
        .await
        .unwrap()
        .expect("an event nobody appended");
    assert_eq!(found.event, Some(AuditId(11)));
}

async fn a_change_that_is_taken_back_leaves_no_event(on: Database) {
    let store = with_events(on, 1).await;
    let tx = crate::support::store::change(&store).await;
    projects::insert(&tx, &project("shop")).await.unwrap();
    drop(tx);
    append(&store, &event("alice", "project.changed")).await;
    assert_eq!(store.rows("audit_events").await, 2);
    assert_eq!(audit::verify(&store.store).await.unwrap(), None);
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
    assert_eq!(audit::verify(&store.store).await.unwrap(), None);
    assert_eq!(store.rows("audit_events").await, 30);
}

async fn events_are_filtered(on: Database) {
    let store = with_events(on, 12).await;
    let count = async |filter: PastFilter| {
        let page = audit::list(&store.store, &filter, Page::Newest, 100)
            .await
            .unwrap();
        page.items.len()
    };
    let none = PastFilter::default;
    assert_eq!(
        count(PastFilter {
            actor: Some("bob".into()),
            ..none()
        })
        .await,
        6
    );
    assert_eq!(
        count(PastFilter {
            action: Some("login.failed".into()),
            ..none()
        })
        .await,
        4
    );
    assert_eq!(
        count(PastFilter {
            action: Some("deployment.".into()),
            ..none()
        })
        .await,
        8
    );
    assert_eq!(
        count(PastFilter {
            outcome: Some(Outcome::Refused),
            ..none()
        })
        .await,
        4
    );
    assert_eq!(
        count(PastFilter {
            resource: Some("blog/prod".into()),
            ..none()
        })
        .await,
        0
    );
}

on_every_database! {
    an_untouched_chain_is_whole,
    what_somebody_did_to_the_table_is_found_where_they_did_it,
    a_change_that_is_taken_back_leaves_no_event,
    events_appended_at_once_are_one_chain,
    events_are_filtered,
}
