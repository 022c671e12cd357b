//! Logins with a second factor, in a real browser.

use chrono::TimeDelta;
use deployer::clock::Clock;
use totp_rs::{Builder, Secret};

use super::support::Browser;
use crate::support::world::World;
use crate::web::support::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn browser_sets_up_a_second_factor_and_logs_in_with_it() {
    let clock = Clock::set_to(Clock::System.now());
    let world = World::project().clock(clock.clone()).start().await;
    let browser = Browser::over(&world).await;
    browser.open("/profile/second-factor").await;
    browser.fill("main input[name=old]", PASSWORD).await;
    browser.press("main form .btn-primary").await;
    browser.until_text("main", "Scan it with the app").await;
    browser.picture("second-factor").await;
    let secret = browser
        .ask("document.querySelector('[data-copy]').dataset.copy")
        .await;
    let secret = Secret::try_from_base32(secret.as_str().unwrap()).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    let code = |clock: &Clock| totp.generate(clock.now().timestamp().unsigned_abs()).to_string();
    browser.fill("main input[name=code]", &code(&clock)).await;
    browser.press("main form .btn").await;
    browser.until_text("main", "Recovery codes").await;
    browser.picture("recovery-codes").await;

    browser
        .ask("document.querySelector('form[action=\"/logout\"]').submit()")
        .await;
    browser.until_text("main", "You are logged out.").await;
    browser.fill("main input[name=name]", "admin").await;
    browser.fill("main input[name=password]", PASSWORD).await;
    browser.press("main form button.btn-primary").await;
    browser.until_text("main h1", "Second factor").await;
    browser.picture("second-factor-login").await;
    browser.fill("#code", &code(&clock)).await;
    browser.press("main form button.btn-primary").await;
    browser.until_text("main", "it was used already").await;
    clock.move_to(clock.now() + TimeDelta::seconds(30));
    browser.fill("#code", &code(&clock)).await;
    browser.press("main form button.btn-primary").await;
    browser
        .until("logged in", || async {
            browser.page.current_url().await.unwrap().path() == "/"
        })
        .await;
    browser.open("/profile").await;
    browser.until_text("main", "Password").await;
    browser.close().await;
}
