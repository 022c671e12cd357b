//! The schema comes up from nothing, and one process serves it.

use std::time::Duration;

use deployer::domain::ErrorKind;
use deployer::store::{Store, StoreOptions};

use crate::support::databases::{Database, TestDatabase, on_every_database};
use crate::support::store::TestStore;

async fn the_schema_comes_up_from_empty_and_again_changes_nothing(on: Database) {
    let database = TestDatabase::empty(on).await;
    let store = database.open().await;
    let pending = store.pending_migrations().await.unwrap();
    assert!(pending.len() >= 4, "{pending:?}");
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    store.migrate().await.unwrap();
}

async fn several_starts_at_once_migrate_once(on: Database) {
    let database = TestDatabase::empty(on).await;
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = database.open().await;
        starts.spawn(async move { store.migrate().await });
    }
    while let Some(start) = starts.join_next().await {
        start.unwrap().unwrap();
    }
    let pending = database.open().await.pending_migrations().await.unwrap();
    assert!(pending.is_empty(), "{pending:?}");
}

/// A lock on migrations that a test holds, as another process would.
async fn held_lock(database: &TestDatabase) -> sea_orm::DatabaseConnection {
    use sea_orm::ConnectionTrait;
    let mut options = sea_orm::ConnectOptions::new(database.url.clone());
    options.max_connections(1);
    let other = sea_orm::Database::connect(options).await.unwrap();
    let lock = match database.kind {
        Database::Postgres => "SELECT pg_advisory_lock(110386840629113)",
        _ => "DO GET_LOCK(CONCAT('deployer_migration_', MD5(DATABASE())), 0)",
    };
    other.execute_unprepared(lock).await.unwrap();
    other
}

async fn a_start_waits_for_another_that_migrates_and_fails_clearly(on: Database) {
    if !on.is_server() {
        // There the writing transaction is the lock.
        return;
    }
    let database = TestDatabase::empty(on).await;
    let other = held_lock(&database).await;
    let options = StoreOptions {
        migration_wait: Duration::from_secs(1),
        ..StoreOptions::default()
    };
    let store = Store::open(&database.url, options).await.unwrap();
    let late = store.migrate().await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable);
    assert!(late.message().contains("for more than 1 s"), "{late}");
    let waiting = tokio::spawn(async move { database.open().await.migrate().await.map(|()| database) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished());
    other.close().await.unwrap();
    let database = waiting.await.unwrap().unwrap();
    // The lock was given back: the next start does not wait for the connection that took it to end.
    let store = Store::open(&database.url, StoreOptions::default()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), store.migrate())
        .await
        .unwrap()
        .unwrap();
}

async fn texts_of_any_length_are_kept_and_compared_byte_by_byte(on: Database) {
    use deployer::store::{deployments, projects};
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let mut new = crate::support::store::deployment(&shop, &prod, &[]);
    new.deployment.reason = "🚀 ".repeat(100_000);
    let branches = ["feature", "Feature", "feature ", "féature"];
    for (number, branch) in branches.into_iter().enumerate() {
        new.deployment.branch = branch.into();
        new.deployment.commit = crate::support::store::commit(number as u64);
        let id = store.deployment(&new).await.id;
        let kept = deployments::by_id(&store.store, id).await.unwrap();
        assert!(
            kept.reason == new.deployment.reason && kept.branch == branch,
            "{branch}"
        );
    }
    for branch in branches {
        // A literal that ends in a blank must find only what does.
        let sql = format!("SELECT count(*) FROM deployments WHERE branch = '{branch}'");
        assert_eq!(store.number(&sql).await, 1, "{branch:?}");
    }
    let mut described = shop;
    described.description = "x".repeat(200_000);
    let tx = crate::support::store::change(&store).await;
    projects::update(&tx, &described).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

async fn a_database_of_the_version_before_is_brought_up_to_date(on: Database) {
    use migrations::{Migrator, MigratorTrait as _};
    use sea_orm::ConnectionTrait as _;
    let database = TestDatabase::empty(on).await;
    // Makes SQLite's file.
    database.open().await.close().await.unwrap();
    let raw = sea_orm::Database::connect(&database.url).await.unwrap();
    Migrator::up(&raw, Some(6)).await.unwrap();
    if on == Database::MariaDb {
        for table in ["deployments", "users", "settings"] {
            let sql = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET latin1");
            raw.execute_unprepared(&sql).await.unwrap();
        }
    }
    let targets = [
        r#"{"kind":"environment"}"#,
        r#"{"kind":"cluster","id":4,"name":"web"}"#,
        r#"{"kind":"server","id":7,"name":"web7"}"#,
        r#"{"kind":"servers","ids":[9,3],"names":["web9","web3"]}"#,
    ];
    for target in targets {
        let sql = format!(
            "INSERT INTO deployments (project, environment, state, kind, phase, priority, actor, branch, \
             commit_hash, queued_at, fence, last_line, target, commit_title, reason, outcome) VALUES \
             ('shop', 'prod', 'succeeded', 'regular', 'finish', 0, 'alice', 'main', \
             '{}', 1, 0, 0, '{target}', '', '', '')",
            "a".repeat(40)
        );
        raw.execute_unprepared(&sql).await.unwrap();
    }
    for sql in [
        "INSERT INTO projects (name, name_key, description, git_url, method, notify) VALUES ('shop', 'shop', '', '', 'symlink', '[]'), ('blog', 'blog', '', '', 'symlink', '[]')",
        "INSERT INTO clusters (name, name_key, backends) VALUES ('web', 'web', '[]'), ('spare', 'spare', '[]')",
        "INSERT INTO environments (project_id, name, name_key, branch, target_path, remote_user, position, auto_deploy, fail_on_failed_tests, options) \
         SELECT id, 'prod', 'prod', 'main', '/srv', 'www', 1, (1 = 0), (1 = 1), '{}' FROM projects WHERE name = 'shop'",
        "INSERT INTO environment_clusters (environment_id, cluster_id, position) SELECT environments.id, clusters.id, 0 FROM environments, clusters WHERE clusters.name = 'web'",
    ] {
        raw.execute_unprepared(sql).await.unwrap();
    }
    raw.close().await.unwrap();
    let store = database.open().await;
    store.migrate().await.unwrap();
    let web = deployer::store::clusters::by_name(&store, "web").await.unwrap();
    let shop = deployer::store::projects::by_name(&store, "shop").await.unwrap();
    assert_eq!(web.projects, [shop.id], "who deploys to a cluster may go on");
    let spare = deployer::store::clusters::by_name(&store, "spare").await.unwrap();
    assert_eq!(spare.projects, []);
    let columns = "SELECT count(*) FROM deployments WHERE target_kind = 'environment' \
                   OR (target_kind = 'cluster' AND target_cluster_id = 4 AND target_name = 'web') \
                   OR (target_kind = 'server' AND target_server_id = 7 AND target_name = 'web7') \
                   OR (target_kind = 'servers' AND target_server_ids = '3 9' AND target_name = 'web3 web9')";
    assert_eq!(database.number(columns).await, 4);
    if on == Database::MariaDb {
        let loose = "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() \
                     AND table_name <> 'seaql_migrations' \
                     AND (collation_name NOT LIKE 'utf8mb4%bin' OR data_type IN ('text', 'mediumtext'))";
        assert_eq!(database.number(loose).await, 0);
    }
}

#[tokio::test]
async fn a_second_serve_is_refused_until_the_first_has_gone() {
    let first = TestStore::new().await;
    let second = Store::open(&first.url(), StoreOptions::default()).await.unwrap();
    let lock = first.serve_lock().unwrap();
    let refusal = second.serve_lock().unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Conflict);
    let pid = format!("already being served by process {}.", std::process::id());
    assert!(refusal.message().contains(&pid), "{refusal}");
    drop(lock);
    second.serve_lock().unwrap();
}

#[tokio::test]
async fn administration_works_beside_a_serving_process() {
    let serving = TestStore::new().await;
    let _lock = serving.serve_lock().unwrap();
    let command = Store::open(&serving.url(), StoreOptions::default())
        .await
        .unwrap();
    command.migrate().await.unwrap();
    command.record().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_in_a_sentence() {
    let open = |url: &str| {
        let url = url.to_owned();
        async move {
            Store::open(&url, StoreOptions::default())
                .await
                .map(drop)
                .unwrap_err()
        }
    };
    let missing = open("sqlite:///nowhere/at/all/x.db").await;
    assert!(
        missing
            .message()
            .contains("the directory /nowhere/at/all does not exist"),
        "{missing}"
    );
    let foreign = open("oracle://scott:tiger@db/x").await;
    assert!(!foreign.message().contains("tiger"), "{foreign}");
    assert!(
        open("sqlite://")
            .await
            .message()
            .contains("must name the SQLite file by an absolute path")
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(&path, "Dear Sir or Madam, this is not a database. ".repeat(50)).unwrap();
    let letter = open(&format!("sqlite://{}", path.display())).await;
    assert!(
        letter.message().contains("letter.txt cannot be opened"),
        "{letter}"
    );
}

async fn what_is_not_committed_is_not_there_and_readers_do_not_wait_for_it(on: Database) {
    let store = TestStore::on(on).await;
    let tx = crate::support::store::change(&store).await;
    let new = crate::support::store::project("shop");
    deployer::store::projects::insert(&tx, &new).await.unwrap();
    let seen = deployer::store::projects::list(&store.store).await.unwrap();
    assert!(seen.is_empty());
    drop(tx);
    let tx = crate::support::store::change(&store).await;
    deployer::store::projects::insert(&tx, &new).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("projects").await, 1);
}

async fn many_writers_wait_for_their_turn(on: Database) {
    let store = TestStore::on(on).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = store.store.clone();
        writers.spawn(async move {
            let tx = crate::support::store::change(&store).await;
            // Reads first and writes then: what SQLite fails at once in an ordinary transaction.
            deployer::store::projects::list(&tx).await?;
            let new = crate::support::store::project(&format!("p{number}"));
            deployer::store::projects::insert(&tx, &new).await?;
            crate::support::store::bring_in(tx).await;
            Ok::<_, deployer::domain::Error>(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(store.rows("projects").await, 40);
}

on_every_database! {
    the_schema_comes_up_from_empty_and_again_changes_nothing,
    several_starts_at_once_migrate_once,
    a_start_waits_for_another_that_migrates_and_fails_clearly,
    texts_of_any_length_are_kept_and_compared_byte_by_byte,
    a_database_of_the_version_before_is_brought_up_to_date,
    what_is_not_committed_is_not_there_and_readers_do_not_wait_for_it,
    many_writers_wait_for_their_turn,
}
