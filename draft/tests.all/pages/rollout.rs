//! What people see of rollouts: lanes and what is where, the acts, the plan before the deed, locks.

use deployer::app::deployments::{self, DeployRequest};
use deployer::domain::{
    Answer, CommitId, Deployment, DeploymentId, DeploymentState, EnvironmentOptions, ErrorKind, OnFailure,
    RolloutOptions, Share, Strategy,
};
use reqwest::StatusCode;

use super::support::{Pages, location, value};
use crate::support::world::{World, admin};

/// The text of the first element with this class, without its tags.
fn text(page: &str, mark: &str) -> String {
    let start = page.find(mark).unwrap_or_else(|| panic!("no {mark} in {page}"));
    let mut out = String::new();
    let mut inside = true;
    for c in page[start..].chars().take(40_000) {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rolling() -> EnvironmentOptions {
    EnvironmentOptions {
        rollout: RolloutOptions {
            strategy: Strategy::Rolling {
                batch: Share::Count(1),
                keep: None,
            },
            on_failure: OnFailure::Ask,
            ..RolloutOptions::default()
        },
        ..EnvironmentOptions::default()
    }
}

async fn two_servers(who: &str) -> (Pages, CommitId) {
    let project = World::project().clusters(&[2]).options(rolling()).workers(0);
    let mut pages = Pages::with(project, who).await;
    pages.world.repository.write("index.html", "hello");
    let commit = pages.world.commit("Greet people").await;
    (pages, commit.parse().unwrap())
}

/// An environment of two servers; the first deployment there is done.
async fn deployed(options: EnvironmentOptions) -> Pages {
    let project = World::project().clusters(&[2]).options(options);
    let mut pages = Pages::with(project, "admin").await;
    pages.world.repository.write("index.html", "hello");
    let commit = pages.world.commit("Greet people").await;
    pages.world.deploy(&commit).await;
    pages
}

/// Asks for a commit whose `deploy.sh` fails on the first server, and waits for `state`.
async fn failing(pages: &mut Pages, state: DeploymentState) -> DeploymentId {
    pages.world.script("deploy.sh", "[ \"$2\" != web1 ] || exit 3");
    let commit = pages.world.commit("Break web1").await;
    let id = pages.world.ask(World::request(&commit)).await;
    let reached = |deployment: &Deployment| deployment.state == state;
    pages.world.until(id, "it has failed on web1", reached).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_the_page_says_what_is_where_and_what_to_do() {
    let mut options = rolling();
    options.rollout.on_failure = OnFailure::Stop;
    let mut pages = deployed(options).await;
    let id = failing(&mut pages, DeploymentState::Failed).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    assert_eq!(page.matches("class=\"lane\"").count(), 1);
    let what = text(&page, "class=\"findings\"");
    assert!(
        what.contains("deploy.sh ended with")
            && what.contains("Another server failed before its turn. Not touched: it runs"),
        "{what}"
    );
    let server = pages.page("/admin/servers/1").await;
    let left = text(&server, "id=\"left-as\"");
    assert!(
        left.contains("shop/dev deployment") && left.contains("deploy.sh ended with exit code 3. It runs "),
        "{left}"
    );
    let acts = text(&page, "id=\"acts\"");
    let order = ["Failed.", "Retry web1", "Resume ", "Roll back to"];
    let places: Vec<Option<usize>> = order.iter().map(|words| acts.find(words)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "the next act comes first: {acts}"
    );

    pages.world.script("deploy.sh", "exit 0");
    let back = deployments::roll_back(&pages.world.app, &admin(), id).await;
    let back = pages.world.end(back.unwrap().id()).await;
    pages.world.assert_succeeded(&back).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    let what = text(&page, "class=\"findings\"");
    let now = format!(
        "Rolled back since to {}, by deployment {}.",
        back.commit.short(),
        back.id
    );
    let (servers, _) = what
        .split_once(" Log ")
        .expect("the log stands below the servers");
    assert!(servers.contains(&now) && !servers.contains("It runs "), "{what}");
    assert!(
        !text(&page, "id=\"acts\"").contains("Roll back to"),
        "every server runs that"
    );
    let again = deployments::roll_back(&pages.world.app, &admin(), id).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_pauses_is_a_question_with_its_answers() {
    let mut pages = deployed(rolling()).await;
    let id = failing(&mut pages, DeploymentState::Paused).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    let acts = text(&page, "id=\"acts\"");
    assert!(
        acts.contains("web1 failed.") && acts.contains("Skip them"),
        "{acts}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_a_question_with_its_answers() {
    let mut pages = deployed(rolling()).await;
    pages.world.repository.write("index.html", "good day");
    let commit = pages.world.commit("Greet people formally").await;
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let request = DeployRequest {
        strategy: Some(canary),
        ..World::request(&commit)
    };
    let id = pages.world.ask(request).await;
    let paused = |deployment: &Deployment| deployment.state == DeploymentState::Paused;
    pages.world.until(id, "the canary is done", paused).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    let acts = text(&page, "id=\"acts\"");
    assert!(
        acts.contains("Canary deployed. Is it healthy?")
            && acts.contains("Continue deploys the other server; Roll back returns web1 to"),
        "{acts}"
    );
    for answer in ["Continue", "Roll back", "Stop here"] {
        assert!(acts.contains(answer), "{answer}: {acts}");
    }
    assert!(page.contains("name=\"answer\" value=\"resume\""));
    let lanes = text(&page, "id=\"lanes\"");
    assert!(
        lanes.contains("Canary done") && lanes.contains("after the pause"),
        "{lanes}"
    );

    deployments::answer(&pages.world.app, &admin(), id, Answer::Stop)
        .await
        .unwrap();
    pages.world.end(id).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    let facts = text(&page, "id=\"facts\"");
    assert!(facts.contains("Canary stopped by"), "{facts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_second_person_says_so() {
    let options = EnvironmentOptions {
        approval_hours: Some(24),
        ..rolling()
    };
    let project = World::project().options(options).workers(0);
    let mut pages = Pages::with(project, "admin").await;
    pages.world.repository.write("index.html", "hello");
    let commit = pages.world.commit("Greet people").await;
    let id = pages.world.ask(World::request(&commit)).await;
    let page = pages.page(&format!("/deployments/{id}")).await;
    assert!(text(&page, "id=\"acts\"").contains("Waiting for approval."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_says_what_will_happen() {
    let (pages, commit) = two_servers("admin").await;
    let address = format!("/projects/shop/dev?commit={commit}");
    let page = pages.page(&address).await;
    let will = text(&page, "class=\"card-body will\"");
    assert!(will.contains("Rolling, one server at a time"), "{will}");
    assert!(
        will.contains("Batch 1 · 1 server: web1") && will.contains("Batch 2 · 1 server: web2"),
        "{will}"
    );

    let other = pages
        .page(&format!("{address}&strategy=canary&first=1&batch=1&keep=&wait="))
        .await;
    let will = text(&other, "class=\"card-body will\"");
    assert!(will.contains("waits for someone to continue"), "{will}");
    assert!(other.contains("<input type=\"hidden\" name=\"strategy\" value=\"canary\""));

    let wrong = pages.page(&format!("{address}&strategy=rolling&batch=0")).await;
    assert!(
        wrong.contains("Enter at least one server") && wrong.contains("value=\"0\""),
        "what was typed is kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_can_be_scheduled() {
    let (pages, commit) = two_servers("admin").await;
    let page = pages.page(&format!("/projects/shop/dev?commit={commit}")).await;
    let (token, key) = (value(&page, "csrf"), value(&page, "request_key"));
    let form = |at: &'static str| {
        vec![
            ("csrf", token.clone()),
            ("request_key", key.clone()),
            ("commit", commit.to_string()),
            ("target", "all".to_owned()),
            ("at", at.to_owned()),
        ]
    };
    let send = async |form: Vec<(&str, String)>| {
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pages.send("/projects/shop/dev", &pairs).await
    };
    let refused = send(form("2001-01-01T08:00")).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let text_of = refused.text().await.unwrap();
    assert!(text_of.contains("That time has passed") && text_of.contains("value=\"2001-01-01T08:00\""));

    let tomorrow = (pages.world.app.now() + chrono::TimeDelta::hours(20))
        .format("%Y-%m-%dT%H:%M")
        .to_string();
    let asked = send(form(Box::leak(tomorrow.into_boxed_str()))).await;
    let page = pages.page(&location(&asked)).await;
    let acts = text(&page, "id=\"acts\"");
    assert!(
        acts.contains("Scheduled for ") && acts.contains("Cancel"),
        "{acts}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_set_shown_and_removed_on_the_page() {
    let (pages, _) = two_servers("admin").await;
    let page = pages.page("/projects/shop/dev").await;
    let token = value(&page, "csrf");
    let refused = pages
        .send(
            "/projects/shop/dev/lock",
            &[("csrf", &token), ("ends_at", "soon")],
        )
        .await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("in UTC"));

    let form = [("csrf", token.as_str()), ("reason", "Stock-taking until noon")];
    let made = pages.send("/projects/shop/dev/lock", &form).await;
    let page = pages.page(&location(&made)).await;
    assert!(
        text(&page, "class=\"flash t-warn lock\"")
            .contains("admin has locked shop/dev: Stock-taking until noon")
    );
    assert!(
        page.contains("Reason for overriding the lock"),
        "whoever may lock may override"
    );

    let (_, rest) = page.split_once("action=\"/locks/").unwrap();
    let lift = format!("/locks/{}/lift", rest.split_once('/').unwrap().0);
    let lifted = pages
        .send(&lift, &[("csrf", &token), ("next", "/projects/shop/dev")])
        .await;
    let page = pages.page(&location(&lifted)).await;
    assert!(page.contains("Lock lifted.") && !page.contains("has locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_form_keeps_its_rollout_and_shows_errors_per_field() {
    let (pages, _) = two_servers("admin").await;
    let address = "/admin/projects/shop/environments/dev";
    let page = pages.page(address).await;
    assert!(page.contains("<option value=\"rolling\" selected>"), "{page}");
    let token = value(&page, "csrf");
    let mut form = vec![
        ("csrf", token.as_str()),
        ("name", "dev"),
        ("branch", "main"),
        ("target_path", "~/shop"),
        ("remote_user", "root"),
        ("position", "1"),
        ("local_timeout", "600"),
        ("remote_timeout", "600"),
        ("parallel", "4"),
        ("keep_releases", "5"),
        ("strategy", "canary"),
        ("first", "0"),
        ("batch", "200 %"),
        ("keep", ""),
        ("wait", ""),
        ("on_failure", "ask"),
        ("drain_limit", "30"),
        ("up_limit", "60"),
        ("approval_hours", "24"),
        ("keep_days", "0"),
    ];
    let refused = pages.send(address, &form).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let text_of = refused.text().await.unwrap();
    assert!(text_of.contains("id=\"first-wrong\"") && text_of.contains("id=\"batch-wrong\""));
    assert!(text_of.contains("value=\"200 %\""), "what was typed is kept");

    for (name, value) in &mut form {
        match *name {
            "first" => *value = "1",
            "batch" => *value = "50 %",
            _ => {}
        }
    }
    let saved = pages.send(address, &form).await;
    let page = pages.page(&location(&saved)).await;
    assert!(page.contains("<option value=\"canary\" selected>") && page.contains("value=\"50 %\""));

    // What a form does not have stays as it is.
    let short: Vec<(&str, &str)> = form.drain(..10).collect();
    assert!(short.last().unwrap().0 == "keep_releases");
    let saved = pages.send(address, &short).await;
    let page = pages.page(&location(&saved)).await;
    assert!(
        page.contains("<option value=\"canary\" selected>") && page.contains("value=\"50 %\""),
        "{page}"
    );
    assert!(page.contains("<option value=\"ask\" selected>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_cannot_be_reached_says_so_on_its_page() {
    let pages = Pages::start(&["dev"], "admin").await;
    let token = value(&pages.page("/admin/new/balancer").await, "csrf");
    let form = |endpoint: &'static str| {
        [
            ("csrf", token.clone()),
            ("name", "edge".into()),
            ("kind", "runtime".into()),
            ("endpoints", endpoint.to_owned()),
        ]
    };
    let send = async |form: [(&str, String); 4]| {
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pages.send("/admin/new/balancer", &pairs).await
    };
    assert_eq!(
        send(form("ftp://nowhere")).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let added = send(form("unix:/nowhere/haproxy.sock")).await;
    let page = pages.page(&location(&added)).await;
    assert!(
        page.contains("/nowhere/haproxy.sock") && page.contains("role=\"alert\""),
        "{page}"
    );
    assert!(pages.page("/admin/balancers").await.contains("edge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_for_skipping_a_server_is_shown() {
    let (pages, commit) = two_servers("admin").await;
    let store = &pages.world.store;
    let mut web2 = deployer::store::servers::by_name(store, "web2").await.unwrap();
    web2.active = false;
    let tx = crate::support::store::change(store).await;
    deployer::store::servers::update(&tx, &web2).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let page = pages.page(&format!("/projects/shop/dev?commit={commit}")).await;
    let will = text(&page, "class=\"card-body will\"");
    assert!(will.contains("Left alone: web2. "), "{will}");
    let (_, why) = will.split_once("Left alone: web2. ").unwrap();
    assert!(
        why.to_lowercase().starts_with("deactivated") || why.contains("active"),
        "{why}"
    );
}
