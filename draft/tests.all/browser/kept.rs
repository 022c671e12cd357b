//! A form whose session ends while somebody fills it.

use fantoccini::Locator;

use super::support::Browser;
use crate::support::world::World;
use crate::web::support::PASSWORD;

async fn fill(browser: &Browser, css: &str, text: &str) {
    let field = browser.page.find(Locator::Css(css)).await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn press(browser: &Browser, css: &str) {
    // A bar at the bottom of the window may lie above it.
    browser
        .ask(&format!("document.querySelector('{css}').click()"))
        .await;
}

#[tokio::test]
async fn browser_brings_a_form_back_onto_its_own_page_after_the_login() {
    let world = World::simple().await;
    let browser = Browser::over(&world).await;
    browser.open("/admin/new/cluster").await;
    fill(&browser, "#name", "east-west").await;
    fill(&browser, "#backends", "front").await;
    press(&browser, "main input[name=members]").await;
    browser.page.delete_all_cookies().await.unwrap();
    press(&browser, "main form .btn-primary").await;
    browser.until_text("main", "Your session has ended").await;
    fill(&browser, "main input[name=name]", "admin").await;
    fill(&browser, "main input[name=password]", PASSWORD).await;
    press(&browser, "main form button.btn-primary").await;
    browser.until_text("main", "The form is as you filled it").await;
    let form = "(() => { const form = document.querySelector('main form'); \
                return [form.elements.name.value, form.elements.backends.value, \
                form.querySelector('[name=members]').checked, location.pathname].join('|'); })()";
    assert_eq!(browser.ask(form).await, "east-west|front|true|/admin/new/cluster");
    browser.picture("kept").await;
    press(&browser, "main form .btn-primary").await;
    browser.until_text("main", "Cluster “east-west” was added").await;
    browser.close().await;
}
