//! Logins from outside: a proxy that names people, and a plugin that knows them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deployer::access::Access;
use deployer::app::{outside, start};
use deployer::clock::Clock;
use deployer::config::{Config, LoginSettings, Secret};
use deployer::domain::{LoginProvider, PluginPlace};
use deployer::store::users;
use reqwest::{Client, RequestBuilder, Response};
use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{PASSWORD, TestSite, browser, header, operator};
use crate::support::store::TestStore;

const SECRET: &str = "between the proxy and us";
/// The group may lock; ann is named by policy and has no account.
const POLICY: &str = "p, group:ops, *, *, administer, always, allow\ng, ann, role:sysadmin\ng, petra, role:reader";

struct Stage {
    site: TestSite,
    _store: TestStore,
    _policies: tempfile::TempDir,
    /// Where programs of a test are.
    dir: tempfile::TempDir,
}

async fn stage(settle: impl FnOnce(&mut LoginSettings, &Path)) -> Stage {
    let store = TestStore::new().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    settle(&mut config.logins, dir.path());
    let policies = tempfile::tempdir().unwrap();
    let access: Access = crate::support::world::access(policies.path(), POLICY);
    let app = start::assemble(config, store.store.clone(), access, Clock::System);
    let site = TestSite::over(app, store.store.clone()).await;
    for name in ["admin", "bob"] {
        site.add_user(name).await;
    }
    Stage {
        site,
        _store: store,
        _policies: policies,
        dir,
    }
}

async fn behind_a_proxy() -> Stage {
    stage(|logins, _| {
        logins.proxy_addresses = vec!["127.0.0.0/8".parse().unwrap()];
        logins.proxy_secret = Some(Secret::new(SECRET));
        logins.proxy_groups = vec!["ops".into(), "team-*".into()];
    })
    .await
}

fn by_proxy(request: RequestBuilder, name: &str, groups: &str) -> RequestBuilder {
    let request = request.header("x-deployer-proxy-secret", SECRET);
    request
        .header("x-forwarded-user", name)
        .header("x-forwarded-groups", groups)
}

impl Stage {
    async fn seen_by(&self, client: &Client, path: &str, name: &str, groups: &str) -> Response {
        let request = client.get(format!("{}{path}", self.site.url));
        by_proxy(request, name, groups).send().await.unwrap()
    }

    fn program(&self, text: &str) -> PathBuf {
        written(self.dir.path(), text)
    }
}

fn written(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("login");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn whom_the_proxy_names_has_an_account_from_the_first_request_on() {
    let stage = behind_a_proxy().await;
    let client = browser();
    let page = stage.seen_by(&client, "/profile", "gina", "").await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("Menu of gina"));
    for (groups, status) in [("", 403), ("ops", 200), ("guests, ops", 200), ("OPS", 403)] {
        let page = stage.seen_by(&client, "/admin/users", "gina", groups).await;
        assert_eq!(page.status(), status, "{groups}");
    }
    let audited = stage.site.audited().await;
    let own: Vec<&String> = audited.iter().filter(|one| one.ends_with("user gina")).collect();
    assert_eq!(own, ["login.succeeded user gina", "user.added user gina"]);
    let user = users::by_name(&stage.site.store, "gina").await.unwrap();
    assert!(!user.has_password && user.last_login_at.is_some());
    // Nobody is named: a guest, who may log in with a password.
    let nobody = stage.seen_by(&client, "/profile", "", "ops").await;
    assert_eq!(header(&nobody, "location"), "/login?next=%2Fprofile");
}

#[tokio::test]
async fn the_headers_are_refused_from_elsewhere_and_twice() {
    let stage = behind_a_proxy().await;
    let get = || browser().get(format!("{}/profile", stage.site.url));
    let named = |request: RequestBuilder| request.header("x-forwarded-user", "gina");
    for bad in [
        named(get()),
        named(get()).header("x-deployer-proxy-secret", "guess"),
        get().header("x-forwarded-groups", "ops"),
    ] {
        let answer = bad.send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let said = answer.text().await.unwrap();
        assert!(said.contains("is taken from the login proxy alone"), "{said}");
    }
    let twice = by_proxy(named(get()), "gina", "").send().await.unwrap();
    assert_eq!(twice.status(), 422);
    assert!(users::by_name(&stage.site.store, "gina").await.is_err(), "nobody got an account");
    let other = stage_for_another_address().await;
    let refused = other.seen_by(&browser(), "/profile", "gina", "").await;
    assert_eq!(refused.status(), 403);
}

/// A site whose proxy is at another address.
async fn stage_for_another_address() -> Stage {
    stage(|logins, _| {
        logins.proxy_addresses = vec!["192.0.2.1".parse().unwrap()];
        logins.proxy_secret = Some(Secret::new(SECRET));
    })
    .await
}

#[tokio::test]
async fn nobody_becomes_somebody_because_a_proxy_says_so() {
    let stage = behind_a_proxy().await;
    stage.site.add_user("former").await;
    let tx = crate::support::store::change(&stage.site.store).await;
    let former = users::by_name(&tx, "former").await.unwrap();
    users::delete(&tx, former.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    for name in ["bob", "Bob", "admin", "former", "FORMER", "ann", "Ann", "auto", "default", "guest"] {
        let answer = stage.seen_by(&browser(), "/profile", name, "").await;
        assert_eq!(answer.status(), 403, "{name}");
        let said = answer.text().await.unwrap();
        assert!(said.contains("An administrator can link it"), "{name}: {said}");
    }
    for name in ["a b", "../x", &"x".repeat(300)] {
        assert_eq!(stage.seen_by(&browser(), "/profile", name, "").await.status(), 403, "{name}");
    }
    stage.site.log_in("admin", PASSWORD).await;
    let page = "/admin/users/bob";
    let token = stage.site.token(page).await;
    let form = [("csrf", token.as_str()), ("provider", "proxy"), ("subject", "bob")];
    let link = stage.site.browser.post(format!("{}{page}/link", stage.site.url));
    assert_eq!(link.form(&form).send().await.unwrap().status(), 303);
    let linked = stage.seen_by(&browser(), "/profile", "bob", "").await;
    assert!(linked.text().await.unwrap().contains("Menu of bob"));
    let twice = stage.site.browser.post(format!("{}/admin/users/admin/link", stage.site.url));
    assert_eq!(twice.form(&form).send().await.unwrap().status(), 422);
    let unlink = stage.site.browser.post(format!("{}{page}/unlink", stage.site.url));
    assert_eq!(unlink.form(&form).send().await.unwrap().status(), 303);
    assert_eq!(stage.seen_by(&browser(), "/profile", "bob", "").await.status(), 403);
    let audited = stage.site.audited().await;
    assert_eq!(audited[..2], ["user.unlinked user bob", "login.succeeded user bob"].map(str::to_owned));
}

#[tokio::test]
async fn forms_behind_a_proxy_need_their_token_and_streams_end_with_the_account() {
    let stage = behind_a_proxy().await;
    let client = browser();
    let page = stage.seen_by(&client, "/profile/tokens", "gina", "").await.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let send = async |fields: &[(&str, &str)]| {
        let request = client.post(format!("{}/profile/tokens", stage.site.url));
        by_proxy(request, "gina", "").form(fields).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&[("name", "ci"), ("expires", "7")]).await, 403);
    assert_eq!(send(&[("csrf", token), ("name", "ci"), ("expires", "7")]).await, 200);

    let mut stream = stage.seen_by(&client, "/live", "gina", "ops").await;
    assert_eq!(stream.status(), 200);
    let disabled = deployer::app::accounts::set_disabled(&stage.site.store, &operator(), "gina", true);
    disabled.await.unwrap();
    let over = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(6), over)
        .await
        .expect("the stream goes on");
    assert_eq!(stage.seen_by(&client, "/profile", "gina", "ops").await.status(), 403);
}

/// A plugin that knows petra, by a password or a cookie, and writes down what it is asked.
const PLUGIN: &str = r#"#!/bin/sh
question=$(cat)
printf '%s\n' "$question" >> "$(dirname "$0")/asked"
case $question in
*'"password":"open sesame"'*|*'"cookie":"good"'*)
    echo '{"output": {"name": "petra", "subject": "id-7", "groups": ["ops", "else"], "lifetime": 3600, "new": 1}}' ;;
*'"name":"rude"'*) echo '{"error": "You are locked there."}' ;;
*'"name":"broken"'*) echo 'no document' ;;
*'"name":"failing"'*) echo 'it hurts' >&2; exit 3 ;;
*'"name":"slow"'*) sleep 30 ;;
*'"name":"bobby"'*) echo '{"output": {"name": "bob"}}' ;;
esac
"#;

async fn with_plugin() -> Stage {
    stage(|logins, dir| {
        logins.plugin = Some(PluginPlace::Program(written(dir, PLUGIN)));
        logins.plugin_timeout = Duration::from_secs(2);
        logins.plugin_cookie = "elsewhere".into();
        logins.plugin_groups = vec!["ops".into()];
    })
    .await
}

#[tokio::test]
async fn the_plugin_is_asked_about_whoever_has_no_password_here() {
    let mut stage = with_plugin().await;
    // Policy names her, so an administrator has to link an account.
    assert_eq!(stage.site.log_in("petra", "open sesame").await.status(), 403);
    let asked = || std::fs::read_to_string(stage.dir.path().join("asked")).unwrap();
    assert!(asked().contains(r#""api":"deployer/v1","call":"login""#), "{}", asked());
    stage.site.add_user("petra").await;
    let by_host = operator();
    let link = (LoginProvider::Plugin, "id-7");
    outside::link(&stage.site.store, &by_host, "petra", link).await.unwrap();
    assert_eq!(stage.site.log_in("petra", "open sesame").await.status(), 303);
    assert_eq!(stage.site.get("/admin/users").await.status(), 200, "her group counts");
    let sessions = stage.site.get("/profile/sessions").await.text().await.unwrap();
    assert!(sessions.contains("This one"), "{sessions}");

    let lines = asked().lines().count();
    stage.site.browser = browser();
    assert_eq!(stage.site.log_in("bob", "guess").await.status(), 422);
    assert_eq!(asked().lines().count(), lines, "bob's password is nobody else's business");
    for (name, status, said) in [
        ("nobody", 422, "Wrong name or password."),
        ("rude", 422, "Wrong name or password."),
        ("bobby", 403, "An administrator can link it"),
        ("broken", 503, "Logins cannot be checked at the moment."),
        ("failing", 503, "Logins cannot be checked at the moment."),
        ("slow", 503, "Logins cannot be checked at the moment."),
    ] {
        let answer = stage.site.log_in(name, "x").await;
        assert_eq!(answer.status(), status, "{name}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{name}: {text}");
    }
    assert_eq!(stage.site.log_in("bob", PASSWORD).await.status(), 303, "local accounts get in");
}

#[tokio::test]
async fn what_was_linked_ends_with_the_link() {
    let stage = with_plugin().await;
    stage.site.add_user("petra").await;
    let by_host = operator();
    let link = (LoginProvider::Plugin, "id-7");
    outside::link(&stage.site.store, &by_host, "petra", link).await.unwrap();
    stage.site.log_in("petra", "open sesame").await;
    assert_eq!(stage.site.get("/profile").await.status(), 200);
    outside::unlink(&stage.site.store, &by_host, "petra", link).await.unwrap();
    assert_eq!(stage.site.get("/profile").await.status(), 303);
}

#[tokio::test]
async fn another_systems_cookie_lets_somebody_in_whom_the_plugin_knows() {
    let stage = with_plugin().await;
    stage.site.add_user("petra").await;
    let by_host = operator();
    outside::link(&stage.site.store, &by_host, "petra", (LoginProvider::Plugin, "id-7"))
        .await
        .unwrap();
    let asked = async |cookie: &str| {
        let request = browser().get(format!("{}/profile", stage.site.url));
        request.header("cookie", format!("elsewhere={cookie}")).send().await.unwrap()
    };
    let known = asked("good").await;
    assert_eq!(known.status(), 200);
    let session = super::support::cookies(&known);
    assert!(session.iter().any(|line| line.starts_with("deployer_session=")), "{session:?}");
    assert_eq!(asked("bad").await.status(), 303);
    let count = || std::fs::read_to_string(stage.dir.path().join("asked")).unwrap().lines().count();
    let before = count();
    for _ in 0..5 {
        assert_eq!(asked("bad").await.status(), 303);
    }
    assert_eq!(count(), before, "one cookie is asked about again and again");
}

/// Answers one request, if it is signed.
async fn endpoint(listener: tokio::net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut some = [0; 4096];
        let length = stream.read(&mut some).await.unwrap();
        request.extend_from_slice(&some[..length]);
        let text = String::from_utf8(request.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with("}")
            && body.matches('{').count() == body.matches('}').count()
        {
            break (head.to_lowercase(), body.to_owned());
        }
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hex::encode(hmac::sign(&key, body.as_bytes()));
    let is_signed = head.contains(&format!("x-deployer-signature: sha256={signature}"));
    let answer = r#"{"output": {"name": "harry"}}"#;
    let answer = match is_signed {
        true => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()),
        false => "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_gets_signed_questions() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/login", listener.local_addr().unwrap());
    let stage = stage(|logins, _| {
        logins.plugin = Some(PluginPlace::Endpoint(url));
        logins.plugin_secret = Some(Secret::new(SECRET));
    })
    .await;
    let serving = tokio::spawn(endpoint(listener));
    assert_eq!(stage.site.log_in("harry", "x").await.status(), 303);
    serving.await.unwrap();
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Menu of harry"), "{page}");
}

#[tokio::test]
async fn the_shell_example_checks_a_file_of_hashes() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/login.sh");
    let text = std::fs::read_to_string(shipped).unwrap();
    let stage = stage(|logins, dir| {
        let text = text.replace("/etc/deployer/passwords", &dir.join("passwords").display().to_string());
        std::fs::write(
            dir.join("passwords"),
            // openssl passwd -6 -salt example 'open sesame'
            "harry:$6$example$qlLXhcZY2e8RR5ajkmUAMJdLEgbTIKKKCQqK8Y.55H8PiwqhFKUSIYWPz3vBzjXQ3HpuzGmhXQ5JpCZiljCmm1:ops,team-web\n",
        )
        .unwrap();
        logins.plugin = Some(PluginPlace::Program(written(dir, &text)));
    })
    .await;
    assert_eq!(stage.site.log_in("harry", "guess").await.status(), 422);
    assert_eq!(stage.site.log_in("nobody", "open sesame").await.status(), 422);
    assert_eq!(stage.site.log_in("harry", "open sesame").await.status(), 303);
    assert_eq!(stage.site.get("/admin/users").await.status(), 200);
    drop(stage.program(""));
}
