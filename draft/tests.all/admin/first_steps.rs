//! What a new installation says: how to make the first account, and what to do next.

use super::{page, send};
use crate::web::support::{PASSWORD, TestSite};

/// The step that a page says is next; empty where it lists none.
pub fn next_step(page: &str) -> String {
    let Some((_, rest)) = page.split_once("aria-current=\"step\"") else {
        return String::new();
    };
    let (_, rest) = rest.split_once("<b>").expect("a title");
    rest.split_once("</b>").expect("its end").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_says_how_to_make_the_first_account() {
    let site = TestSite::start().await;
    for path in ["/login", "/"] {
        let page = page(&site, path).await;
        assert!(page.contains("there is no account"), "{path}: {page}");
        assert!(page.contains("deployer user add admin</pre>"), "{path}: {page}");
        assert!(!page.contains("First steps"), "a guest configures nothing");
    }
    site.add_user("admin").await;
    for path in ["/login", "/"] {
        let page = page(&site, path).await;
        assert!(!page.contains("there is no account"), "{path}: {page}");
    }
    site.log_in("admin", PASSWORD).await;
    for path in ["/", "/admin"] {
        let page = page(&site, path).await;
        assert_eq!(next_step(&page), "Add a project", "{path}");
        assert!(page.contains("href=\"/admin/new/project\""), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_names_the_next_step() {
    let site = TestSite::start().await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let new = "/admin/new/project";
    let fields = [
        ("name", "books"),
        ("git_url", "https://git.example.org/books.git"),
        ("method", "symlink"),
    ];
    let (status, place, _) = send(&site, new, new, &fields).await;
    assert_eq!(status, 303);
    let answer = page(&site, &place).await;
    assert!(
        answer.contains("<a href=\"/admin/new/server\">Add a server</a>"),
        "{answer}"
    );
    assert_eq!(next_step(&page(&site, "/").await), "Add a server");
}
