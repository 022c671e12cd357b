//! The pages that answer questions about the policy, and the calendar, in a real browser.

use super::support::Browser;
use crate::history::support::project;
use crate::web::support::{Options, TestSite};

/// Beside the shipped lines.
const POLICY: &str = "g, alice, role:developer\ng, rita, role:reader";

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for name in ["admin", "alice", "rita"] {
        site.add_user(name).await;
    }
    project(&site, "shop", &["beta", "prod"]).await;
    site
}

/// Sets a field of the page that takes no keys, or takes them by the language of the browser.
async fn set(browser: &Browser, css: &str, value: &str) {
    let script = format!("document.querySelector(\"{css}\").value = '{value}'");
    assert_eq!(browser.ask(&script).await, value, "{css}");
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_asks_who_may_do_what_and_when() {
    let browser = Browser::start(site().await, true).await;
    browser.open("/policy/may").await;
    browser.until_text("main", "No question yet").await;
    browser.fill("#who", "alice").await;
    set(&browser, "select[name=action]", "deploy").await;
    browser.fill("#place", "shop/beta").await;
    // A Wednesday.
    set(&browser, "#when", "2027-11-24T20:00").await;
    browser.fill("#zone", "Europe/Paris").await;
    browser.press("main form .btn-primary").await;
    browser
        .until_text("#answer", "alice may not deploy shop/beta")
        .await;
    // 08:00 UTC.
    browser.until_text("#answer", "Thu 25 Nov 2027, 09:00 CET").await;
    browser.until_text("#week tr.chosen", "09:00–19:30").await;
    browser.picture("policy-may").await;
    // The form keeps the question, so that the next one is a small change of it.
    set(&browser, "#when", "2027-11-24T10:00").await;
    browser.press("main form .btn-primary").await;
    browser.until_text("#answer", "alice may deploy shop/beta").await;
    browser.until_text("#answer", "role:developer").await;
    browser.press("#week a[rel=next]").await;
    browser.until_text("#week", "1 Dec").await;
    browser.fill("#place", "nowhere").await;
    browser.press("main form .btn-primary").await;
    browser.until_text("main", "nowhere").await;

    browser
        .open("/policy/may?who=alice&action=deploy&place=shop/beta")
        .await;
    browser.press("#answer .card-footer a").await;
    browser.until_text("main h1", "Who may do what").await;
    browser.until_text("table.rights", "alice").await;
    browser.until_text("table.rights", "business-hours").await;
    browser.until_text("table.rights", "rita").await;
    browser.picture("policy-who").await;
    browser.fill("main input[name=q]", "ALI").await;
    browser.press("main form.filters button").await;
    browser
        .until("alice is alone", || async {
            let table = browser.text("table.rights").await;
            table.contains("alice") && !table.contains("rita")
        })
        .await;
    browser.fill("main input[name=q]", "nobody-at-all").await;
    browser.press("main form.filters button").await;
    browser
        .until_text("main", "No line gives anybody of this name")
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_turns_the_weeks_of_the_calendar_and_makes_an_address_of_it() {
    let site = site().await;
    let url = site.url.clone();
    let browser = Browser::start(site, true).await;
    browser.open("/calendar?week=2027-11-24&zone=UTC").await;
    browser
        .until_text("main header", "22 November to 28 November 2027")
        .await;
    browser.until_text("main", "08:00–18:30").await;
    browser.picture("calendar").await;
    browser.press("main a[rel=next]").await;
    browser
        .until_text("main header", "29 November to 5 December 2027")
        .await;
    set(&browser, "#week", "2027-12-25").await;
    browser.press("main form.filters button").await;
    browser.until_text("main", "Holiday").await;
    browser.fill("#zone", "Asia/Kolkata").await;
    browser.press("main form.filters button").await;
    // 08:00 UTC.
    browser.until_text("main", "13:30–24:00").await;
    browser.press("main form[method=post] .btn").await;
    browser.until_text("main", "Calendar address").await;
    let addresses = "[...document.querySelectorAll('[data-copy]')].map((one) => one.dataset.copy).at(-1)";
    let address = browser.ask(addresses).await;
    let (_, token) = address.as_str().unwrap().split_once("/calendar.ics").unwrap();
    let feed = reqwest::get(format!("{url}/calendar.ics{token}")).await.unwrap();
    assert_eq!(feed.status(), 200);
    assert!(feed.text().await.unwrap().starts_with("BEGIN:VCALENDAR"));
    browser.close().await;
}
