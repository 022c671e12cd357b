//! Somebody changes the database in one way after another, and each is told.

use deployer::config::Config;
use deployer::store::audit::{AuditKey, Head, HeadPurpose, StoredEvent};
use deployer::store::{Store, StoreOptions};
use sea_orm::ConnectionTrait;

use super::{Kept, events, prove_with, rewritten};
use crate::support::databases::{Database, on_every_database};

/// What is told: the first wrong event, or a part of a sentence.
#[derive(Debug)]
pub enum Told {
    At(i64),
    Says(&'static str),
}
use Told::{At, Says};

/// Changes of event 6.
const OF_EVENT: [&str; 16] = [
    "actor = 'mallory'",
    "impersonator = 'mallory'",
    "address = '127.0.0.1'",
    "action = 'logout'",
    "resource = 'shop/dev'",
    "outcome = 'refused'",
    "outcome = 'fine'",
    "permit = 'policy.csv:1: p'",
    "detail = '{}'",
    "detail = 'x'",
    "happened_at = happened_at - 1",
    "hash_version = NULL",
    "hash_version = 3",
    "hash = prev_hash",
    "prev_hash = 'x'",
    "deployment_id = 2",
];

/// Changes of the log as a whole.
const OF_LOG: [(&str, Told); 10] = [
    ("DELETE FROM audit_events WHERE id = 6", At(7)),
    ("DELETE FROM audit_events WHERE id < 4", At(4)),
    ("DELETE FROM audit_events WHERE id > 12", At(13)),
    ("DELETE FROM audit_events", At(1)),
    // Two change places.
    (
        "UPDATE audit_events SET id = 99 WHERE id = 6; UPDATE audit_events SET id = 6 WHERE id = 7; \
         UPDATE audit_events SET id = 7 WHERE id = 99",
        At(6),
    ),
    ("UPDATE audit_events SET id = id + 100", At(101)),
    ("UPDATE audit_events SET id = -1 WHERE id = 1", At(-1)),
    (
        "UPDATE settings SET value = '4:abc' WHERE name = 'audit_tip'",
        At(5),
    ),
    (
        "UPDATE settings SET value = '' WHERE name = 'audit_tip'",
        Says("not readable"),
    ),
    (
        "INSERT INTO audit_events SELECT 18, happened_at, actor, impersonator, address, action, resource, outcome, \
         permit, detail, hash, 'made up', 2, NULL FROM audit_events WHERE id = 17",
        At(18),
    ),
];

type Rewrite = fn(&mut Vec<StoredEvent>);

/// Ways to write the log anew, with all hashes as they should be. Heads were handed out after events 11 and 17.
const ANEW: [(&str, Rewrite, Told); 10] = [
    ("an early event", |all| all[3].actor = "mallory".into(), At(1)),
    ("a late event", |all| all[12].actor = "mallory".into(), At(12)),
    ("the newest removed", |all| all.truncate(12), At(13)),
    ("all but one removed", |all| all.truncate(1), At(2)),
    (
        "one removed, the rest renumbered",
        |all| numbered(all, |all| drop(all.remove(4))),
        At(1),
    ),
    (
        "renumbered",
        |all| all.iter_mut().for_each(|one| one.number += 1),
        At(2),
    ),
    (
        "as an older version",
        |all| all.iter_mut().for_each(|one| one.version = 1),
        At(1),
    ),
    (
        "one inserted",
        |all| numbered(all, |all| all.insert(5, all[5].clone())),
        At(1),
    ),
    ("emptied", Vec::clear, At(1)),
    (
        "the oldest removed",
        |all| drop(all.drain(..4)),
        Says("without a signed cut"),
    ),
];

fn numbered(all: &mut Vec<StoredEvent>, change: Rewrite) {
    change(all);
    all.iter_mut()
        .zip(1..)
        .for_each(|(one, number)| one.number = number);
}

/// Changes of deployment 1.
const OF_DEPLOYMENT: [(&str, &str); 24] = [
    (
        "actor = 'mallory'",
        "the requester is alice in the audit log, and mallory in the database",
    ),
    (
        "impersonator = 'mallory'",
        "the account behind the requester is nothing",
    ),
    (
        "commit_hash = '00000000000000000000000000000000000000ff'",
        "the commit is 0000",
    ),
    ("reason = 'Hotfix'", "the reason is It is time."),
    ("environment = 'dev'", "the place is shop/prod"),
    ("kind = 'rollback'", "the kind is regular"),
    ("state = 'failed'", "the state is succeeded"),
    ("state = 'queued'", "the state is succeeded"),
    ("queued_at = queued_at + 1", "the time of the request is"),
    ("commit_title = 'Nothing'", "the commit's title is Sell more"),
    ("lock_override = 'because'", "overriding a lock is nothing"),
    ("cancelled_by = 'mallory'", "who cancelled it is nothing"),
    (
        "permit = '{\"file\":\"policy.csv\",\"line\":1,\"text\":\"p, *\"}'",
        "the permit is nothing",
    ),
    (
        "approval = replace(approval, 'bob', 'alice')",
        "the approver is bob in the audit log, and alice in the database",
    ),
    ("approval = NULL", "the approver is bob"),
    (
        "approval = replace(approval, ':00:11', ':00:12')",
        "the time of the approval is 2026-11-22 12:00:11 UTC",
    ),
    ("outcome = 'It was nothing.'", "the outcome is Done."),
    ("started_at = started_at - 60000000", "the time of its start is"),
    (
        "target_kind = 'server', target_server_id = 1, target_name = 'web1'",
        "the target is all servers",
    ),
    ("branch = 'hotfix'", "the branch is"),
    (
        "previous_commit = '00000000000000000000000000000000000000ff'",
        "the previous release is nothing",
    ),
    ("scheduled_at = 1", "the scheduled time is nothing"),
    ("origin_id = 2", "the deployment it follows is nothing"),
    ("project = 'blog'", "the place is shop/prod"),
];

/// Changes of dora's account, which is disabled.
const OF_ACCOUNT: [(&str, &str); 5] = [
    ("disabled = 0", "The account dora is disabled in the audit log"),
    ("password_hash = 'x'", "dora: its password is not the one"),
    ("password_hash = NULL", "dora: its password is not the one"),
    (
        "email = 'm@x.example'",
        "the e-mail address is “dora@shop.example”",
    ),
    (
        "name = 'eve', name_key = 'eve'",
        "The account eve is in the database",
    ),
];

/// Rows that come and go.
const OF_TABLES: [(&str, &str); 4] = [
    (
        "INSERT INTO identities (user_id, provider, subject, created_at) \
         SELECT id, 'plugin', 'mallory', created_at FROM users WHERE name = 'dora'",
        "The account dora is linked to “mallory” of the login plugin in the database",
    ),
    ("DELETE FROM deployments WHERE id = 2", "Deployment 2 was removed"),
    (
        "DELETE FROM users WHERE name = 'dora'",
        "The account dora was removed",
    ),
    (
        "INSERT INTO deployments (id, project, environment, state, kind, phase, priority, actor, branch, commit_hash, \
         queued_at, fence, last_line, target, commit_title, reason, outcome) SELECT 9, project, environment, state, \
         kind, phase, priority, actor, branch, commit_hash, queued_at, fence, last_line, target, commit_title, \
         reason, outcome FROM deployments WHERE id = 1",
        "Deployment 9: the request is nothing",
    ),
];

/// A copy of an SQLite installation, changed by `statements`.
async fn changed(kept: &Kept, statements: &[String]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("copy.db");
    let raw = sea_orm::Database::connect(&kept.store.url()).await.unwrap();
    let copy = format!("VACUUM INTO '{}'", file.display());
    raw.execute_unprepared(&copy).await.unwrap();
    raw.close().await.unwrap();
    let url = format!("sqlite://{}", file.display());
    let raw = sea_orm::Database::connect(&url).await.unwrap();
    for statement in statements {
        raw.execute_unprepared(statement).await.expect(statement);
    }
    raw.close().await.unwrap();
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    (dir, store)
}

pub async fn assert_told(config: &Config, store: &Store, heads: &[Head], what: &str, told: &Told) {
    let found = prove_with(config, store, heads.to_vec()).await;
    let reasons = found.faults.iter().map(|fault| fault.reason.as_str());
    let all: Vec<&str> = reasons
        .chain(found.differences.iter().map(String::as_str))
        .collect();
    assert!(!found.is_whole(), "{what}: nothing was told");
    match told {
        At(event) => assert_eq!(found.first_wrong(), Some(*event), "{what}: {all:?}"),
        Says(words) => assert!(all.iter().any(|one| one.contains(words)), "{what}: {all:?}"),
    }
}

/// Changes a copy of the installation, and asserts what is told of it.
pub async fn assert_change_told(kept: &Kept, statements: &[String], what: &str, told: &Told) {
    let (_dir, store) = changed(kept, statements).await;
    assert_told(&kept.config, &store, &kept.heads, what, told).await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_the_log_is_told_where_it_is() {
    let kept = Kept::on(Database::Sqlite).await;
    let found = kept.prove().await;
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
    assert_eq!((found.first, found.last, found.fitting), (1, 17, 2));
    for what in OF_EVENT {
        let statement = format!("UPDATE audit_events SET {what} WHERE id = 6");
        assert_change_told(&kept, &[statement], what, &At(6)).await;
    }
    for (statement, told) in &OF_LOG {
        assert_change_told(&kept, &[(*statement).to_owned()], statement, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_written_anew_with_right_hashes_is_told_from_heads() {
    let kept = Kept::on(Database::Sqlite).await;
    let log = events(&kept.store).await;
    for (what, change, told) in &ANEW {
        assert_change_told(&kept, &rewritten(log.clone(), change), what, told).await;
    }
    // Without any head, hashes alone cannot tell.
    let statements = rewritten(log, |all| all[1].address = "x".into());
    let (_dir, store) = changed(&kept, &statements).await;
    assert!(prove_with(&kept.config, &store, Vec::new()).await.is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_the_key_did_not_sign_explains_nothing() {
    let kept = Kept::on(Database::Sqlite).await;
    let log = events(&kept.store).await;
    let stranger = AuditKey::generate();
    let (hash, at) = (log[3].hash.clone(), kept.heads[0].at);
    let signed = Head::sign(HeadPurpose::Cut, 4, &hash, at, &stranger).to_string();
    // The head that was handed out, passed off as a cut.
    let passed_off = kept.heads[0].to_string().replace("audit-head", "audit-cut");
    for cut in [signed, passed_off, String::new()] {
        for removed in [0, 4] {
            let statements = rewritten(log.clone(), |all| {
                all.drain(..removed);
                let last = all.last_mut().unwrap();
                last.action = "audit.cut".into();
                last.deployment = None;
                last.detail = serde_json::json!({ "cut": cut, "before": at }).to_string();
            });
            let told = match removed {
                0 => "Event 17 records a cut that no known key signed",
                _ => "without a signed cut",
            };
            assert_change_told(&kept, &statements, &cut, &Says(told)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tables_say_otherwise_than_the_log_is_told() {
    let kept = Kept::on(Database::Sqlite).await;
    let of_deployment = OF_DEPLOYMENT
        .iter()
        .map(|(what, told)| (format!("UPDATE deployments SET {what} WHERE id = 1"), *told));
    let of_account = OF_ACCOUNT
        .iter()
        .map(|(what, told)| (format!("UPDATE users SET {what} WHERE name = 'dora'"), *told));
    let of_tables = OF_TABLES.iter().map(|(what, told)| ((*what).to_owned(), *told));
    for (statement, told) in of_deployment.chain(of_account).chain(of_tables) {
        assert_change_told(&kept, std::slice::from_ref(&statement), &statement, &Says(told)).await;
    }
}

async fn every_change_of_an_event_is_told_on_this_database(on: Database) {
    let kept = Kept::on(on).await;
    let log = events(&kept.store).await;
    for what in OF_EVENT {
        kept.store
            .tamper(&format!("UPDATE audit_events SET {what} WHERE id = 6"))
            .await;
        assert_told(&kept.config, &kept.store, &kept.heads, what, &At(6)).await;
        // As it was.
        for statement in rewritten(log.clone(), |_| {}) {
            kept.store.tamper(&statement).await;
        }
        assert!(kept.prove().await.is_whole(), "{what}");
    }
}

async fn tampering_is_told_on_this_database(on: Database) {
    let cases = [
        ("UPDATE audit_events SET actor = 'mallory' WHERE id = 6", At(6)),
        ("UPDATE audit_events SET hash_version = NULL WHERE id = 6", At(6)),
        ("DELETE FROM audit_events WHERE id = 6", At(7)),
        ("DELETE FROM audit_events WHERE id > 12", At(13)),
        (
            "UPDATE deployments SET actor = 'mallory' WHERE id = 1",
            Says("the requester is alice"),
        ),
        (
            "UPDATE users SET disabled = false WHERE name = 'dora'",
            Says("dora is disabled in"),
        ),
    ];
    for (statement, told) in cases {
        let kept = Kept::on(on).await;
        let found = kept.prove().await;
        assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
        kept.store.tamper(statement).await;
        assert_told(&kept.config, &kept.store, &kept.heads, statement, &told).await;
    }
    let kept = Kept::on(on).await;
    for statement in rewritten(events(&kept.store).await, |all| all[12].actor = "mallory".into()) {
        kept.store.tamper(&statement).await;
    }
    assert_told(&kept.config, &kept.store, &kept.heads, "written anew", &At(12)).await;
    // The log goes on, and another instance of an older version that lets the database count finds room.
    super::add(&kept.store, "erin").await;
    assert_eq!(events(&kept.store).await.last().unwrap().number, 18);
    let next = "INSERT INTO audit_events (happened_at, actor, address, action, resource, outcome, permit, detail, \
                prev_hash, hash) VALUES (0, 'x', 'x', 'x', 'x', 'allowed', '', '{}', 'x', 'x')";
    kept.store.tamper(next).await;
    assert_eq!(events(&kept.store).await.last().unwrap().number, 19);
}

on_every_database! {
    every_change_of_an_event_is_told_on_this_database,
    tampering_is_told_on_this_database,
}
