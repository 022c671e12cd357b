//! What stands at the door beside the password: counters, cookies that only https carries, what is
//! open to everybody, and sessions that are swept away.

use std::time::{Duration, Instant};

use deployer::access::Access;
use deployer::app::logins::{LoginTry, Logins};
use deployer::app::start;
use deployer::app::throttle::LoginLimits;
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::{ErrorKind, Outcome};
use deployer::store::sessions::SessionRows;
use deployer::store::{AuditFilter, audit};
use deployer::store::{Page, users};
use futures_util::future::join_all;
use reqwest::Response;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::support::{Options, PASSWORD, TestSite, browser, cookies, header, impatient};
use crate::history::support::project;
use crate::support::store::{TestStore, after, noon};

/// Until something that goes on beside has happened, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_slowed_down_and_no_other() {
    let store = TestStore::new().await;
    let logins = Logins::new(LoginLimits {
        waiting: 0,
        ..LoginLimits::default()
    });
    let app = super::support::app(
        &store,
        store.database.directory.path(),
        false,
        deployer::access::Access::builtin(),
    );
    let attempt = async |name: &str, address: &str| {
        let login = LoginTry {
            name,
            password: "guess",
            address,
            device: None,
        };
        let tried = logins.attempt(&app, login, noon()).await;
        tried.unwrap_err().kind()
    };
    let names: Vec<String> = (0..60).map(|number| format!("user{number}")).collect();
    let tried = join_all(names.iter().map(|name| attempt(name, "192.0.2.1"))).await;
    let count = |kind| tried.iter().filter(|one| **one == kind).count();
    assert_eq!((count(ErrorKind::Invalid), count(ErrorKind::Throttled)), (40, 20));
    assert_eq!(attempt("user59", "192.0.2.2").await, ErrorKind::Invalid);
    let throttled = AuditFilter {
        actions: vec!["login.throttled".into()],
        ..AuditFilter::default()
    };
    let told = audit::list(&store.store, &throttled, Page::Newest, 100)
        .await
        .unwrap();
    assert_eq!(told.items.len(), 1, "the log was flooded");
    assert_eq!(told.items[0].event.address, "192.0.2.1");
}

#[tokio::test]
async fn guesses_at_the_current_password_are_audited_and_slowed_down() {
    let site = TestSite::start_with(impatient()).await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    let change = async |old: &str| {
        let new = "another long one";
        let fields = [("old", old), ("password", new), ("again", new)];
        site.post("/profile", &fields).await.status().as_u16()
    };
    assert_eq!(change("guess").await, 422);
    let told = audit::list(&site.store, &AuditFilter::default(), Page::Newest, 1)
        .await
        .unwrap();
    let event = &told.items[0].event;
    assert_eq!(
        (event.action.as_str(), event.actor.as_str(), event.outcome),
        ("user.password_change_failed", "alice", Outcome::Refused)
    );
    // The login was the first try.
    for _ in 0..8 {
        assert_eq!(change("guess").await, 422);
    }
    for _ in 0..2 {
        assert_eq!(change(PASSWORD).await, 429);
    }
    let audited = site.audited().await;
    assert_eq!(audited[0], "user.password_change_throttled user alice");
    assert_eq!(audited[1], "user.password_change_failed user alice");
}

/// Sends a form with these cookies by hand: a browser keeps those for https from plain connections.
async fn sent(site: &TestSite, path: &str, cookie: &str, fields: &[(&str, &str)], origin: &str) -> Response {
    let request = browser().post(format!("{}{path}", site.url));
    let request = request.header("cookie", cookie).header("origin", origin);
    request.form(fields).send().await.unwrap()
}

/// The first cookie of an answer, as it is sent back.
fn kept(answer: &Response) -> String {
    cookies(answer)[0].split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn behind_a_proxy_with_https_forms_work_and_the_session_is_bound_to_it() {
    let site = TestSite::start_with(Options {
        https: true,
        ..Options::default()
    })
    .await;
    site.add_user("alice").await;
    let answer = site.get("/login").await;
    let cookie = kept(&answer);
    let page = answer.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let form = [("csrf", token), ("name", "alice"), ("password", PASSWORD)];

    for elsewhere in [
        "https://evil.example",
        "https://deployer.example:444",
        "http://deployer.example",
    ] {
        let refused = sent(&site, "/login", &cookie, &form, elsewhere).await;
        assert_eq!(refused.status(), 403, "{elsewhere}");
    }
    // The proxy asks us by our own address, the browser knows only the public one.
    let answer = sent(&site, "/login", &cookie, &form, "https://deployer.example").await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/")
    );
    let set = cookies(&answer);
    let session = set
        .iter()
        .find(|line| line.contains("deployer_session="))
        .unwrap();
    assert!(session.starts_with("__Host-deployer_session="), "{session}");
    for wanted in ["; Secure", "; HttpOnly", "; Path=/;"] {
        assert!(session.contains(wanted), "{session}");
    }
}

#[tokio::test]
async fn what_the_policy_allows_everybody_needs_no_login() {
    let site = TestSite::start_with(Options {
        policy: Some("p, role:passer-by, shop, *, view, always, allow\ng, default, role:passer-by"),
        ..Options::default()
    })
    .await;
    site.add_user("alice").await;
    project(&site, "shop", &["beta"]).await;
    project(&site, "vault", &["beta"]).await;
    for path in ["/history", "/projects/shop", "/projects/shop/beta"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
    for (path, status) in [
        ("/projects/vault", 404),
        ("/projects/vault/beta", 404),
        ("/audit", 403),
        ("/admin", 403),
    ] {
        assert_eq!(site.get(path).await.status(), status, "{path}");
    }
    let page = site.get("/").await.text().await.unwrap();
    assert!(
        page.contains("/projects/shop") && page.contains("href=\"/login"),
        "{page}"
    );
    assert!(!page.contains("vault"), "{page}");
    let token = site.token("/login").await;
    let deploy = site.browser.post(format!("{}/projects/shop/beta", site.url));
    let refused = deploy.form(&[("csrf", token)]).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    // Whoever logs in has what everybody has, too.
    site.log_in("alice", PASSWORD).await;
    assert_eq!(site.get("/projects/shop").await.status(), 200);
    assert!(users::by_name(&site.store, "default").await.is_err());
}

#[tokio::test]
async fn sessions_that_have_run_out_are_swept_away() {
    let store = TestStore::new().await;
    let clock = Clock::set_to(noon());
    let sessions = SessionRows::new(store.store.clone(), clock.clone());
    for seconds in [60, 7200] {
        let end = time::OffsetDateTime::from_unix_timestamp(after(seconds).timestamp()).unwrap();
        let mut record = Record {
            id: Id::default(),
            data: Default::default(),
            expiry_date: end,
        };
        sessions.create(&mut record).await.unwrap();
    }
    clock.move_to(after(3600));
    let config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    let app = start::assemble(config, store.store.clone(), Access::builtin(), clock);
    let _watching = start::watch(&app);
    let begun = Instant::now();
    while store.rows("sessions").await != 1 {
        assert!(begun.elapsed() < PATIENCE, "nobody sweeps");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
