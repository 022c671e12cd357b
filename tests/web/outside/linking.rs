//! Which account is whose: linked by administrators, and names that nobody gets again.

use deployer::app::accounts::{self, Keeping, NewUser};
use deployer::app::outside::links;
use deployer::domain::LoginProvider;

use super::super::support::{PASSWORD, operator};
use super::{Stage, with_provider};
use crate::support::oidc::Provider;

/// The answer to the form `act` about bob, with this subject at the provider `issuer`.
async fn sent(stage: &Stage, issuer: &str, (act, subject): (&str, &str)) -> reqwest::Response {
    let token = stage.site.token("/admin/users/bob").await;
    let form = [
        ("csrf", token.as_str()),
        ("provider", issuer),
        ("subject", subject),
    ];
    let address = format!("{}/admin/users/bob/{act}", stage.site.url);
    stage.site.browser.post(address).form(&form).send().await.unwrap()
}

#[tokio::test]
async fn a_linked_account_is_entered_and_its_sessions_end_with_the_link() {
    let provider = Provider::start().await;
    let mut stage = with_provider(&provider).await;
    provider.bend(|ways| ways.claims["preferred_username"] = "bob".into());
    assert_eq!(stage.log_in_at(&provider).await.status(), 403);
    let visitor = std::mem::replace(&mut stage.site.browser, super::super::support::browser());
    stage.site.log_in("admin", PASSWORD).await;
    let page = stage.site.get("/admin/users/bob").await.text().await.unwrap();
    assert!(page.contains("Example &#38; Sons</option>"), "{page}");
    let empty = sent(&stage, provider.issuer(), ("link", "")).await;
    assert_eq!(empty.status(), 422);
    let page = empty.text().await.unwrap();
    assert!(page.contains("Write what the other side calls them"), "{page}");
    assert_eq!(
        sent(&stage, provider.issuer(), ("link", "id-7")).await.status(),
        303
    );
    assert_eq!(
        sent(&stage, provider.issuer(), ("link", "id-7")).await.status(),
        422,
        "twice"
    );
    let admin = std::mem::replace(&mut stage.site.browser, visitor);
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(
        page.contains("Menu of bob") && page.contains("Current password"),
        "{page}"
    );
    // A password of its own changes nothing about whose groups the session has.
    let fields = [
        ("old", PASSWORD),
        ("password", "another long one"),
        ("again", "another long one"),
    ];
    assert_eq!(stage.site.post("/profile", &fields).await.status(), 303);
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Log in again") && page.contains(">ops<"), "{page}");
    let visitor = std::mem::replace(&mut stage.site.browser, admin);
    assert_eq!(
        sent(&stage, provider.issuer(), ("unlink", "id-7")).await.status(),
        303
    );
    let told = stage.told().await;
    let issuer = provider.issuer();
    assert_eq!(
        told[0],
        format!("admin unlinked the account bob from “id-7” of {issuer}.")
    );
    assert!(
        told.contains(&format!("admin linked the account bob to “id-7” of {issuer}.")),
        "{told:?}"
    );
    stage.site.browser = visitor;
    assert_eq!(stage.site.get("/profile").await.status(), 303);
}

#[tokio::test]
async fn the_name_of_a_deleted_account_is_nobodys_again() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    stage.site.post_at("/profile", "/logout").await;
    stage.site.log_in("admin", PASSWORD).await;
    assert_eq!(
        stage
            .site
            .post_at("/admin/users/olga", "/admin/users/olga/delete")
            .await
            .status(),
        303
    );
    stage.site.post_at("/profile", "/logout").await;
    let refused = stage.log_in_at(&provider).await;
    assert_eq!(refused.status(), 403);
    let page = refused.text().await.unwrap();
    assert!(
        page.contains("“olga” was the name of an account that was deleted."),
        "{page}"
    );
    let new = NewUser {
        name: "Olga".parse().unwrap(),
        display_name: String::new(),
        email: String::new(),
        password: Some(PASSWORD.to_owned()),
        keeping: Keeping::ForGood,
    };
    let error = accounts::add(&stage.site.store, &operator(), new)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("was the name of an account that was deleted"),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_whose_provider_is_configured_no_more_ends() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    let other = LoginProvider::Issuer("https://gone.example".to_owned());
    let user = links::link(&stage.site.store, &operator(), "bob", (&other, "b"))
        .await
        .unwrap();
    let known = deployer::store::identities::of_user(&stage.site.store, user.id)
        .await
        .unwrap();
    let mark = format!("outside {}", known[0].id);
    let still = deployer::app::logins::still_known(&stage.site.app, user.id, "bob", &mark).await;
    assert_eq!(still.unwrap(), None);
    let known = LoginProvider::Issuer(provider.issuer().to_owned());
    links::link(&stage.site.store, &operator(), "bob", (&known, "b"))
        .await
        .unwrap();
    let known = deployer::store::identities::of_user(&stage.site.store, user.id)
        .await
        .unwrap();
    let mark = format!("outside {}", known[1].id);
    let still = deployer::app::logins::still_known(&stage.site.app, user.id, "bob", &mark).await;
    assert!(still.unwrap().is_some());
}
