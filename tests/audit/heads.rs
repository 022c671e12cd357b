//! Heads as an instance hands them out: to its file, once for what is new, and never after the log was
//! rewritten.

use deployer::app::audit::heads::in_file;
use deployer::app::audit::keys;
use deployer::app::audit::verification::Verification;
use deployer::store::audit::{AuditKey, Head};
use sea_orm::ConnectionTrait;

use super::{Kept, add, events, head, prove_with, rewritten};
use crate::support::databases::Database;
use crate::support::store::noon;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_hands_out_what_is_new_and_notices_a_log_that_was_rewritten() {
    let world = World::project().start().await;
    let config = world.app.config();
    let file = config.audit_heads_file();
    world.app.hand_out_head().await;
    assert!(!file.exists(), "a head was signed without a key");
    keys::prepare(config, &world.store, noon()).await.unwrap();
    for _ in 0..2 {
        world.app.hand_out_head().await;
    }
    let first = in_file(&file).unwrap();
    assert_eq!(first.len(), 1);
    add(&world.store, "erin").await;
    world.app.hand_out_head().await;
    let heads = in_file(&file).unwrap();
    assert_eq!(heads.len(), 2);
    assert_eq!(heads[1].number, first[0].number + 1);
    assert_eq!(world.app.audit_fault(), None);

    let url = format!("sqlite://{}", world.dir.path().join("deployer.db").display());
    let raw = sea_orm::Database::connect(url).await.unwrap();
    for statement in rewritten(events(&world.store).await, |all| all[0].address = "x".into()) {
        raw.execute_unprepared(&statement).await.unwrap();
    }
    add(&world.store, "finn").await;
    world.app.hand_out_head().await;
    let fault = world.app.audit_fault().expect("it was noticed");
    assert!(fault.contains("was rewritten or cut"), "{fault}");
    assert_eq!(
        in_file(&file).unwrap().len(),
        2,
        "a head of a forged log was signed"
    );
    let found = prove_with(config, &world.store, Vec::new()).await;
    assert!(!found.is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_other_keys_and_changed_heads_are_told() {
    let kept = Kept::on(Database::Sqlite).await;
    let config = &kept.config;
    let mut odd = kept.heads[1].to_string();
    let last = odd.pop().unwrap();
    odd.push(if last == '0' { '1' } else { '0' });
    let found = prove_with(config, &kept.store, vec![odd.parse().unwrap()]).await;
    let is_none_of_ours = |found: &Verification, why: &str| {
        assert!(found.unusable[0].contains(why), "{found:?}");
        assert!(!found.is_whole() && found.fits(), "{found:?}");
        let verdict = found.verdict();
        assert!(
            verdict.contains("none of this log") && !verdict.contains("tampered"),
            "{verdict}"
        );
    };
    is_none_of_ours(&found, "its signature is wrong");

    let own = &kept.heads[1];
    let stranger = AuditKey::generate();
    let foreign = Head::sign(own.purpose, own.number, &own.hash, own.at, &stranger);
    let found = prove_with(config, &kept.store, vec![foreign]).await;
    is_none_of_ours(&found, "is not known here");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_of_keys_heads_of_both_count() {
    let kept = Kept::on(Database::Sqlite).await;
    let config = &kept.config;
    let before = head(config, &kept.store, noon()).await;
    std::fs::write(config.audit_heads_file(), format!("{before}\n")).unwrap();
    std::fs::remove_file(config.audit_key_file()).unwrap();
    let refused = keys::prepare(config, &kept.store, noon()).await.unwrap_err();
    assert!(refused.message().contains(&before.key.short()), "{refused}");
    let operator = deployer::access::Access::local_operator("root", noon());
    let parts = (config, &kept.store.store);
    assert!(
        keys::accept(parts, &operator, noon()).await.is_err(),
        "there is no key"
    );
    deployer::app::key_place::write(&config.audit_key_file(), &AuditKey::generate()).unwrap();
    let refused = keys::prepare(config, &kept.store, noon()).await.unwrap_err();
    assert!(
        refused.message().contains("deployer audit key accept"),
        "{refused}"
    );
    keys::accept(parts, &operator, noon()).await.unwrap();
    assert!(
        keys::accept(parts, &operator, noon()).await.is_err(),
        "it is accepted already"
    );
    keys::prepare(config, &kept.store, noon()).await.unwrap();
    let after = head(config, &kept.store, noon()).await;
    assert_ne!(after.key, before.key);
    let found = prove_with(config, &kept.store, vec![after]).await;
    assert!(found.is_whole(), "{found:?}");
    assert_eq!(found.fitting, 2);
}
