//! Questions about the policy on pages: may somebody do it, and who may do what at a place.

use deployer::access::Access;
use deployer::domain::{Event, EventKind};
use deployer::store::policies;

use super::support::{Options, PASSWORD, TestSite, browser, operator};
use crate::history::support::project;

/// Ines reads the policy; rita sees dev of the shop; hans sees the vault, which is closed; avery audits.
const POLICY: &str = "p, ines, policy, *, view, always, allow
p, rita, shop, dev, view, always, allow
p, rita, shop, dev, deploy, business-hours, allow with role:releaser
g3, vault, projects:closed
p, hans, vault, prod, view, always, allow
g, lena, role:reader
g, avery, role:auditor
g, alice, role:developer";

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for name in ["ines", "rita", "hans", "lena", "avery", "alice", "admin"] {
        site.add_user(name).await;
    }
    project(&site, "shop", &["dev", "prod"]).await;
    project(&site, "vault", &["prod"]).await;
    site
}

/// Logs `name` in instead of whoever was.
async fn sit_down(site: &mut TestSite, name: &str) {
    site.browser = browser();
    assert_eq!(site.log_in(name, PASSWORD).await.status(), 303);
}

/// The status of a page, and its content without what surrounds it.
async fn page(site: &TestSite, path: &str) -> (u16, String) {
    let answer = site.get(path).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let main = text.split_once("<main").map_or(text.as_str(), |(_, main)| main);
    (status, main.replace("&#38;", "&").replace("&amp;", "&"))
}

fn assert_says(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

/// Keeps the policy in force, as a start does, at an instant.
async fn keep(site: &TestSite, access: &Access, at: deployer::domain::Instant) {
    let change = site.store.change(&operator(), at).await.unwrap();
    policies::keep(&change, &access.files(), "one").await.unwrap();
    let event = Event::new(
        EventKind::PolicyReloaded,
        serde_json::json!({ "policy": access.digest() }),
    );
    change.commit(event).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_somebody_is_answered_with_lines_and_the_week() {
    let mut site = site().await;
    keep(&site, site.app.policy(), site.app.now()).await;
    sit_down(&mut site, "ines").await;
    let asked = "/policy/may?who=alice&action=deploy&place=shop/beta&when=2027-11-24T20:00&zone=Europe/Paris";
    let (status, text) = page(&site, asked).await;
    assert_eq!(status, 200, "{text}");
    let digest = site.app.policy().digest();
    assert_says(
        &text,
        &[
            "alice may not deploy shop/beta",
            "Wed 24 Nov 2027, 20:00 CET",
            "allows it, but not at this time; next: Thu 25 Nov 2027, 09:00 CET.",
            // 08:00 UTC.
            "From Thu 25 Nov 2027, 09:00 CET on: allowed.",
            "09:00–19:30",
            "09:00–15:00",
            "class=\"bar-yes\"",
            "name=\"zone\" value=\"Europe/Paris\"",
        ],
    );
    let (_, text) = page(&site, &asked.replace("20:00", "10:00")).await;
    assert_says(
        &text,
        &[
            "alice may deploy shop/beta",
            "alice → role:developer",
            &format!("/admin/policy/versions/{digest}#policy.csv-"),
            "p, role:developer, *,      beta, deploy,     business-hours, allow",
        ],
    );
    let line = text.split_once("/admin/policy/versions/").unwrap().1;
    let (status, version) = page(
        &site,
        &format!("/admin/policy/versions/{}", line.split_once('#').unwrap().0),
    )
    .await;
    let anchor = line.split_once('#').unwrap().1.split_once('"').unwrap().0;
    assert_eq!(status, 200);
    assert_says(&version, &[&format!("id=\"{anchor}\"")]);
    for (odd, why) in [
        ("who=a:b&action=deploy&place=shop/dev", "role:NAME"),
        ("action=fly&place=shop/dev", "is not an action"),
        ("action=view&place=a b c", "PROJECT/ENVIRONMENT"),
        ("action=view&place=shop/dev&when=tomorrow", "2026-11-23 08:30"),
        ("action=view&place=shop/dev&zone=Nowhere", "Europe/Paris"),
        (
            "who=alice&groups=x y,z%2Fw%2F%2F&action=view&place=",
            "PROJECT/ENVIRONMENT",
        ),
    ] {
        let (status, text) = page(&site, &format!("/policy/may?{}", odd.replace(' ', "%20"))).await;
        assert_eq!(status, 422, "{odd}: {text}");
        assert_says(&text, &[why]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_asks_about_themselves_for_places_that_they_see_and_for_no_other() {
    let mut site = site().await;
    sit_down(&mut site, "rita").await;
    let (status, text) = page(
        &site,
        "/policy/may?action=deploy&place=shop/dev&when=2027-11-24T10:00&zone=UTC",
    )
    .await;
    assert_eq!(status, 200);
    assert_says(
        &text,
        &[
            "You may deploy shop/dev",
            "as soon as role:releaser approves it",
            "class=\"bar-both\"",
        ],
    );
    assert!(!text.contains("/admin/policy"), "{text}");
    assert!(!text.contains("name=\"who\""), "{text}");
    let (status, _) = page(&site, "/policy/may?who=rita&action=view&place=shop/dev").await;
    assert_eq!(status, 200);
    for (others, expected) in [
        ("who=alice&action=view&place=shop/dev", 403),
        ("who=rita&groups=developers&action=view&place=shop/dev", 403),
        ("action=administer&place=everything", 200),
    ] {
        let (status, text) = page(&site, &format!("/policy/may?{others}")).await;
        assert_eq!(status, expected, "{others}: {text}");
    }
    // What she may not see answers like what there is not.
    for path in ["/policy/may?action=view&place=", "/policy/who?place="] {
        let mut answers = Vec::new();
        for place in [
            "shop/prod",
            "shop/none",
            "vault/prod",
            "none/prod",
            "vault",
            "none",
        ] {
            answers.push(page(&site, &format!("{path}{place}")).await.0);
        }
        assert_eq!(answers, [404; 6], "{path}");
    }
    let (status, text) = page(&site, "/policy/who?place=shop/dev&day=2026-11-22").await;
    assert_eq!(status, 403, "{text}");
    site.browser = browser();
    assert_eq!(page(&site, "/policy/may?action=view&place=shop/dev").await.0, 404);
    assert_eq!(page(&site, "/policy/who?place=shop/dev").await.0, 404);
    assert_eq!(page(&site, "/policy/may").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_is_shown_to_whoever_sees_the_place_without_people_of_others() {
    let mut site = site().await;
    sit_down(&mut site, "lena").await;
    let (status, environment) = page(&site, "/projects/shop/dev").await;
    assert_eq!(status, 200);
    assert_says(&environment, &["/policy/who?place=shop%2Fdev"]);
    assert_says(
        &page(&site, "/projects/shop").await.1,
        &["/policy/who?place=shop\""],
    );
    let (status, text) = page(&site, "/policy/who?place=shop/dev").await;
    assert_eq!(status, 200);
    assert_says(
        &text,
        &[
            "role:developer",
            "alice",
            "rita",
            "business-hours",
            "with role:releaser",
            "lena",
        ],
    );
    assert!(!text.contains("hans") && !text.contains("vault"), "{text}");
    assert!(
        !text.contains("name=\"day\""),
        "she may not ask about earlier days"
    );
    let (_, found) = page(&site, "/policy/who?place=shop/dev&q=ALI").await;
    assert!(found.contains("alice") && !found.contains("rita"), "{found}");
    assert_eq!(page(&site, "/policy/who?place=vault/prod").await.0, 404);
    sit_down(&mut site, "hans").await;
    let (status, text) = page(&site, "/policy/who?place=vault/prod").await;
    assert_eq!(status, 200);
    assert!(text.contains("hans") && !text.contains("rita"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_alone_is_no_place_unless_a_project_is_called_so() {
    let mut site = site().await;
    sit_down(&mut site, "ines").await;
    for path in ["/policy/who?place=", "/policy/may?action=deploy&place="] {
        let (status, text) = page(&site, &format!("{path}prod")).await;
        assert_eq!(status, 422, "{text}");
        assert_says(&text, &["“prod” is an environment", "write PROJECT/ENVIRONMENT"]);
        assert!(!text.contains("vault/prod"), "she may not view it: {text}");
        let (status, text) = page(&site, &format!("{path}nowhere")).await;
        assert_eq!(status, 200);
        assert_says(&text, &["There is no nowhere here"]);
    }
    sit_down(&mut site, "rita").await;
    let (status, text) = page(&site, "/policy/who?place=dev").await;
    assert_eq!(status, 422);
    assert_says(&text, &["write PROJECT/ENVIRONMENT, as shop/dev."]);
    assert_eq!(page(&site, "/policy/who?place=prod").await.0, 404);
    project(&site, "prod", &["dev"]).await;
    sit_down(&mut site, "ines").await;
    let (status, text) = page(&site, "/policy/who?place=prod").await;
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("There is no"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_asks_who_could_deploy_on_an_earlier_day() {
    let mut site = site().await;
    let now = site.app.now();
    let before = tempfile::tempdir().unwrap();
    let old = crate::support::world::access(before.path(), "p, gone, shop, prod, deploy, always, allow");
    keep(&site, &old, now - chrono::TimeDelta::days(9)).await;
    keep(&site, site.app.policy(), now - chrono::TimeDelta::days(3)).await;
    sit_down(&mut site, "avery").await;
    let ask = |days: i64| {
        let day = (now - chrono::TimeDelta::days(days)).date_naive();
        format!("/policy/who?place=shop/prod&zone=UTC&day={day}")
    };
    let (status, text) = page(&site, &ask(5)).await;
    assert_eq!(status, 200, "{text}");
    assert_says(
        &text,
        &["gone", "By the policy that was in force then", &old.digest()],
    );
    let (_, text) = page(&site, &ask(1)).await;
    assert!(
        !text.contains("gone") && !text.contains("in force then"),
        "{text}"
    );
    // On the day of the change, both.
    let (_, text) = page(&site, &ask(3)).await;
    assert_says(&text, &["gone", "By the policy that was in force then"]);
    assert_eq!(text.matches("class=\"table stacking rights\"").count(), 2);
    let clock = (now - chrono::TimeDelta::days(3)).format("%H:%M");
    for (from, until) in [
        ("00:00".to_owned(), clock.to_string()),
        (clock.to_string(), "24:00".to_owned()),
    ] {
        assert_says(
            &text,
            &[&format!("In force from {from} to {until} of that day (UTC).")],
        );
    }
    assert_says(&text, &[&format!("<span class=\"when\">00:00–{clock}</span>")]);
    let (_, text) = page(&site, &ask(30)).await;
    assert_says(&text, &["No policy of that time is kept."]);
    let at = (now - chrono::TimeDelta::days(5)).format("%Y-%m-%dT%H:%M");
    let (status, text) = page(
        &site,
        &format!("/policy/may?who=gone&action=deploy&place=shop/prod&zone=UTC&when={at}"),
    )
    .await;
    assert_eq!(status, 200);
    assert_says(
        &text,
        &[
            "gone may deploy shop/prod",
            "By the policy that was in force then",
        ],
    );
    for path in ["/admin/policy", "/admin/users", "/audit", "/audit/report"] {
        assert_eq!(page(&site, path).await.0, 200, "{path}");
    }
    assert_says(&page(&site, "/audit/report").await.1, &["/policy/who?day="]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_two_thousand_people_is_a_page_that_opens_quickly() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for number in 0..2000 {
        lines.push_str(&format!("g, user-{number}, role:developer\n"));
    }
    let access = crate::support::world::access(directory.path(), &lines);
    let store = crate::support::store::TestStore::new().await;
    let app = super::support::app(&store.store, directory.path(), false, access);
    let site = TestSite::over(app, store.store.clone()).await;
    site.add_user("admin").await;
    project(&site, "shop", &["dev"]).await;
    assert_eq!(site.log_in("admin", PASSWORD).await.status(), 303);
    let begun = std::time::Instant::now();
    let answer = site.get("/policy/who?place=shop/dev").await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(text.len() < 60_000, "{}", text.len());
    assert_says(&text, &["2,001 names", "user-0", "more: search for a name"]);
    let found = site
        .get("/policy/who?place=shop/dev&q=user-1999")
        .await
        .text()
        .await
        .unwrap();
    assert_says(&found, &["user-1999"]);
}
