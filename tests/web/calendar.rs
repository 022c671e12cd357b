//! The calendar page and its feed.

use deployer::access::Access;
use deployer::domain::{Action, DeploymentState, TokenScope};
use reqwest::Client;

use super::support::{PASSWORD, TestSite, browser};
use super::tokens::token_of;
use crate::history::support::{asked, project, queued};
use crate::support::store::TestStore;

/// Rita sees the shop, hans the vault, which is closed.
const POLICY: &str = "p, rita, shop, *, view, always, allow
p, hans, vault, *, view, always, allow
p, hans, vault, prod, deploy, night, allow
g3, vault, projects:closed
";
const CALENDAR: &str = "timezone = \"Europe/Paris\"
[windows.business-hours]
days = [\"mon-fri\"]
hours = [\"08:00-18:30\"]
[windows.night]
days = [\"tue\"]
hours = [\"22:00-06:00\"]
[holidays]
dates = [\"12-25\"]
[[freezes]]
name = \"peak; season\"
from = 2027-11-24T12:00:00
until = 2027-11-26
reason = \"Everybody, buys\"
projects = [\"shop\", \"vault\"]
environments = [\"prod\"]
[[freezes]]
name = \"secret audit\"
from = 2027-11-24
until = 2027-11-25
reason = \"hush\"
projects = [\"vault\"]
";

struct Ground {
    site: TestSite,
    _store: TestStore,
    _directory: tempfile::TempDir,
}

async fn ground() -> Ground {
    let directory = tempfile::tempdir().unwrap();
    crate::support::world::access(
        directory.path(),
        POLICY.replace("night", "business-hours").as_str(),
    );
    let policies = directory.path().join("policies");
    std::fs::write(policies.join("calendar.toml"), CALENDAR).unwrap();
    std::fs::write(policies.join("tests.toml"), "expect = []\n").unwrap();
    let shipped = std::fs::read_to_string("policies/policy.csv").unwrap();
    std::fs::write(policies.join("policy.csv"), format!("{shipped}\n{POLICY}")).unwrap();
    let access = Access::load(&policies).unwrap();
    let store = TestStore::new().await;
    let app = super::support::app(&store.store, directory.path(), false, access);
    let site = TestSite::over(app, store.store.clone()).await;
    for name in ["rita", "hans", "eve", "admin"] {
        site.add_user(name).await;
    }
    let (shop, places) = project(&site, "shop", &["dev", "prod"]).await;
    let mut later = asked(&shop, &places[1], 1);
    later.deployment.state = DeploymentState::Scheduled;
    later.deployment.scheduled_at = Some("2027-11-23T09:15:00Z".parse().unwrap());
    queued(&site, &later).await;
    project(&site, "vault", &["prod"]).await;
    Ground {
        site,
        _store: store,
        _directory: directory,
    }
}

fn views() -> TokenScope {
    TokenScope {
        actions: vec![Action::View],
        ..TokenScope::default()
    }
}

async fn sit_down(site: &mut TestSite, name: &str) {
    site.browser = browser();
    assert_eq!(site.log_in(name, PASSWORD).await.status(), 303);
}

async fn text(site: &TestSite, path: &str) -> String {
    let answer = site.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn assert_says(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_shows_what_its_reader_may_see_by_their_clock() {
    let mut ground = ground().await;
    let site = &mut ground.site;
    assert_eq!(site.log_in("rita", PASSWORD).await.status(), 303);
    let week = text(site, "/calendar?week=2027-11-24&zone=Asia/Kolkata").await;
    assert_says(
        &week,
        &[
            "22 November to 28 November 2027",
            "business-hours",
            // 08:00 in Paris.
            "12:30–23:00",
            "Freeze: peak; season",
            "prod of shop",
            "16:30–24:00",
            "14:45",
            "shop/prod: ",
            "/calendar?week=2027-11-15",
            "/calendar?week=2027-11-29",
        ],
    );
    for hidden in ["vault", "secret", "hush", "night"] {
        assert!(!week.contains(hidden), "{hidden}: {week}");
    }
    assert_says(
        &text(site, "/calendar?week=2026-12-25&zone=UTC").await,
        &["Holiday"],
    );
    // Without a zone in the address it is the browser's, which a cookie tells, or the calendar's.
    assert_says(&text(site, "/calendar?week=2027-11-24").await, &["08:00–18:30"]);
    let request = Client::new().get(format!("{}/calendar?week=2027-11-24", site.url));
    let cookies = format!("{}; deployer_zone=Asia/Kolkata", site.session_cookie());
    let told = request.header("cookie", cookies).send().await.unwrap();
    let told = told.text().await.unwrap();
    assert_says(&told, &["12:30–23:00"]);
    for odd in ["week=x", "week=9999-01-01", "zone=Mars"] {
        assert_eq!(site.get(&format!("/calendar?{odd}")).await.status(), 422, "{odd}");
    }
    sit_down(site, "hans").await;
    let week = text(site, "/calendar?week=2027-11-24&zone=Europe/Paris").await;
    assert_says(
        &week,
        &[
            "secret audit",
            "prod of vault",
            "night",
            "22:00–24:00",
            "00:00–06:00",
        ],
    );
    assert!(!week.contains("shop"), "{week}");
    sit_down(site, "eve").await;
    assert_eq!(site.get("/calendar").await.status(), 403);
    assert_eq!(site.get("/calendar.ics").await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_takes_a_token_that_only_views_in_its_address() {
    let mut ground = ground().await;
    let site = &mut ground.site;
    let views_only = token_of(site, "rita", views()).await;
    let may_all = token_of(site, "hans", TokenScope::default()).await;
    let get = |path: String| async move { Client::new().get(path).send().await.unwrap() };
    let address = format!("{}/calendar.ics?token={views_only}", site.url);
    let feed = get(address.clone()).await;
    assert_eq!(feed.status(), 200);
    assert_eq!(feed.headers()["content-type"], "text/calendar; charset=utf-8");
    let feed = feed.text().await.unwrap();
    assert!(
        feed.starts_with("BEGIN:VCALENDAR\r\n") && feed.ends_with("END:VCALENDAR\r\n"),
        "{feed}"
    );
    assert!(feed.lines().all(|line| line.len() <= 75), "{feed}");
    let whole = feed.replace("\r\n ", "");
    assert_says(
        &whole,
        &[
            "SUMMARY:Freeze: peak\\; season\r\n",
            "DTSTART:20271124T110000Z\r\nDTEND:20271126T230000Z\r\n",
            "Everybody\\, buys",
            "SUMMARY:Deploy shop/prod\r\n",
            "DTSTART:20271123T091500Z",
            "DTSTART;VALUE=DATE:2026",
            "/deployments/1\r\n",
        ],
    );
    assert!(
        !whole.contains("vault") && !whole.contains("business-hours"),
        "{whole}"
    );
    let with_windows = get(format!("{address}&show=windows")).await.text().await.unwrap();
    assert!(with_windows.contains("SUMMARY:business-hours") && !with_windows.contains("Freeze"));
    // Nothing else takes a token there, and the feed takes none that may more.
    for (path, status) in [
        (format!("/calendar?token={views_only}"), 403),
        (format!("/history?token={views_only}"), 403),
        (format!("/calendar.ics?token={may_all}"), 403),
        ("/calendar.ics?token=dpl_nonsense".to_owned(), 401),
        ("/calendar.ics?token=".to_owned(), 401),
        (format!("/calendar.ics?token={views_only}&show=moons"), 422),
    ] {
        assert_eq!(
            get(format!("{}{path}", site.url)).await.status(),
            status,
            "{path}"
        );
    }
    let by_header = Client::new().get(format!("{}/calendar.ics", site.url));
    let by_header = by_header
        .header("authorization", format!("Bearer {may_all}"))
        .send()
        .await
        .unwrap();
    assert_eq!(by_header.status(), 200);
    assert!(by_header.text().await.unwrap().contains("secret audit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calendar_page_makes_the_address_of_a_feed() {
    let mut ground = ground().await;
    let site = &mut ground.site;
    sit_down(site, "rita").await;
    let page = text(site, "/calendar").await;
    assert_says(
        &page,
        &["action=\"/profile/tokens\"", "name=\"actions\" value=\"view\""],
    );
    let token = site.token("/calendar").await;
    let form = [
        ("csrf", token.as_str()),
        ("name", "calendar"),
        ("actions", "view"),
        ("expires", "365"),
    ];
    let made = site
        .browser
        .post(format!("{}/profile/tokens", site.url))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 200);
    let page = made.text().await.unwrap();
    let path = page.split_once("/calendar.ics?token=").expect("an address").1;
    let path = format!(
        "{}/calendar.ics?token={}",
        site.url,
        path.split_once('"').unwrap().0
    );
    assert_eq!(Client::new().get(path).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn holidays_of_a_feed_are_read_by_another_installation() {
    let mut ground = ground().await;
    let site = &mut ground.site;
    sit_down(site, "rita").await;
    let feed = text(site, "/calendar.ics?show=holidays").await;
    let other = tempfile::tempdir().unwrap();
    crate::support::world::access(other.path(), "");
    let policies = other.path().join("policies");
    std::fs::write(policies.join("holidays.ics"), &feed).unwrap();
    let calendar = "timezone = \"UTC\"\n[windows.business-hours]\ndays = [\"mon-fri\"]\nhours = [\"08:00-18:30\"]\n[windows.business-hours.exceptions]\nfri = [\"08:00-14:00\"]\n[holidays]\ndates = [\"01-01\", \"12-25\"]\nfiles = [\"holidays.ics\"]\n";
    std::fs::write(policies.join("calendar.toml"), calendar).unwrap();
    let access = Access::load(&policies).unwrap();
    let year = site.app.now().date_naive();
    let christmas = access
        .calendar()
        .holidays
        .dates
        .iter()
        .any(|day| day.to_string().ends_with("-12-25") && *day > year);
    assert!(christmas, "{feed}");
}
