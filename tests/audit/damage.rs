//! Values that no program of ours would write, and tables that are gone: told, and never a panic.

use deployer::domain::ErrorKind;
use deployer::store::audit::{AuditReading, StoredEvent};
use sea_orm::{ConnectionTrait, Database as Raw};

use super::tampering::Told::{At, Says};
use super::tampering::{Told, assert_change_told, assert_told};
use super::{Kept, events, rewritten};
use crate::support::databases::{Database, on_every_database};
use crate::support::store::{append, event};

/// What SQLite lets somebody write into any column, and what else a damaged file may hold.
const OF_SQLITE: [(&str, Told); 12] = [
    (
        "UPDATE audit_events SET happened_at = 'yesterday' WHERE id = 6",
        At(6),
    ),
    ("UPDATE audit_events SET actor = X'00ff' WHERE id = 6", At(6)),
    ("UPDATE audit_events SET hash_version = 'x' WHERE id = 6", At(6)),
    (
        "UPDATE audit_events SET happened_at = 9223372036854775807 WHERE id = 6",
        At(6),
    ),
    (
        "UPDATE audit_events SET detail = CAST(zeroblob(64) AS TEXT) WHERE id = 6",
        At(6),
    ),
    (
        "UPDATE audit_events SET id = 9223372036854775807 WHERE id = 17",
        At(i64::MAX),
    ),
    (
        "UPDATE audit_events SET id = -9223372036854775808 WHERE id = 1",
        At(i64::MIN),
    ),
    (
        "INSERT INTO audit_events SELECT 0, happened_at, actor, impersonator, address, action, resource, outcome, \
         permit, detail, 'x', hash, hash_version, deployment_id FROM audit_events WHERE id = 6",
        At(0),
    ),
    (
        "DROP TABLE audit_events",
        Says("What follows event 0 cannot be read"),
    ),
    (
        "DELETE FROM settings WHERE name = 'audit_tip'",
        Says("not readable"),
    ),
    (
        "UPDATE deployments SET queued_at = 'x' WHERE id = 1",
        Says("could not be compared"),
    ),
    (
        "UPDATE deployments SET state = 'fine' WHERE id = 1",
        Says("could not be compared"),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_as_tampering() {
    let kept = Kept::on(Database::Sqlite).await;
    for (statement, told) in &OF_SQLITE {
        assert_change_told(&kept, &[(*statement).to_owned()], statement, told).await;
    }
}

/// Small changes that look alike, on any database.
const ALIKE: [&str; 8] = [
    "actor = 'Alice'",
    "actor = 'alice '",
    "actor = 'аlice'",
    "detail = replace(detail, ':', ': ')",
    "detail = replace(detail, '}', ',\"x\":1}')",
    "happened_at = happened_at + 1",
    "resource = 'SHOP/PROD'",
    "hash = upper(hash)",
];

async fn what_looks_alike_is_told_on_this_database(on: Database) {
    let kept = Kept::on(on).await;
    let log = events(&kept.store).await;
    let six = StoredEvent {
        actor: "alice".into(),
        ..log[5].clone()
    };
    for what in ALIKE {
        for statement in rewritten(log.clone(), |all| all[5] = six.clone()) {
            kept.store.tamper(&statement).await;
        }
        kept.store
            .tamper(&format!("UPDATE audit_events SET {what} WHERE id = 6"))
            .await;
        assert_told(&kept.config, &kept.store, &[], what, &At(6)).await;
    }
}

async fn a_log_whose_end_was_changed_takes_no_further_events(on: Database) {
    for tip in ["9223372036854775807:x", "", "x:y"] {
        let kept = Kept::on(on).await;
        kept.store
            .tamper(&format!(
                "UPDATE settings SET value = '{tip}' WHERE name = 'audit_tip'"
            ))
            .await;
        let change = crate::support::store::change(&kept.store.store).await;
        let refused = change.commit(deployer::domain::Event::new(
            deployer::domain::EventKind::Logout,
            serde_json::json!({}),
        ));
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Internal, "{tip}");
        assert_told(&kept.config, &kept.store, &kept.heads, tip, &Says("")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_part_is_not_taken_for_the_log() {
    let kept = Kept::on(Database::Sqlite).await;
    let dir = kept.store.database.directory.path();
    let (part, whole) = (dir.join("part.jsonl"), dir.join("whole.jsonl"));
    let lines: String = AuditReading::default()
        .next(&kept.store.store)
        .await
        .unwrap()
        .iter()
        .map(|event| event.to_line() + "\n")
        .collect();
    let titled = |filter: &str| format!("{{\"deployer_audit_export\":1,\"filter\":\"{filter}\"}}\n{lines}");
    std::fs::write(&part, titled("who: alice")).unwrap();
    std::fs::write(&whole, titled("")).unwrap();
    let prove = async |file| {
        let evidence = deployer::app::audit::verification::Evidence {
            archives: vec![file],
            ..Default::default()
        };
        deployer::app::audit::verification::prove((&kept.config, &kept.store.store), evidence).await
    };
    let refused = prove(part).await.unwrap_err();
    assert!(refused.message().contains("exported with a filter"), "{refused}");
    assert!(prove(whole).await.unwrap().is_whole());
}

/// An archive may hold any numbers.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_numbers_at_the_limits_is_told() {
    let kept = Kept::on(Database::Sqlite).await;
    let mut all = events(&kept.store).await;
    all.truncate(3);
    let file = kept.store.database.directory.path().join("odd.jsonl");
    for numbers in [
        [i64::MAX, i64::MAX, 1],
        [i64::MIN, i64::MAX, 0],
        [1, i64::MAX, i64::MIN],
    ] {
        let mut before = String::new();
        let mut lines = String::new();
        for (event, number) in all.iter_mut().zip(numbers) {
            event.number = number;
            event.prev_hash = before;
            event.hash = event.digest();
            before = event.hash.clone();
            lines += &(event.to_line() + "\n");
        }
        std::fs::write(&file, lines).unwrap();
        let evidence = deployer::app::audit::verification::Evidence {
            archives: vec![file.clone()],
            ..Default::default()
        };
        let parts = (&kept.config, &kept.store.store);
        let found = deployer::app::audit::verification::prove(parts, evidence)
            .await
            .unwrap();
        assert!(!found.is_whole(), "{numbers:?}");
    }
}

/// Events of an older version that runs beside this one have no deployment to be filed under.
async fn events_of_an_older_version_count(on: Database) {
    let kept = Kept::on(on).await;
    let log = events(&kept.store).await;
    let older = |all: &mut Vec<StoredEvent>| {
        for one in all.iter_mut() {
            (one.version, one.deployment) = (1, None);
        }
    };
    for statement in rewritten(log.clone(), older) {
        kept.store.tamper(&statement).await;
    }
    let found = super::prove_with(&kept.config, &kept.store, Vec::new()).await;
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
    append(&kept.store, &event("alice", "login.succeeded")).await;
    // Filed under another one, they are told.
    kept.store
        .tamper("UPDATE audit_events SET deployment_id = 2 WHERE id = 6")
        .await;
    assert_told(&kept.config, &kept.store, &[], "filed elsewhere", &At(6)).await;
}

/// A database that somebody removed the table from answers, and so do pages.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_table_the_log_is_not_whole() {
    let kept = Kept::on(Database::Sqlite).await;
    let raw = Raw::connect(kept.store.url()).await.unwrap();
    raw.execute_unprepared("ALTER TABLE audit_events RENAME TO other")
        .await
        .unwrap();
    raw.close().await.unwrap();
    let found = kept.prove().await;
    assert_eq!(found.first_wrong(), Some(1), "{found:?}");
}

on_every_database! {
    what_looks_alike_is_told_on_this_database,
    a_log_whose_end_was_changed_takes_no_further_events,
    events_of_an_older_version_count,
}
