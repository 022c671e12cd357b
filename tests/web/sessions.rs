//! Sessions: where somebody is logged in, and how that ends.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use deployer::access::Access;
use deployer::app::start;
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::store::users;
use reqwest::Client;

use super::support::{Options, PASSWORD, TestSite, browser, header};
use crate::support::store::TestStore;

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some("g, alice, role:reader"),
        ..Options::default()
    })
    .await;
    for name in ["admin", "alice"] {
        site.add_user(name).await;
    }
    site
}

/// Another browser, logged in as alice.
async fn elsewhere(site: &mut TestSite) -> Client {
    let here = std::mem::replace(&mut site.browser, browser());
    assert_eq!(site.log_in("alice", PASSWORD).await.status(), 303);
    std::mem::replace(&mut site.browser, here)
}

async fn stands(site: &TestSite, client: &Client) -> bool {
    let answer = client.get(format!("{}/profile", site.url)).send().await.unwrap();
    answer.status() == 200
}

/// The keys of the sessions that a page lists, the one used last first.
fn keys(page: &str) -> Vec<String> {
    let buttons = page.split("name=\"which\" value=\"").skip(1);
    let values = buttons.map(|rest| rest.split_once('"').unwrap().0.to_owned());
    values.filter(|key| key.len() == 64).collect()
}

async fn list(site: &TestSite, path: &str) -> (Vec<String>, String) {
    let page = site.get(path).await.text().await.unwrap();
    (keys(&page), page)
}

#[tokio::test]
async fn people_see_where_they_are_logged_in_and_end_one_or_all() {
    let mut site = site().await;
    let first = elsewhere(&mut site).await;
    let second = elsewhere(&mut site).await;
    site.log_in("alice", PASSWORD).await;
    let (found, page) = list(&site, "/profile/sessions").await;
    assert_eq!(found.len(), 3);
    for wanted in ["127.0.0.1", "This one", "Unknown browser"] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    // The first one that logged in was used last by nobody since.
    let oldest = found.last().unwrap().clone();
    let ended = site
        .post_from("/profile/sessions", "/profile/sessions/end", &oldest)
        .await;
    assert_eq!(
        (ended.status().as_u16(), header(&ended, "location")),
        (303, "/profile/sessions")
    );
    assert!(!stands(&site, &first).await);
    assert!(stands(&site, &second).await);
    let gone = site
        .post_from("/profile/sessions", "/profile/sessions/end", &oldest)
        .await;
    assert_eq!(gone.status(), 404);

    site.post_from("/profile/sessions", "/profile/sessions/end", "others")
        .await;
    assert!(!stands(&site, &second).await);
    assert!(stands(&site, &site.browser).await);
    let all = site
        .post_from("/profile/sessions", "/profile/sessions/end", "all")
        .await;
    assert_eq!(header(&all, "location"), "/login?left=yes");
    assert!(!stands(&site, &site.browser).await);
    let told = site.audited().await;
    let ended = told.iter().filter(|line| *line == "session.ended user alice");
    assert_eq!(ended.count(), 3, "{told:?}");
}

#[tokio::test]
async fn a_session_of_somebody_else_is_not_ended_by_its_key() {
    let mut site = site().await;
    let alice = elsewhere(&mut site).await;
    site.log_in("admin", PASSWORD).await;
    let (found, _) = list(&site, "/admin/users/alice/sessions").await;
    let refused = site
        .post_from("/profile/sessions", "/profile/sessions/end", &found[0])
        .await;
    assert_eq!(refused.status(), 404);
    assert!(stands(&site, &alice).await);
}

#[tokio::test]
async fn administrators_end_sessions_of_anybody_and_their_streams_end_within_five_seconds() {
    let mut site = site().await;
    let alice = elsewhere(&mut site).await;
    site.log_in("admin", PASSWORD).await;
    let mut stream = site
        .browser
        .get(format!("{}/live", site.url))
        .send()
        .await
        .unwrap();
    let mut of_alice = alice.get(format!("{}/live", site.url)).send().await.unwrap();
    assert_eq!(of_alice.status(), 200);
    let begun = Instant::now();
    let page = "/admin/users/alice/sessions";
    let ended = site.post_from(page, &format!("{page}/end"), "all").await;
    assert_eq!((ended.status().as_u16(), header(&ended, "location")), (303, page));
    let (left, page) = list(&site, page).await;
    assert!(left.is_empty() && page.contains("1 session ended."), "{page}");
    let (_, again) = {
        site.post_from("/profile/sessions", "/admin/users/alice/sessions/end", "all")
            .await;
        list(&site, "/admin/users/alice/sessions").await
    };
    assert!(again.contains("There is no session to end."), "{again}");
    assert!(!stands(&site, &alice).await);
    let over = async { while of_alice.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(6), over)
        .await
        .expect("the stream goes on");
    assert!(begun.elapsed() < Duration::from_secs(6));
    // The administrator's own one goes on.
    let mine = async { while stream.chunk().await.unwrap().is_some() {} };
    assert!(
        tokio::time::timeout(Duration::from_millis(200), mine)
            .await
            .is_err()
    );
    assert_eq!(site.audited().await[0], "session.ended user alice");
}

#[tokio::test]
async fn deleted_renamed_and_disabled_people_are_logged_out() {
    let mut site = site().await;
    let alice = elsewhere(&mut site).await;
    let mut user = users::by_name(&site.store, "alice").await.unwrap();
    let change = async |user: &deployer::domain::User| {
        let tx = crate::support::store::change(&site.store).await;
        users::update(&tx, user).await.unwrap();
        crate::support::store::bring_in(tx).await;
    };
    user.name = "alicia".parse().unwrap();
    change(&user).await;
    // The session is ended for good: another name would not bring it back.
    assert!(!stands(&site, &alice).await);
    user.name = "alice".parse().unwrap();
    change(&user).await;
    assert!(!stands(&site, &alice).await);

    let alice = elsewhere(&mut site).await;
    let tx = crate::support::store::change(&site.store).await;
    users::delete(&tx, user.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert!(!stands(&site, &alice).await, "the account is gone");
}

/// A site whose clock the test moves.
async fn with_clock(idle: Duration, limit: Duration) -> (TestSite, Clock, TestStore) {
    let store = TestStore::new().await;
    let clock = Clock::set_to(Clock::System.now());
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    (config.logins.session_idle, config.logins.session_limit) = (idle, limit);
    let app = start::assemble(config, store.store.clone(), Access::builtin(), clock.clone());
    let site = TestSite::over(app, store.store.clone()).await;
    site.add_user("alice").await;
    site.log_in("alice", PASSWORD).await;
    (site, clock, store)
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn an_unused_session_ends() {
    let (site, clock, _store) = with_clock(DAY * 2, DAY * 30).await;
    let begun = clock.now();
    clock.move_to(begun + TimeDelta::hours(47));
    assert!(stands(&site, &site.browser).await);
    let (site, clock, _store) = with_clock(DAY * 2, DAY * 30).await;
    clock.move_to(begun + TimeDelta::hours(49));
    assert!(!stands(&site, &site.browser).await);
}

#[tokio::test]
async fn a_session_ends_some_time_after_its_login_however_much_it_is_used() {
    let (site, clock, store) = with_clock(DAY * 14, DAY * 5).await;
    let begun = clock.now();
    for hours in [1, 30, 60, 119] {
        clock.move_to(begun + TimeDelta::hours(hours));
        assert!(stands(&site, &site.browser).await, "{hours}");
    }
    clock.move_to(begun + TimeDelta::hours(121));
    assert!(!stands(&site, &site.browser).await);
    assert_eq!(store.rows("sessions").await, 0, "it is ended for good");
    let refused = site.get("/profile").await;
    assert_eq!(header(&refused, "location"), "/login?next=%2Fprofile");
}

#[tokio::test]
async fn the_last_use_and_its_address_are_noted_every_few_minutes() {
    let (site, clock, _store) = with_clock(DAY * 14, DAY * 30).await;
    let user = users::by_name(&site.store, "alice").await.unwrap();
    let seen = async || {
        let own = deployer::app::sessions::own(&site.app, &user).await.unwrap();
        own[0].signed_in.seen
    };
    let begun = seen().await;
    clock.move_to(begun + TimeDelta::minutes(4));
    stands(&site, &site.browser).await;
    assert_eq!(seen().await, begun);
    clock.move_to(begun + TimeDelta::minutes(6));
    stands(&site, &site.browser).await;
    assert_eq!(seen().await, begun + TimeDelta::minutes(6));
}
