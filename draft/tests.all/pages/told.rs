//! What pages say about the present state: no more than is so, and what is missing with its reason.

use deployer::app::deployments::{self, DeployRequest};
use deployer::app::locks::{self, NewLock};
use deployer::domain::{
    Answer, DeploymentId, DeploymentState, EnvironmentOptions, Resource, Share, Strategy,
};

use super::support::{Pages, location, value};
use crate::support::world::{World, admin};

/// Two servers with a canary's strategy; the first deployment there is done.
async fn deployed(who: &str) -> Pages {
    let mut options = EnvironmentOptions::default();
    options.rollout.strategy = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Count(1),
        keep: None,
    };
    let mut pages = Pages::with(World::project().clusters(&[2]).options(options), who).await;
    pages.world.repository.write("index.html", "hello");
    let commit = pages.world.commit("Greet people").await;
    let id = pages.world.ask(World::request(&commit)).await;
    finish(&pages.world, id).await;
    pages
}

/// Waits for the canary, continues, and waits for the end.
async fn finish(world: &World, id: DeploymentId) {
    world.until_paused(id).await;
    deployments::answer(&world.app, &admin(), id, Answer::Resume)
        .await
        .unwrap();
    world.end(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_no_drift_and_what_is_scheduled_does_not_run() {
    let mut pages = deployed("admin").await;
    pages.world.repository.write("index.html", "good day");
    let commit = pages.world.commit("Greet people formally").await;
    let id = pages.world.ask(World::request(&commit)).await;
    pages.world.until_paused(id).await;
    let later = DeployRequest {
        at: Some(pages.world.clock.now() + chrono::TimeDelta::hours(9)),
        ..World::request(&commit)
    };
    pages.world.ask(later).await;

    let page = pages.page("/").await;
    assert!(page.contains("1 project · 1 paused · 1 scheduled"), "{page}");
    assert!(!pages.page("/projects/shop").await.contains("Drift"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_marks_what_is_there_and_what_has_failed() {
    let mut pages = deployed("admin").await;
    let page = pages.page("/projects/shop/dev").await;
    assert!(page.contains("already run this commit"), "{page}");
    let (_, button) = page.split_once("id=\"plan\"").unwrap();
    assert!(
        !button.split_once("</form>").unwrap().0.contains("btn-primary"),
        "{button}"
    );

    pages.world.script("deploy.sh", "exit 3");
    let commit = pages.world.commit("Break it").await;
    let id = pages.world.ask(World::request(&commit)).await;
    assert_eq!(pages.world.end(id).await.state, DeploymentState::Failed);
    let page = pages.page(&format!("/projects/shop/dev?commit={commit}")).await;
    assert!(
        page.contains(&format!("failed here before: <a href=\"/deployments/{id}\">")),
        "{page}"
    );
    assert!(page.contains("Failed here</span>"), "{page}");
    let csv = pages.page("/history.csv").await;
    assert!(
        csv.contains(",reason,approved by,") && csv.contains("a test") && csv.contains("policy.csv:"),
        "{csv}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_a_button_says_why() {
    let pages = Pages::start(&["dev"], "rita").await;
    let page = pages.page("/projects/shop").await;
    assert!(page.contains("rita may not deploy shop/dev"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_everything_is_told_once_with_its_reason() {
    let pages = Pages::start(&["dev", "beta", "prod"], "admin").await;
    let lock = NewLock {
        over: Resource::Everything,
        reason: "the move of the data centre".to_owned(),
        ends_at: None,
    };
    locks::create(&pages.world.app, &admin(), lock).await.unwrap();
    let page = pages.page("/").await;
    assert_eq!(page.matches("the move of the data centre").count(), 1, "{page}");
    assert!(
        page.contains("admin has locked everything") && page.contains("Lift the lock"),
        "{page}"
    );
    let place = pages.page("/projects/shop/dev").await;
    let act = place.find("Lock this environment").unwrap();
    assert!(
        act < place.find("id=\"deploy\"").unwrap(),
        "the act stands at the top"
    );
    assert!(place.contains("name=\"reason\" value=\"\" required"), "{place}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_facts_of_a_deployment_come_with_its_buttons() {
    let pages = deployed("admin").await;
    let fragment = pages.fragment("/deployments/1/acts").await;
    assert!(
        fragment.contains("id=\"acts\"") && fragment.contains("id=\"facts\""),
        "{fragment}"
    );
    assert!(fragment.contains("Canary, 1 first"), "{fragment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_shows_its_plan_and_takes_a_reason() {
    let mut pages = deployed("admin").await;
    pages.world.repository.write("index.html", "good day");
    let commit = pages.world.commit("Greet people formally").await;
    let id = pages.world.ask(World::request(&commit)).await;
    finish(&pages.world, id).await;

    let page = pages.page(&format!("/deployments/{id}")).await;
    let (_, back) = page
        .split_once(&format!("action=\"/deployments/{id}/rollback\""))
        .unwrap();
    let (back, _) = back.split_once("</form>").unwrap();
    assert!(back.contains("name=\"reason\""), "{back}");
    let plan = back.split_once("hx-get=\"").unwrap().1.split_once('"').unwrap().0;
    let plan = pages.fragment(&plan.replace("&#38;", "&")).await;
    let (_, shown) = plan.split_once("class=\"plan-shown\"").unwrap();
    assert!(
        shown.contains("removes 1 commit") && shown.contains("index.html") && shown.contains("will-batches"),
        "{plan}"
    );

    let form = [
        ("csrf", value(&page, "csrf")),
        ("reason", "people prefer it short".to_owned()),
    ];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let asked = pages.send(&format!("/deployments/{id}/rollback"), &form).await;
    let page = pages.page(&location(&asked)).await;
    assert!(
        page.contains("Rolls back deployment 2: people prefer it short"),
        "{page}"
    );
}
