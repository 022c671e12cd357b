//! What somebody may not view is answered like what does not exist, and cannot fill the audit log.

use deployer::domain::DeploymentState;
use deployer::store::{AuditFilter, Page, audit};
use reqwest::Client;

use super::support::{Options, PASSWORD, TestSite, browser};
use crate::history::support::{asked, past, project};

/// Rita sees dev of the shop, and nothing else.
/// Vera audits all but the vault.
const POLICY: &str = "p, rita, shop, dev, view, always, allow
p, vera, *, *, audit, always, allow
p, vera, vault, *, view, always, deny";

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    site.add_user("rita").await;
    site.add_user("stranger").await;
    let (shop, places) = project(&site, "shop", &["dev", "prod"]).await;
    let done = asked(&shop, &places[1], 1);
    past(&site, vec![(done, DeploymentState::Succeeded)]).await;
    site
}

/// The status of an answer and what it says, without the address that it leads back to.
async fn answer(site: &TestSite, client: &Client, token: &str, method: &str, path: &str) -> (u16, String) {
    let url = format!("{}{path}", site.url);
    let request = match method {
        "GET" => client.get(url),
        _ => client
            .post(url)
            .form(&[("csrf", token), ("answer", "resume"), ("to", "later")]),
    };
    let answer = request.send().await.unwrap();
    if method == "POST" {
        // Takes the messages, which belong to the next page.
        client.get(format!("{}/profile", site.url)).send().await.unwrap();
    }
    let status = answer.status().as_u16();
    if status == 403 {
        // What was refused may be viewed; its page has the time of the refusal.
        return (status, String::new());
    }
    let said = answer.text().await.unwrap();
    let said = said
        .split_once("<main")
        .map_or(said.as_str(), |(_, main)| main)
        .to_owned();
    let next = said.find("/login?next=").map(|at| {
        let end = said[at..].find('"').map_or(said.len(), |length| at + length);
        said[at..end].to_owned()
    });
    (status, next.map_or(said.clone(), |next| said.replace(&next, "")))
}

async fn token(site: &TestSite, client: &Client, path: &str) -> String {
    let page = client.get(format!("{}{path}", site.url)).send().await.unwrap();
    let page = page.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn assert_alike(site: &TestSite, client: &Client, token: &str, hidden: [&str; 3], missing: [&str; 3]) {
    let fill = |pattern: &str, [project, environment, id]: [&str; 3]| {
        pattern
            .replace(":project", project)
            .replace(":environment", environment)
            .replace(":server", "web1")
            .replace(":id", id)
    };
    let mut seen = 0;
    for (method, pattern) in deployer::web::entries() {
        let concerns = pattern.contains(":project") || pattern.starts_with("/deployments/:id");
        if !concerns || (hidden[0] == missing[0] && !pattern.contains(":environment")) {
            continue;
        }
        let there = answer(site, client, token, method, &fill(&pattern, hidden)).await;
        let not = answer(site, client, token, method, &fill(&pattern, missing)).await;
        assert_eq!(there, not, "{method} {pattern}");
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_viewed_does_not_exist() {
    let site = site().await;
    let guest = browser();
    let login = token(&site, &guest, "/login").await;
    assert_alike(
        &site,
        &guest,
        &login,
        ["shop", "prod", "1"],
        ["nope", "none", "99"],
    )
    .await;
    let page = site.get("/projects/shop").await;
    assert_eq!(page.status(), 404);
    let page = page.text().await.unwrap();
    assert!(page.contains("/login?next=%2Fprojects%2Fshop"), "{page}");
    assert!(page.contains("Log in to see this page."), "{page}");
    assert!(!page.contains("does not exist"), "nothing is said of it: {page}");

    site.log_in("stranger", PASSWORD).await;
    let profile = token(&site, &site.browser, "/profile").await;
    assert_alike(
        &site,
        &site.browser,
        &profile,
        ["shop", "prod", "1"],
        ["nope", "none", "99"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_project_only_what_may_be_viewed_exists() {
    let site = site().await;
    site.log_in("rita", PASSWORD).await;
    let profile = token(&site, &site.browser, "/profile").await;
    assert_eq!(site.get("/projects/shop/dev").await.status(), 200);
    assert_alike(
        &site,
        &site.browser,
        &profile,
        ["shop", "prod", "1"],
        ["shop", "none", "99"],
    )
    .await;
    assert_eq!(site.get("/deployments/1").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_refusal_is_recorded_once_and_then_counted() {
    let site = site().await;
    for _ in 0..50 {
        site.get("/projects/shop/prod").await;
    }
    site.get("/projects/shop/dev").await;
    let refused = |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with("view.refused"));
    let told: Vec<String> = refused(site.audited().await).collect();
    assert_eq!(told, ["view.refused shop/dev", "view.refused shop/prod"]);

    site.app.record_repeated_refusals(site.app.now()).await.unwrap();
    let page = audit::list(&site.store, &AuditFilter::default(), Page::Newest, 1).await;
    let event = page.unwrap().items.remove(0).event;
    assert_eq!(
        (event.resource.as_str(), &event.detail["repeated"]),
        ("shop/prod", &49.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_nothing_of_what_its_reader_may_not_view() {
    let site = site().await;
    site.add_user("vera").await;
    project(&site, "vault", &["dev"]).await;
    site.log_in("stranger", PASSWORD).await;
    for path in ["/projects/vault/dev", "/projects/vault", "/projects/shop/dev"] {
        site.get(path).await;
    }
    site.post_at("/profile", "/logout").await;
    site.log_in("vera", PASSWORD).await;
    for query in ["", "?resource=vault%2Fdev", "?resource=vault", "?actor=stranger"] {
        let log = site.get(&format!("/audit{query}")).await.text().await.unwrap();
        let rows = log.split_once("<table").map_or("", |(_, rows)| rows);
        assert!(!rows.contains("vault"), "{query}: {rows}");
    }
    let log = site.get("/audit").await.text().await.unwrap();
    assert!(log.contains("shop/dev"), "{log}");
}

/// Dora may approve at dev and Paula configures it; Rita sees it. Bella is disabled, and ci is a program.
const HOLDERS: &str = "p, rita, shop, dev, view, always, allow
p, dora, shop, *, configure, always, allow
p, bella, shop, *, configure, always, allow
p, ci, shop, *, configure, always, allow
p, paula, shop, *, configure, always, allow
p, nosy, shop, prod, view, always, allow";

#[tokio::test]
async fn a_refusal_names_some_who_may() {
    let policy = Some(HOLDERS);
    let mut site = TestSite::start_with(Options {
        policy,
        ..Options::default()
    })
    .await;
    for name in ["rita", "dora", "bella", "paula", "nosy"] {
        site.add_user(name).await;
    }
    project(&site, "shop", &["dev", "prod"]).await;
    let operator = super::support::operator();
    deployer::app::accounts::set_disabled(&site.store, &operator, "bella", true)
        .await
        .unwrap();
    let ask = async |site: &mut TestSite, name: &str, json: bool| {
        site.browser = browser();
        site.log_in(name, PASSWORD).await;
        let token = site.token("/profile").await;
        let request = site.browser.post(format!("{}/projects/shop/dev/lock", site.url));
        let fields = [("csrf", token.as_str()), ("reason", "mine"), ("until", "")];
        let request = request.form(&fields);
        let request = match json {
            true => request.header("accept", "application/json"),
            false => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, page) = ask(&mut site, "rita", false).await;
    assert_eq!(status, 403);
    let told = page
        .split_once("Who may")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let told = told
        .split_once("Decided")
        .map(|(told, _)| told)
        .unwrap_or_default();
    for (name, is_named) in [
        ("dora", true),
        ("paula", true),
        ("bella", false),
        ("ci", false),
        ("rita", false),
    ] {
        assert_eq!(
            told.contains(&format!("<span>{name}</span>")),
            is_named,
            "{name}: {page}"
        );
    }
    let (_, json) = ask(&mut site, "rita", true).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["error"]["refusal"]["ask"],
        serde_json::json!(["dora", "paula"])
    );
    // Whoever may not see the place learns nothing.
    let (status, page) = ask(&mut site, "nosy", false).await;
    assert_eq!(status, 404);
    assert!(!page.contains("dora") && !page.contains("paula"), "{page}");
}
