//! What every answer has in common, and what errors look like.

use super::support::{PASSWORD, TestSite, header};

#[tokio::test]
async fn every_answer_carries_a_strict_content_policy() {
    let site = TestSite::start().await;
    for path in ["/login", "/nowhere", "/static/missing"] {
        let answer = site.get(path).await;
        let policy = header(&answer, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "x-frame-options"), "DENY");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(header(&answer, "x-request-id").len(), 16);
    }
}

#[tokio::test]
async fn not_found_is_answered_as_page_fragment_or_json() {
    let site = TestSite::start().await;
    let page = site.get("/a%22%3Cscript%3E").await;
    assert_eq!(page.status(), 404);
    let text = page.text().await.unwrap();
    assert!(
        text.contains("There is no page at") && !text.contains("<script>"),
        "{text}"
    );

    let url = format!("{}/nowhere", site.url);
    let fragment = site
        .browser
        .get(&url)
        .header("hx-request", "true")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (fragment.status().as_u16(), header(&fragment, "hx-retarget")),
        (404, "#toasts")
    );
    assert!(!fragment.text().await.unwrap().contains("<html"));

    let json = site
        .browser
        .get(&url)
        .header("accept", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(json.status(), 404);
    let body: serde_json::Value = serde_json::from_str(&json.text().await.unwrap()).unwrap();
    assert_eq!(body["error"]["message"], "There is no page at “/nowhere”.");
}

#[tokio::test]
async fn the_wrong_method_is_told_apart_from_a_missing_page() {
    let site = TestSite::start().await;
    assert_eq!(site.get("/logout").await.status(), 405);
}

#[tokio::test]
async fn a_page_that_needs_a_login_leads_to_it_and_back() {
    let site = TestSite::start().await;
    let answer = site.get("/profile").await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/login?next=%2Fprofile")
    );
    let page = site.get("/login?next=%2Fprofile").await.text().await.unwrap();
    assert!(page.contains("name=\"next\" value=\"/profile\""));
}

#[tokio::test]
async fn style_sheets_are_kept_for_ever_under_the_hash_of_their_content() {
    let site = TestSite::start().await;
    let page = site.get("/login").await.text().await.unwrap();
    let url = page
        .split('"')
        .find(|part| part.starts_with("/static/") && part.ends_with("/app.css"))
        .unwrap()
        .to_owned();
    let plain = site.get(&url).await;
    assert_eq!(
        header(&plain, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(header(&plain, "content-type"), "text/css; charset=utf-8");
    assert_eq!(header(&plain, "vary"), "Accept-Encoding");
    let tag = header(&plain, "etag").to_owned();
    let whole = plain.bytes().await.unwrap();

    let ask = |name: &'static str, value: String| {
        site.browser.get(format!("{}{url}", site.url)).header(name, value)
    };
    let packed = ask("accept-encoding", "br, gzip".into()).send().await.unwrap();
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    assert!(packed.bytes().await.unwrap().len() * 2 < whole.len());
    assert_eq!(ask("if-none-match", tag).send().await.unwrap().status(), 304);

    let old = site.get("/static/0000000000000000/app.css").await;
    assert_eq!(
        (old.status().as_u16(), header(&old, "cache-control")),
        (200, "no-cache")
    );
}

#[tokio::test]
async fn pages_are_compressed_for_clients_that_accept_it() {
    let site = TestSite::start().await;
    let request = site
        .browser
        .get(format!("{}/login", site.url))
        .header("accept-encoding", "gzip");
    let answer = request.send().await.unwrap();
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert_eq!(header(&answer, "vary"), "Accept-Encoding");
}

#[tokio::test]
async fn a_message_waits_for_a_page_that_shows_it() {
    let site = TestSite::start().await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    let new = "another long one";
    site.post(
        "/profile",
        &[("old", PASSWORD), ("password", new), ("again", new)],
    )
    .await;
    let fragment = site.browser.get(format!("{}/", site.url));
    let fragment = fragment.header("hx-request", "true").send().await.unwrap();
    assert!(!fragment.text().await.unwrap().contains("Password changed."));
    let page = site.get("/").await.text().await.unwrap();
    assert!(page.contains("Password changed."), "{page}");
}
