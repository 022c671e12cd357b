//! Coming in, staying in, going out.

use std::time::{Duration, Instant};

use deployer::app::accounts::{self, Keeping};
use deployer::app::throttle::LoginLimits;

use super::support::{Options, PASSWORD, TestSite, browser, cookies, header, impatient, operator};

fn session_cookie(lines: &[String]) -> Option<&String> {
    lines.iter().find(|line| line.contains("deployer_session="))
}

#[tokio::test]
async fn a_login_opens_a_session_that_scripts_cannot_read() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    let answer = site.log_in("alice", PASSWORD).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/")
    );
    let set = cookies(&answer);
    let cookie = session_cookie(&set).expect("a session cookie");
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1209"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let page = site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Menu of alice"));
    assert_eq!(
        site.audited().await,
        ["login.succeeded user alice", "user.added user alice"]
    );
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_it_and_to_the_host() {
    let site = TestSite::start_with(Options {
        https: true,
        ..Options::default()
    })
    .await;
    let answer = site.get("/login").await;
    let set = cookies(&answer);
    assert!(
        set[0].starts_with("__Host-deployer_form=") && set[0].contains("; Secure"),
        "{set:?}"
    );
    assert_eq!(header(&answer, "strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn looking_at_the_login_form_opens_no_session() {
    let site = TestSite::start().await;
    assert_eq!(session_cookie(&cookies(&site.get("/login").await)), None);
}

#[tokio::test]
async fn a_login_replaces_the_session_id() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    let id = |answer: &reqwest::Response| {
        let set = cookies(answer);
        session_cookie(&set)
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let first = id(&site.log_in("alice", PASSWORD).await);
    let changed = site
        .post(
            "/profile",
            &[
                ("old", PASSWORD),
                ("password", "another long one"),
                ("again", "another long one"),
            ],
        )
        .await;
    assert_eq!(changed.status(), 303);
    assert_ne!(first, id(&changed));
    let thief = browser()
        .get(format!("{}/profile", site.url))
        .header("cookie", first);
    assert_eq!(
        header(&thief.send().await.unwrap(), "location"),
        "/login?next=%2Fprofile"
    );
    let page = site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Password changed."), "{page}");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_read_the_same() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    for (name, password) in [("alice", "wrong"), ("nobody", "wrong"), ("", ""), ("<b>", "x")] {
        let answer = site.log_in(name, password).await;
        assert_eq!(answer.status(), 422);
        let page = answer.text().await.unwrap();
        assert!(page.contains("Wrong name or password."), "{page}");
        assert!(!page.contains("<b>"), "{page}");
    }
    assert_eq!(
        site.audited().await,
        [
            // The second one is counted.
            "login.failed user (not a name)",
            "login.failed user nobody",
            "login.failed user alice",
            "user.added user alice"
        ]
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_even_with_the_right_password() {
    let site = TestSite::start_with(impatient()).await;
    site.add_user("alice").await;
    for _ in 0..10 {
        assert_eq!(site.log_in("alice", "guess").await.status(), 422);
    }
    for _ in 0..2 {
        let answer = site.log_in("ALICE", PASSWORD).await;
        assert_eq!(answer.status(), 429);
        assert!(answer.text().await.unwrap().contains("Too many attempts"));
    }
    let audited = site.audited().await;
    let throttled = audited.iter().filter(|line| line.starts_with("login.throttled"));
    assert_eq!(throttled.count(), 1, "{audited:?}");
}

#[tokio::test]
async fn a_browser_that_logged_in_before_is_let_through_until_the_password_changes() {
    let mut site = TestSite::start_with(impatient()).await;
    site.add_user("alice").await;
    let set = cookies(&site.log_in("alice", PASSWORD).await);
    let mark = set
        .iter()
        .find(|line| line.starts_with("deployer_device="))
        .unwrap();
    assert!(
        mark.contains("HttpOnly") && mark.contains("SameSite=Lax"),
        "{mark}"
    );
    site.post_at("/profile", "/logout").await;
    let known = std::mem::replace(&mut site.browser, browser());
    for number in 0..50 {
        site.log_in(&format!("user{number}"), "guess").await;
    }
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 429);
    let stranger = std::mem::replace(&mut site.browser, known);
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 303);

    site.post_at("/profile", "/logout").await;
    let new = "set by somebody else".to_owned();
    accounts::set_password(&site.store, &operator(), "alice", new.clone(), Keeping::ForGood)
        .await
        .unwrap();
    assert_eq!(site.log_in("alice", &new).await.status(), 429);
    drop(stranger);
}

#[tokio::test]
async fn who_is_over_the_limit_waits_and_is_let_in() {
    let mut limits = LoginLimits::default();
    limits.pair.pause = Duration::from_millis(500);
    let site = TestSite::start_with(Options {
        logins: Some(limits),
        ..Options::default()
    })
    .await;
    site.add_user("alice").await;
    let begun = Instant::now();
    for _ in 0..12 {
        assert_eq!(site.log_in("alice", "guess").await.status(), 422);
    }
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 303);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "nobody was slowed down"
    );
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    let set = cookies(&site.log_in("alice", PASSWORD).await);
    let old = session_cookie(&set)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let token = site.token("/profile").await;
    let logout = site
        .browser
        .post(format!("{}/logout", site.url))
        .form(&[("csrf", token)]);
    let answer = logout.send().await.unwrap();
    assert_eq!(header(&answer, "location"), "/login?left=yes");
    assert!(session_cookie(&cookies(&answer)).unwrap().contains("Max-Age=0"));
    let again = browser()
        .get(format!("{}/profile", site.url))
        .header("cookie", old);
    assert_eq!(again.send().await.unwrap().status(), 303);
    assert_eq!(site.audited().await[0], "logout user alice");
}

#[tokio::test]
async fn disabling_an_account_or_changing_its_password_ends_its_sessions() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    assert_eq!(site.get("/profile").await.status(), 200);
    let password = "set by an administrator".to_owned();
    accounts::set_password(&site.store, &operator(), "alice", password, Keeping::ForGood)
        .await
        .unwrap();
    assert_eq!(site.get("/profile").await.status(), 303);

    site.log_in("alice", "set by an administrator").await;
    assert_eq!(site.get("/profile").await.status(), 200);
    accounts::set_disabled(&site.store, &operator(), "alice", true)
        .await
        .unwrap();
    assert_eq!(site.get("/profile").await.status(), 303);
    let answer = site.log_in("alice", "set by an administrator").await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("This account is disabled."));
}

#[tokio::test]
async fn the_login_returns_to_local_pages_only() {
    let mut site = TestSite::start().await;
    site.add_user("alice").await;
    for (wanted, place) in [
        ("/history?page=2", "/history?page=2"),
        ("//evil.example/x", "/"),
        ("https://evil.example", "/"),
    ] {
        let fields = [("name", "alice"), ("password", PASSWORD), ("next", wanted)];
        site.browser = browser();
        assert_eq!(header(&site.post("/login", &fields).await, "location"), place);
    }
}

#[tokio::test]
async fn a_request_with_an_authorization_header_is_never_taken_by_its_cookie() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    for accept in ["text/html", "application/json"] {
        let request = site.browser.get(format!("{}/profile", site.url));
        let request = request.header("authorization", "Bearer abc");
        let answer = request.header("accept", accept).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{accept}");
        assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
        assert_eq!(cookies(&answer), Vec::<String>::new());
        let text = answer.text().await.unwrap();
        assert!(text.contains("There is no such API token."), "{text}");
        assert!(!text.contains("alice"), "{text}");
    }
    assert_eq!(site.get("/profile").await.status(), 200, "the session stands");
}
