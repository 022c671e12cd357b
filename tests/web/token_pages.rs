//! The pages on which API tokens are made and revoked.

use deployer::domain::TokenScope;

use super::support::{PASSWORD, browser};
use super::tokens::{events, get, site, token_of};

/// What a page shows behind `data-copy`.
fn shown(page: &str) -> String {
    let (_, rest) = page.split_once("data-copy=\"dpl_").expect("a token on the page");
    format!("dpl_{}", rest.split_once('"').unwrap().0)
}

#[tokio::test]
async fn people_make_their_own_tokens_which_are_shown_once_and_kept_as_digests() {
    let site = site().await;
    site.log_in("dora", PASSWORD).await;
    let fields = [
        ("name", "ci"),
        ("expires", "7"),
        ("actions", "deploy"),
        ("projects", "shop, vault"),
    ];
    let made = site.post("/profile/tokens", &fields).await;
    assert_eq!(made.status(), 200);
    let secret = shown(&made.text().await.unwrap());
    assert_eq!(get(&site, "/projects/shop", &secret).await.status(), 200);
    let list = site.get("/profile/tokens").await.text().await.unwrap();
    for wanted in ["Expires soon", "deploy; projects shop, vault", &secret[..8]] {
        assert!(list.contains(wanted), "{wanted}: {list}");
    }
    assert!(!list.contains(&secret[..9]), "{list}");
    for (field, value, wanted) in [
        ("name", "ci", "has a token “ci” already"),
        ("name", "a b", "cannot be a name"),
        ("expires", "0", "within 1 to 3650 days"),
        ("actions", "fly", "is not an action"),
        ("projects", "a/b", "cannot be a name"),
        ("projects", "shop shpo", "There is no project “shpo”"),
        (
            "environments",
            "beta, prod",
            "No project has an environment “prod”",
        ),
    ] {
        let mut fields = vec![("name", "other"), ("expires", "30")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let refused = site.post("/profile/tokens", &fields).await;
        assert_eq!(refused.status(), 422, "{field}");
        let said = refused.text().await.unwrap();
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    site.post_at("/profile", "/logout").await;
    site.log_in("dora", PASSWORD).await;
    let again = site.get("/").await.text().await.unwrap();
    assert!(again.contains("The API token “ci” expires on"), "{again}");

    assert_eq!(
        site.post_at("/profile/tokens", "/profile/tokens/1/revoke")
            .await
            .status(),
        303
    );
    assert_eq!(get(&site, "/projects/shop", &secret).await.status(), 401);
    let events = site.audited().await;
    assert!(events.contains(&"token.made user dora".to_owned()), "{events:?}");
    assert!(
        events.contains(&"token.revoked user dora".to_owned()),
        "{events:?}"
    );
}

#[tokio::test]
async fn administrators_make_tokens_of_service_accounts_and_revoke_those_of_anybody() {
    let mut site = site().await;
    site.log_in("admin", PASSWORD).await;
    let account = [("name", "ci"), ("service", "yes")];
    assert_eq!(site.post("/admin/new/user", &account).await.status(), 303);
    let of_admin = std::mem::replace(&mut site.browser, browser());
    for password in ["", "x", PASSWORD] {
        assert_eq!(
            site.log_in("ci", password).await.status(),
            422,
            "nobody logs in to it"
        );
    }
    site.browser = of_admin;
    let fields = [("name", "runner"), ("expires", "never")];
    let made = site.post("/admin/users/ci/tokens", &fields).await;
    let secret = shown(&made.text().await.unwrap());
    assert_eq!(get(&site, "/projects/shop", &secret).await.status(), 200);
    let event = events(&site, "token.made").await.remove(0);
    assert_eq!(
        (event.actor.as_str(), event.resource.as_str()),
        ("admin", "user ci")
    );

    let person = site.get("/admin/users/dora/tokens").await.text().await.unwrap();
    assert!(person.contains("People make their own tokens"), "{person}");
    let token = site.token("/profile").await;
    let request = site.browser.post(format!("{}/admin/users/dora/tokens", site.url));
    let form = [("csrf", token.as_str()), ("name", "x"), ("expires", "never")];
    assert_eq!(request.form(&form).send().await.unwrap().status(), 409);

    let dora = token_of(&site, "dora", TokenScope::default()).await;
    let revoked = site
        .post_at("/admin/users/dora/tokens", "/admin/users/dora/tokens/2/revoke")
        .await;
    assert_eq!(revoked.status(), 303);
    assert_eq!(get(&site, "/profile", &dora).await.status(), 401);
    // The number of another account's token.
    site.post_at("/admin/users/dora/tokens", "/admin/users/dora/tokens/1/revoke")
        .await;
    assert_eq!(get(&site, "/projects/shop", &secret).await.status(), 200);
}

#[tokio::test]
async fn a_scope_names_nothing_that_its_maker_may_not_see() {
    use deployer::app::tokens::make_own;
    use deployer::domain::Actor;
    let site = site().await;
    let scope = |project: &str, environment: &str| TokenScope {
        projects: vec![project.parse().unwrap()],
        environments: vec![environment.parse().unwrap()],
        ..TokenScope::default()
    };
    // Nina sees no project.
    site.add_user("nina").await;
    for (who, project, environment, said) in [
        ("nina", "shop", "beta", "There is no project “shop”"),
        ("nina", "none", "beta", "There is no project “none”"),
        (
            "dora",
            "shop",
            "prod",
            "None of these projects has an environment “prod”",
        ),
    ] {
        let new = super::tokens::new("ci", scope(project, environment));
        let refused = make_own(&site.app, &Actor::user(who, "192.0.2.7"), new).await;
        let refused = refused.unwrap_err();
        assert!(refused.message().contains(said), "{refused}");
    }
    let own = super::tokens::new("ci", scope("SHOP", "beta"));
    make_own(&site.app, &Actor::user("dora", "192.0.2.7"), own)
        .await
        .unwrap();
}
