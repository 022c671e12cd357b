//! A rollout that pauses, answered in a real browser.

use deployer::domain::{Share, Strategy};

use super::support::Browser;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn browser_answers_a_pause_and_sees_the_rest_roll_out() {
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let mut world = World::project().clusters(&[2]).strategy(canary).start().await;
    world.repository.write("index.html", "hello");
    let commit = world.commit("Greet people").await;
    let id = world.ask(World::request(&commit)).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    // The page was open before the pause came: the question comes to it.
    browser.until_text("#acts", "Canary deployed").await;
    assert!(browser.text("#lanes").await.contains("Canary"));
    browser.picture("paused").await;
    let go_on = "document.querySelector('#acts form:has(input[value=resume]) button').click()";
    browser.ask(go_on).await;
    browser.until_text("#state .deployment-state", "Succeeded").await;
    browser.until_text("#lanes", "2 of 2").await;
    browser.until_text("#acts", "Redeploy").await;
    browser.close().await;
}
