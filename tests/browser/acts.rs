//! The buttons of a deployment under somebody's hand: they are those of the state it is in, their questions
//! show the plan, and what is open or filled in stays so.

use deployer::app::deployments::{self, DeployRequest};
use deployer::domain::{Actor, DeploymentState};

use super::deployment::{go, running};
use super::support::Browser;
use crate::support::world::{World, admin};

/// Makes the answers to the addresses that hold `part` arrive 900 ms late.
fn late(part: &str) -> String {
    format!(
        "(() => {{ const own = window.fetch; window.fetch = async (url, ...more) => {{ \
         const answer = await own(url, ...more); \
         if (String(url).includes('{part}')) await new Promise((done) => setTimeout(done, 900)); \
         return answer; }}; return true; }})()"
    )
}

#[tokio::test]
async fn browser_shows_the_buttons_of_the_end_when_answers_are_late() {
    let mut world = World::project().clusters(&[1, 1]).start().await;
    let id = running(&mut world).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    browser.until_text("#acts", "Pause").await;
    browser.ask(&late("/acts")).await;
    // Both servers' scripts end at once: the last batch, the finish and the end follow each other quickly.
    std::fs::write(world.home(2, "go"), "").unwrap();
    go(&world);
    world.end(id).await;
    browser.until_text("#state .deployment-state", "Succeeded").await;
    browser.until_text("#acts", "Redeploy").await;
    assert!(!browser.text("#acts").await.contains("Cancel"));
    browser.close().await;
}

#[tokio::test]
async fn browser_keeps_an_open_question_while_the_buttons_are_renewed() {
    let mut world = World::project().clusters(&[1, 1]).start().await;
    let id = running(&mut world).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    browser.until_text("#acts", "Pause").await;
    browser
        .ask("(() => { document.querySelector('#act-cancel > summary').click(); return 1; })()")
        .await;
    browser
        .until_text("#act-cancel", "Everything running is stopped")
        .await;
    // What a button that comes lets through while it comes.
    let watched = "(() => { new MutationObserver(() => { const come = document.getElementById('act-unpause'); \
        if (come && window.came === undefined) window.came = getComputedStyle(come).pointerEvents; }) \
        .observe(document.getElementById('acts'), { childList: true, subtree: true }); return 1; })()";
    browser.ask(watched).await;
    deployments::pause(&world.app, &admin(), id).await.unwrap();
    browser.until_text("#acts", "Cancel the pause").await;
    assert_eq!(
        browser.ask("document.getElementById('act-cancel').open").await,
        true,
        "the question is still open"
    );
    assert_eq!(
        browser
            .ask("document.querySelector('#acts .acts-buttons > *').id")
            .await,
        "act-cancel",
        "and the first, whatever comes and goes after it"
    );
    assert_eq!(browser.ask("window.came").await, "none");
    browser
        .until("the new button can be pressed", || async {
            browser
                .ask("getComputedStyle(document.getElementById('act-unpause')).pointerEvents")
                .await
                == "auto"
        })
        .await;
    browser.picture("open-question").await;
    browser.close().await;
}

/// Two commits on dev, of which the second runs; beta has nothing.
async fn two_commits(world: &mut World) -> deployer::domain::DeploymentId {
    for text in ["1", "2"] {
        world.repository.write("a", text);
        let commit = world.commit(&format!("Commit {text}")).await;
        let done = world.deploy(&commit).await;
        assert_eq!(done.state, DeploymentState::Succeeded, "{}", done.outcome);
    }
    let all = deployer::store::deployments::latest(&world.store).await.unwrap();
    all.into_values().map(|one| one.id).max().unwrap()
}

#[tokio::test]
async fn browser_loads_the_plan_of_a_question_when_it_opens() {
    let mut world = World::project().environments(&["dev", "beta"]).start().await;
    let id = two_commits(&mut world).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    browser.until_text("#acts", "Redeploy").await;
    let asked =
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/plan?')).length";
    for (number, (act, told)) in [
        ("rollback", "removes 1 commit"),
        ("promote", "nothing deployed yet"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(browser.ask(asked).await, number, "no plan is loaded unasked");
        let open = format!("document.querySelector('[id^=act-{act}] > summary').click()");
        browser.ask(&open).await;
        let plan = format!("[id^=act-{act}] .confirm-plan");
        browser.until_text(&plan, "What will happen").await;
        let text = browser.text(&plan).await;
        assert!(text.contains(told), "{text}");
        browser.picture(&format!("question-{act}")).await;
    }
    browser.close().await;

    let browser = Browser::without_scripts(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    let link = fantoccini::Locator::Css("[id^=act-rollback] .confirm-plan a");
    let link = browser.page.find(link).await.unwrap();
    let address = link.attr("href").await.unwrap().unwrap();
    browser.open(&address).await;
    assert!(browser.text("main").await.contains("What will happen"));
    browser.close().await;
}

#[tokio::test]
async fn browser_keeps_a_typed_reason_while_the_buttons_are_renewed() {
    let project = World::project().policy("g, dora, role:developer");
    let mut world = project.approval_hours(2).workers(0).start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    world.account("dora").await;
    let dora = Actor::user("dora", "192.0.2.7");
    let wanted = DeployRequest::new("shop", "dev", &commit);
    let asked = deployments::request(&world.app, &dora, wanted).await.unwrap();
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{}", asked.id())).await;
    browser.until_text("#acts", "Reject").await;
    browser
        .ask("document.querySelector('#act-approve > summary').click()")
        .await;
    browser
        .until_text("#act-approve .confirm-plan", "What will happen")
        .await;
    browser.picture("approval").await;
    browser
        .ask("document.querySelector('#act-reject > summary').click()")
        .await;
    let field = fantoccini::Locator::Css("#act-reject input[name=reason]");
    let field = browser.page.find(field).await.unwrap();
    field.send_keys("Not before the ho").await.unwrap();
    browser.ask("(() => { window.renewed = 0; document.addEventListener('htmx:after:swap', () => { window.renewed += 1; }); htmx.trigger('#live', 'acts'); return 1; })()").await;
    browser
        .until("the buttons were renewed", || async {
            browser.ask("window.renewed > 0").await == true
        })
        .await;
    field.send_keys("lidays").await.unwrap();
    let left = "(() => { const reject = document.getElementById('act-reject'); \
        return [reject.open, reject.querySelector('input[name=reason]').value].join(' '); })()";
    assert_eq!(browser.ask(left).await, "true Not before the holidays");
    assert!(
        browser.text("#act-approve .confirm-plan").await.is_empty(),
        "the other question is shut"
    );
    browser.close().await;
}

#[tokio::test]
async fn browser_shows_the_plan_of_the_last_choice_when_answers_are_late() {
    let mut world = World::project().clusters(&[1, 1]).start().await;
    world.repository.write("a", "1");
    world.commit("First").await;
    world.repository.write("a", "2");
    world.commit("Second").await;
    let browser = Browser::over(&world).await;
    browser.open("/projects/shop/dev").await;
    browser.until_text("#plan", "Second").await;
    browser.ask(&late("/plan")).await;
    let choose = |field: &str, index: usize| {
        format!(
            "(() => {{ const field = document.getElementById('{field}'); field.selectedIndex = {index}; \
             field.dispatchEvent(new Event('change', {{ bubbles: true }})); return field.value; }})()"
        )
    };
    browser.ask(&choose("target", 1)).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let last = browser.ask(&choose("target", 2)).await;
    browser
        .until("the plan is for the last choice", || async {
            browser
                .ask("document.querySelector('#plan input[name=target]').value")
                .await
                == last
        })
        .await;
    browser.close().await;
}
