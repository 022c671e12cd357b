//! What happens to a log over the years: backups are restored, several instances append to it, clocks jump.

use chrono::TimeDelta;
use deployer::access::Access;
use deployer::app::audit::cut::cut;
use deployer::app::audit::heads::{LastComparison, hand_out, in_file, present};
use deployer::app::audit::keys;
use deployer::config::Config;
use deployer::domain::{ErrorKind, Event, EventKind};
use deployer::store::Right;
use deployer::store::{Store, StoreOptions};
use serde_json::json;

use super::{Kept, add, events, prove_with, rewritten};
use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, after, noon};

async fn a_restored_backup_is_told_from_the_heads_since(on: Database) {
    let kept = Kept::on(on).await;
    let comparison = LastComparison::default();
    let parts = (&kept.config, &kept.store.store);
    hand_out(parts, &comparison, after(130)).await.unwrap();
    let backup = rewritten(events(&kept.store).await, |all| all.truncate(12));
    for statement in backup {
        kept.store.tamper(&statement).await;
    }
    let found = kept.prove().await;
    assert_eq!(found.first_wrong(), Some(13), "{found:?}");
    assert!(found.faults[0].reason.starts_with("Events after 12 are missing"));
    // Life goes on with other events under the same numbers; no head is signed for them.
    for number in 0..5 {
        add(&kept.store, &format!("erin{number}")).await;
    }
    hand_out(parts, &comparison, after(140)).await.unwrap();
    let fault = comparison.fault().expect("it was noticed");
    assert!(fault.contains("is another one now"), "{fault}");
    assert_eq!(in_file(&kept.config.audit_heads_file()).unwrap().len(), 1);
    let none = present(parts, after(140)).await.unwrap().unwrap_err();
    assert!(none.contains("No further head is signed"), "{none}");
    assert_eq!(kept.prove().await.first_wrong(), Some(12));
    // As the page for auditors says: the heads are moved away, and it begins again.
    let heads = kept.config.audit_heads_file();
    std::fs::rename(&heads, heads.with_extension("before")).unwrap();
    hand_out(parts, &comparison, after(150)).await.unwrap();
    assert_eq!(comparison.fault(), None);
    assert_eq!(in_file(&heads).unwrap().len(), 1);
}

/// Another instance on the same database, with a data directory of its own and the same key.
async fn another(kept: &Kept) -> (tempfile::TempDir, Config, Store) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: dir.path().to_owned(),
        ..Config::default()
    };
    std::fs::copy(kept.config.audit_key_file(), config.audit_key_file()).unwrap();
    let store = Store::open(&kept.store.url(), StoreOptions::default())
        .await
        .unwrap();
    (dir, config, store)
}

async fn logged(store: &Store, who: &str) {
    let right = Right::of_this_program(who);
    let change = store.change(right, noon()).await.unwrap();
    change
        .commit(Event::new(EventKind::Logout, json!({})))
        .await
        .unwrap();
}

async fn two_instances_append_hand_out_and_verify_at_once(on: Database) {
    let kept = Kept::on(on).await;
    let (_dir, config, store) = another(&kept).await;
    keys::prepare(&config, &store, noon()).await.unwrap();
    let instances = [(&kept.config, &kept.store.store), (&config, &store)];
    let append = async |store: &Store, who: &str| {
        for _ in 0..20 {
            logged(store, who).await;
        }
    };
    let prove = async |(config, store): (&Config, &Store)| {
        let comparison = LastComparison::default();
        for second in 0..5 {
            hand_out((config, store), &comparison, after(200 + second))
                .await
                .unwrap();
            assert_eq!(comparison.fault(), None);
            let found = prove_with(config, store, kept.heads.clone()).await;
            assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
        }
    };
    tokio::join!(
        append(instances[0].1, "one"),
        append(instances[1].1, "two"),
        prove(instances[0]),
        prove(instances[1]),
    );
    assert_eq!(events(&store).await.last().unwrap().number, 17 + 40);
    let both = [&kept.config, &config].map(|config| in_file(&config.audit_heads_file()).unwrap());
    let found = prove_with(&config, &store, both.concat()).await;
    assert!(found.is_whole(), "{found:?}");
    store.close().await.unwrap();
}

async fn the_first_of_two_instances_makes_the_key_and_the_other_asks_for_it(on: Database) {
    let store = TestStore::on(on).await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let configs = dirs.each_ref().map(|dir| Config {
        data_dir: dir.path().to_owned(),
        ..Config::default()
    });
    let prepare = |config| keys::prepare(config, &store.store, noon());
    let (one, two) = tokio::join!(prepare(&configs[0]), prepare(&configs[1]));
    let refused = [&one, &two].into_iter().filter_map(|done| done.as_ref().err());
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 1, "{one:?} {two:?}");
    assert!(
        [ErrorKind::Conflict, ErrorKind::Unavailable].contains(&refused[0].kind()),
        "{refused:?}"
    );
    let (first, second) = match one.is_ok() {
        true => (&configs[0], &configs[1]),
        false => (&configs[1], &configs[0]),
    };
    assert!(
        !second.audit_key_file().exists(),
        "a key that signed nothing was left"
    );
    let again = prepare(second).await.unwrap_err();
    assert!(again.message().contains("from another instance"), "{again}");
    std::fs::copy(first.audit_key_file(), second.audit_key_file()).unwrap();
    prepare(second).await.unwrap();
    assert_eq!(events(&store.store).await.len(), 1, "the key is noted once");
}

async fn a_clock_that_jumps_breaks_nothing(on: Database) {
    let kept = Kept::on(on).await;
    let comparison = LastComparison::default();
    let parts = (&kept.config, &kept.store.store);
    let years = TimeDelta::days(3650);
    for at in [
        noon() + years,
        noon() - years,
        noon(),
        noon() + TimeDelta::hours(1),
    ] {
        let right = Right::of_this_program("clock");
        let change = kept.store.change(right, at).await.unwrap();
        change
            .commit(Event::new(EventKind::Logout, json!({})))
            .await
            .unwrap();
        hand_out(parts, &comparison, at).await.unwrap();
        assert_eq!(comparison.fault(), None);
    }
    let found = kept.prove().await;
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
    assert_eq!((found.last, found.fitting), (21, 6));
    assert_eq!(found.newest.as_ref().map(|head| head.number), Some(21));
    let back = found.looked_at().into_iter().find(|said| said.contains("clock"));
    let back = back.expect("an auditor is told of it");
    assert!(back.contains("event 19,"), "{back}");
    // The event from the future ends a cut, and what is older and later stays.
    let archive = kept.store.database.directory.path().join("old.jsonl");
    let operator = Access::local_operator("root", after(200));
    let done = cut(
        parts,
        &operator,
        noon() + TimeDelta::days(1),
        &archive,
        after(200),
    );
    assert_eq!(done.await.unwrap().up_to, 17);
    let found = kept.prove().await;
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
}

on_every_database! {
    a_restored_backup_is_told_from_the_heads_since,
    two_instances_append_hand_out_and_verify_at_once,
    the_first_of_two_instances_makes_the_key_and_the_other_asks_for_it,
    a_clock_that_jumps_breaks_nothing,
}
