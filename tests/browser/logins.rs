//! Logins in a real browser: at a real OpenID provider, and with a second factor.
#![allow(
    clippy::disallowed_methods,
    reason = "the provider outlives the call that starts it; it is ended with its test"
)]

use std::path::PathBuf;
use std::process::Stdio;

use chrono::TimeDelta;
use deployer::clock::Clock;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use totp_rs::{Builder, Secret};

use super::outside::{Ground, ground};
use super::support::Browser;
use crate::support::world::World;
use crate::web::outside::settings_of;
use crate::web::support::PASSWORD;

/// The directory that cargo builds into.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

/// npm's OpenID provider for the site at `url`, and its address. It knows everybody, with any password.
async fn provider(url: &str) -> (Child, String) {
    let here = env!("CARGO_MANIFEST_DIR");
    let fetched = Command::new(format!("{here}/tests/provider"))
        .arg(target())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&fetched.stderr);
    assert!(fetched.status.success(), "tests/provider: {said}");
    let modules = String::from_utf8(fetched.stdout).unwrap();
    let mut node = Command::new("node")
        .arg(format!("{here}/tests/browser/provider.mjs"))
        .args([modules.trim(), url, "work"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed");
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let port = lines
        .next_line()
        .await
        .unwrap()
        .expect("the provider does not start");
    (node, format!("http://127.0.0.1:{port}"))
}

/// A site whose visitors can log in at the provider.
async fn with_provider() -> (Ground, Child) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (node, issuer) = provider(&url).await;
    let ground = ground(listener, |config, _| {
        let own = settings_of(&issuer, crate::support::oidc::SECRET);
        config.oidc.insert("work".to_owned(), own);
    });
    (ground.await, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_logs_in_at_a_provider_and_out_again() {
    let (ground, _provider) = with_provider().await;
    let browser = Browser::visiting(ground.site, true).await;
    browser.open("/admin/users").await;
    browser.press("main a[href^='/login']").await;
    browser.until_text("main", "Log in with Example & Sons").await;
    browser.picture("login-provider").await;
    browser.press("main a[href^='/login/with/work']").await;
    browser.until_text("body", "Sign-in").await;
    browser.fill("input[name=login]", "olga").await;
    browser.fill("input[name=password]", "anything").await;
    browser.press("button[type=submit]").await;
    browser.until_text("body", "Authorize").await;
    browser.press("button[type=submit]").await;
    // The page that was asked for, by the right of a group that the provider told.
    browser.until_text("main h1", "Users").await;
    browser.until_text("main", "Name of olga").await;
    browser.open("/profile").await;
    browser
        .until_text("main", "Example & Sons says who you are")
        .await;
    let facts = browser.text("main").await;
    assert!(facts.contains("ops") && !facts.contains("staff"), "{facts}");
    browser.picture("profile-provider").await;
    browser.open("/admin/users/olga").await;
    browser.until_text("#outside", "Known there as").await;
    browser.picture("user-provider").await;

    browser.log_out().await;
    browser.press("main a[href='/login/with/work/leave']").await;
    browser.until_text("body", "sign-out").await;
    browser.press("button[value=yes]").await;
    browser.until_text("main", "You are logged out.").await;
    // The provider asks again who it is.
    browser.press("main a[href^='/login/with/work']").await;
    browser.until_text("body", "Sign-in").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_that_was_turned_away_at_a_provider_is_told_so() {
    let (ground, _provider) = with_provider().await;
    let browser = Browser::visiting(ground.site, true).await;
    browser.open("/login").await;
    browser.press("main a[href^='/login/with/work']").await;
    browser.until_text("body", "Sign-in").await;
    browser.press("a[href$='/abort']").await;
    browser.until_text("main", "Log in to Deployer").await;
    let told = browser.text("main [role=alert]").await;
    assert!(told.contains("aborted"), "{told}");
    // Somebody who has an account of their own already is nobody's by their name alone.
    browser.press("main a[href^='/login/with/work']").await;
    browser.until_text("body", "Sign-in").await;
    browser.fill("input[name=login]", "admin").await;
    browser.fill("input[name=password]", "anything").await;
    browser.press("button[type=submit]").await;
    browser.until_text("body", "Authorize").await;
    browser.press("button[type=submit]").await;
    browser
        .until_text("main", "An administrator can link an account to you")
        .await;
    browser.picture("login-provider-refused").await;
    browser.open("/profile").await;
    browser.until_text("main", "Log in").await;
    let is_guest = browser.ask("document.querySelector(\"form[action='/logout']\") === null");
    assert_eq!(is_guest.await, true);
    browser.close().await;
}

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
    let recovery = browser.text("main .codes code").await;
    browser.picture("recovery-codes").await;

    browser.log_out().await;
    browser.enter("admin", PASSWORD).await;
    browser.until_text("main h1", "Second factor").await;
    browser.picture("second-factor-login").await;
    // Without the code nobody is in.
    browser.open("/profile").await;
    browser.until_text("main h1", "Log in to Deployer").await;
    browser.enter("admin", PASSWORD).await;
    browser.until_text("main h1", "Second factor").await;
    browser.fill("#code", &code(&clock)).await;
    browser.press("main form .btn-primary").await;
    browser.until_text("main", "it was used already").await;
    clock.move_to(clock.now() + TimeDelta::seconds(30));
    browser.fill("#code", &code(&clock)).await;
    browser.press("main form .btn-primary").await;
    browser.until_text("main", "Your account.").await;
    browser.log_out().await;
    // The app is lost.
    browser.enter("admin", PASSWORD).await;
    browser.until_text("main h1", "Second factor").await;
    browser.fill("#code", &recovery).await;
    browser.press("main form .btn-primary").await;
    browser
        .until("logged in", || async {
            browser.page.current_url().await.unwrap().path() == "/"
        })
        .await;
    browser.open("/profile/second-factor").await;
    browser.until_text("main", "It is on").await;
    let left = browser.text("main").await;
    assert!(left.contains("Recovery codes left\n9"), "{left}");
    browser.close().await;
}
