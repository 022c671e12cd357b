//! The search box, by keyboard.

use fantoccini::Locator;
use fantoccini::key::Key;

use super::support::Browser;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn browser_searches_and_goes_there_by_keyboard() {
    let world = World::simple().await;
    let browser = Browser::over(&world).await;
    browser.open("/history").await;
    let keys = |text: String| {
        let browser = &browser;
        async move {
            let active = browser.page.active_element().await.unwrap();
            active.send_keys(&text).await.unwrap();
        }
    };
    browser
        .page
        .find(Locator::Css("body"))
        .await
        .unwrap()
        .send_keys("/")
        .await
        .unwrap();
    keys("sho".to_owned()).await;
    browser.until_text("#found", "Projects").await;
    browser.picture("search").await;
    assert!(browser.text("#found").await.contains("shop/dev"));
    keys(Key::Down.to_string()).await;
    assert_eq!(
        browser.ask("document.activeElement.getAttribute('href')").await,
        "/projects/shop"
    );
    keys(Key::Down.to_string()).await;
    keys(Key::Up.to_string()).await;
    keys(Key::Up.to_string()).await;
    assert_eq!(
        browser.ask("document.activeElement.name").await,
        "q",
        "back in the box"
    );
    keys(Key::Down.to_string()).await;
    keys(Key::Escape.to_string()).await;
    assert_eq!(browser.text("#found").await, "", "closed");
    keys("p".to_owned()).await;
    browser.until_text("#found", "Projects").await;
    keys(Key::Down.to_string()).await;
    keys(Key::Enter.to_string()).await;
    browser.until_text("main h1", "shop").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_copies_a_hash_by_keyboard() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let commit = world.commit("Say hello").await;
    world.deploy(&commit).await;
    let browser = Browser::over(&world).await;
    browser.open("/history").await;
    let chip = "document.querySelector('main code.commit[data-copy]')";
    browser
        .until("it can be reached by the Tab key", || async {
            browser.ask(&format!("{chip}.tabIndex")).await == 0
        })
        .await;
    assert_eq!(
        browser.ask(&format!("{chip}.getAttribute('role')")).await,
        "button"
    );
    browser
        .ask("(() => { window.copied = []; navigator.clipboard.writeText = async (text) => { window.copied.push(text); }; return 1; })()")
        .await;
    browser.ask(&format!("{chip}.focus()")).await;
    let active = browser.page.active_element().await.unwrap();
    active.send_keys(&Key::Enter.to_string()).await.unwrap();
    browser
        .until("it is copied", || async {
            browser.ask("window.copied[0]").await == commit.as_str()
        })
        .await;
    browser.close().await;
}
