//! Open streams of somebody who loses the right to them end within seconds, whatever the reason.

use std::time::Duration;

use deployer::app::accounts::{self, Keeping};
use deployer::domain::User;
use deployer::store::users;
use reqwest::Response;

use super::streams::Work;
use super::support::site_for;
use crate::support::store::{bring_in, change};
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite, operator};

/// The promise, and a busy machine.
const SOON: Duration = Duration::from_secs(5 + 3);

async fn open(site: &TestSite, path: &str) -> Response {
    let request = site.browser.get(format!("{}{path}", site.url));
    let answer = request
        .header("cookie", site.session_cookie())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer
}

/// Reads a stream to its end, which says that it is one for good.
async fn assert_ends(stream: &mut Response, why: &str) {
    let mut text = String::new();
    let reading = async {
        while let Some(bytes) = stream.chunk().await.unwrap() {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    let ended = tokio::time::timeout(SOON, reading).await;
    assert!(ended.is_ok(), "{why}: it goes on: {text}");
    assert!(text.ends_with("event: end\ndata: end\n\n"), "{why}: {text}");
}

/// Alice watches a deployment and all changes; `meanwhile` takes her right.
async fn ended_by(why: &str, meanwhile: impl AsyncFnOnce(&TestSite, User)) {
    let site = site_for("alice").await;
    let work = Work::begin(&site).await;
    let path = format!("/deployments/{}/events", work.deployment());
    let mut streams = [open(&site, &path).await, open(&site, "/live").await];
    let alice = users::by_name(&site.store, "alice").await.unwrap();
    meanwhile(&site, alice).await;
    let [one, all] = &mut streams;
    tokio::join!(assert_ends(one, why), assert_ends(all, why));
}

async fn changed(site: &TestSite, user: User) {
    let tx = change(&site.store).await;
    users::update(&tx, &user).await.unwrap();
    bring_in(tx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_soon_after_the_account_lost_them() {
    let disabled = ended_by("disabled", async |site: &TestSite, mut alice: User| {
        alice.disabled = true;
        changed(site, alice).await;
    });
    let renamed = ended_by("renamed", async |site: &TestSite, mut alice: User| {
        alice.name = "alina".parse().unwrap();
        changed(site, alice).await;
    });
    let deleted = ended_by("deleted", async |site: &TestSite, alice: User| {
        let tx = change(&site.store).await;
        users::delete(&tx, alice.id).await.unwrap();
        bring_in(tx).await;
    });
    let password = ended_by("another password", async |site: &TestSite, _: User| {
        let new = format!("{PASSWORD} again");
        accounts::set_password(&site.store, &operator(), "alice", new, Keeping::ForGood)
            .await
            .unwrap();
    });
    let logged_out = ended_by("logged out elsewhere", async |site: &TestSite, _: User| {
        site.post("/logout", &[]).await;
    });
    tokio::join!(disabled, renamed, deleted, password, logged_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_soon_after_policy_took_them() {
    const LINE: &str = "p, alice, shop, *, view, always, allow";
    let world = World::project().workers(0).policy(LINE).start().await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("alice").await;
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 303);
    let mut stream = open(&site, "/live").await;

    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(LINE, "")).unwrap();
    world.parts.access.reload().unwrap();

    assert_ends(&mut stream, "policy").await;
}
