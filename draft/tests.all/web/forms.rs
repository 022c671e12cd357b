//! Forms that are not ours are refused, whoever sends them.

use super::support::{PASSWORD, TestSite, browser, cookies, header};

#[tokio::test]
async fn a_form_without_our_token_does_nothing() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    let fields = [("name", "alice"), ("password", PASSWORD)];
    for token in [
        None,
        Some(""),
        Some("00"),
        Some("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ] {
        site.get("/login").await;
        let mut form = fields.to_vec();
        form.extend(token.map(|token| ("csrf", token)));
        let answer = site
            .browser
            .post(format!("{}/login", site.url))
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403);
        let page = answer.text().await.unwrap();
        assert!(page.contains("Nothing was done."), "{page}");
    }
    assert_eq!(site.audited().await, ["user.added user alice"]);
}

#[tokio::test]
async fn a_form_token_works_only_for_its_own_visitor() {
    let site = TestSite::start().await;
    let token = site.token("/login").await;
    let other = browser();
    other.get(format!("{}/login", site.url)).send().await.unwrap();
    let form = [("csrf", token.as_str()), ("theme", "dark")];
    let stolen = other
        .post(format!("{}/theme", site.url))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(stolen.status(), 403);
    let own = site
        .browser
        .post(format!("{}/theme", site.url))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), 303);
}

#[tokio::test]
async fn a_form_sent_by_another_site_is_refused_in_spite_of_the_token() {
    let site = TestSite::start().await;
    let token = site.token("/login").await;
    let form = [("csrf", token.as_str()), ("theme", "dark")];
    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 303),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", site.url.as_str(), 303),
    ] {
        let request = site
            .browser
            .post(format!("{}/theme", site.url))
            .header(name, value);
        assert_eq!(
            request.form(&form).send().await.unwrap().status(),
            status,
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn htmx_sends_the_token_in_a_header() {
    let site = TestSite::start().await;
    let token = site.token("/login").await;
    let request = site
        .browser
        .post(format!("{}/theme", site.url))
        .header("x-csrf-token", token);
    let answer = request
        .form(&[("theme", "dark"), ("next", "/login")])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/login")
    );
    assert!(cookies(&answer)[0].starts_with("deployer_theme=dark;"));
    let page = site.get("/login").await.text().await.unwrap();
    assert!(page.contains("data-bs-theme=\"dark\""));
}

#[tokio::test]
async fn an_oversized_form_is_not_read() {
    let site = TestSite::start().await;
    let form = [("theme", "x".repeat(1_100_000))];
    let answer = site
        .browser
        .post(format!("{}/theme", site.url))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
}
