//! What is wrong with a request is told in the words of the program, never in those of a library.

use serde_json::json;

use super::support::Program;
use crate::web::support::{Options, TestSite, header};

const POLICY: &str = "g, dora, role:developer";

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for name in ["admin", "dora"] {
        site.add_user(name).await;
    }
    crate::history::support::project(&site, "shop", &["dev"]).await;
    site
}

#[tokio::test]
async fn addresses_and_methods_that_are_none_are_told() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    for odd in [
        "/nothing",
        "/",
        "",
        "/projects/shop/nothing",
        "/projects/shop/environments/dev/x/y",
    ] {
        let problem = dora.get(odd).await.problem(404, "not-found");
        assert!(
            problem["detail"].as_str().unwrap().contains("/api lists"),
            "{problem}"
        );
    }
    let sent = dora.request("PUT", "/projects").send().await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), header(&sent, "allow")),
        (405, "GET, POST, HEAD")
    );
    dora.send(dora.request("DELETE", "/account"))
        .await
        .problem(405, "method-not-allowed");
    dora.get("/projects/other").await.problem(404, "not-found");
    dora.get("/deployments/999").await.problem(404, "not-found");
    let odd = dora.get("/deployments/seven").await.problem(422, "invalid");
    assert_eq!(odd["errors"][0]["message"], "It has to be a whole number.");
    assert_eq!(odd["errors"][0]["field"], "deployment");
}

#[tokio::test]
async fn bodies_that_are_none_are_told() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    let path = "/projects/shop/environments/dev/deployments";
    let send = |kind: &'static str, body: &'static str| {
        dora.send(dora.request("POST", path).header("content-type", kind).body(body))
    };
    send("text/plain", "{}")
        .await
        .problem(415, "unsupported-media-type");
    let odd = send("application/json", "{\"commit\": ")
        .await
        .problem(400, "bad-request");
    assert_eq!(
        odd["detail"],
        "The body ends before its JSON does. Nothing was done."
    );
    let odd = send("application/json", "{commit}")
        .await
        .problem(400, "bad-request");
    assert_eq!(
        odd["detail"],
        "The body is not JSON: see line 1, column 2. Nothing was done."
    );
    let odd = send("application/json", "[]").await.problem(422, "invalid");
    assert_eq!(odd["detail"], "It has to be an object: {…}.");
    let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(2 << 20));
    let request = dora
        .request("POST", path)
        .header("content-type", "application/json");
    dora.send(request.body(large)).await.problem(413, "too-large");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_told() {
    let site = site().await;
    let dora = Program::of(&site, "dora").await;
    let path = "/projects/shop/environments/dev/deployments";
    let body =
        json!({ "comit": "x", "target": { "server": 1 }, "strategy": { "kind": "odd" }, "at": "soon" });
    let odd = dora.post(path, &body).await.problem(422, "invalid");
    let told: Vec<String> = odd["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{}: {}",
                one["field"].as_str().unwrap(),
                one["message"].as_str().unwrap()
            )
        })
        .collect();
    assert!(told[0].starts_with("at: Write an instant"), "{told:#?}");
    assert!(
        told[1].starts_with("comit: There is no such field; there are at, branch, commit,"),
        "{told:#?}"
    );
    assert!(
        told[2].starts_with("strategy.kind: It has to be one of"),
        "{told:#?}"
    );
    assert_eq!(told[3], "target.server: It has to be a text.");
    assert_eq!(told.len(), 4);
    let odd = dora
        .get("/deployments?projct=shop&limit=0")
        .await
        .problem(422, "invalid");
    assert_eq!(odd["errors"].as_array().unwrap().len(), 2, "{odd}");
    dora.send_json("DELETE", "/locks/1", &json!({ "a": 1 }))
        .await
        .problem(422, "invalid");
}

#[tokio::test]
async fn who_is_not_known_learns_how_to_be() {
    let site = site().await;
    let guest = Program::guest(&site);
    let sent = guest.request("GET", "/servers").send().await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), header(&sent, "www-authenticate")),
        (401, "Bearer")
    );
    let sent = guest.request("POST", "/locks").body("{}").send().await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), header(&sent, "www-authenticate")),
        (401, "Bearer")
    );
    let wrong = Program {
        token: "wrong".to_owned(),
        ..Program::guest(&site)
    };
    let sent = wrong.request("GET", "/account").send().await.unwrap();
    assert_eq!(
        header(&sent, "www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    wrong.get("/account").await.problem(401, "unauthenticated");
    let account = guest.get("/account").await.with(200);
    assert_eq!(
        (&account["name"], &account["is_guest"]),
        (&json!("default"), &json!(true))
    );
}

#[tokio::test]
async fn a_browser_may_ask_and_needs_the_token_of_its_page_to_act() {
    let site = site().await;
    assert_eq!(
        site.log_in("admin", crate::web::support::PASSWORD).await.status(),
        303
    );
    assert_eq!(site.get("/api/v1/account").await.status(), 200);
    let lock = format!("{}/api/v1/locks", site.url);
    let body = "{\"project\": \"shop\", \"reason\": \"Stocktaking\"}";
    let send = || {
        site.browser
            .post(&lock)
            .header("content-type", "application/json")
            .body(body)
    };
    let refused = send().send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    let token = site.token("/profile").await;
    let elsewhere = send()
        .header("x-csrf-token", &token)
        .header("origin", "https://evil.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);
    let own = send().header("x-csrf-token", &token).send().await.unwrap();
    assert_eq!(own.status(), 201, "{}", own.text().await.unwrap());
    // An Authorization header counts alone, whatever cookie comes with it.
    let both = site
        .browser
        .get(format!("{}/api/v1/account", site.url))
        .bearer_auth("wrong");
    assert_eq!(both.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_refusal_tells_the_line_of_policy_and_when_it_is_allowed() {
    let site = TestSite::start_with(Options {
        policy: Some("g, lena, role:reader"),
        ..Options::default()
    })
    .await;
    for name in ["admin", "lena"] {
        site.add_user(name).await;
    }
    crate::history::support::project(&site, "shop", &["dev"]).await;
    let lena = Program::of(&site, "lena").await;
    let refused = lena
        .post(
            "/locks",
            &json!({ "project": "shop", "environment": "dev", "reason": "x" }),
        )
        .await;
    let refused = refused.problem(403, "forbidden");
    assert_eq!(refused["action"], "lock");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .starts_with("lena may not lock shop/dev"),
        "{refused}"
    );
    assert!(refused["request_id"].as_str().is_some_and(|id| id.len() == 16));
}

#[tokio::test]
async fn who_asks_too_much_is_told_to_wait() {
    let site = TestSite::start_with(Options {
        api_requests: std::num::NonZeroU32::new(3),
        ..Options::default()
    })
    .await;
    site.add_user("admin").await;
    let guest = Program::guest(&site);
    for left in ["2", "1", "0"] {
        let sent = guest.request("GET", "/account").send().await.unwrap();
        assert_eq!(
            (sent.status().as_u16(), header(&sent, "ratelimit-remaining")),
            (200, left)
        );
        assert_eq!(header(&sent, "ratelimit-limit"), "3");
    }
    let sent = guest.request("GET", "/account").send().await.unwrap();
    assert_eq!(sent.status(), 429);
    assert!(header(&sent, "retry-after").parse::<u64>().unwrap() > 0);
    guest.get("/account").await.problem(429, "throttled");
    // Somebody else is counted by themselves.
    assert_eq!(
        Program::of(&site, "admin").await.get("/account").await.status,
        200
    );
}
