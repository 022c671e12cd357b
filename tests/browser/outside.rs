//! People in a real browser of whom a login proxy or a plugin says who they are.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use deployer::app::start;
use deployer::clock::Clock;
use deployer::config::{Config, Secret};
use deployer::domain::PluginPlace;
use tokio::net::TcpListener;

use super::support::Browser;
use crate::support::haproxy::Haproxy;
use crate::support::store::TestStore;
use crate::support::world::access;
use crate::web::support::TestSite;

/// What the proxy proves itself by.
const PROXY_SECRET: &str = "between the proxy and us";
/// What gina proves herself by at the proxy.
const GINA: &str = "gina:open sesame";

/// A site where the group `ops` may administer, with the account `admin`.
pub struct Ground {
    pub site: TestSite,
    _store: TestStore,
    _dir: tempfile::TempDir,
}

/// One at the address of `listener`, with more in its configuration; there is a directory for programs.
pub async fn ground(listener: TcpListener, settle: impl FnOnce(&mut Config, &Path)) -> Ground {
    let (store, dir) = (TestStore::new().await, tempfile::tempdir().unwrap());
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    let url = format!("http://{}", listener.local_addr().unwrap());
    config.http.public_url = Some(url.parse().unwrap());
    settle(&mut config, dir.path());
    let rules = access(dir.path(), "p, group:ops, *, *, administer, always, allow");
    let app = start::assemble(config, store.store.clone(), rules, Clock::System);
    let site = TestSite::over_at(listener, app, store.store.clone()).await;
    site.add_user("admin").await;
    Ground {
        site,
        _store: store,
        _dir: dir,
    }
}

/// HAProxy in front of a site: it asks for a name and a password by itself, and tells the site who came.
async fn proxy_before(port: u16) -> Haproxy {
    let login = BASE64.encode(GINA);
    Haproxy::builder()
        .unchecked()
        .line(&format!("acl is-gina req.hdr(authorization) \"Basic {login}\""))
        .line("http-request return status 401 hdr www-authenticate 'Basic realm=\"work\"' unless is-gina")
        .line("http-request del-header authorization")
        .line(&format!(
            "http-request set-header x-deployer-proxy-secret \"{PROXY_SECRET}\""
        ))
        .line("http-request set-header x-forwarded-user gina")
        .line("http-request set-header x-forwarded-groups ops,staff")
        .backend("site", &[("deployer", port)])
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_is_let_in_by_a_login_proxy_and_by_nobody_beside_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let haproxy = proxy_before(listener.local_addr().unwrap().port()).await;
    let front = haproxy.url("site");
    let ground = ground(listener, |config, _| {
        config.http.public_url = Some(front.parse().unwrap());
        config.login_proxy.addresses = vec!["127.0.0.0/8".parse().unwrap()];
        config.login_proxy.secret = Some(Secret::new(PROXY_SECRET));
        config.login_proxy.groups = vec!["ops".to_owned()];
    })
    .await;
    let beside = format!("{}/admin/users", ground.site.url);
    let browser = Browser::visiting(ground.site, true).await;
    // Browsers send again what the proxy was told once.
    let at = front.replace("http://", "http://gina:open%20sesame@");
    browser.page.goto(&format!("{at}/login")).await.unwrap();
    browser.page.goto(&format!("{front}/admin/users")).await.unwrap();
    browser.until_text("main h1", "Users").await;
    browser.until_text("main", "gina").await;
    browser.page.goto(&format!("{front}/profile")).await.unwrap();
    browser.until_text("main", "Login proxy says who you are").await;
    browser.picture("profile-proxy").await;
    // A form takes the token of its page, as everywhere.
    browser
        .page
        .goto(&format!("{front}/profile/tokens"))
        .await
        .unwrap();
    browser.fill("main form input[name=name]", "ci").await;
    browser.press("main form .btn-primary").await;
    browser.until_text("main", "shown once").await;
    // There is no session: whoever comes beside the proxy is a guest.
    browser.page.goto(&beside).await.unwrap();
    browser.until_text("main", "Log in").await;
    browser.close().await;
}

/// A plugin that knows petra.
const PLUGIN: &str = r#"#!/bin/sh
case $(cat) in
*'"name":"petra","password":"open sesame"'*)
    echo '{"output": {"name": "petra", "display_name": "Petra P.", "groups": ["ops", "else"]}}' ;;
*'"name":"broken"'*) exit 3 ;;
esac
"#;

#[tokio::test(flavor = "multi_thread")]
async fn browser_logs_in_with_what_a_plugin_knows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ground = ground(listener, |config, dir| {
        let program = dir.join("login");
        std::fs::write(&program, PLUGIN).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        config.login_plugin.place = Some(PluginPlace::Program(program));
        config.login_plugin.groups = vec!["ops".to_owned()];
    })
    .await;
    let browser = Browser::visiting(ground.site, true).await;
    browser.open("/login?next=%2Fadmin%2Fusers").await;
    browser.enter("petra", "guess").await;
    browser.until_text("main", "Wrong name or password.").await;
    browser.enter("broken", "open sesame").await;
    browser
        .until_text("main", "Logins cannot be checked at the moment.")
        .await;
    browser.open("/login?next=%2Fadmin%2Fusers").await;
    browser.enter("petra", "open sesame").await;
    browser.until_text("main h1", "Users").await;
    browser.until_text("main", "Petra P.").await;
    browser.open("/profile").await;
    browser.until_text("main", "says who you are").await;
    let facts = browser.text("main").await;
    assert!(facts.contains("ops") && !facts.contains("else"), "{facts}");
    browser.picture("profile-plugin").await;
    browser.log_out().await;
    browser.open("/profile").await;
    browser.until_text("main h1", "Log in to Deployer").await;
    browser.close().await;
}
