//! The second factor: codes of an authenticator app, and recovery codes.

use chrono::TimeDelta;
use deployer::access::Access;
use deployer::app::throttle::LoginLimits;
use deployer::app::tokens::{self, NewToken};
use deployer::app::{second_factor, start};
use deployer::clock::Clock;
use deployer::config::{Config, SecondFactorDemand};
use deployer::domain::{Actor, TokenScope};
use reqwest::Response;
use totp_rs::{Builder, Secret};

use super::support::{PASSWORD, TestSite, browser, header, operator};
use crate::support::store::TestStore;

struct Stage {
    site: TestSite,
    clock: Clock,
    store: TestStore,
}

/// A site whose clock the test moves, with alice, who may administer, and bob.
async fn stage(demand: SecondFactorDemand) -> Stage {
    let store = TestStore::new().await;
    let clock = Clock::set_to(Clock::System.now());
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    config.logins.second_factor = demand;
    let policies = tempfile::tempdir().unwrap();
    let access: Access =
        crate::support::world::access(policies.path(), "g, alice, role:sysadmin\ng, bob, role:reader");
    let app = start::assemble(config, store.store.clone(), access, clock.clone());
    let site = TestSite::over(app, store.store.clone()).await;
    for name in ["alice", "bob"] {
        site.add_user(name).await;
    }
    Stage { site, clock, store }
}

const PAGE: &str = "/profile/second-factor";
const ACT: &str = "/profile/second-factor/act";

/// What the page shows for typing into an app.
fn secret(page: &str) -> String {
    let (_, rest) = page.split_once("data-copy=\"").expect("a secret on the page");
    rest.split_once('"').unwrap().0.to_owned()
}

/// The recovery codes that a page shows.
fn codes(page: &str) -> Vec<String> {
    let (_, list) = page.split_once("class=\"codes\"").expect("codes on the page");
    let codes = list.split("<code>").skip(1);
    codes
        .map(|rest| rest.split_once('<').unwrap().0.to_owned())
        .collect()
}

impl Stage {
    /// The code that an app shows now.
    fn code(&self, secret: &str) -> String {
        let secret = Secret::try_from_base32(secret).unwrap();
        let totp = Builder::new().with_secret(secret).build().unwrap();
        totp.generate(self.clock.now().timestamp().unsigned_abs())
            .to_string()
    }

    /// Until the app shows another code.
    fn next_code(&self) {
        self.clock.move_to(self.clock.now() + TimeDelta::seconds(30));
    }

    async fn act(&self, act: &str, code: &str) -> Response {
        let token = self.site.token("/profile").await;
        let form = [("csrf", token.as_str()), ("act", act), ("code", code)];
        let request = self.site.browser.post(format!("{}{ACT}", self.site.url));
        request.form(&form).send().await.unwrap()
    }

    /// Sets one up for whoever is logged in: the secret and the recovery codes.
    async fn set_up(&self) -> (String, Vec<String>) {
        let begun = self.site.post(PAGE, &[("old", PASSWORD)]).await;
        assert_eq!(begun.status(), 303);
        let page = self.site.get(PAGE).await.text().await.unwrap();
        assert!(page.contains("<path fill=\"#000\" d=\"M"), "{page}");
        let secret = secret(&page);
        let on = self.act("confirm", &self.code(&secret)).await;
        assert_eq!(on.status(), 200);
        (secret, codes(&on.text().await.unwrap()))
    }

    /// Enters the password in a new browser, which then waits for a code.
    async fn half_in(&mut self, name: &str) -> String {
        self.site.browser = browser();
        let answer = self.site.log_in(name, PASSWORD).await;
        assert_eq!(answer.status(), 200);
        let page = answer.text().await.unwrap();
        assert!(page.contains("Six digits of your authenticator app"), "{page}");
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    async fn enter(&self, token: &str, code: &str) -> Response {
        let form = [("csrf", token), ("code", code), ("next", "/history")];
        let request = self.site.browser.post(format!("{}/login/code", self.site.url));
        request.form(&form).send().await.unwrap()
    }

    /// That the audit log has so many such events of bob.
    async fn assert_audited(&self, action: &str, count: usize) {
        let (audited, wanted) = (self.site.audited().await, format!("{action} user bob"));
        let found = audited.iter().filter(|one| **one == wanted);
        assert_eq!(found.count(), count, "{action}: {audited:?}");
    }

    async fn is_in(&self) -> bool {
        self.site.get("/profile").await.status() == 200
    }
}

#[tokio::test]
async fn a_login_takes_the_code_that_the_app_shows_and_each_code_once() {
    let mut stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    let (secret, recovery) = stage.set_up().await;
    assert_eq!(recovery.len(), 10);
    let in_clear = format!(
        "SELECT count(*) FROM second_factors WHERE secret LIKE '%{secret}%' OR recovery LIKE '%{}%'",
        recovery[0].replace('-', "")
    );
    assert_eq!(
        (
            stage.store.number(&in_clear).await,
            stage.store.rows("second_factors").await
        ),
        (0, 1)
    );

    let token = stage.half_in("bob").await;
    assert!(!stage.is_in().await, "half a login opens nothing");
    // The code that confirmed it is spent.
    let spent = stage.enter(&token, &stage.code(&secret)).await;
    assert_eq!(spent.status(), 422);
    assert!(spent.text().await.unwrap().contains("used already"));
    stage.next_code();
    let code = stage.code(&secret);
    let done = stage
        .enter(&token, &format!(" {} {} ", &code[..3], &code[3..]))
        .await;
    assert_eq!(
        (done.status().as_u16(), header(&done, "location")),
        (303, "/history")
    );
    assert!(stage.is_in().await);

    let token = stage.half_in("bob").await;
    assert_eq!(
        stage.enter(&token, &code).await.status(),
        422,
        "a code is replayed"
    );
    assert_eq!(stage.enter(&token, "000000x").await.status(), 422);
    let typed = recovery[4].to_uppercase();
    assert_eq!(stage.enter(&token, &typed).await.status(), 303);
    let page = stage.site.get(PAGE).await.text().await.unwrap();
    assert!(
        page.contains("Recovery codes left") && page.contains("<dd>9</dd>"),
        "{page}"
    );
    let token = stage.half_in("bob").await;
    assert_eq!(
        stage.enter(&token, &recovery[4]).await.status(),
        422,
        "a recovery code is replayed"
    );
    // Wrong codes of one account are counted after the first.
    stage.assert_audited("user.code_failed", 1).await;
    stage.assert_audited("user.second_factor_on", 1).await;
    stage.assert_audited("login.succeeded", 3).await;
}

#[tokio::test]
async fn a_login_that_waits_too_long_for_its_code_begins_again() {
    let mut stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    let (secret, _) = stage.set_up().await;
    let token = stage.half_in("bob").await;
    stage.clock.move_to(stage.clock.now() + TimeDelta::minutes(6));
    let late = stage.enter(&token, &stage.code(&secret)).await;
    assert_eq!(late.status(), 401);
    assert!(late.text().await.unwrap().contains("This took too long."));
    assert!(!stage.is_in().await);
    let nothing = stage.enter(&token, &stage.code(&secret)).await;
    assert!(header(&nothing, "location").starts_with("/login"), "{nothing:?}");

    // Another password ends it too.
    let token = stage.half_in("bob").await;
    let by_host = operator();
    let new = "set by somebody else".to_owned();
    let keeping = deployer::app::accounts::Keeping::ForGood;
    deployer::app::accounts::set_password(&stage.site.store, &by_host, "bob", new, keeping)
        .await
        .unwrap();
    stage.next_code();
    assert_eq!(stage.enter(&token, &stage.code(&secret)).await.status(), 401);
}

#[tokio::test]
async fn it_takes_the_password_to_begin_and_a_code_to_end() {
    let stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    let wrong = stage.site.post(PAGE, &[("old", "guess")]).await;
    assert_eq!(wrong.status(), 422);
    assert!(
        wrong
            .text()
            .await
            .unwrap()
            .contains("This is not your current password.")
    );
    let (secret, first) = stage.set_up().await;
    assert_eq!(stage.act("off", "123").await.status(), 422);
    stage.next_code();
    let renewed = stage.act("codes", &stage.code(&secret)).await;
    let second = codes(&renewed.text().await.unwrap());
    assert_ne!(first, second);
    assert_eq!(
        stage.act("off", &first[0]).await.status(),
        422,
        "those of before are worthless"
    );
    let token = stage.site.token("/profile").await;
    let again = stage.site.browser.post(format!("{}{PAGE}", stage.site.url));
    let form = [("csrf", token.as_str()), ("old", PASSWORD)];
    assert_eq!(again.form(&form).send().await.unwrap().status(), 409);
    assert_eq!(stage.act("off", &second[0]).await.status(), 303);
    assert_eq!(stage.store.rows("second_factors").await, 0);
    assert_eq!(stage.site.audited().await[0], "user.second_factor_off user bob");
}

#[tokio::test]
async fn codes_cannot_be_guessed() {
    let mut stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    stage.set_up().await;
    let token = stage.half_in("bob").await;
    let tries = LoginLimits::default().codes.tries.get();
    let mut refused = 0;
    // Confirming it was the first one.
    for _ in 0..tries - 1 {
        refused += usize::from(stage.enter(&token, "123456").await.status() == 422);
    }
    assert_eq!(refused, 9);
    let begun = std::time::Instant::now();
    assert_eq!(stage.enter(&token, "123456").await.status(), 429);
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

#[tokio::test]
async fn administrators_can_be_made_to_have_one() {
    let stage = stage(SecondFactorDemand::Administrators).await;
    let token = NewToken {
        name: "ci".parse().unwrap(),
        expires_at: None,
        scope: TokenScope::default(),
    };
    let alice = Actor::user("alice", "192.0.2.7");
    let token = tokens::make_own(&stage.site.app, &alice, token)
        .await
        .unwrap()
        .secret;
    let by_token = async || {
        let request = browser().get(format!("{}/admin/users", stage.site.url));
        let request = request.header("authorization", format!("Bearer {token}"));
        request.send().await.unwrap().status().as_u16()
    };
    stage.site.log_in("alice", PASSWORD).await;
    for path in ["/", "/admin/users", "/profile/tokens"] {
        let led = stage.site.get(path).await;
        assert_eq!(
            (led.status().as_u16(), header(&led, "location")),
            (303, PAGE),
            "{path}"
        );
    }
    assert_eq!(by_token().await, 403);
    let page = stage.site.get(PAGE).await.text().await.unwrap();
    assert!(page.contains("Administrators need a second factor"), "{page}");
    stage.set_up().await;
    assert_eq!(stage.site.get("/admin/users").await.status(), 200);
    assert_eq!(by_token().await, 200);
}

#[tokio::test]
async fn who_administers_nothing_needs_none() {
    let stage = stage(SecondFactorDemand::Administrators).await;
    stage.site.log_in("bob", PASSWORD).await;
    assert_eq!(stage.site.get("/").await.status(), 200);
}

#[tokio::test]
async fn an_administrator_resets_it_for_somebody_who_lost_it() {
    let mut stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    stage.set_up().await;
    let of_bob = std::mem::replace(&mut stage.site.browser, browser());
    stage.site.log_in("alice", PASSWORD).await;
    let page = stage.site.get("/admin/users/bob").await.text().await.unwrap();
    assert!(page.contains("Reset second factor"), "{page}");
    let reset = stage
        .site
        .post_at("/admin/users/bob", "/admin/users/bob/second-factor")
        .await;
    assert_eq!(reset.status(), 303);
    assert_eq!(stage.site.audited().await[0], "user.second_factor_reset user bob");
    assert_eq!(stage.store.rows("second_factors").await, 0);
    let out = of_bob
        .get(format!("{}/profile", stage.site.url))
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 303, "bob is logged out");

    stage.set_up().await;
    let own = stage
        .site
        .post_at("/admin/users/alice", "/admin/users/alice/second-factor")
        .await;
    assert_eq!(own.status(), 303);
    assert_eq!(stage.store.rows("second_factors").await, 1, "not their own");
    let by_host = operator();
    second_factor::reset(&stage.site.store, &by_host, "alice")
        .await
        .unwrap();
    assert_eq!(stage.store.rows("second_factors").await, 0);
}

/// Whether the field with this id is marked as wrong.
fn is_marked(page: &str, id: &str) -> bool {
    let field = page
        .split("<input ")
        .find(|field| field.contains(&format!("id=\"{id}\"")));
    field.is_some_and(|field| field.contains("is-invalid"))
}

#[tokio::test]
async fn a_wrong_code_is_told_at_the_form_that_had_it() {
    let stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    stage.set_up().await;
    for (act, other) in [("off", "codes"), ("codes", "off")] {
        let refused = stage.act(act, "000000").await;
        assert_eq!(refused.status(), 422);
        let page = refused.text().await.unwrap();
        assert!(page.contains("href=\"#code\""), "{page}");
        assert!(is_marked(&page, "code"), "{page}");
        assert!(page.contains(&format!("id=\"code-{other}\"")), "{page}");
        assert!(!is_marked(&page, &format!("code-{other}")), "{page}");
    }
}

#[tokio::test]
async fn the_addresses_of_forms_with_a_code_can_be_opened() {
    let mut stage = stage(SecondFactorDemand::Optional).await;
    stage.site.log_in("bob", PASSWORD).await;
    stage.set_up().await;
    let led = |answer: &Response| (answer.status().as_u16(), header(answer, "location").to_owned());
    assert_eq!(led(&stage.site.get(ACT).await), (303, PAGE.to_owned()));
    stage.half_in("bob").await;
    let waits = stage.site.get("/login/code").await;
    assert_eq!(waits.status(), 200);
    let page = waits.text().await.unwrap();
    assert!(page.contains("Six digits of your authenticator app"), "{page}");
    stage.site.browser = browser();
    let begins = stage.site.get("/login/code").await;
    assert!(led(&begins).1.starts_with("/login"), "{begins:?}");
}
