//! The key of secrets at rest where several instances share a database.

use deployer::store::{environments, projects};
use nix::sys::signal::Signal;

use super::keys::{key, key_file};
use super::{Installation, run};
use crate::support::databases::{Database, TestDatabase};
use crate::support::store::{bring_in, change, environment, project};

/// An installation over a database that several instances may share, with one environment.
async fn shared(lines: &str) -> (Installation, TestDatabase) {
    let database = TestDatabase::prepared(Database::Postgres).await;
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
