//! Programs that come with an API token.

use std::time::Duration;

use deployer::app::accounts;
use deployer::app::tokens::{self, NewToken};
use deployer::domain::{Action, Actor, Instant, TokenScope};
use deployer::store::{AuditFilter, Page, audit, users};
use reqwest::{Client, RequestBuilder, Response};

use super::support::{Options, PASSWORD, TestSite, browser, cookies, header, operator};
use crate::history::support::project;

/// Beside the shipped lines: dora sees and locks everything, ci sees it; boss acts for others.
const POLICY: &str = "g, dora, role:developer
g, ci, role:developer
p, dora, *, *, lock, always, allow
p, boss, *, *, impersonate, always, allow";

/// How long a token lasts whose end is awaited.
const LIFE: Duration = Duration::from_secs(3);

pub async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        judge_every: Some(Duration::from_millis(200)),
        ..Options::default()
    })
    .await;
    for name in ["admin", "dora", "boss"] {
        site.add_user(name).await;
    }
    project(&site, "shop", &["beta"]).await;
    project(&site, "vault", &["beta"]).await;
    site
}

pub fn new(name: &str, scope: TokenScope) -> NewToken {
    NewToken {
        name: name.parse().unwrap(),
        expires_at: None,
        scope,
    }
}

/// The secret of a token that `name` made.
pub async fn token_of(site: &TestSite, name: &str, scope: TokenScope) -> String {
    let own = Actor::user(name, "192.0.2.7");
    let made = tokens::make_own(&site.app, &own, new("ci", scope)).await;
    made.unwrap().secret
}

fn places(projects: &[&str]) -> TokenScope {
    TokenScope {
        projects: projects.iter().map(|name| name.parse().unwrap()).collect(),
        ..TokenScope::default()
    }
}

fn with(request: RequestBuilder, secret: &str) -> RequestBuilder {
    request.header("authorization", format!("Bearer {secret}"))
}

pub async fn get(site: &TestSite, path: &str, secret: &str) -> Response {
    let request = Client::new().get(format!("{}{path}", site.url));
    with(request, secret).send().await.unwrap()
}

pub async fn post(site: &TestSite, path: &str, secret: &str, fields: &[(&str, &str)]) -> Response {
    let request = browser().post(format!("{}{path}", site.url));
    with(request, secret).form(fields).send().await.unwrap()
}

pub async fn events(site: &TestSite, action: &str) -> Vec<deployer::domain::NewAuditEvent> {
    let filter = AuditFilter {
        actions: vec![action.to_owned()],
        ..AuditFilter::default()
    };
    let page = audit::list(&site.store, &filter, Page::Newest, 100).await;
    page.unwrap().items.into_iter().map(|one| one.event).collect()
}

#[tokio::test]
async fn a_token_acts_for_its_account_within_its_scope_without_form_tokens() {
    let site = site().await;
    let secret = token_of(&site, "dora", places(&["shop"])).await;
    for (path, status) in [
        ("/projects/shop", 200),
        ("/projects/shop/beta", 200),
        ("/projects/vault", 404),
        ("/projects/vault/beta", 404),
        ("/history?project=shop", 200),
        ("/admin/users", 403),
        ("/profile", 200),
    ] {
        assert_eq!(get(&site, path, &secret).await.status(), status, "{path}");
    }
    let page = get(&site, "/", &secret).await.text().await.unwrap();
    assert!(
        page.contains("/projects/shop") && !page.contains("vault"),
        "{page}"
    );

    let locked = post(
        &site,
        "/projects/shop/beta/lock",
        &secret,
        &[("reason", "Stocktaking")],
    )
    .await;
    assert_eq!(locked.status(), 303);
    assert_eq!(
        cookies(&locked),
        Vec::<String>::new(),
        "a program gets no session"
    );
    let event = events(&site, "lock.created").await.remove(0);
    assert_eq!(
        (event.actor.as_str(), event.resource.as_str()),
        ("dora", "shop/beta")
    );
    assert_eq!(event.detail["by_token"], "ci");
    let elsewhere = post(&site, "/projects/vault/beta/lock", &secret, &[("reason", "x")]).await;
    assert_eq!(elsewhere.status(), 404);
    let nul = post(&site, "/projects/shop/beta/lock", &secret, &[("reason", "a\0b")]).await;
    assert_eq!(nul.status(), 422);

    let user = users::by_name(&site.store, "dora").await.unwrap();
    let known = tokens::own(&site.app, &user).await.unwrap().remove(0);
    assert!(known.last_used_at.is_some());
    assert_eq!(known.last_used_from, "127.0.0.1");
}

#[tokio::test]
async fn a_token_only_looks_where_its_scope_names_no_action() {
    let site = site().await;
    let scope = TokenScope {
        actions: vec![Action::Cancel],
        ..TokenScope::default()
    };
    let secret = token_of(&site, "dora", scope).await;
    assert_eq!(get(&site, "/projects/vault/beta", &secret).await.status(), 200);
    let refused = post(&site, "/projects/shop/beta/lock", &secret, &[("reason", "x")]).await;
    assert_eq!(refused.status(), 403);
    let said = refused.text().await.unwrap();
    assert!(said.contains("does not include it"), "{said}");
    let event = events(&site, "lock.refused").await.remove(0);
    assert_eq!(event.detail["by_token"], "ci");
}

#[tokio::test]
async fn tokens_die_with_their_revocation_their_end_and_their_account() {
    let site = site().await;
    let secret = token_of(&site, "dora", TokenScope::default()).await;
    let says = async |secret: &str, wanted: &str| {
        let answer = get(&site, "/profile", secret).await;
        assert_eq!(answer.status(), 401);
        assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
        let said = answer.text().await.unwrap();
        assert!(said.contains(wanted), "{said}");
    };
    let by_host = operator();
    let disable = |disabled| accounts::set_disabled(&site.store, &by_host, "dora", disabled);
    disable(true).await.unwrap();
    says(&secret, "The account of the API token “ci” is disabled.").await;
    disable(false).await.unwrap();
    assert_eq!(get(&site, "/profile", &secret).await.status(), 200);

    let user = users::by_name(&site.store, "dora").await.unwrap();
    let own = tokens::own(&site.app, &user).await.unwrap().remove(0);
    let dora = Actor::user("dora", "192.0.2.7");
    tokens::revoke_own(&site.app, (&dora, &user), own.id)
        .await
        .unwrap();
    says(&secret, "The API token “ci” was revoked.").await;

    let brief = NewToken {
        expires_at: Some(soon(&site)),
        ..new("brief", TokenScope::default())
    };
    let brief = tokens::make_own(&site.app, &dora, brief).await.unwrap().secret;
    assert_eq!(get(&site, "/profile", &brief).await.status(), 200);
    tokio::time::sleep(LIFE).await;
    says(&brief, "The API token “brief” has expired.").await;

    let last = tokens::make_own(&site.app, &dora, new("last", TokenScope::default())).await;
    let last = last.unwrap().secret;
    rename(&site, "dora", "dorothy").await;
    says(&last, "has another name now").await;
    rename(&site, "dorothy", "dora").await;
    assert_eq!(get(&site, "/profile", &last).await.status(), 200);
    delete(&site, "dora").await;
    says(&last, "There is no such API token.").await;
}

fn soon(site: &TestSite) -> Instant {
    site.app.now() + LIFE
}

async fn rename(site: &TestSite, from: &str, to: &str) {
    let tx = crate::support::store::change(&site.store).await;
    let mut user = users::by_name(&tx, from).await.unwrap();
    user.name = to.parse().unwrap();
    users::update(&tx, &user).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

async fn delete(site: &TestSite, name: &str) {
    let tx = crate::support::store::change(&site.store).await;
    let user = users::by_name(&tx, name).await.unwrap();
    users::delete(&tx, user.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_counted_and_right_ones_are_not() {
    let site = site().await;
    let secret = token_of(&site, "dora", TokenScope::default()).await;
    let mut tries = 20;
    for _ in 0..tries {
        assert_eq!(get(&site, "/profile", "dpl_wrong").await.status(), 401);
    }
    let slowed = loop {
        tries += 1;
        let answer = get(&site, "/profile", "dpl_wrong").await;
        if answer.status() != 401 {
            break answer;
        }
        assert!(tries < 200, "nobody slows them down");
    };
    assert_eq!(slowed.status(), 429);
    assert!(slowed.text().await.unwrap().contains("Too many wrong API tokens"));
    assert_eq!(get(&site, "/profile", &secret).await.status(), 200);
    let told = events(&site, "token.refused").await;
    assert_eq!(told.len(), 1, "the log was flooded");
    assert_eq!(
        (told[0].actor.as_str(), told[0].address.as_str()),
        ("default", "127.0.0.1")
    );
    site.app.record_repeated_refusals(site.app.now()).await.unwrap();
    let told = events(&site, "token.refused").await;
    assert_eq!(told[0].detail["repeated"], tries - 1);
}

#[tokio::test]
async fn an_authorization_header_is_a_token_or_refused() {
    let site = site().await;
    let secret = token_of(&site, "dora", TokenScope::default()).await;
    site.log_in("dora", PASSWORD).await;
    let asked = async |lines: &[&str]| {
        let mut request = site.browser.get(format!("{}/profile", site.url));
        for line in lines {
            request = request.header("authorization", *line);
        }
        request.send().await.unwrap()
    };
    let good = format!("Bearer {secret}");
    assert_eq!(asked(&[&good.replace("Bearer", "bearer")]).await.status(), 200);
    for bad in [
        &["Basic ZG9yYTp4"][..],
        &["Bearer"],
        &[secret.as_str()],
        &[good.as_str(), good.as_str()],
    ] {
        let answer = asked(bad).await;
        assert_eq!(answer.status(), 401, "{bad:?}");
        let said = answer.text().await.unwrap();
        assert!(
            said.contains("has to be “Bearer” and an API token, once"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_token_cannot_do_to_its_account_what_takes_a_login() {
    let site = site().await;
    let secret = token_of(&site, "dora", TokenScope::default()).await;
    let password = [
        ("old", PASSWORD),
        ("password", "another long one"),
        ("again", "another long one"),
    ];
    let token = [("name", "more"), ("expires", "never")];
    for (path, fields) in [
        ("/profile", &password[..]),
        ("/profile/tokens", &token[..]),
        ("/profile/tokens/1/revoke", &token[..0]),
    ] {
        let refused = post(&site, path, &secret, fields).await;
        assert_eq!(refused.status(), 403, "{path}");
        assert_eq!(cookies(&refused), Vec::<String>::new());
        assert!(
            refused
                .text()
                .await
                .unwrap()
                .contains("Log in with your browser.")
        );
    }
    assert_eq!(get(&site, "/profile/tokens", &secret).await.status(), 403);
}

#[tokio::test]
async fn who_may_impersonate_acts_for_others_and_both_are_recorded() {
    let site = site().await;
    let acting = async |secret: &str, name: &str, path: &str| {
        let request = browser().post(format!("{}{path}", site.url));
        let request = with(request, secret).header("x-impersonate-username", name);
        request.form(&[("reason", "Stocktaking")]).send().await.unwrap()
    };
    let (shop, vault) = ("/projects/shop/beta/lock", "/projects/vault/beta/lock");
    let boss = token_of(&site, "boss", places(&["shop"])).await;
    assert_eq!(acting(&boss, "dora", shop).await.status(), 303);
    let event = events(&site, "lock.created").await.remove(0);
    assert_eq!(event.actor, "dora");
    assert_eq!(event.impersonator.as_deref(), Some("boss"));
    assert_eq!(
        acting(&boss, "dora", vault).await.status(),
        404,
        "the scope stays"
    );
    assert_eq!(
        post(&site, shop, &boss, &[("reason", "x")]).await.status(),
        403,
        "not as boss"
    );
    assert_eq!(acting(&boss, "boss", shop).await.status(), 422);
    for unknown in ["nobody", "default", "auto"] {
        let answer = acting(&boss, unknown, shop).await;
        assert_eq!(answer.status(), 422, "{unknown}");
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("which is no active account")
        );
    }
    let dora = token_of(&site, "dora", TokenScope::default()).await;
    assert_eq!(acting(&dora, "boss", shop).await.status(), 403);
    assert_eq!(events(&site, "impersonate.refused").await[0].actor, "dora");

    let disabled = accounts::set_disabled(&site.store, &operator(), "dora", true).await;
    assert!(disabled.unwrap().disabled);
    assert_eq!(acting(&boss, "dora", shop).await.status(), 422);

    site.log_in("admin", PASSWORD).await;
    let page = site.get("/audit").await.text().await.unwrap();
    assert!(page.contains("through boss"), "{page}");
    let cookie = site.browser.get(format!("{}/profile", site.url));
    let cookie = cookie
        .header("x-impersonate-username", "dora")
        .send()
        .await
        .unwrap();
    assert_eq!(cookie.status(), 422, "a cookie acts for nobody else");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let site = site().await;
    let secret = token_of(&site, "dora", TokenScope::default()).await;
    let mut stream = get(&site, "/live", &secret).await;
    assert_eq!(stream.status(), 200);
    let user = users::by_name(&site.store, "dora").await.unwrap();
    let own = tokens::own(&site.app, &user).await.unwrap().remove(0);
    let dora = Actor::user("dora", "192.0.2.7");
    tokens::revoke_own(&site.app, (&dora, &user), own.id)
        .await
        .unwrap();
    let ends = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ends)
        .await
        .expect("the stream goes on");
}
