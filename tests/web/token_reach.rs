//! How far a token of an administrator reaches.

use deployer::app::tokens;
use deployer::domain::{Action, Actor, TokenScope};

use super::tokens::{events, get, new, post, site, token_of};

#[tokio::test]
async fn a_token_of_an_administrator_does_not_outgrow_itself() {
    let site = site().await;
    let scope = TokenScope {
        actions: vec![Action::Administer],
        ..TokenScope::default()
    };
    let secret = token_of(&site, "admin", scope).await;
    let more = [
        ("name", "more"),
        ("expires", "never"),
        ("projects", ""),
        ("environments", ""),
    ];
    let password = [("password", "another long one")];
    // A button leads back to its page, which tells of the refusal.
    for (path, fields, leads_back) in [
        ("/admin/users/admin/tokens", &more[..], false),
        ("/admin/users/admin/password", &password[..], false),
        ("/admin/users/admin/sessions/end", &[("which", "all")][..], true),
    ] {
        let refused = post(&site, path, &secret, fields).await;
        let (status, said) = (refused.status(), refused.text().await.unwrap());
        assert_eq!(status == 303, leads_back, "{path}: {status}");
        assert!(leads_back || said.contains("Log in for that."), "{path}: {said}");
    }
    assert_eq!(events(&site, "token.made").await.len(), 1);
    assert_eq!(events(&site, "user.password_set").await.len(), 0);
    assert_eq!(events(&site, "session.ended").await.len(), 0);
}

#[tokio::test]
async fn a_token_for_deploying_reads_neither_the_log_nor_people() {
    let site = site().await;
    let scope = |action| TokenScope {
        actions: vec![action],
        ..TokenScope::default()
    };
    let made = new("reads", scope(Action::Audit));
    let own = Actor::user("admin", "192.0.2.7");
    let reads = tokens::make_own(&site.app, &own, made).await.unwrap().secret;
    let deploys = token_of(&site, "admin", scope(Action::Deploy)).await;
    for path in ["/audit", "/audit.csv", "/admin/users", "/admin/policy"] {
        assert_eq!(get(&site, path, &deploys).await.status(), 403, "{path}");
    }
    assert_eq!(get(&site, "/audit", &reads).await.status(), 200);
}
