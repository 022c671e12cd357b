//! Pages while the database server is away.

use std::time::{Duration, Instant};

use super::support::{Options, PASSWORD, TestSite};
use crate::support::databases::{Database, TestDatabase, Wire, on_every_database};

/// How soon a page has to say so.
const SOON: Duration = Duration::from_secs(5);

async fn pages_say_that_the_database_is_away_and_come_back_by_themselves(on: Database) {
    if !on.is_server() {
        return;
    }
    let database = TestDatabase::prepared(on).await;
    let mut wire = Wire::to(on.port()).await;
    let (near, far) = (format!(":{}/", wire.port), format!(":{}/", on.port()));
    let site = TestSite::start_with(Options {
        database: Some(database.url.replace(&far, &near)),
        ..Options::default()
    })
    .await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    assert_eq!(site.get("/").await.status(), 200);
    let form = site.token("/").await;
    wire.cut().await;
    for path in ["/", "/history", "/login"] {
        let begun = Instant::now();
        let response = site.get(path).await;
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "5");
        let page = response.text().await.unwrap();
        assert!(page.contains("try again") || page.contains("Try again"), "{page}");
        assert!(begun.elapsed() < SOON, "{path}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let sent = site.browser.post(format!("{}/logout", site.url));
    let response = sent.form(&[("csrf", form.as_str())]).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    wire.mend().await;
    assert_eq!(site.get("/").await.status(), 200);
}

on_every_database! {
    pages_say_that_the_database_is_away_and_come_back_by_themselves,
}
