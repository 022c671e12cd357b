//! A proxy in front that says who somebody is.

use std::time::Duration;

use chrono::TimeDelta;
use deployer::config::Secret;
use deployer::store::{identities, users};
use reqwest::{Client, RequestBuilder, Response};

use super::super::support::{PASSWORD, browser, header, operator};
use super::{SECRET, Stage, stage};

async fn behind_a_proxy() -> Stage {
    stage(|config, _| {
        config.login_proxy.addresses = vec!["127.0.0.0/8".parse().unwrap()];
        config.login_proxy.secret = Some(Secret::new(SECRET));
        config.login_proxy.groups = vec!["ops".into(), "team-*".into()];
    })
    .await
}

fn by_proxy(request: RequestBuilder, name: &str, groups: &str) -> RequestBuilder {
    let request = request.header("x-deployer-proxy-secret", SECRET);
    request
        .header("x-forwarded-user", name)
        .header("x-forwarded-groups", groups)
}

impl Stage {
    async fn seen_by(&self, client: &Client, path: &str, name: &str, groups: &str) -> Response {
        let request = client.get(format!("{}{path}", self.site.url));
        by_proxy(request, name, groups).send().await.unwrap()
    }
}

#[tokio::test]
async fn whom_the_proxy_names_has_an_account_from_the_first_request_on() {
    let stage = behind_a_proxy().await;
    let client = browser();
    let page = stage.seen_by(&client, "/profile", "gina", "").await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("Menu of gina"));
    for (groups, status) in [("", 403), ("ops", 200), ("guests, ops", 200), ("OPS", 403)] {
        let page = stage.seen_by(&client, "/admin/users", "gina", groups).await;
        assert_eq!(page.status(), status, "{groups}");
    }
    let audited = stage.site.audited().await;
    let own: Vec<&String> = audited.iter().filter(|one| one.ends_with("user gina")).collect();
    assert_eq!(own, ["login.succeeded user gina", "user.added user gina"]);
    let told = stage.told().await;
    assert!(
        told.contains(&"gina logged in with the login proxy from 127.0.0.1.".to_owned()),
        "{told:?}"
    );
    let user = users::by_name(&stage.site.store, "gina").await.unwrap();
    let known = identities::of_user(&stage.site.store, user.id).await.unwrap();
    assert_eq!(known[0].groups, [""; 0], "the last request counts");
    assert!(!user.has_password && user.last_login_at.is_some());
    // Nobody is named: a guest, who may log in with a password.
    let nobody = stage.seen_by(&client, "/profile", "", "ops").await;
    assert_eq!(header(&nobody, "location"), "/login?next=%2Fprofile");
}

#[tokio::test]
async fn the_headers_are_refused_from_elsewhere_and_twice() {
    let stage = behind_a_proxy().await;
    let get = || browser().get(format!("{}/profile", stage.site.url));
    let named = |request: RequestBuilder| request.header("x-forwarded-user", "gina");
    for bad in [
        named(get()),
        named(get()).header("x-deployer-proxy-secret", "guess"),
        get().header("x-forwarded-groups", "ops"),
    ] {
        let answer = bad.send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let said = answer.text().await.unwrap();
        assert!(said.contains("is taken from the login proxy alone"), "{said}");
    }
    let twice = by_proxy(named(get()), "gina", "").send().await.unwrap();
    assert_eq!(twice.status(), 422);
    let said = twice.text().await.unwrap();
    assert!(said.contains("x-forwarded-user has to be there once"), "{said}");
    let groups = get().header("x-forwarded-groups", "ops");
    assert_eq!(
        by_proxy(groups, "gina", "ops").send().await.unwrap().status(),
        422
    );
    assert!(
        users::by_name(&stage.site.store, "gina").await.is_err(),
        "nobody got an account"
    );
    let other = stage_for_another_address().await;
    let refused = other.seen_by(&browser(), "/profile", "gina", "").await;
    assert_eq!(refused.status(), 403);
}

/// A site whose proxy is at another address.
async fn stage_for_another_address() -> Stage {
    stage(|config, _| {
        config.login_proxy.addresses = vec!["192.0.2.1".parse().unwrap()];
        config.login_proxy.secret = Some(Secret::new(SECRET));
    })
    .await
}

#[tokio::test]
async fn nobody_becomes_somebody_because_a_proxy_says_so() {
    let stage = behind_a_proxy().await;
    stage.site.add_user("former").await;
    let tx = crate::support::store::change(&stage.site.store).await;
    let former = users::by_name(&tx, "former").await.unwrap();
    users::delete(&tx, former.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    for name in [
        "bob", "Bob", "admin", "former", "FORMER", "ann", "Ann", "auto", "default", "guest",
    ] {
        let answer = stage.seen_by(&browser(), "/profile", name, "").await;
        assert_eq!(answer.status(), 403, "{name}");
        let said = answer.text().await.unwrap();
        assert!(
            said.contains("An administrator can link an account to you"),
            "{name}: {said}"
        );
    }
    for name in ["a b", "../x", &"x".repeat(300)] {
        assert_eq!(
            stage.seen_by(&browser(), "/profile", name, "").await.status(),
            403,
            "{name}"
        );
    }
    stage.site.log_in("admin", PASSWORD).await;
    let page = "/admin/users/bob";
    let token = stage.site.token(page).await;
    let form = [
        ("csrf", token.as_str()),
        ("provider", "proxy"),
        ("subject", "bob"),
    ];
    let link = stage.site.browser.post(format!("{}{page}/link", stage.site.url));
    assert_eq!(link.form(&form).send().await.unwrap().status(), 303);
    let linked = stage.seen_by(&browser(), "/profile", "bob", "").await;
    assert!(linked.text().await.unwrap().contains("Menu of bob"));
    let twice = stage
        .site
        .browser
        .post(format!("{}/admin/users/admin/link", stage.site.url));
    assert_eq!(twice.form(&form).send().await.unwrap().status(), 422);
    let unlink = stage
        .site
        .browser
        .post(format!("{}{page}/unlink", stage.site.url));
    assert_eq!(unlink.form(&form).send().await.unwrap().status(), 303);
    assert_eq!(
        stage.seen_by(&browser(), "/profile", "bob", "").await.status(),
        403
    );
    let audited = stage.site.audited().await;
    assert_eq!(
        audited[..2],
        ["user.unlinked user bob", "login.succeeded user bob"].map(str::to_owned)
    );
}

#[tokio::test]
async fn forms_behind_a_proxy_need_their_token_and_streams_end_with_the_account() {
    let stage = behind_a_proxy().await;
    let client = browser();
    let page = stage
        .seen_by(&client, "/profile/tokens", "gina", "")
        .await
        .text()
        .await
        .unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let send = async |fields: &[(&str, &str)]| {
        let request = client.post(format!("{}/profile/tokens", stage.site.url));
        by_proxy(request, "gina", "")
            .form(fields)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(send(&[("name", "ci"), ("expires", "7")]).await, 403);
    assert_eq!(
        send(&[("csrf", token), ("name", "ci"), ("expires", "7")]).await,
        200
    );

    let mut stream = stage.seen_by(&client, "/live", "gina", "ops").await;
    assert_eq!(stream.status(), 200);
    deployer::app::accounts::set_disabled(&stage.site.store, &operator(), "gina", true)
        .await
        .unwrap();
    let over = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(6), over)
        .await
        .expect("the stream goes on");
    assert_eq!(
        stage.seen_by(&client, "/profile", "gina", "ops").await.status(),
        403
    );
}

#[tokio::test]
async fn what_a_proxy_says_is_noted_now_and_then() {
    let stage = behind_a_proxy().await;
    let client = browser();
    let noted = async |groups: &str| {
        stage.seen_by(&client, "/profile", "gina", groups).await;
        let user = users::by_name(&stage.site.store, "gina").await.unwrap();
        let known = identities::of_user(&stage.site.store, user.id)
            .await
            .unwrap()
            .remove(0);
        (known.groups.join(" "), known.groups_at.unwrap())
    };
    let begun = stage.clock.now();
    assert_eq!(noted("ops").await.0, "ops");
    stage.clock.move_to(begun + TimeDelta::minutes(5));
    let (_, at) = noted("ops").await;
    assert!(at <= begun + TimeDelta::seconds(1), "{at}");
    let (groups, at) = noted("ops, team-a").await;
    assert_eq!(
        (groups.as_str(), at >= begun + TimeDelta::minutes(5)),
        ("ops team-a", true)
    );
    stage.clock.move_to(begun + TimeDelta::hours(13));
    assert!(noted("ops, team-a").await.1 >= begun + TimeDelta::hours(13));
    let audited = stage.site.audited().await;
    let logins = audited.iter().filter(|one| *one == "login.succeeded user gina");
    assert_eq!(logins.count(), 2, "{audited:?}");
    let page = stage
        .seen_by(&client, "/profile", "gina", "ops")
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("Login proxy says who you are"), "{page}");
}
