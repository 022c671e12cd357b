//! A database server that is away: errors that say so, soon, and a store that comes back by itself.

use std::time::{Duration, Instant};

use deployer::domain::ErrorKind;
use deployer::store::{Store, StoreOptions, projects};

use crate::support::databases::{Database, TestDatabase, Wire, on_every_database};

/// How soon a page knows.
const SOON: Duration = Duration::from_secs(5);

async fn a_server_that_is_away_shows_within_five_seconds_and_comes_back(on: Database) {
    if !on.is_server() {
        return;
    }
    let database = TestDatabase::prepared(on).await;
    let mut wire = Wire::to(on.port()).await;
    let url = database
        .url
        .replace(&format!(":{}/", on.port()), &format!(":{}/", wire.port));
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    projects::list(&store).await.unwrap();
    wire.cut().await;
    for _ in 0..2 {
        let begun = Instant::now();
        let error = projects::list(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let error = store.record().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    wire.mend().await;
    projects::list(&store).await.unwrap();
    store.record().await.unwrap().commit().await.unwrap();
}

on_every_database! {
    a_server_that_is_away_shows_within_five_seconds_and_comes_back,
}
