//! Lists in pages, and answers that are kept.

use deployer::domain::DeploymentState;
use serde_json::Value;

use super::support::Program;
use crate::history::support::{asked, past, project};
use crate::web::support::{Options, TestSite};

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some("g, dora, role:developer"),
        ..Options::default()
    })
    .await;
    for name in ["admin", "dora"] {
        site.add_user(name).await;
    }
    let (shop, places) = project(&site, "shop", &["dev"]).await;
    let all = (1..=5).map(|number| (asked(&shop, &places[0], number), DeploymentState::Succeeded));
    past(&site, all.collect()).await;
    site
}

fn ids(page: &Value) -> Vec<i64> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    let mut path = "/deployments?limit=2&project=shop".to_owned();
    let mut all = Vec::new();
    loop {
        let page = dora.get(&path).await;
        all.extend(ids(&page.body));
        let Some((next, _)) = page.link.split_once('>') else {
            assert_eq!(page.body.get("next"), None);
            break;
        };
        assert!(next.contains(page.body["next"].as_str().unwrap()));
        path = next.strip_prefix("</api/v1").unwrap().to_owned();
    }
    assert_eq!(all, [5, 4, 3, 2, 1]);
    let first = dora.get("/deployments?limit=2").await.body;
    let cursor = first["next"].as_str().unwrap();
    for other in [
        "/deployments?state=failed&cursor=",
        "/deployments?project=shop&cursor=",
    ] {
        dora.get(&format!("{other}{cursor}"))
            .await
            .problem(400, "bad-cursor");
    }
    let admin = Program::of(&site, "admin").await;
    admin
        .get(&format!("/audit?cursor={cursor}"))
        .await
        .problem(400, "bad-cursor");
    dora.get("/deployments?cursor=nonsense")
        .await
        .problem(400, "bad-cursor");
    let none = dora
        .get("/deployments?state=failed&state=cancelled")
        .await
        .with(200);
    assert_eq!(ids(&none), [0_i64; 0]);
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    let first = dora.get("/deployments/1").await;
    assert_eq!(first.body["deployment"]["state"], "succeeded");
    let again = dora
        .request("GET", "/deployments/1")
        .header("if-none-match", &first.etag);
    let again = dora.send(again).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let other = dora
        .request("GET", "/deployments/2")
        .header("if-none-match", &first.etag);
    assert_eq!(dora.send(other).await.status, 200);
    let head = dora.send(dora.request("HEAD", "/deployments/1")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn answers_have_what_pages_have() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    let admin = Program::of(&site, "admin").await;
    let projects = dora.get("/projects").await.with(200);
    assert_eq!(projects["items"][0]["name"], "shop");
    assert_eq!(projects["items"][0]["environments"][0]["name"], "dev");
    let place = dora.get("/projects/shop/environments/dev").await.with(200);
    assert_eq!(place["deploy"]["allowed"], true, "{place}");
    assert_eq!(place["deployments"][0], 5);
    let may = dora
        .get("/permissions/may?action=deploy&place=shop/dev")
        .await
        .with(200);
    assert_eq!(
        (&may["allowed"], &may["line"]["file"]),
        (&true.into(), &"policy.csv".into()),
        "{may}"
    );
    let who = admin.get("/permissions/who?place=shop/dev").await.with(200);
    assert!(who["items"][0]["rows"].as_array().unwrap().len() > 1, "{who}");
    let audit = admin.get("/audit?limit=1&action=token").await.with(200);
    assert_eq!(audit["items"][0]["action"], "token.made", "{audit}");
    assert!(
        audit["items"][0]["sentence"].as_str().unwrap().contains("ci"),
        "{audit}"
    );
    let account = dora.get("/account").await.with(200);
    assert_eq!(
        (&account["name"], &account["token"]["name"]),
        (&"dora".into(), &"ci".into())
    );
    for path in ["/calendar", "/activity", "/drift", "/health", "/locks"] {
        dora.get(path).await.with(200);
    }
    for path in [
        "/servers",
        "/clusters",
        "/balancers",
        "/users",
        "/instances",
        "/audit/head",
    ] {
        admin.get(path).await.with(200);
    }
    let log = dora.get("/deployments/1/log").await;
    assert_eq!(
        (log.status, log.kind.as_str()),
        (200, "text/plain; charset=utf-8")
    );
}
