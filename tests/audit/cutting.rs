//! The oldest events are moved into an archive, and the log is still proven, with and without it.

use std::path::{Path, PathBuf};

use deployer::access::Access;
use deployer::app::audit::cut::{AuditCut, cut};
use deployer::app::audit::verification::{Evidence, Verification, prove};
use deployer::domain::{ErrorKind, Result};
use deployer::store::audit::StoredEvent;

use super::{Kept, events};
use crate::support::databases::{Database, on_every_database};
use crate::support::store::after;

async fn cut_before(kept: &Kept, seconds: i64, archive: &Path) -> Result<AuditCut> {
    let operator = Access::local_operator("root", after(200));
    let parts = (&kept.config, &kept.store.store);
    cut(parts, &operator, after(seconds), archive, after(200)).await
}

async fn prove_archived(kept: &Kept, archives: &[&PathBuf]) -> Verification {
    let evidence = Evidence {
        heads: kept.heads.clone(),
        archives: archives.iter().map(|path| (*path).clone()).collect(),
        ..Evidence::default()
    };
    prove((&kept.config, &kept.store.store), evidence).await.unwrap()
}

#[track_caller]
fn assert_whole(found: &Verification) {
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
}

async fn what_is_cut_is_archived_and_the_rest_proves_itself(on: Database) {
    let kept = Kept::on(on).await;
    let whole = events(&kept.store).await;
    let dir = kept.store.database.directory.path();
    let (first, second) = (dir.join("first.jsonl"), dir.join("second.jsonl"));
    let done = cut_before(&kept, 40, &first).await.unwrap();
    assert_eq!((done.up_to, done.events), (11, 11));
    let left = events(&kept.store).await;
    assert_eq!((left[0].number, left.last().unwrap().number), (12, 18));
    let found = kept.prove().await;
    assert_whole(&found);
    assert_eq!((found.first, found.fitting, found.before_cut), (12, 1, 1));
    assert_eq!(found.cut.as_ref().unwrap().number, 11);

    // The archive has every event as it was, and joins the log.
    let lines = std::fs::read_to_string(&first).unwrap();
    let archived: Vec<StoredEvent> = lines.lines().filter_map(StoredEvent::from_line).collect();
    assert_eq!(archived, whole[..11]);
    let found = prove_archived(&kept, &[&first]).await;
    assert_whole(&found);
    assert_eq!((found.fitting, found.before_cut), (2, 0));

    // A second cut takes the event of the first one along.
    let done = cut_before(&kept, 201, &second).await.unwrap();
    assert_eq!((done.up_to, done.events), (18, 7));
    assert_whole(&kept.prove().await);
    assert_whole(&prove_archived(&kept, &[&first, &second]).await);
    assert_whole(&prove_archived(&kept, &[&second]).await);
    let alone = prove_archived(&kept, &[&first]).await;
    assert!(
        alone.faults[0]
            .reason
            .contains("an archive between them is missing"),
        "{alone:?}"
    );

    // One letter of an archive, and a line less.
    let text = std::fs::read_to_string(&second).unwrap();
    std::fs::write(&second, text.replacen("alice", "carol", 1)).unwrap();
    let found = prove_archived(&kept, &[&second]).await;
    assert_eq!(found.first_wrong(), Some(12), "{found:?}");
    let without = |skipped: usize| {
        let lines = text.lines().enumerate().filter(move |(at, _)| *at != skipped);
        lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    std::fs::write(&second, without(3)).unwrap();
    assert_eq!(prove_archived(&kept, &[&second]).await.first_wrong(), Some(15));
    std::fs::write(&second, without(7)).unwrap();
    assert_eq!(prove_archived(&kept, &[&second]).await.first_wrong(), Some(17));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_before_a_day_to_come_hides_nothing_that_happens_later() {
    let kept = Kept::on(Database::Sqlite).await;
    let archive = kept.store.database.directory.path().join("old.jsonl");
    cut_before(&kept, 86_400, &archive).await.unwrap();
    assert_whole(&kept.prove().await);
    // As if it had been requested after the cut.
    kept.store
        .tamper("UPDATE deployments SET queued_at = queued_at + 300000000 WHERE id = 1")
        .await;
    let found = kept.prove().await;
    assert!(
        found.differences[0].starts_with("Deployment 1: the request is nothing"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_without_its_oldest_events_is_told() {
    let kept = Kept::on(Database::Sqlite).await;
    let archive = kept.store.database.directory.path().join("old.jsonl");
    cut_before(&kept, 40, &archive).await.unwrap();
    let text = std::fs::read_to_string(&archive).unwrap();
    let without = |gone: &[usize]| {
        let lines = text.lines().enumerate().filter(|(at, _)| !gone.contains(at));
        lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let title = "Events before 3 were removed without a signed cut.";
    // With the line that says what the file is, and without.
    for gone in [&[1, 2][..], &[0, 1, 2]] {
        std::fs::write(&archive, without(gone)).unwrap();
        let found = prove_archived(&kept, &[&archive]).await;
        assert!(
            found.faults.iter().any(|fault| fault.reason.contains(title)),
            "{found:?}"
        );
    }
    std::fs::write(&archive, format!("{text}\n")).unwrap();
    let found = prove_archived(&kept, &[&archive]).await;
    assert!(
        found.faults[0]
            .reason
            .contains("is not the archive that the cut up to event 11 wrote"),
        "{found:?}"
    );
    std::fs::write(&archive, text).unwrap();
    assert_whole(&prove_archived(&kept, &[&archive]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_cannot_be_lawful_or_safe_removes_nothing() {
    let kept = Kept::on(Database::Sqlite).await;
    let dir = kept.store.database.directory.path();
    let archive = dir.join("old.jsonl");
    let none = cut_before(&kept, -3600, &archive).await.unwrap_err();
    assert!(none.message().starts_with("No event is older than"), "{none}");
    std::fs::write(&archive, "mine").unwrap();
    let taken = cut_before(&kept, 40, &archive).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Invalid);
    assert_eq!(std::fs::read_to_string(&archive).unwrap(), "mine");
    let nowhere = cut_before(&kept, 40, &dir.join("no/such/directory"))
        .await
        .unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Unavailable);
    kept.store
        .tamper("UPDATE audit_events SET actor = 'x' WHERE id = 3")
        .await;
    let broken = cut_before(&kept, 40, &dir.join("new.jsonl")).await.unwrap_err();
    assert!(broken.message().starts_with("Event 3 was changed"), "{broken}");
    assert!(!dir.join("new.jsonl").exists());
    assert_eq!(kept.store.rows("audit_events").await, 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_cut_does_not_explain_what_was_removed_after_it() {
    let kept = Kept::on(Database::Sqlite).await;
    let archive = kept.store.database.directory.path().join("old.jsonl");
    cut_before(&kept, 40, &archive).await.unwrap();
    kept.store.tamper("DELETE FROM audit_events WHERE id < 14").await;
    let found = kept.prove().await;
    assert!(
        found.faults[0].reason.contains("without a signed cut"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_cut_is_proven_with_the_public_key() {
    let mut kept = Kept::on(Database::Sqlite).await;
    let archive = kept.store.database.directory.path().join("old.jsonl");
    cut_before(&kept, 40, &archive).await.unwrap();
    // As on an auditor's own host, with a copy of the database.
    let away = tempfile::tempdir().unwrap();
    kept.config.data_dir = away.path().to_owned();
    let without = kept.prove().await;
    assert!(
        without.faults[0]
            .reason
            .contains("give its public half with --key"),
        "{without:?}"
    );
    assert!(without.unknown_keys);
    let evidence = Evidence {
        heads: kept.heads.clone(),
        keys: vec![kept.heads[0].key],
        ..Evidence::default()
    };
    let found = prove((&kept.config, &kept.store.store), evidence).await.unwrap();
    assert_whole(&found);
    assert!(!found.unknown_keys);
}

on_every_database! {
    what_is_cut_is_archived_and_the_rest_proves_itself,
}
