//! What nobody would do by mistake: bodies without end, numbers that are none, names that lead
//! elsewhere, forms sent by whoever may not see the page they stand on.

use deployer::domain::DeploymentState;

use super::support::{PASSWORD, TestSite};
use crate::history::support::{asked, past, project};

/// More than any form of ours holds.
const TOO_MUCH: usize = 2 * 1024 * 1024;

async fn site() -> TestSite {
    let site = TestSite::start().await;
    site.add_user("admin").await;
    site
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_like_any_other() {
    let site = site().await;
    let token = site.token("/login").await;
    // Sent piece by piece, nobody says beforehand how much it will be.
    let pieces = (0..TOO_MUCH / 1024).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 1024]));
    let request = site.browser.post(format!("{}/login", site.url));
    let response = request
        .header("x-csrf-token", token)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn an_invalid_number_in_an_address_is_not_found() {
    let site = site().await;
    site.log_in("admin", PASSWORD).await;
    for path in [
        "/deployments/abc",
        "/deployments/99999999999999999999",
        "/deployments/%00",
        "/admin/servers/x",
        "/projects/%ff",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(
            response.text().await.unwrap().contains("There is no page"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_nul_is_refused_before_any_database_sees_it() {
    let site = site().await;
    site.log_in("admin", PASSWORD).await;
    assert_eq!(site.get("/projects/a%00b").await.status(), 404);
    for path in ["/history?user=%00", "/audit?actor=a%00b"] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 422, "{path}");
        let page = response.text().await.unwrap();
        assert!(page.contains("holds a NUL character"), "{page}");
    }
    let response = site
        .post("/profile", &[("old", "ad\0min"), ("password", PASSWORD)])
        .await;
    assert_eq!(response.status(), 422);
    assert!(response.text().await.unwrap().contains("holds a NUL character"));
    // What only looks like one, as it is sent twice encoded, is a text like others.
    assert_eq!(site.get("/history?user=%2500").await.status(), 200);
}

#[tokio::test]
async fn a_visitor_who_may_not_roll_back_does_not_see_earlier_releases() {
    let site = site().await;
    let (shop, places) = project(&site, "shop", &["beta"]).await;
    past(
        &site,
        vec![(asked(&shop, &places[0], 1), DeploymentState::Succeeded)],
    )
    .await;

    let token = site.token("/login").await;
    let request = site.browser.post(format!("{}/deployments/1/rollback", site.url));
    let response = request.form(&[("csrf", token)]).send().await.unwrap();

    assert_eq!(response.status(), 404);
    assert_eq!(site.audited().await[0], "rollback.refused shop/beta");
}

#[tokio::test]
async fn a_missing_picture_does_not_expire_the_login_form() {
    let site = site().await;
    let token = site.token("/login").await;
    assert_eq!(site.get("/static/missing.css").await.status(), 404);
    let form = [
        ("csrf", token.as_str()),
        ("name", "admin"),
        ("password", PASSWORD),
    ];
    let request = site.browser.post(format!("{}/login", site.url)).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 303);
}

#[tokio::test]
async fn names_that_addresses_need_themselves_are_not_given_away() {
    let site = site().await;
    site.log_in("admin", PASSWORD).await;
    project(&site, "shop", &["beta"]).await;
    let environment = [
        ("name", "diff"),
        ("branch", "main"),
        ("target_path", "~/shop"),
        ("remote_user", "deploy"),
        ("position", "2"),
        ("local_timeout", "60"),
        ("remote_timeout", "60"),
        ("parallel", "5"),
        ("keep_releases", "3"),
    ];
    // `/projects/shop/diff` compares commits.
    let response = site.post("/admin/projects/shop/new", &environment).await;
    assert_eq!(response.status(), 422);
    assert!(response.text().await.unwrap().contains("“diff”"));
    // `?server=here` means the deployer's own host.
    let server = [("name", "here"), ("address", "127.0.0.1"), ("port", "22")];
    let response = site.post("/admin/new/server", &server).await;
    assert_eq!(response.status(), 422);
    assert!(response.text().await.unwrap().contains("“here”"));
}
