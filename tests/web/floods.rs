//! Floods do not fill the audit log: what one origin repeats becomes one event with a count.

use deployer::store::{AuditFilter, Page, audit};

use super::support::{TestSite, browser, impatient};

/// The events of these names, oldest first: each with how often it was repeated.
async fn told(site: &TestSite, names: &[&str]) -> Vec<(String, Option<u64>)> {
    let filter = AuditFilter {
        actions: names.iter().map(|name| (*name).to_owned()).collect(),
        ..AuditFilter::default()
    };
    let page = audit::list(&site.store, &filter, Page::Newest, 100)
        .await
        .unwrap();
    let told = page.items.into_iter().rev().map(|one| one.event);
    told.map(|event| (event.action, event.detail["repeated"].as_u64()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_origin_repeats_is_one_event_with_a_count() {
    let site = TestSite::start_with(impatient()).await;
    let names = ["login.", "token.", "view."];
    for _ in 0..10 {
        assert_eq!(site.log_in("alice", "guess").await.status(), 422);
    }
    for _ in 0..5 {
        assert_eq!(site.log_in("alice", "guess").await.status(), 429);
    }
    let robot = browser();
    for number in 0..20 {
        let asked = robot.get(format!("{}/deployments/{number}", site.url));
        let asked = asked.header("authorization", format!("Bearer {number}"));
        assert_eq!(asked.send().await.unwrap().status(), 401);
    }
    let event = |name: &str, repeated| (name.to_owned(), repeated);
    let first = [
        event("login.failed", None),
        event("login.throttled", None),
        event("token.refused", None),
    ];
    assert_eq!(told(&site, &names).await, first);
    // What does not exist leaves nothing.
    for number in 0..50 {
        let page = robot.get(format!("{}/projects/nope{number}/dev", site.url));
        assert_eq!(page.send().await.unwrap().status(), 404);
    }
    assert_eq!(told(&site, &names).await, first);

    site.app.record_repeated_refusals(site.app.now()).await.unwrap();
    let mut counted = told(&site, &names).await.split_off(3);
    counted.sort();
    assert_eq!(
        counted,
        [
            event("login.failed", Some(9)),
            event("login.throttled", Some(4)),
            event("token.refused", Some(19)),
        ]
    );
    // The next hour begins anew.
    site.log_in("bob", "guess").await;
    assert_eq!(told(&site, &names).await.len(), 7);
}
