//! `/activity`: what runs, what waits for what, what failed; and the stream that renews it.

use std::time::Duration;

use deployer::domain::{DeploymentId, DeploymentState as S};
use deployer::store::queue;
use reqwest::Response;

use super::support::{asked, past, project, queued, server, site_for};
use crate::support::store::{LEASE, deployment};
use crate::web::support::TestSite;

/// Longer than the pause between two messages, on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Longer than a second message about a burst would take.
const QUIET: Duration = Duration::from_millis(600);
/// How many changes come at once.
const BURST: i64 = 1000;

async fn text(site: &TestSite, path: &str) -> String {
    let answer = site.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn a_waiting_deployment_says_for_what_and_hides_what_the_viewer_may_not_see() {
    let site = site_for("alice").await;
    let host = server(&site, "web1").await;
    let (blog, blogs) = project(&site, "blog", &["prod"]).await;
    let (shop, shops) = project(&site, "shop", &["beta", "prod"]).await;
    let now = deployer::clock::Clock::System.now();
    let on_host = |project, environment| {
        let mut new = deployment(project, environment, std::slice::from_ref(&host));
        new.deployment.queued_at = now;
        new
    };
    let running = queued(&site, &on_host(&blog, &blogs[0])).await;
    queue::claim(&site.store, "tester", now, LEASE)
        .await
        .unwrap()
        .expect("it can begin");
    let waiting = queued(&site, &on_host(&shop, &shops[0])).await;
    let behind = queued(&site, &on_host(&shop, &shops[0])).await;
    let mut failed = asked(&shop, &shops[0], 2);
    failed.deployment.queued_at = now;
    let failed = past(&site, vec![(failed, S::Failed)]).await[0];

    let page = text(&site, "/activity").await;
    assert!(
        page.contains("Nothing is running"),
        "the blog is not alice's to see"
    );
    assert!(page.contains(&format!("deployment {}", running.id)));
    assert!(!page.contains(&format!("/deployments/{}\"", running.id)) && !page.contains("blog"));
    assert!(page.contains(&format!(
        "href=\"/deployments/{}\">deployment {}</a>",
        waiting.id, waiting.id
    )));
    for id in [waiting.id, behind.id, failed] {
        assert!(page.contains(&format!("id=\"d{id}\"")), "{id}");
    }
    let first = text(&site, &format!("/deployments/{}", waiting.id)).await;
    assert!(
        first.contains("First in the queue.")
            && first.contains(&format!("Waiting for deployment {} to finish.", running.id)),
        "{first}"
    );
    let second = text(&site, &format!("/deployments/{}", behind.id)).await;
    assert!(
        second.contains("Number 2 in the queue.")
            && second.contains(&format!("deployment {}</a> of shop/beta", waiting.id)),
        "{second}"
    );
    let only = text(&site, "/activity?show=failed").await;
    assert!(
        only.contains(&format!("id=\"d{failed}\"")) && !only.contains(&format!("id=\"d{}\"", waiting.id))
    );

    site.post("/logout", &[]).await;
    let site_of_admin = site.log_in("admin", crate::web::support::PASSWORD).await;
    assert_eq!(site_of_admin.status(), 303);
    let page = text(&site, "/activity").await;
    assert!(page.contains(&format!("id=\"d{}\"", running.id)) && page.contains("0 of 1"));
    assert_eq!(site.get("/activity?show=odd").await.status(), 400);
}

/// The next message of a stream that is not a sign of life.
async fn next(stream: &mut Response) -> Option<String> {
    let chunk = tokio::time::timeout(SOON, stream.chunk()).await.ok()?;
    Some(String::from_utf8(chunk.unwrap()?.to_vec()).unwrap())
}

async fn listen(site: &TestSite, path: &str, last_id: Option<&str>) -> Response {
    let mut request = site.browser.get(format!("{}{path}", site.url));
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let stream = request.send().await.unwrap();
    assert_eq!(
        crate::web::support::header(&stream, "content-type"),
        "text/event-stream"
    );
    stream
}

fn id_of(message: &str) -> String {
    message
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_burst_of_changes_is_one_message_and_a_page_hears_what_it_missed() {
    let site = site_for("alice").await;
    project(&site, "shop", &["beta"]).await;
    let page = text(&site, "/activity").await;
    let (_, rest) = page.split_once("hx-sse:connect=\"").expect("the page listens");
    let live = rest.split_once('"').unwrap().0.to_owned();

    let mut stream = listen(&site, &live, None).await;
    // More than anybody between the engine and a page keeps.
    for number in 0..BURST {
        site.hub.changed(DeploymentId(number));
    }
    let first = next(&mut stream).await.expect("a message");
    assert!(
        first.contains("event: changed\n") && first.ends_with("\n\n"),
        "{first}"
    );
    assert_eq!(first.matches("event: ").count(), 1, "{first}");
    let more = tokio::time::timeout(QUIET, stream.chunk()).await;
    assert!(more.is_err(), "{more:?}");
    drop(stream);

    // Whoever lost the connection before hears it at once; whoever knows waits.
    let mut late = listen(&site, &live, None).await;
    let told = next(&mut late).await.expect("what was missed");
    assert_eq!(id_of(&told), id_of(&first));
    let mut current = listen(&site, &live, Some(&id_of(&told))).await;
    let more = tokio::time::timeout(QUIET, current.chunk()).await;
    assert!(more.is_err(), "{more:?}");
    site.hub.changed(DeploymentId(1));
    assert!(
        next(&mut current)
            .await
            .expect("a message")
            .contains("event: changed")
    );
}
