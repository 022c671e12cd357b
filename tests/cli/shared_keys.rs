//! Keys of secrets at rest: the first one, files that others can read, and databases that several instances
//! share.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use deployer::store::{environments, projects};
use nix::sys::signal::Signal;
use sea_orm::{ConnectionTrait as _, Database};

use super::keys::{key, key_file};
use super::{Installation, run};
use crate::support::databases::{self, TestDatabase};
use crate::support::store::{bring_in, change, environment, project};

/// An installation over a database that several instances may share, with one environment.
async fn shared(lines: &str) -> (Installation, TestDatabase) {
    let database = TestDatabase::prepared(databases::Database::Postgres).await;
    let here = Installation::with(&format!("[store]\nurl = \"{}\"\n{lines}", database.url));
    here.run("migrate").well("");
    let store = database.open().await;
    let tx = change(&store).await;
    let shop = projects::insert(&tx, &project("shop")).await.unwrap();
    environments::insert(&tx, &environment(&shop, "prod"))
        .await
        .unwrap();
    bring_in(tx).await;
    store.close().await.unwrap();
    (here, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_gets_no_key_that_other_instances_do_not_have() {
    let (here, _database) = shared("").await;
    here.run("serve").badly("Several instances may share it");
    assert!(!key_file(&here).exists(), "a key was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_key_that_sealed_nothing_is_not_left_behind() {
    let here = Installation::new();
    here.run("migrate").well("");
    let tamper = async |sql: &str| {
        let url = format!("sqlite://{}", here.database().display());
        let raw = Database::connect(url).await.unwrap();
        raw.execute_unprepared(sql).await.unwrap();
        raw.close().await.unwrap();
    };
    tamper("CREATE TRIGGER full BEFORE INSERT ON sealing BEGIN SELECT RAISE(ABORT, 'disk full'); END").await;
    here.run("serve").badly("");
    assert!(!key_file(&here).exists(), "a key was left");
    tamper("DROP TRIGGER full").await;
    let mut serving = here.serve();
    serving.answers().await;
    serving.end(Signal::SIGTERM).with(0, "", "sealed from now on");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_the_key_is_not_changed_while_an_instance_serves() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("key");
    run(super::program().arg("key").arg("new").arg(&file)).well("The key ");
    let (here, _database) = shared(&format!("[secrets]\nkey_file = \"{}\"", file.display())).await;
    let before = key(&file).fingerprint();
    let mut serving = here.serve();
    serving.answers().await;
    here.run("key rotate")
        .badly("serves this database. Stop all instances first");
    assert_eq!(key(&file).fingerprint(), before);
    serving.end(Signal::SIGTERM);
}

#[test]
fn a_key_file_that_others_can_read_is_closed_and_every_command_says_so() {
    let here = Installation::new();
    here.run("migrate").well("Changes made: ");
    let (own, next) = (here.dir.path().join("own.key"), here.dir.path().join("next.key"));
    for file in [&own, &next] {
        run(super::program().arg("key").arg("new").arg(file)).well("The key ");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let with_own = |words: &str| run(here.command(words).env("DEPLOYER__SECRETS__KEY_FILE", &own));
    let told = |file: &Path| format!("The key file {} had mode 0644", file.display());
    with_own("key show").with(0, "The key ", &told(&own));
    with_own(&format!("key rotate --to {}", next.display())).with(0, "0 secrets.", &told(&next));
    for file in [&own, &next] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    assert!(!with_own("key show").err.contains("had mode"));
}
