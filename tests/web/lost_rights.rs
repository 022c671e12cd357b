//! Every way in is shut to somebody whose right ended after their page was opened: by policy, with their
//! account, or with the API token that they come by.

use deployer::app::tokens;
use deployer::domain::{Actor, DeploymentState, TokenScope, User};
use deployer::store::{AuditFilter, Page, audit, deployments, environments, users};
use reqwest::{Client, RequestBuilder};

use super::support::{PASSWORD, TestSite, browser, operator};
use super::tokens::new;
use crate::history::support::{asked, past, project, queued};
use crate::support::store::{TestStore, bring_in, change};

const VIEW: &str = "p, dora, shop, *, view, always, allow";
const ACT: &str = "p, dora, shop, *, configure, always, allow";
const APPROVE: &str = "p, dora, shop, *, approve, always, allow";
const BOSS: &str = "p, boss, *, *, impersonate, always, allow";

/// Stands for a time tomorrow.
const TOMORROW: &str = "tomorrow";

/// Deployment 1 has ended in dev, deployment 2 awaits approval, deployment 3 is scheduled, and lock 1 is in force.
const WAYS: [(&str, &[(&str, &str)]); 19] = [
    ("/projects/shop/dev", &[("commit", "main")]),
    ("/projects/shop/dev", &[("commit", "main"), ("at", TOMORROW)]),
    ("/projects/shop/dev", &[("commit", "main"), ("kind", "rollback")]),
    ("/projects/shop", &[]),
    ("/deployments/1/again", &[]),
    ("/deployments/1/retry", &[]),
    ("/deployments/1/resume", &[]),
    ("/deployments/1/rollback", &[]),
    ("/deployments/1/promote", &[("environment", "prod")]),
    ("/deployments/2/approve", &[]),
    ("/deployments/2/reject", &[("reason", "no")]),
    ("/deployments/3/cancel", &[]),
    ("/deployments/3/pause", &[]),
    ("/deployments/3/unpause", &[]),
    ("/deployments/3/answer", &[("answer", "resume")]),
    ("/deployments/3/answer", &[("answer", "roll_back")]),
    ("/deployments/3/answer", &[("answer", "stop")]),
    ("/projects/shop/dev/lock", &[("reason", "stocktaking")]),
    ("/locks/projects/shop", &[("reason", "stocktaking")]),
];

struct Ground {
    site: TestSite,
    store: TestStore,
    directory: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lines = [VIEW, ACT, APPROVE, BOSS].join("\n");
        let access = crate::support::world::access(directory.path(), &lines);
        let store = TestStore::new().await;
        let app = super::support::app(&store.store, directory.path(), false, access);
        let site = TestSite::over(app, store.store.clone()).await;
        for name in ["dora", "boss"] {
            site.add_user(name).await;
        }
        let (shop, mut places) = project(&site, "shop", &["dev", "prod"]).await;
        let tx = change(&site.store).await;
        for (position, place) in (1..).zip(&mut places) {
            place.position = position;
            environments::update(&tx, place).await.unwrap();
        }
        bring_in(tx).await;
        past(
            &site,
            vec![(asked(&shop, &places[0], 1), DeploymentState::Succeeded)],
        )
        .await;
        for (number, state) in [(2, DeploymentState::Awaiting), (3, DeploymentState::Scheduled)] {
            let mut waits = asked(&shop, &places[0], number);
            waits.deployment.state = state;
            waits.deployment.scheduled_at = Some("2099-01-01T10:00:00Z".parse().unwrap());
            queued(&site, &waits).await;
        }
        Self {
            site,
            store,
            directory,
        }
    }

    /// Takes lines out of the policy.
    fn without(&self, lines: &[&str]) {
        let file = self.directory.path().join("policies/policy.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = lines.iter().fold(text, |text, line| text.replace(line, ""));
        std::fs::write(&file, text).unwrap();
        self.site.app.policy().reload().unwrap();
    }

    /// Takes every way in, by requests that `proven` proves, and says what each answers.
    async fn take_all(&self, proven: &Proven) -> Vec<(String, u16)> {
        let mut answers = Vec::new();
        for (path, fields) in WAYS {
            let mut form = vec![("csrf", proven.csrf.as_str())];
            let tomorrow = self.site.app.now() + chrono::TimeDelta::days(1);
            let tomorrow = tomorrow.format("%Y-%m-%dT%H:%M").to_string();
            form.extend(fields.iter().map(|&(name, value)| match value {
                TOMORROW => (name, tomorrow.as_str()),
                value => (name, value),
            }));
            let request = proven.client.post(format!("{}{path}", self.site.url)).form(&form);
            let headers = proven.headers.iter();
            let request = headers.fold(request, |request: RequestBuilder, (name, value)| {
                request.header(*name, value)
            });
            let status = request.send().await.unwrap().status().as_u16();
            answers.push((format!("{path} {fields:?}"), status));
        }
        answers
    }

    /// What could have come of them.
    async fn effects(&self) -> Vec<String> {
        let mut found = Vec::new();
        for number in 1..=9 {
            let Ok(one) = deployments::by_id(&self.site.store, deployer::domain::DeploymentId(number)).await
            else {
                continue;
            };
            found.push(format!(
                "{number} {:?} {:?} {:?}",
                one.state, one.cancelled_by, one.pause_requested_by
            ));
        }
        found.push(format!("{} locks", self.store.rows("locks").await));
        found
    }

    async fn dora(&self) -> User {
        users::by_name(&self.site.store, "dora").await.unwrap()
    }
}

/// What requests come with.
struct Proven {
    client: Client,
    csrf: String,
    headers: Vec<(&'static str, String)>,
}

/// Dora at her browser, with the token of a form that is open.
async fn seated(ground: &Ground) -> Proven {
    let client = browser();
    let csrf = form_token(ground, &client, "/login").await;
    let form = [("csrf", csrf.as_str()), ("name", "dora"), ("password", PASSWORD)];
    let request = client.post(format!("{}/login", ground.site.url)).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 303);
    let csrf = form_token(ground, &client, "/projects/shop/dev").await;
    Proven {
        client,
        csrf,
        headers: Vec::new(),
    }
}

async fn form_token(ground: &Ground, client: &Client, path: &str) -> String {
    let page = client
        .get(format!("{}{path}", ground.site.url))
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    let (_, rest) = page
        .split_once("name=\"csrf\" value=\"")
        .expect("a form on the page");
    rest.split_once('"').unwrap().0.to_owned()
}

/// A program with a token of `account`, acting for dora where that is another one.
async fn program(ground: &Ground, account: &str) -> Proven {
    let own = Actor::user(account, "192.0.2.7");
    let made = tokens::make_own(&ground.site.app, &own, new("ci", TokenScope::default())).await;
    let mut headers = vec![("authorization", format!("Bearer {}", made.unwrap().secret))];
    if account != "dora" {
        headers.push(("x-impersonate-username", "dora".to_owned()));
    }
    Proven {
        client: browser(),
        csrf: String::new(),
        headers,
    }
}

/// Nothing came of any of them, and each answers with one of `expected`.
async fn assert_shut(ground: &Ground, proven: &Proven, expected: &[u16], why: &str) {
    let before = ground.effects().await;
    for (way, status) in ground.take_all(proven).await {
        assert!(expected.contains(&status), "{why}: {way}: {status}");
    }
    assert_eq!(ground.effects().await, before, "{why}");
}

async fn refusals(ground: &Ground) -> usize {
    let filter = AuditFilter {
        outcome: Some(deployer::domain::Outcome::Refused),
        ..AuditFilter::default()
    };
    audit::list(&ground.site.store, &filter, Page::Newest, 100)
        .await
        .unwrap()
        .items
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_open_to_somebody_with_the_right() {
    for is_program in [false, true] {
        let ground = Ground::new().await;
        let proven = match is_program {
            false => seated(&ground).await,
            true => program(&ground, "dora").await,
        };
        for (way, status) in ground.take_all(&proven).await {
            assert!(![401, 403, 404].contains(&status), "{way}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_shut_once_policy_took_the_right() {
    let ground = Ground::new().await;
    let (seated, program, other) = (
        seated(&ground).await,
        program(&ground, "dora").await,
        self::program(&ground, "boss").await,
    );
    ground.without(&[ACT, APPROVE]);
    assert_shut(&ground, &seated, &[403], "only viewing is left").await;
    assert!(refusals(&ground).await > 2, "refusals are recorded");
    assert_shut(&ground, &program, &[403], "only viewing is left, by a token").await;
    assert_shut(
        &ground,
        &other,
        &[403],
        "only viewing is left, through another account",
    )
    .await;
    ground.without(&[VIEW]);
    assert_shut(&ground, &seated, &[404], "nothing is left").await;
    assert_shut(&ground, &program, &[404], "nothing is left, by a token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_shut_once_the_account_is_disabled() {
    let ground = Ground::new().await;
    let (seated, program, other) = (
        seated(&ground).await,
        program(&ground, "dora").await,
        self::program(&ground, "boss").await,
    );
    let tx = change(&ground.site.store).await;
    let disabled = User {
        disabled: true,
        ..ground.dora().await
    };
    users::update(&tx, &disabled).await.unwrap();
    bring_in(tx).await;
    // A form of a session that ended leads to the login, and is kept.
    assert_shut(&ground, &seated, &[200, 303, 400, 403, 404], "disabled").await;
    assert_shut(&ground, &program, &[401], "disabled, by a token").await;
    assert_shut(&ground, &other, &[422], "nobody acts for a disabled account").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_shut_once_the_token_or_the_right_to_act_for_others_is_gone() {
    let ground = Ground::new().await;
    let (program, other) = (
        program(&ground, "dora").await,
        self::program(&ground, "boss").await,
    );
    let token = tokens::own(&ground.site.app, &ground.dora().await)
        .await
        .unwrap()
        .remove(0);
    tokens::revoke(&ground.site.store, &operator(), None, token.id)
        .await
        .unwrap();
    assert_shut(&ground, &program, &[401], "revoked").await;
    ground.without(&[BOSS]);
    assert_shut(&ground, &other, &[403], "may not act for others").await;
}
