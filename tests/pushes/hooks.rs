//! What a hook answers, whatever is sent to it.

use deployer::app::pushes;
use deployer::domain::{PushState, ReceivedPush};
use serde_json::json;

use super::{Pushed, still, until};

const AUTO: &str = "p, auto, shop, dev, deploy, always, allow";

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_secret_is_refused_and_leaves_one_row() {
    let pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await;
    let unknown = format!("{}/hooks/{}", pushed.site.url, "a".repeat(40));
    for url in [unknown, format!("{}/hooks/x", pushed.site.url)] {
        let answer = pushed.site.browser.post(url).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 404);
    }
    for number in 0..50 {
        let request = pushed.site.browser.post(pushed.address());
        let request = match number % 3 {
            0 => request.header("x-hub-signature-256", format!("sha256={}", "0".repeat(64))),
            1 => request.header("authorization", "Bearer dpl_guessed"),
            _ => request,
        };
        let answer = request.body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let text = answer.text().await.unwrap();
        assert!(text.ends_with(".\n") && !text.contains('<'), "{text}");
    }
    let refused: Vec<ReceivedPush> = pushed.pushes().await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].state, PushState::Refused);
    let told = pushed.site.audited().await;
    assert!(!told.iter().any(|event| event.starts_with("token.")), "{told:?}");
    let asked = pushed.site.browser.get(pushed.address()).send().await.unwrap();
    assert_eq!(asked.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_but_no_push_is_answered_with_a_sentence() {
    let pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await;
    for (body, status) in [
        (json!({ "ref": "refs/tags/v1" }), 202),
        (json!({ "ref": 7 }), 400),
        (json!([]), 400),
        (json!({ "ref": "refs/heads/a..b" }), 400),
    ] {
        let answer = pushed.send(&body).await;
        assert_eq!(answer.status(), status, "{body}");
        let said = answer.text().await.unwrap();
        assert!(said.ends_with(".\n"), "{said}");
        assert_eq!(pushed.pushes().await[0].outcome, said.trim_end());
    }
    // A form, as a hook of GitHub sends it that was set up so.
    let payload = json!({ "ref": "refs/heads/main", "after": "a".repeat(40) }).to_string();
    let bearer = format!("Bearer {}", pushed.hook.secret);
    let program = |body: String| {
        let request = pushed.site.browser.post(pushed.address());
        request.header("authorization", bearer.clone()).body(body).send()
    };
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", r#"{"branch":"main"}"#)
        .finish();
    let request = pushed.site.browser.post(pushed.address());
    let request = request
        .header("authorization", bearer.clone())
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(form).send().await.unwrap().status(), 202);
    assert_eq!(program(payload).await.unwrap().status(), 400);
    let named = r#"{"branch": "main", "commit": "abc"}"#.to_owned();
    assert_eq!(program(named).await.unwrap().status(), 400);
    let large = format!("{{\"branch\": \"main\", \"x\": \"{}\"}}", "x".repeat(3 << 20));
    assert_eq!(program(large).await.unwrap().status(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_refused() {
    let pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await;
    let pieces = (0..26 * 16).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 64 * 1024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = pushed.site.browser.post(pushed.address()).body(body).send().await;
    // The server may close the connection before all was sent.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(pushed.pushes().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_pushes_at_once_are_taken_and_fetched_together() {
    let mut pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await.watched().await;
    let commit = pushed.commit("index.html", "Many");
    let before = pushes::fetched_so_far(&pushed.world.app);
    let (sent, started) = (0..300, std::time::Instant::now());
    let all = sent.map(|_| pushed.push(&commit));
    futures_util::future::join_all(all).await;
    let took = started.elapsed();
    let done = async || {
        let received = deployer::store::pushes::received(&pushed.world.store, &[]).await;
        received.unwrap().is_empty().then_some(())
    };
    until("all are handled", done).await;
    let fetches = pushes::fetched_so_far(&pushed.world.app) - before;
    // One at once, and one for each two seconds that sending took.
    assert!(fetches <= 2 + took.as_secs() / 2, "{fetches} fetches in {took:?}");
    assert_eq!(pushed.deployments().await.len(), 1);
    assert_eq!(pushed.pushes().await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_away_is_fetched_later() {
    let mut pushed = Pushed::to_dev(still(AUTO).await, |_| {}).await.watched().await;
    let commit = pushed.commit("index.html", "Later");
    let (here, away) = (
        pushed.world.repository.path(),
        pushed.world.dir.path().join("away"),
    );
    std::fs::rename(&here, &away).unwrap();
    pushed.push(&commit).await;
    let told = async || {
        let last = pushed.pushes().await.into_iter().next();
        last.filter(|push| push.outcome.starts_with("Not fetched yet"))
    };
    assert_eq!(until("it fails", told).await.state, PushState::Received);
    std::fs::rename(&away, &here).unwrap();
    until("it is deployed", async || pushed.deployments().await.pop()).await;
}
