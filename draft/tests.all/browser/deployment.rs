//! A deployment's page while it runs: lines arrive, the state changes, the buttons are swapped,
//! all without a reload; and the same page without scripts.

use deployer::domain::deployment::ServerState;
use deployer::domain::standing::Trial;
use deployer::domain::{Deployment, DeploymentState, OnServer, Phase, ServerId, StepKind, StepState};
use deployer::store::deployments::{NewDeployment, NewPart, PastDeployment, PastStep, insert_past};

use super::support::Browser;
use crate::history::support as past;
use crate::support::store::{deployment, noon};
use crate::support::world::World;

/// A script that prints, waits for `~/go`, prints the rest and ends.
const SCRIPT: &str = "echo 'one \\033[32mgreen\\033[0m line'; echo 'a complaint' >&2\n\
    while [ ! -e ~/go ]; do sleep 0.1; done\n\
    i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo \"line number $i\"; done; echo 'the last words'";

/// A deployment that runs and waits for [`go`].
pub async fn running(world: &mut World) -> deployer::domain::DeploymentId {
    world.script("deploy.sh", SCRIPT);
    world.repository.write("index.html", "hello");
    let commit = world.commit("Greet people").await;
    let id = world.ask(World::request(&commit)).await;
    world.until(id, "it prints", |one| one.last_line > 0).await;
    id
}

/// Lets the script end.
pub fn go(world: &World) {
    std::fs::write(world.home(1, "go"), "").unwrap();
}

#[tokio::test]
async fn browser_shows_lines_and_states_as_they_happen() {
    let mut world = World::simple().await;
    let id = running(&mut world).await;
    let browser = Browser::over(&world).await;
    let address = format!("/deployments/{id}");
    browser.open(&address).await;
    browser.mark().await;
    browser.until_text("#lines", "one green line").await;
    assert!(browser.text("#acts").await.contains("Cancel"));
    assert_eq!(
        browser.ask("!document.querySelector('.follow').hidden").await,
        true
    );
    browser.picture("running").await;

    go(&world);
    browser.until_text("#state .deployment-state", "Succeeded").await;
    browser.until_text("#acts", "Redeploy").await;
    browser.until_text("#lines", "the last words").await;
    browser.assert_not_loaded_again().await;
    assert!(!browser.text("#acts").await.contains("Cancel"));
    let numbers = browser
        .ask("[...document.querySelectorAll('#lines .ln')].map((line) => Number(line.id.slice(1)))")
        .await;
    let numbers: Vec<i64> = serde_json::from_value(numbers).unwrap();
    assert!(
        numbers.len() <= 2000,
        "the page lets go of old lines: {}",
        numbers.len()
    );
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "no line is missing or doubled"
    );
    let last = world.end(id).await.last_line;
    assert_eq!(numbers.last(), Some(&last));
    assert_eq!(
        browser.ask("document.getElementById('earlier').hidden").await,
        false
    );
    let at_end = "(() => { const log = document.getElementById('lines'); \
                  return log.scrollHeight - log.scrollTop - log.clientHeight < 5; })()";
    assert_eq!(browser.ask(at_end).await, true, "it follows");
    browser.picture("ended").await;
    browser.open("/activity").await;
    browser.picture("activity").await;
    browser.open("/history").await;
    browser.picture("history").await;
    browser.close().await;
}

#[tokio::test]
async fn browser_stops_following_when_somebody_scrolls_up() {
    let mut world = World::simple().await;
    let id = running(&mut world).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    browser.until_text("#lines", "one green line").await;
    // Enough below to scroll in, as a person would have waited for.
    browser.ask("document.getElementById('follow').click()").await;
    let place = browser.ask("document.getElementById('lines').scrollTop").await;
    go(&world);
    browser.until_text("#state .deployment-state", "Succeeded").await;
    browser
        .until("lines came", || async {
            browser
                .ask("document.querySelectorAll('#lines .ln').length > 2000")
                .await
                == true
        })
        .await;
    assert_eq!(
        browser.ask("document.getElementById('lines').scrollTop").await,
        place,
        "nobody is moved"
    );
    assert_eq!(
        browser.ask("document.getElementById('L1') !== null").await,
        true,
        "what is read stays"
    );
    browser.ask("document.getElementById('follow').click()").await;
    browser
        .until("it is at the end", || async {
            browser
                .ask("document.querySelectorAll('#lines .ln').length <= 2000")
                .await
                == true
        })
        .await;
    browser.close().await;
}

#[tokio::test]
async fn browser_renews_the_activity_page() {
    let mut world = World::simple().await;
    let browser = Browser::over(&world).await;
    browser.open("/activity").await;
    browser.until_text("#now", "Nothing is running").await;
    browser.mark().await;
    running(&mut world).await;
    browser.until_text("#now", "Greet people").await;
    browser.until_text("#now", "In progress (1)").await;
    browser.picture("activity-running").await;
    go(&world);
    browser.until_text("#now", "Recently finished").await;
    browser.assert_not_loaded_again().await;
    browser.close().await;
}

#[tokio::test]
async fn browser_renews_the_overview() {
    let mut world = World::simple().await;
    let browser = Browser::over(&world).await;
    browser.open("/").await;
    browser.until_text("#matrix", "Nothing yet").await;
    browser.mark().await;
    running(&mut world).await;
    browser.until_text("#matrix", "Running").await;
    go(&world);
    browser
        .until("nothing runs", || async {
            !browser.text("#matrix").await.contains("Running")
        })
        .await;
    browser.assert_not_loaded_again().await;
    browser.close().await;
}

#[tokio::test]
async fn browser_without_scripts_has_the_whole_page() {
    let mut world = World::simple().await;
    let id = running(&mut world).await;
    let browser = Browser::without_scripts(&world).await;
    let address = format!("/deployments/{id}");
    browser.open(&address).await;
    assert!(browser.text("#lines").await.contains("one green line"));
    assert!(browser.text("#state").await.contains("Running"));
    assert!(browser.text("main").await.contains("Reload"));
    go(&world);
    world.end(id).await;
    browser.open(&address).await;
    assert!(browser.text("#lines").await.contains("the last words"));
    assert!(browser.text("#state").await.contains("Succeeded"));
    assert!(browser.text("#acts").await.contains("Redeploy"));
    browser.close().await;
}

/// A deployment to two hundred servers, of which a few failed.
fn fleet(mut asked: NewDeployment, host: ServerId) -> PastDeployment {
    let is_bad = |number: usize| number % 60 == 7;
    let part = |number: usize| NewPart {
        state: if is_bad(number) {
            ServerState::Failed
        } else {
            ServerState::Succeeded
        },
        on_server: is_bad(number).then_some(OnServer::Failed(Trial::Deploy)),
        cause: if is_bad(number) {
            "deploy.sh ended with exit code 3.".into()
        } else {
            String::new()
        },
        ..NewPart::new(host, format!("web{}.example.org", number + 1), "front")
    };
    asked.servers = (0..200).map(part).collect();
    asked.deployment = Deployment {
        state: DeploymentState::Failed,
        phase: Phase::RollOut,
        started_at: Some(noon()),
        finished_at: Some(noon()),
        outcome: "4 of 200 servers failed; see below what each runs.".into(),
        ..asked.deployment
    };
    let step = |number: usize, kind| PastStep {
        server: Some(number),
        kind,
        state: if is_bad(number) && kind == StepKind::Deploy {
            StepState::Failed
        } else {
            StepState::Succeeded
        },
        started_at: Some(noon()),
        finished_at: Some(noon()),
        exit_code: None,
        detail: String::new(),
        lines: Vec::new(),
    };
    let kinds = [
        StepKind::Inspect,
        StepKind::Sync,
        StepKind::Activate,
        StepKind::Deploy,
    ];
    PastDeployment {
        ended: asked,
        steps: (0..200)
            .flat_map(|number| kinds.map(|kind| step(number, kind)))
            .collect(),
        releases: Vec::new(),
    }
}

#[tokio::test]
async fn browser_shows_two_hundred_servers_as_small_tiles() {
    let site = past::site_for("admin").await;
    let host = past::server(&site, "web1").await;
    let (shop, places) = past::project(&site, "shop", &["prod"]).await;
    let past = fleet(deployment(&shop, &places[0], &[]), host.id);
    let tx = crate::support::store::change(&site.store).await;
    let id = insert_past(&tx, &past).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let browser = Browser::start(site, true).await;
    browser.open(&format!("/deployments/{id}")).await;
    // The page may be seen while it still arrives.
    browser
        .until("all tiles are there", || async {
            browser
                .ask("document.querySelectorAll('#lanes .tile').length")
                .await
                == 200
        })
        .await;
    browser.page.set_window_size(1280, 900).await.unwrap();
    let heights = browser
        .ask("[document.getElementById('lanes').offsetHeight, document.body.scrollWidth - innerWidth]")
        .await;
    let heights: Vec<i64> = serde_json::from_value(heights).unwrap();
    assert!(heights[0] < 1100 && heights[1] <= 0, "{heights:?}");
    assert!(browser.text(".tally").await.contains("196 deployed"));
    let shown = "[...document.querySelectorAll('#lanes .tile')].filter((one) => one.offsetHeight > 0).length";
    browser.ask("document.getElementById('sift-bad').click()").await;
    assert_eq!(browser.ask(shown).await, 4, "only those that failed");
    browser.picture("fleet").await;
    browser.close().await;
}
