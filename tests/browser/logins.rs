//! Logins in a real browser: at npm's OpenID provider, and with a second factor.
#![allow(
    clippy::disallowed_methods,
    reason = "the provider outlives the call that starts it; it is ended with its test"
)]

use std::path::PathBuf;
use std::process::Stdio;

use chrono::TimeDelta;
use deployer::app::start;
use deployer::clock::Clock;
use deployer::config::Config;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use totp_rs::{Builder, Secret};

use super::support::Browser;
use crate::support::store::TestStore;
use crate::support::world::{World, access};
use crate::web::outside::settings_of;
use crate::web::support::{PASSWORD, TestSite};

/// The directory that cargo builds into.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

/// npm's OpenID provider on `port`, for the site at `url`.
async fn provider(port: u16, url: &str) -> Child {
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
        .arg(modules.trim())
        .arg(port.to_string())
        .arg(format!("{url}/login/with/work/back"))
        .arg(format!("{url}/login?left=yes"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed");
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line == "ready" {
            return node;
        }
    }
    panic!("the provider does not start")
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_logs_in_at_a_provider_and_out_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _provider = provider(port, &url).await;

    let store = TestStore::new().await;
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    config.http.public_url = Some(url.parse().unwrap());
    let own = settings_of(&format!("http://127.0.0.1:{port}"), crate::support::oidc::SECRET);
    config.oidc.insert("work".to_owned(), own);
    let policies = tempfile::tempdir().unwrap();
    let rules = access(policies.path(), "p, group:ops, *, *, administer, always, allow");
    let app = start::assemble(config, store.store.clone(), rules, Clock::System);
    let site = TestSite::over_at(listener, app, store.store.clone()).await;
    let browser = Browser::visiting(site, true).await;

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
    browser.picture("users-provider").await;
    browser.open("/profile").await;
    browser
        .until_text("main", "Example & Sons says who you are")
        .await;
    browser.until_text("main", "ops").await;
    browser.picture("profile-provider").await;
    browser.open("/admin/users/olga").await;
    browser.until_text("#outside", "Known there as").await;
    browser.picture("user-provider").await;

    browser
        .ask("document.querySelector('form[action=\"/logout\"]').submit()")
        .await;
    browser.until_text("main", "You are logged out.").await;
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
