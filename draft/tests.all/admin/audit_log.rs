//! The audit log's page: filters, pages, and whether the chain is whole.

use deployer::domain::{EventKind, NewAuditEvent, Outcome};
use sea_orm::{ConnectionTrait, Database};

use super::{page, send, site};
use crate::support::store::append;
use crate::web::support::TestSite;

async fn happened(site: &TestSite, at: &str, actor: &str, action: &str, outcome: Outcome) {
    let event = NewAuditEvent {
        at: at.parse().unwrap(),
        actor: actor.to_owned(),
        impersonator: None,
        address: "10.1.2.3".to_owned(),
        action: action.to_owned(),
        resource: "server <web1>".to_owned(),
        outcome,
        permit: "policy.csv:3: p, …".to_owned(),
        detail: serde_json::json!({ "port": { "from": 22, "to": 2222 } }),
    };
    append(&site.store, &event).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_actor_action_outcome_and_time() {
    let (_world, site) = site().await;
    happened(
        &site,
        "2026-01-05T23:59:00Z",
        "carol",
        "server.added",
        Outcome::Allowed,
    )
    .await;
    happened(
        &site,
        "2026-01-06T00:01:00Z",
        "carol",
        "server.changed",
        Outcome::Failed,
    )
    .await;
    happened(
        &site,
        "2026-01-07T12:00:00Z",
        "dave",
        "user.added",
        Outcome::Refused,
    )
    .await;
    for (query, expected) in [
        ("actor=carol", vec!["server.changed", "server.added"]),
        ("action=server", vec!["server.changed", "server.added"]),
        ("action=user.added&actor=dave", vec!["user.added"]),
        ("outcome=failed", vec!["server.changed"]),
        ("from=2026-01-01&to=2026-01-05", vec!["server.added"]),
        (
            "from=2026-01-06&to=2026-01-07&resource=server%20%3Cweb1%3E",
            vec!["user.added", "server.changed"],
        ),
        ("actor=nobody", vec![]),
    ] {
        let shown = page(&site, &format!("/audit?{query}")).await;
        let found: Vec<&str> = shown
            .split("<td><b>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap())
            .collect();
        assert_eq!(found, expected, "{query}");
        assert!(!shown.contains("<web1>"), "{query}");
    }
    assert!(page(&site, "/audit?actor=carol").await.contains("22 → 2222"));
    let refused = site.get("/audit?from=tomorrow").await;
    assert_eq!(refused.status(), 422);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("Write a day as 2026-11-22.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_a_gap() {
    let (_world, site) = site().await;
    let kind = |number: usize| EventKind::ALL[number % EventKind::ALL.len()];
    for number in 0..120 {
        happened(
            &site,
            "2026-01-05T10:00:00Z",
            "carol",
            kind(number).as_str(),
            Outcome::Allowed,
        )
        .await;
    }
    let mut seen = Vec::new();
    let mut path = "/audit?actor=carol".to_owned();
    for _ in 0..3 {
        let shown = page(&site, &path).await;
        let bold = shown.split("<b>").skip(1);
        seen.extend(bold.filter_map(|rest| EventKind::parse(rest.split('<').next().unwrap())));
        let older = shown.split("rel=\"next\" href=\"").nth(1);
        path = older
            .map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&"))
            .unwrap_or_default();
    }
    assert_eq!(seen, (0..120).rev().map(kind).collect::<Vec<_>>());
    assert_eq!(path, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_verified_and_a_rewritten_event_is_found() {
    let (world, site) = site().await;
    let (status, ..) = send(&site, "/audit", "/audit/verify", &[]).await;
    assert_eq!(status, 303);
    assert!(page(&site, "/audit").await.contains("The audit log is intact"));
    let url = format!("sqlite://{}", world.dir.path().join("deployer.db").display());
    let raw = Database::connect(url).await.unwrap();
    let forged = "UPDATE audit_events SET actor = 'nobody' WHERE id = 1";
    raw.execute_unprepared(forged).await.unwrap();
    send(&site, "/audit", "/audit/verify", &[]).await;
    assert!(
        page(&site, "/audit")
            .await
            .contains("was changed after it was recorded")
    );
}
