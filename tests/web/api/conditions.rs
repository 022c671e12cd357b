//! Changes by several programs at once, and requests that are sent twice.

use serde_json::json;

use super::support::Program;
use crate::web::support::{Options, TestSite};

async fn site() -> (TestSite, Program) {
    let site = TestSite::start_with(Options {
        policy: Some("g, root, role:sysadmin"),
        ..Options::default()
    })
    .await;
    site.add_user("admin").await;
    let admin = Program::of(&site, "admin").await;
    (site, admin)
}

#[tokio::test]
async fn nobody_overwrites_what_somebody_else_changed() {
    let (_site, admin) = site().await;
    let new = json!({ "name": "web1", "address": "192.0.2.1" });
    let made = admin.post("/servers", &new).await;
    assert_eq!(made.location, "/api/v1/servers/web1");
    assert_eq!(made.with(201)["port"], 22);
    let read = admin.get("/servers/web1").await;
    let send = |version: Option<&str>, port: u16| {
        let mut request = admin
            .request("PATCH", "/servers/web1")
            .header("content-type", "application/json");
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        admin.send(request.body(json!({ "port": port }).to_string()))
    };
    send(None, 23).await.problem(428, "precondition-required");
    let changed = send(Some(&read.etag), 2222).await.with(200);
    assert_eq!(
        (&changed["port"], &changed["address"]),
        (&json!(2222), &json!("192.0.2.1"))
    );
    send(Some(&read.etag), 24).await.problem(412, "stale");
    assert_eq!(admin.get("/servers/web1").await.body["port"], 2222);
    let odd = admin
        .patch(
            "/servers/web1",
            &json!({ "port": 0, "name": "a b", "via": ["x"] }),
        )
        .await;
    let odd = odd.problem(422, "invalid");
    assert_eq!(odd["errors"].as_array().unwrap().len(), 3, "{odd}");
    let stale = admin
        .request("DELETE", "/servers/web1")
        .header("if-match", &read.etag);
    admin.send(stale).await.problem(412, "stale");
    admin.delete("/servers/web1").await.with(204);
    admin.get("/servers/web1").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_request_that_is_sent_twice_is_done_once() {
    let (site, admin) = site().await;
    let send = |key: &'static str, name: &'static str| {
        let request = admin.request("POST", "/servers").header("idempotency-key", key);
        let body = json!({ "name": name, "address": format!("{name}.example") }).to_string();
        admin.send(request.header("content-type", "application/json").body(body))
    };
    let first = send("job-1", "web1").await;
    let again = send("job-1", "web1").await;
    assert_eq!(
        (again.status, &again.text, &again.location),
        (201, &first.text, &first.location)
    );
    let events = site.audited().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event.starts_with("server.added"))
            .count(),
        1,
        "{events:#?}"
    );
    send("job-1", "web2").await.problem(422, "key-reused");
    send("job-2", "web2").await.with(201);
    // What was refused is not kept: it may be corrected and sent again.
    send("job-3", "web2").await.problem(422, "invalid");
    send("job-3", "web3").await.with(201);
    // The key of somebody else is another one.
    site.add_user("root").await;
    let other = Program::of(&site, "root").await;
    let request = other
        .request("POST", "/servers")
        .header("idempotency-key", "job-1");
    let body = json!({ "name": "web4", "address": "web4.example" }).to_string();
    other
        .send(request.header("content-type", "application/json").body(body))
        .await
        .with(201);
    let odd = admin
        .request("POST", "/servers")
        .header("idempotency-key", " ")
        .body("{}");
    admin
        .send(odd.header("content-type", "application/json"))
        .await
        .problem(400, "bad-request");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_kept() {
    let (site, admin) = site().await;
    let send = || {
        let request = admin
            .request("POST", "/users")
            .header("idempotency-key", "new-user");
        let body = json!({ "name": "ada" }).to_string();
        admin.send(request.header("content-type", "application/json").body(body))
    };
    let made = send().await.with(201);
    let password = made["password"].as_str().unwrap().to_owned();
    let again = send().await.problem(409, "conflict");
    assert!(!again.to_string().contains(&password));
    let file = site.app.config().data_dir.join("deployer.db");
    let stored = std::fs::read(file).unwrap();
    let is_there = stored
        .windows(password.len())
        .any(|part| part == password.as_bytes());
    assert!(!is_there);
}
