//! The audit log's page: filters, pages, and whether the chain is whole.

use deployer::app::audit::verification::{Evidence, prove};
use deployer::domain::{EventKind, NewAuditEvent, Outcome};
use deployer::store::audit::Head;
use sea_orm::{ConnectionTrait, Database};

use super::{page, send, site};
use crate::support::store::append;
use crate::web::support::TestSite;

/// The names of the events on a page.
fn actions(shown: &str) -> Vec<&str> {
    let links = shown.split("<span class=\"sub\"><a href=\"").skip(1);
    links
        .map(|link| link.split('>').nth(1).unwrap().split('<').next().unwrap())
        .collect()
}

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

/// Filters, and the events that they find of those below.
const FOUND: [(&str, &[&str]); 13] = [
    ("actor=carol", &["server.changed", "server.added"]),
    ("action=server", &["server.changed", "server.added"]),
    ("action=user.added&actor=dave", &["user.added"]),
    ("outcome=failed", &["server.changed"]),
    ("from=2026-01-01&to=2026-01-05", &["server.added"]),
    (
        "from=2026-01-06&to=2026-01-07&resource=server%20%3Cweb1%3E",
        &["user.added", "server.changed"],
    ),
    ("actor=nobody", &[]),
    // As people write: in any case, in part, in words.
    ("actor=CAR", &["server.changed", "server.added"]),
    ("resource=WEB1&actor=dave", &["user.added"]),
    ("action=Server+changed", &["server.changed"]),
    ("text=2222&actor=dave", &["user.added"]),
    ("text=100%25", &[]),
    ("text=10.1.2.3&outcome=failed", &["server.changed"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_actor_action_outcome_and_time() {
    let (_world, site) = site().await;
    for (at, actor, action, outcome) in [
        ("2026-01-05T23:59:00Z", "carol", "server.added", Outcome::Allowed),
        ("2026-01-06T00:01:00Z", "carol", "server.changed", Outcome::Failed),
        ("2026-01-07T12:00:00Z", "dave", "user.added", Outcome::Refused),
    ] {
        happened(&site, at, actor, action, outcome).await;
    }
    for (query, expected) in FOUND {
        let shown = page(&site, &format!("/audit?{query}")).await;
        assert_eq!(actions(&shown), expected, "{query}");
        assert!(!shown.contains("<web1>"), "{query}");
    }
    let shown = page(&site, "/audit?actor=carol").await;
    assert!(
        shown.contains("carol changed server &#60;web1&#62;: port: 22 → 2222."),
        "{shown}"
    );
    assert!(shown.contains("2026-01-06 00:01:00 UTC"), "{shown}");
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
        seen.extend(actions(&shown).into_iter().filter_map(EventKind::parse));
        let older = shown.split("rel=\"next\" href=\"").nth(1);
        path = older
            .map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&"))
            .unwrap_or_default();
    }
    assert_eq!(seen, (0..120).rev().map(kind).collect::<Vec<_>>());
    assert_eq!(path, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_proven_on_its_page_and_a_rewritten_event_is_found() {
    let (world, site) = site().await;
    let proof = async |heads: &str| {
        let (status, _, page) = send(&site, "/audit/verify", "/audit/verify", &[("heads", heads)]).await;
        (status, page)
    };
    let shown = page(&site, "/audit/verify").await;
    assert!(shown.contains("There is no audit key here"), "{shown}");
    let config = world.app.config();
    deployer::app::audit::keys::prepare(config, &world.store, world.clock.now())
        .await
        .unwrap();
    let shown = page(&site, "/audit/verify").await;
    let head = shown
        .split("data-copy=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let (status, found) = proof(&format!("From: me\n\n> {head}\n")).await;
    assert_eq!(status, 200);
    assert!(found.contains("The audit log is intact."), "{found}");
    assert!(found.contains("Heads handed out before that fit: 1"), "{found}");
    let (status, found) = proof("no head").await;
    assert_eq!(status, 422);
    assert!(found.contains("There is no head in this text."), "{found}");
    let url = format!("sqlite://{}", world.dir.path().join("deployer.db").display());
    let raw = Database::connect(url).await.unwrap();
    let forged = "UPDATE audit_events SET actor = 'nobody' WHERE id = 1";
    raw.execute_unprepared(forged).await.unwrap();
    let (_, found) = proof("").await;
    assert!(
        found.contains("Event 1 was changed after it was recorded."),
        "{found}"
    );
    let log = page(&site, "/audit").await;
    assert_eq!(log.matches("Changed after it was recorded").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_is_found_under_the_name_that_was_tried() {
    let (_world, site) = site().await;
    let stranger = crate::web::support::browser();
    let login = format!("{}/login", site.url);
    let form = stranger.get(&login).send().await.unwrap().text().await.unwrap();
    let token = form.split("name=\"csrf\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let sent = [("csrf", token), ("name", "Mallory"), ("password", "guess")];
    stranger.post(&login).form(&sent).send().await.unwrap();
    for query in ["actor=mallory", "action=failed+login", "resource=mallory"] {
        let shown = page(&site, &format!("/audit?{query}")).await;
        assert_eq!(actions(&shown), ["login.failed"], "{query}");
        assert!(shown.contains("failed to log in as Mallory."), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_shows_is_exported_with_its_head_and_filter() {
    let (world, site) = site().await;
    let config = world.app.config();
    deployer::app::audit::keys::prepare(config, &world.store, world.clock.now())
        .await
        .unwrap();
    for number in 0..3 {
        let at = format!("2026-01-05T10:00:0{number}.000001Z");
        happened(&site, &at, "carol", "server.changed", Outcome::Allowed).await;
    }
    let exported = page(&site, "/audit.jsonl?actor=CAROL").await;
    let lines: Vec<serde_json::Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    let head: Head = lines[0]["head"].as_str().unwrap().parse().unwrap();
    assert!(head.is_genuine());
    assert_eq!(
        (lines[0]["filter"].as_str(), lines[0]["by"].as_str()),
        (Some("who: CAROL"), Some("admin"))
    );
    assert_eq!(lines[1]["at"], "2026-01-05T10:00:00.000001Z");
    assert_eq!(
        lines[1]["sentence"],
        "carol changed server <web1>: port: 22 → 2222."
    );
    assert_eq!(lines[4], serde_json::json!({ "events": 3, "complete": true }));

    let table = page(&site, "/audit.csv?actor=CAROL").await;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 8, "{table}");
    assert!(rows[1].starts_with("head,deployer-audit-head.1."), "{table}");
    assert_eq!(rows[2], "filter,who: CAROL");
    assert!(
        rows[4].contains("2026-01-05 10:00:00,carol changed server <web1>: port: 22 → 2222."),
        "{table}"
    );
    assert_eq!(rows[7], "complete,3 events");
    let shown = page(&site, "/audit?action=exported").await;
    assert!(
        shown.contains("admin exported the audit log as JSON Lines: who: CAROL."),
        "{shown}"
    );

    // What turns text is written out, and the proof holds.
    let at = "2026-01-05T10:00:04Z";
    happened(&site, at, "eve\u{202e}", "server.changed", Outcome::Allowed).await;
    for (path, written) in [("/audit.jsonl", "eve\\u202e"), ("/audit.csv", "eve<U+202E>")] {
        let text = page(&site, path).await;
        assert!(text.contains(written) && !text.contains('\u{202e}'), "{text}");
    }

    // A whole export proves itself as an archive does.
    let file = world.dir.path().join("whole.jsonl");
    std::fs::write(&file, page(&site, "/audit.jsonl").await).unwrap();
    let evidence = |file: &std::path::Path| Evidence {
        archives: vec![file.to_owned()],
        ..Evidence::default()
    };
    let found = prove((config, &world.store), evidence(&file)).await.unwrap();
    assert!(found.is_whole(), "{found:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("carol", "karol", 1)).unwrap();
    let found = prove((config, &world.store), evidence(&file)).await.unwrap();
    assert!(!found.is_whole());
}
