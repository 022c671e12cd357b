//! A whole installation over the API alone: from nothing to a deployment, its log, and back.

use serde_json::{Value, json};

use super::support::{Program, token};
use crate::support::world::World;
use crate::web::support::TestSite;

/// Asks over HTTP what `world` does.
async fn served(world: &World) -> (TestSite, Program) {
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    let program = Program {
        token: token(&world.app, "admin").await,
        ..Program::guest(&site)
    };
    (site, program)
}

/// Takes away what the world has, and makes all of it anew.
async fn from_nothing(world: &World, admin: &Program) {
    admin.delete("/projects/shop/settings").await.with(204);
    admin.delete("/clusters/cluster1").await.with(204);
    admin.delete("/servers/web1").await.with(204);
    for list in ["/projects", "/clusters", "/servers"] {
        assert_eq!(admin.get(list).await.with(200)["items"], json!([]), "{list}");
    }
    let project = json!({ "name": "shop", "git_url": world.repository.url(), "description": "Sells" });
    admin.post("/projects", &project).await.with(201);
    let sshd = &world.servers[0];
    let server = json!({ "name": "front1", "address": "127.0.0.1", "port": sshd.port });
    admin.post("/servers", &server).await.with(201);
    let shown = admin.get("/servers/front1/host-key").await.with(200);
    assert_eq!(shown["fingerprint"], sshd.host_key.fingerprint);
    let other = json!({ "openssh": "ssh-ed25519 AAAA" });
    admin
        .post("/servers/front1/host-key", &other)
        .await
        .problem(409, "conflict");
    let trusted = admin
        .post(
            "/servers/front1/host-key",
            &json!({ "openssh": shown["openssh"] }),
        )
        .await;
    assert_eq!(trusted.with(200)["trusted"], true);
    let cluster = json!({ "name": "front", "servers": [{ "server": "front1" }], "projects": ["shop"] });
    admin.post("/clusters", &cluster).await.with(201);
    for (name, position) in [("beta", 1), ("prod", 2)] {
        let environment = json!({
            "name": name, "branch": "main", "target_path": format!("~/{name}/shop"), "remote_user": sshd.user,
            "position": position, "clusters": ["front"], "strategy": { "kind": "rolling", "batch": "1" },
            "variables": { "GREETING": { "value": "hello" }, "TOKEN": { "value": "verysecret", "secret": true } },
        });
        let made = admin.post("/projects/shop/environments", &environment).await;
        assert_eq!(
            made.location,
            format!("/api/v1/projects/shop/environments/{name}")
        );
        let made = made.with(201);
        assert_eq!(made["variables"]["TOKEN"], json!({ "secret": true }));
    }
}

fn deployed(requested: &Value) -> (&Value, i64) {
    (
        &requested["view"]["deployment"],
        requested["id"].as_i64().unwrap(),
    )
}

const BETA: &str = "/projects/shop/environments/beta";

/// Plans and deploys `commit`, with a key, and gives the deployment's number.
async fn deploy_first(admin: &Program, commit: &str) -> i64 {
    let plan = admin.post(&format!("{BETA}/plan"), &json!({})).await.with(200);
    assert_eq!(plan["batches"][0]["servers"], json!(["front1"]), "{plan}");
    let wanted = json!({ "commit": commit, "reason": "The first" });
    let request = admin.request("POST", &format!("{BETA}/deployments?wait=60"));
    let request = request
        .header("idempotency-key", "first")
        .header("content-type", "application/json");
    let again = request.try_clone().unwrap().body(wanted.to_string());
    let done = admin.send(request.body(wanted.to_string())).await.with(202);
    let (deployment, id) = deployed(&done);
    assert_eq!(deployment["state"], "succeeded", "{done}");
    assert_eq!(done["view"]["servers"][0]["state"], "succeeded");
    assert_eq!(admin.send(again).await.with(202)["id"], id);
    id
}

/// Reads the log of deployment `id` in each form.
async fn read_log(admin: &Program, id: i64) {
    let log = admin.get(&format!("/deployments/{id}/log")).await;
    assert!(
        log.text.contains("hello ") && !log.text.contains("verysecret"),
        "{}",
        log.text
    );
    let events = admin
        .request("GET", &format!("/deployments/{id}/log"))
        .header("accept", "text/event-stream");
    let events = admin.send(events.header("last-event-id", "2")).await;
    assert!(events.text.starts_with("id: 3\nevent: line\n"), "{}", events.text);
    assert!(
        events
            .text
            .ends_with("event: end\ndata: {\"state\":\"succeeded\"}\n\n"),
        "{}",
        events.text
    );
    let lines = admin.request("GET", &format!("/deployments/{id}/log?after=1&server=front1"));
    let lines = admin.send(lines.header("accept", "application/x-ndjson")).await;
    let line: Value = serde_json::from_str(lines.text.lines().next().unwrap()).unwrap();
    assert_eq!(line["server"], "front1", "{}", lines.text);
}

/// Deploys the newest commit, promotes it and goes back to `first`.
async fn go_on_and_back(admin: &Program, [first, second]: [&str; 2]) {
    let commits = admin
        .get("/projects/shop/environments/prod/commits")
        .await
        .with(200);
    let deployable: Vec<_> = (0..2).map(|at| &commits["items"][at]["deployable"]).collect();
    assert_eq!(deployable, [&json!(false), &json!(true)], "{commits}");
    let diff = admin
        .get(&format!("/projects/shop/diff?from={first}&to={second}"))
        .await
        .with(200);
    assert_eq!(diff["files"][0]["path"], "page", "{diff}");
    let done = admin
        .post(&format!("{BETA}/deployments?wait=60"), &json!({}))
        .await
        .with(202);
    let (deployment, id) = deployed(&done);
    assert_eq!(
        (&deployment["state"], &deployment["commit"]),
        (&json!("succeeded"), &json!(second)),
        "{done}"
    );
    let live = admin.get(&format!("{BETA}/servers/front1")).await.with(200);
    assert_eq!(live["release"]["commit"], second);
    let path = format!("/deployments/{id}/promote?wait=60");
    let promoted = admin
        .post(&path, &json!({ "environment": "prod" }))
        .await
        .with(202);
    assert_eq!(deployed(&promoted).0["state"], "succeeded", "{promoted}");
    let back = admin
        .post(
            &format!("/deployments/{id}/rollback?wait=60"),
            &json!({ "reason": "Slow" }),
        )
        .await;
    let back = back.with(202);
    let (deployment, _) = deployed(&back);
    assert_eq!(
        (&deployment["state"], &deployment["commit"]),
        (&json!("succeeded"), &json!(first)),
        "{back}"
    );
    assert_eq!(deployment["kind"], "rollback");
    admin
        .post(&format!("/deployments/{id}/cancel"), &json!({}))
        .await
        .problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sets_everything_up_deploys_and_goes_back() {
    let mut world = World::simple().await;
    let (_site, admin) = served(&world).await;
    from_nothing(&world, &admin).await;
    world.script("deploy.sh", "echo \"$GREETING $TOKEN from $1\"");
    world.repository.write("page", "one");
    let first = world.repository.commit("One");
    admin.post("/projects/shop/fetch", &json!({})).await.with(200);
    let id = deploy_first(&admin, &first).await;
    read_log(&admin, id).await;
    world.repository.write("page", "two");
    let second = world.repository.commit("Two");
    admin.post("/projects/shop/fetch", &json!({})).await.with(200);
    go_on_and_back(&admin, [&first, &second]).await;

    let lock = json!({ "project": "shop", "environment": "beta", "reason": "Stocktaking" });
    let lock = admin.post("/locks", &lock).await.with(201);
    admin
        .post(&format!("{BETA}/deployments"), &json!({}))
        .await
        .problem(409, "conflict");
    admin
        .send(admin.request("DELETE", &format!("/locks/{}", lock["id"])))
        .await
        .with(204);
}
