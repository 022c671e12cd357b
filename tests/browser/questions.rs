//! Questions about the policy and the calendar, as a person asks them, with scripts and without.

use deployer::access::Access;
use fantoccini::Locator;

use super::support::Browser;
use crate::history::support::{asked, project, queued};
use crate::support::store::TestStore;
use crate::web::support::{TestSite, app};

const POLICY: &str = "g, alice, role:developer
g, bob, role:releaser
g, carol, role:releaser
g, zoe, role:junior
p, role:junior, *, prod, deploy, business-hours, allow with role:releaser
p, role:junior, *, *, view, always, allow
p, dave, shop, prod, rollback, always, allow
";
const CALENDAR: &str = "timezone = \"Europe/Paris\"
[windows.business-hours]
days = [\"mon-fri\"]
hours = [\"08:00-12:30\", \"13:30-18:30\"]
[windows.business-hours.exceptions]
fri = [\"08:00-14:00\"]
[windows.night-of-maintenance]
days = [\"tue\"]
hours = [\"22:00-04:00\"]
[holidays]
dates = [\"12-25\", \"01-01\"]
[[freezes]]
name = \"end of year\"
from = 2027-12-21T12:00:00
until = 2028-01-04T08:00:00
reason = \"The peak season: nobody is there to help.\"
environments = [\"prod\"]
";

struct Ground {
    browser: Browser,
    _store: TestStore,
    _directory: tempfile::TempDir,
}

async fn ground(scripts: bool) -> Ground {
    let directory = tempfile::tempdir().unwrap();
    crate::support::world::access(directory.path(), POLICY);
    let policies = directory.path().join("policies");
    std::fs::write(policies.join("calendar.toml"), CALENDAR).unwrap();
    std::fs::write(policies.join("tests.toml"), "expect = []\n").unwrap();
    let access = Access::load(&policies).unwrap();
    let store = TestStore::new().await;
    let site = TestSite::over(
        app(&store.store, directory.path(), false, access),
        store.store.clone(),
    )
    .await;
    site.add_user("admin").await;
    let (shop, places) = project(&site, "shop", &["dev", "beta", "prod"]).await;
    let mut later = asked(&shop, &places[1], 1);
    later.deployment.state = deployer::domain::DeploymentState::Scheduled;
    later.deployment.scheduled_at = Some("2027-12-21T09:15:00Z".parse().unwrap());
    queued(&site, &later).await;
    Ground {
        browser: Browser::start(site, scripts).await,
        _store: store,
        _directory: directory,
    }
}

/// Asks whether zoe may deploy, by the form.
async fn ask(browser: &Browser) {
    browser.open("/policy/may").await;
    let field = |name: &'static str, value: &'static str| async move {
        let css = format!("main [name={name}]");
        let found = browser.page.find(Locator::Css(&css)).await.unwrap();
        found.send_keys(value).await.unwrap();
    };
    field("who", "zoe").await;
    field("place", "shop/prod").await;
    let css = Locator::Css("main [name=action]");
    let action = browser.page.find(css).await.unwrap();
    action.select_by_value("deploy").await.unwrap();
    browser.press("main form button.btn-primary").await;
    browser.until_text("#answer", "deploy shop/prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_answers_who_may_do_what_with_scripts_and_without() {
    for scripts in [true, false] {
        let ground = ground(scripts).await;
        let browser = &ground.browser;
        ask(browser).await;
        browser.until_text("#answer", "Changes next").await;
        let weeks = browser
            .page
            .find_all(Locator::Css("#week tbody tr"))
            .await
            .unwrap();
        assert_eq!(weeks.len(), 7);
        browser.press("#week a[rel=next]").await;
        browser.until_text("#answer", "zoe may").await;
        browser.open("/projects/shop/prod").await;
        browser.press("main .actions a[href^='/policy/who']").await;
        browser.until_text("table.rights", "role:junior").await;
        browser.until_text("table.rights", "with role:releaser").await;
        browser.open("/calendar?week=2027-12-21").await;
        browser.until_text(".calendar", "end of year").await;
        if !scripts {
            ground.browser.close().await;
            continue;
        }
        browser.picture("calendar").await;
        browser.open("/policy/who?place=shop/prod").await;
        browser.picture("who").await;
        browser
            .open("/policy/who?place=shop/prod&day=2027-12-20&zone=Europe/Paris")
            .await;
        browser.picture("who-day").await;
        let asked =
            "/policy/may?who=zoe&action=deploy&place=shop/prod&when=2027-12-20T10:00&zone=Europe/Paris";
        browser.open(asked).await;
        browser.picture("may").await;
        browser
            .open("/policy/may?who=alice&action=deploy&place=shop/prod&zone=Mars")
            .await;
        browser.picture("may-wrong").await;
        ground.browser.close().await;
    }
}
