//! A login at an OpenID provider that does what it should.

use chrono::TimeDelta;
use deployer::app::accounts;
use deployer::domain::LoginProvider;
use deployer::store::{identities, users};
use reqwest::Response;

use super::super::support::{PASSWORD, browser, cookies, header, operator};
use super::{Stage, settings_of, stage, with_provider};
use crate::support::oidc::{Provider, SECRET};

impl Stage {
    /// Begins a login at the provider `own`, which leads on to `next`: the address there.
    pub async fn begin(&self, next: &str) -> String {
        let answer = self.site.get(&format!("/login/with/own?next={next}")).await;
        assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap());
        header(&answer, "location").to_owned()
    }

    /// Comes back from the provider `own`.
    pub async fn come_back(&self, (code, state): (&str, &str)) -> Response {
        self.site
            .get(&format!("/login/with/own/back?code={code}&state={state}"))
            .await
    }

    /// A whole login.
    pub async fn log_in_at(&self, provider: &Provider) -> Response {
        let url = self.begin("").await;
        let (code, state) = provider.log_in(&url);
        self.come_back((&code, &state)).await
    }
}

#[tokio::test]
async fn a_provider_lets_somebody_in_who_gets_an_account_with_the_groups_that_are_believed() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    let page = stage
        .site
        .get("/login?next=%2Fhistory")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("href=\"/login/with/own?next=%2Fhistory\">Log in with Example &#38; Sons</a>"),
        "{page}"
    );
    provider.bend(|ways| {
        ways.claims["name"] = "Olga <b>".into();
        ways.claims["email"] = "olga@example.org".into();
        ways.claims["groups"] = serde_json::json!(["ops", "staff", "team-web", "ops"]);
    });
    let url = stage.begin("%2Fadmin%2Fusers").await;
    let (code, state) = provider.log_in(&url);
    let answer = stage.come_back((&code, &state)).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/admin/users")
    );
    let set = cookies(&answer);
    assert!(
        set.iter()
            .any(|line| line.starts_with("deployer_try_") && line.contains("Max-Age=0")),
        "{set:?}"
    );
    assert_eq!(
        stage.site.get("/admin/users").await.status(),
        200,
        "her group may"
    );
    let page = stage.site.get("/profile").await.text().await.unwrap();
    for wanted in [
        "Olga &#60;b&#62;",
        "Example &#38; Sons says who you are",
        "ops, team-web",
        "Log in again",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    recorded(&stage, provider.issuer()).await;
}

/// What is known of olga after her login.
async fn recorded(stage: &Stage, issuer: &str) {
    let user = users::by_name(&stage.site.store, "olga").await.unwrap();
    assert_eq!(
        (user.email.as_str(), user.has_password),
        ("olga@example.org", false)
    );
    let told = stage.told().await;
    assert_eq!(told[0], format!("olga logged in with {issuer} from 127.0.0.1."));
    assert_eq!(
        told[1],
        format!("olga got an account at the first login with {issuer}.")
    );
    let known = identities::of_user(&stage.site.store, user.id).await.unwrap();
    assert_eq!(known[0].groups, ["ops", "team-web"]);
    let list = stage.site.get("/admin/users").await.text().await.unwrap();
    assert!(!list.contains("Service account"), "{list}");
    let page = stage.site.get("/admin/users/olga").await.text().await.unwrap();
    for wanted in ["id-7", "Known there as", "team-web"] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
}

#[tokio::test]
async fn people_are_known_by_their_subject_and_two_tabs_do_not_disturb_each_other() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    let first = stage.begin("%2Fhistory").await;
    let second = stage.begin("%2Factivity").await;
    for (url, place) in [(second, "/activity"), (first, "/history")] {
        // The name changes there; here the account stays the same.
        provider.bend(|ways| ways.claims["preferred_username"] = format!("olga{place}").into());
        if place == "/activity" {
            provider.bend(|_| {});
        }
        let (code, state) = provider.log_in(&url);
        let answer = stage.come_back((&code, &state)).await;
        assert_eq!(header(&answer, "location"), place);
    }
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Menu of olga"), "{page}");
    assert_eq!(users::list(&stage.site.store).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_session_ends_when_the_login_does_and_with_the_account() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    stage.log_in_at(&provider).await;
    stage.clock.move_to(stage.clock.now() + TimeDelta::hours(11));
    assert_eq!(stage.site.get("/profile").await.status(), 200);
    stage.clock.move_to(stage.clock.now() + TimeDelta::hours(1));
    assert_eq!(stage.site.get("/profile").await.status(), 303);
    // Its clock is twelve hours behind ours now, so no token of it would do.
    stage.clock.move_to(stage.clock.now() - TimeDelta::hours(12));
    stage.log_in_at(&provider).await;
    assert_eq!(stage.site.get("/profile").await.status(), 200);
    accounts::set_disabled(&stage.site.store, &operator(), "olga", true)
        .await
        .unwrap();
    assert_eq!(stage.site.get("/profile").await.status(), 303);
    let refused = stage.log_in_at(&provider).await;
    assert_eq!(refused.status(), 403);
    let text = refused.text().await.unwrap();
    assert!(text.contains("This account is disabled."), "{text}");
}

#[tokio::test]
async fn claims_are_found_by_their_way_and_asked_for_where_the_token_lacks_them() {
    let provider = Provider::start().await;
    let own = deployer::config::OidcSettings {
        name_claim: "account.login".to_owned(),
        groups_claim: "access.roles".to_owned(),
        groups: vec!["*".to_owned()],
        ..settings_of(provider.issuer(), SECRET)
    };
    let stage = stage(|config, _| drop(config.oidc.insert("own".to_owned(), own))).await;
    provider.bend(|ways| {
        ways.claims = serde_json::json!({ "sub": "id-9", "access": { "roles": ["ops"] } });
        ways.user_info = serde_json::json!({ "sub": "id-9", "account": { "login": "nina" } });
    });
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Menu of nina") && page.contains(">ops<"), "{page}");
    // What it says about somebody else is not taken.
    provider.bend(|ways| {
        ways.claims = serde_json::json!({ "sub": "id-10" });
        ways.user_info = serde_json::json!({ "sub": "id-9", "account": { "login": "nina" } });
    });
    let mut stage = stage;
    stage.site.browser = browser();
    assert_eq!(stage.log_in_at(&provider).await.status(), 403);
}

#[tokio::test]
async fn rotated_keys_are_fetched_once_more() {
    let provider = Provider::start().await;
    let mut stage = with_provider(&provider).await;
    stage.log_in_at(&provider).await;
    assert_eq!(provider.keys_fetched(), 1);
    stage.site.browser = browser();
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    assert_eq!(provider.keys_fetched(), 1);
    provider.rotate("second");
    stage.site.browser = browser();
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    assert_eq!(provider.keys_fetched(), 2);
    // Another key under the same name.
    provider.rotate("second");
    stage.site.browser = browser();
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
}

#[tokio::test]
async fn logging_out_offers_to_log_out_there_too() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    stage.log_in_at(&provider).await;
    let left = stage.site.post_at("/profile", "/logout").await;
    assert_eq!(header(&left, "location"), "/login?left=yes&at=own");
    let page = stage
        .site
        .get("/login?left=yes&at=own")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("<a href=\"/login/with/own/leave\">Log out of Example &#38; Sons too</a>"),
        "{page}"
    );
    let answer = stage.site.get("/login/with/own/leave").await;
    let back = "http%3A%2F%2F127.0.0.1%3A8080%2Flogin%3Fleft%3Dyes";
    let wanted = format!(
        "{}/end?client_id=deployer&post_logout_redirect_uri={back}",
        provider.issuer()
    );
    assert_eq!(header(&answer, "location"), wanted);
    // Whoever logged in with a password is not sent anywhere.
    stage.site.log_in("bob", PASSWORD).await;
    let left = stage.site.post_at("/profile", "/logout").await;
    assert_eq!(header(&left, "location"), "/login?left=yes");
}

#[tokio::test]
async fn an_account_with_a_second_factor_is_asked_for_it_unless_the_provider_does() {
    let provider = Provider::start().await;
    for (trusted, status) in [(false, 200), (true, 303)] {
        let own = deployer::config::OidcSettings {
            second_factor: trusted,
            ..settings_of(provider.issuer(), SECRET)
        };
        let stage = stage(|config, _| drop(config.oidc.insert("own".to_owned(), own))).await;
        let issuer = LoginProvider::Issuer(provider.issuer().to_owned());
        let operator = operator();
        let link =
            deployer::app::outside::links::link(&stage.site.store, &operator, "bob", (&issuer, "id-7"));
        let user = link.await.unwrap();
        let tx = crate::support::store::change(&stage.site.store).await;
        deployer::store::second_factors::begin(&tx, user.id, "JBSWY3DPEHPK3PXP")
            .await
            .unwrap();
        deployer::store::second_factors::confirm(&tx, user.id, stage.clock.now())
            .await
            .unwrap();
        crate::support::store::bring_in(tx).await;
        let answer = stage.log_in_at(&provider).await;
        assert_eq!(answer.status(), status);
        assert_eq!(stage.site.get("/profile").await.status() == 200, trusted);
    }
}
