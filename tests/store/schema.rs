//! The schema comes up from nothing, and one process serves it.

use deployer::domain::ErrorKind;
use deployer::store::{Store, StoreOptions};

use crate::support::store::TestStore;

async fn empty(directory: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}/new.db", directory.path().display());
    Store::open(&url, StoreOptions::default()).await.unwrap()
}

#[tokio::test]
async fn the_schema_comes_up_from_empty_and_again_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = empty(&directory).await;
    let pending = store.pending_migrations().await.unwrap();
    assert!(pending.len() >= 4, "{pending:?}");
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    store.migrate().await.unwrap();
}

#[tokio::test]
async fn several_starts_at_once_migrate_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = empty(&directory).await;
        starts.spawn(async move { store.migrate().await });
    }
    while let Some(start) = starts.join_next().await {
        start.unwrap().unwrap();
    }
    assert!(
        empty(&directory)
            .await
            .pending_migrations()
            .await
            .unwrap()
            .is_empty()
    );
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

#[tokio::test]
async fn what_is_not_committed_is_not_there_and_readers_do_not_wait_for_it() {
    let store = TestStore::new().await;
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

#[tokio::test]
async fn many_writers_wait_for_their_turn() {
    let store = TestStore::new().await;
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
