//! Search: by name, number, title and commit, and only what the searcher may see.

use super::support::{Pages, value};

/// Logs out, and in as `who`.
async fn become_another(pages: &Pages, who: &str) {
    let token = value(&pages.page("/").await, "csrf");
    pages.send("/logout", &[("csrf", token.as_str())]).await;
    pages.log_in(who).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_everything_by_its_name_its_number_or_its_title() {
    let mut pages = Pages::start(&["dev", "prod"], "rita").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("Say hello to everybody").await;
    let id = pages.world.deploy(&commit).await.id;
    let deployment = format!("href=\"/deployments/{id}\"");
    let number = format!("/search?q=%23{id}");
    let hash = format!("/search?q={}", &commit[..6]);
    for (search, wanted) in [
        ("/search?q=SHO", "href=\"/projects/shop\""),
        ("/search?q=prod", "href=\"/projects/shop/prod\""),
        ("/search?q=shop/d", "href=\"/projects/shop/dev\""),
        ("/search?q=WEB1", "href=\"/projects/shop/dev\""),
        ("/search?q=everybody", &deployment),
        ("/search?q=everybody", "#commits\""),
        ("/search?q=admin", "href=\"/history?user=admin\""),
        (&number, &deployment),
        (&hash, &deployment),
        (&hash, "runs "),
    ] {
        let page = pages.page(search).await;
        assert!(page.contains(wanted), "{search}: {wanted} in {page}");
    }
    let nothing = pages.page("/search?q=%3Cscript%3E").await;
    assert!(
        nothing.contains("Nothing found") && !nothing.contains("<script>"),
        "{nothing}"
    );
    let fragment = pages.fragment("/search?q=shop").await;
    assert!(
        fragment.contains("/projects/shop") && !fragment.contains("<html"),
        "{fragment}"
    );
    assert!(
        !pages.fragment("/search?q=s").await.contains("<a "),
        "one letter finds everything"
    );

    become_another(&pages, "admin").await;
    let page = pages.page("/search?q=rita").await;
    assert!(page.contains("href=\"/admin/users/rita\""), "{page}");
    let page = pages.page("/search?q=127.0.0.1").await;
    assert!(page.contains("href=\"/admin/servers/"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_nothing_that_the_searcher_may_not_see() {
    let mut pages = Pages::start(&["dev"], "nobody").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("Say hello").await;
    let id = pages.world.deploy(&commit).await.id;
    for search in [
        "shop",
        "dev",
        "web1",
        "hello",
        "admin",
        &commit[..6],
        &id.to_string(),
        "127.0.0.1",
    ] {
        let page = pages.page(&format!("/search?q={search}")).await;
        assert!(page.contains("Nothing found"), "{search}: {page}");
    }
    become_another(&pages, "rita").await;
    let page = pages.page("/search?q=127.0.0.1").await;
    assert!(
        page.contains("Nothing found"),
        "addresses are for those who configure: {page}"
    );
    let page = pages.page("/search?q=dora").await;
    assert!(
        page.contains("Nothing found"),
        "accounts are for administrators: {page}"
    );
}
