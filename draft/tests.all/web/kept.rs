//! A form whose session ended while it was filled.

use reqwest::{Client, Response};

use super::support::{Options, PASSWORD, TestSite, browser};

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some("g, alice, role:sysadmin"),
        ..Options::default()
    })
    .await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    site
}

/// Sends a form as a page of the site does.
async fn sent(browser: &Client, url: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let request = browser.post(format!("{url}{path}")).header("origin", url);
    let page = format!("{url}{path}?from=page");
    request.header("referer", page).form(fields).send().await.unwrap()
}

/// The value of the hidden field `name` in the form that is sent to `action`.
fn hidden(page: &str, action: &str, name: &str) -> String {
    let (_, form) = page.split_once(&format!("action=\"{action}\"")).expect(action);
    let (_, value) = form.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    let value = value.split_once('"').unwrap().0;
    value.replace("&#38;", "&").replace("&#39;", "'")
}

#[tokio::test]
async fn a_form_whose_session_ended_comes_back_after_the_login_as_it_was_filled() {
    let site = site().await;
    let path = "/admin/new/cluster";
    let token = site.token(path).await;
    let fields = [
        ("csrf", token.as_str()),
        ("name", "east & west"),
        ("backends", "a\r\nb'c"),
    ];

    // The cookie is gone.
    let other = browser();
    let answer = sent(&other, &site.url, path, &fields).await;
    assert_eq!(answer.status(), 401);
    let login = answer.text().await.unwrap();
    assert!(login.contains("Log in to get your form back"), "{login}");
    let kept = hidden(&login, "/login", "kept");

    // A wrong password loses nothing.
    let csrf = hidden(&login, "/login", "csrf");
    let attempt = |password: &'static str| {
        let form = [
            ("csrf", csrf.clone()),
            ("name", "alice".into()),
            ("password", password.into()),
            ("kept", kept.clone()),
        ];
        other.post(format!("{}/login", site.url)).form(&form).send()
    };
    let wrong = attempt("guess").await.unwrap();
    assert_eq!(hidden(&wrong.text().await.unwrap(), "/login", "kept"), kept);

    let page = attempt(PASSWORD).await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("Menu of alice") && page.contains("data-page=\"/admin/new/cluster?from=page\""),
        "{page}"
    );
    assert_eq!(hidden(&page, path, "name"), "east & west");
    assert_eq!(hidden(&page, path, "backends"), "a\r\nb'c");
    assert!(!site.audited().await.iter().any(|event| event.contains("cluster")));

    // It is an ordinary form of the new session.
    let csrf = hidden(&page, path, "csrf");
    let again = [("csrf", csrf.as_str()), ("name", "east"), ("backends", "")];
    assert_eq!(sent(&other, &site.url, path, &again).await.status(), 303);
    assert!(
        site.audited().await[0].starts_with("cluster.added"),
        "{:?}",
        site.audited().await
    );
}

#[tokio::test]
async fn a_form_of_an_earlier_login_is_shown_again_without_its_secrets() {
    let site = site().await;
    let token = site.token("/profile").await;
    // Another tab logs out and in again.
    let csrf = site.token("/profile").await;
    sent(&site.browser, &site.url, "/logout", &[("csrf", &csrf)]).await;
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 303);
    let fields = [
        ("csrf", token.as_str()),
        ("old", PASSWORD),
        ("password", "another long one"),
        ("again", "another long one"),
    ];
    let page = sent(&site.browser, &site.url, "/profile", &fields).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("type=\"password\" name=\"old\""), "{page}");
    assert!(
        !page.contains(PASSWORD) && !page.contains("another long one"),
        "{page}"
    );
}

#[tokio::test]
async fn only_a_page_of_ours_can_have_a_form_kept() {
    let site = site().await;
    let token = site.token("/profile").await;
    let form = [("csrf", token.as_str()), ("name", "mine")];
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("accept", "*/*"),
    ] {
        let request = browser()
            .post(format!("{}/admin/new/cluster", site.url))
            .header(name, value);
        assert_eq!(request.form(&form).send().await.unwrap().status(), 403, "{name}");
    }
}
