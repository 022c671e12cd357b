//! Tabs in the background: what they show, what they hold, and how they come back.

use serde_json::{Value, json};

use super::deployment::{go, running};
use super::support::Browser;
use crate::support::world::World;

/// A script that keeps count of notifications instead of showing them, as somebody would who allowed
/// them.
const NOTED: &str = "(() => { window.noted = []; window.Notification = class { \
    static permission = 'granted'; static async requestPermission() { return 'granted'; } \
    constructor(title, more) { window.noted.push(title + ': ' + more.body); } addEventListener() {} }; \
    document.getElementById('notify').hidden = false; document.getElementById('notify').click(); \
    return true; })()";

#[tokio::test(flavor = "multi_thread")]
async fn browser_shows_the_state_in_a_tab_in_the_background_and_notifies_whoever_asked() {
    let mut world = World::simple().await;
    let id = running(&mut world).await;
    let browser = Browser::over(&world).await;
    browser.open(&format!("/deployments/{id}")).await;
    browser.until_title("Running").await;
    assert!(browser.icon().await.contains("logo-busy"));
    browser.until_text("#lines", "one green line").await;
    assert_eq!(browser.ask(NOTED).await, true);
    browser
        .until("it is noted that somebody wants notifications", || async {
            browser.ask("document.getElementById('notify').ariaPressed").await == "true"
        })
        .await;
    browser.page.minimize_window().await.unwrap();
    browser
        .until("the page is hidden", || async {
            browser.ask("document.hidden").await == true
        })
        .await;
    go(&world);
    world.end(id).await;
    browser.until_title("Succeeded").await;
    assert!(browser.icon().await.contains("logo-good"));
    assert_eq!(
        browser.ask("document.hidden").await,
        true,
        "it was never in front"
    );
    let noted = browser.ask("window.noted").await;
    let noted = noted.as_array().unwrap();
    assert_eq!(noted.len(), 1, "{noted:?}");
    let words = noted[0].as_str().unwrap();
    assert!(
        words.contains(&format!("Deployment {id}")) && words.contains("Succeeded"),
        "{words}"
    );
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_with_more_tabs_than_connections_loads_and_renews_the_one_in_front() {
    let mut world = World::simple().await;
    let browser = Browser::over(&world).await;
    // A browser has six connections to a server: the seventh stream would wait for ever.
    for _ in 0..8 {
        let tab = browser.page.new_window(true).await.unwrap();
        browser.page.switch_to_window(tab.handle).await.unwrap();
        browser.open("/activity").await;
        browser.until_text("#now", "Nothing is running").await;
        browser
            .until("its stream is open", || async {
                browser.ask(&stream("Boolean(sse && sse.reader)")).await == true
            })
            .await;
    }
    running(&mut world).await;
    browser.until_text("#now", "Greet people").await;
    go(&world);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_holds_no_stream_while_its_page_is_hidden() {
    let mut world = World::simple().await;
    let browser = Browser::over(&world).await;
    browser.open("/activity").await;
    let is_open = stream("Boolean(sse && sse.reader)");
    browser
        .until("its stream is open", || async {
            browser.ask(&is_open).await == true
        })
        .await;
    browser.page.minimize_window().await.unwrap();
    browser
        .until("its stream is closed", || async {
            browser.ask(&is_open).await == false
        })
        .await;
    running(&mut world).await;
    browser.page.set_window_size(1280, 900).await.unwrap();
    browser.until_text("#now", "Greet people").await;
    go(&world);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_reconnects_at_once_when_it_is_online_again() {
    let mut world = World::simple().await;
    let browser = Browser::over(&world).await;
    // No pause of half a second or more ever ends here: only the event can bring the stream back.
    let script = "const wait = window.setTimeout; \
                  window.setTimeout = (what, time, ...more) => time >= 400 ? 0 : wait(what, time, ...more);";
    let source = json!({ "source": script });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    browser.open("/activity").await;
    let is_open = stream("Boolean(sse && sse.reader)");
    browser
        .until("its stream is open", || async {
            browser.ask(&is_open).await == true
        })
        .await;
    browser.devtools("Network.enable", json!({})).await;
    browser
        .devtools("Network.emulateNetworkConditions", network(true))
        .await;
    browser
        .until("it says that the connection is lost", || async {
            browser.ask("!document.getElementById('offline').hidden").await == true
        })
        .await;
    running(&mut world).await;
    browser
        .devtools("Network.emulateNetworkConditions", network(false))
        .await;
    browser.until_text("#now", "Greet people").await;
    browser
        .until("it says nothing of it any more", || async {
            browser.ask("document.getElementById('offline').hidden").await == true
        })
        .await;
    go(&world);
    browser.close().await;
}

fn network(offline: bool) -> Value {
    json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 })
}

/// A question about the page's stream `sse`.
fn stream(question: &str) -> String {
    format!("(() => {{ const sse = document.getElementById('live')?._htmx?.sse; return {question}; }})()")
}
