//! Secrets at rest: what stands in the database, who can read it, and sealing it anew.

use std::collections::BTreeMap;

use deployer::domain::{Environment, Variable};
use deployer::store::{SealingKey, environments, sealing};

use crate::support::databases::{Database, on_every_database, sealing_key};
use crate::support::store::{TestStore, bring_in, change, environment};

const SECRET: &str = "hunter2-and-more";

/// An environment with a secret and a plain variable.
async fn with_secret(store: &TestStore, name: &str) -> Environment {
    let shop = match deployer::store::projects::by_name(&store.store, "shop").await {
        Ok(shop) => shop,
        Err(_) => store.project("shop").await,
    };
    let mut wanted = environment(&shop, name);
    let variable = |value: &str, secret| Variable {
        value: value.into(),
        secret,
        refers: secret,
    };
    wanted.options.variables = BTreeMap::from([
        ("TOKEN".to_owned(), variable(SECRET, true)),
        ("COLOUR".to_owned(), variable("blue", false)),
    ]);
    let tx = change(store).await;
    let stored = environments::insert(&tx, &wanted).await.unwrap();
    bring_in(tx).await;
    stored
}

/// How many rows hold the secret in clear.
async fn in_clear(store: &TestStore) -> i64 {
    let sql = format!("SELECT count(*) FROM environments WHERE options LIKE '%{SECRET}%'");
    store.database.number(&sql).await
}

/// The row as a version of before wrote it.
async fn put_in_clear(store: &TestStore, environment: &Environment) {
    let options = serde_json::to_string(&environment.options).unwrap();
    let sql = format!(
        "UPDATE environments SET options = '{options}' WHERE id = {}",
        environment.id
    );
    store.tamper(&sql).await;
}

async fn a_secret_is_stored_sealed_and_read_as_it_was(on: Database) {
    let store = TestStore::on(on).await;
    let mut prod = with_secret(&store, "prod").await;
    assert_eq!(in_clear(&store).await, 0);
    let plain = "SELECT count(*) FROM environments WHERE options LIKE '%blue%'";
    assert_eq!(store.database.number(plain).await, 1);
    assert_eq!(environments::by_id(&store.store, prod.id).await.unwrap(), prod);
    prod.options
        .variables
        .get_mut("TOKEN")
        .unwrap()
        .value
        .push_str("-again");
    let tx = change(&store).await;
    environments::update(&tx, &prod).await.unwrap();
    bring_in(tx).await;
    assert_eq!(in_clear(&store).await, 0);
    assert_eq!(environments::all(&store.store).await.unwrap(), [prod]);
}

async fn a_secret_that_is_moved_to_another_row_does_not_open(on: Database) {
    let store = TestStore::on(on).await;
    let dev = with_secret(&store, "dev").await;
    let prod = with_secret(&store, "prod").await;
    // MariaDB reads no table that it changes, except through a table of its own.
    let sql = format!(
        "UPDATE environments SET options = (SELECT options FROM (SELECT options FROM environments WHERE id = {}) AS other) WHERE id = {}",
        prod.id, dev.id
    );
    store.tamper(&sql).await;
    let error = environments::by_id(&store.store, dev.id).await.unwrap_err();
    assert!(
        error.message().contains("moved it there from another row"),
        "{error}"
    );
    environments::by_id(&store.store, prod.id).await.unwrap();
}

async fn what_is_in_clear_is_read_until_it_is_sealed(on: Database) {
    let store = TestStore::on(on).await;
    let prod = with_secret(&store, "prod").await;
    let dev = with_secret(&store, "dev").await;
    put_in_clear(&store, &prod).await;
    assert_eq!(in_clear(&store).await, 1);
    assert_eq!(environments::by_id(&store.store, prod.id).await.unwrap(), prod);
    let tx = change(&store).await;
    let done = environments::seal_anew(&tx).await.unwrap();
    assert_eq!(done.variables, [(prod.id, "TOKEN".to_owned())]);
    bring_in(tx).await;
    assert_eq!(in_clear(&store).await, 0);
    assert_eq!(environments::by_id(&store.store, prod.id).await.unwrap(), prod);
    assert_eq!(environments::by_id(&store.store, dev.id).await.unwrap(), dev);
    let tx = change(&store).await;
    let again = environments::seal_anew(&tx).await.unwrap();
    assert_eq!(again.variables, []);
}

async fn another_key_takes_over_what_the_one_before_sealed(on: Database) {
    let store = TestStore::on(on).await;
    let prod = with_secret(&store, "prod").await;
    let new = SealingKey::generate();
    store.store.set_sealing_keys(vec![new.clone()]);
    let error = environments::by_id(&store.store, prod.id).await.unwrap_err();
    assert!(error.message().contains(&sealing_key().fingerprint()), "{error}");
    store.store.set_sealing_keys(vec![new.clone(), sealing_key()]);
    let tx = change(&store).await;
    sealing::set_first(&tx, &sealing_key().fingerprint())
        .await
        .unwrap();
    environments::seal_anew(&tx).await.unwrap();
    sealing::set(&tx, &new.fingerprint()).await.unwrap();
    bring_in(tx).await;
    store.store.set_sealing_keys(vec![new.clone()]);
    assert_eq!(environments::by_id(&store.store, prod.id).await.unwrap(), prod);
    let noted = sealing::fingerprint(&store.store).await.unwrap();
    assert_eq!(noted, Some(new.fingerprint()));
}

async fn the_first_key_is_noted_once(on: Database) {
    let store = TestStore::on(on).await;
    let tx = change(&store).await;
    sealing::set_first(&tx, "one").await.unwrap();
    bring_in(tx).await;
    let tx = change(&store).await;
    assert!(sealing::set_first(&tx, "two").await.is_err());
    drop(tx);
    let noted = sealing::fingerprint(&store.store).await.unwrap();
    assert_eq!(noted.as_deref(), Some("one"));
}

async fn secrets_without_their_key_can_be_forgotten_and_nothing_else_is(on: Database) {
    let store = TestStore::on(on).await;
    let prod = with_secret(&store, "prod").await;
    store.store.set_sealing_keys(vec![SealingKey::generate()]);
    let dev = with_secret(&store, "dev").await;
    let tx = change(&store).await;
    let done = environments::forget_secrets(&tx).await.unwrap();
    assert_eq!(done.variables, [(prod.id, "TOKEN".to_owned())]);
    bring_in(tx).await;
    let left = environments::by_id(&store.store, prod.id).await.unwrap();
    assert_eq!(left.options.variables.keys().collect::<Vec<_>>(), ["COLOUR"]);
    assert_eq!(environments::by_id(&store.store, dev.id).await.unwrap(), dev);
}

async fn without_a_key_no_secret_is_stored(on: Database) {
    let store = TestStore::on(on).await;
    store.store.set_sealing_keys(Vec::new());
    let shop = store.project("shop").await;
    let mut wanted = environment(&shop, "prod");
    let variable = Variable {
        value: SECRET.into(),
        secret: true,
        refers: false,
    };
    wanted.options.variables.insert("TOKEN".to_owned(), variable);
    let tx = change(&store).await;
    let error = environments::insert(&tx, &wanted).await.unwrap_err();
    assert!(error.message().contains("no key to seal secrets with"), "{error}");
}

on_every_database! {
    a_secret_is_stored_sealed_and_read_as_it_was,
    a_secret_that_is_moved_to_another_row_does_not_open,
    what_is_in_clear_is_read_until_it_is_sealed,
    another_key_takes_over_what_the_one_before_sealed,
    the_first_key_is_noted_once,
    secrets_without_their_key_can_be_forgotten_and_nothing_else_is,
    without_a_key_no_secret_is_stored,
}
