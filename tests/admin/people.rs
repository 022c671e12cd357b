//! Who may configure, and how users come and go.

use deployer::domain::DeploymentState;
use deployer::store::{AuditFilter, audit};
use deployer::store::{Page, users};

use super::{page, send, site};
use crate::history::support::{asked, past, project};
use crate::support::world::World;
use crate::web::support::{PASSWORD, browser};

/// Forms that need rights.
const POSTS: [&str; 11] = [
    "/admin/new/project",
    "/admin/projects/shop",
    "/admin/projects/shop/delete",
    "/admin/new/server",
    "/admin/servers/1",
    "/admin/servers/1/trust",
    "/admin/new/user",
    "/admin/users/admin/password",
    "/admin/users/admin/disabled",
    "/admin/users/admin/delete",
    "/audit/verify",
];

/// What `name` was refused, in alphabetical order.
async fn refusals(site: &crate::web::support::TestSite, name: &str) -> Vec<String> {
    let refused = AuditFilter {
        who: Some(name.into()),
        outcome: Some(deployer::domain::Outcome::Refused),
        ..AuditFilter::default()
    };
    let told = audit::list(&site.store, &refused, Page::Newest, 100)
        .await
        .unwrap();
    let say = |one: &deployer::domain::AuditEvent| format!("{} {}", one.event.action, one.event.resource);
    let mut events: Vec<String> = told.items.iter().map(say).collect();
    events.sort_unstable();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_refused_and_the_refusal_is_audited() {
    let (_world, mut site) = site().await;
    site.add_user("mallory").await;
    site.browser = browser();
    site.log_in("mallory", PASSWORD).await;
    let paths = [
        "/admin",
        "/admin/projects",
        "/admin/projects/shop",
        "/admin/new/project",
        "/admin/projects/shop/new",
        "/admin/servers",
        "/admin/new/server",
        "/admin/clusters",
        "/admin/users",
        "/admin/users/admin",
        "/admin/policy",
        "/audit",
    ];
    // Whoever may not view a project does not learn that it exists.
    let refused = |path: &str| match path {
        path if path.contains("/shop") => 404,
        _ => 403,
    };
    for path in paths {
        assert_eq!(site.get(path).await.status(), refused(path), "{path}");
    }
    let fields = [
        ("name", "x"),
        ("openssh", "x"),
        ("disabled", "yes"),
        ("active", "no"),
    ];
    for path in POSTS {
        assert_eq!(
            send(&site, "/profile", path, &fields).await.0,
            refused(path),
            "{path}"
        );
    }
    // Once for each thing that was refused; what was refused again is counted.
    assert_eq!(
        refusals(&site, "mallory").await,
        [
            "administer.refused everything",
            "audit.refused everything",
            "configure.refused everything",
            "configure.refused shop",
        ]
    );
    assert!(users::by_name(&site.store, "x").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_is_shown_once_and_works() {
    let (_world, mut site) = site().await;
    let new = "/admin/new/user";
    let (status, _, said) = send(&site, new, new, &[("name", "bob"), ("password", "short")]).await;
    assert!(status == 422 && said.contains("at least 10 characters"), "{said}");
    assert!(!said.contains("value=\"short\""));
    let (status, _, said) = send(&site, new, new, &[("name", "bob"), ("email", "bob@shop.example")]).await;
    assert_eq!(status, 200);
    let password = said
        .split("data-copy=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    assert!(!page(&site, "/admin/users/bob").await.contains(&password));
    assert!(!page(&site, "/audit").await.contains(&password));
    let (status, _, said) = send(&site, new, new, &[("name", "bob")]).await;
    assert!(
        status == 422 && said.contains("There is already a user “bob”."),
        "{said}"
    );
    site.browser = browser();
    assert_eq!(site.log_in("bob", &password).await.status(), 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_gets_no_password() {
    let (_world, site) = site().await;
    let new = "/admin/new/user";
    let fields = [("name", "ci"), ("service", "yes")];
    assert_eq!(send(&site, new, new, &fields).await.0, 303);
    let shown = page(&site, "/admin/users/ci").await;
    assert!(
        shown.contains("Service account") && !shown.contains("set-password"),
        "{shown}"
    );
    let set = [("password", "three plain words")];
    let (status, ..) = send(&site, "/admin/users/ci", "/admin/users/ci/password", &set).await;
    assert_eq!(status, 409);
    assert!(!users::by_name(&site.store, "ci").await.unwrap().has_password);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_disable_their_own_account() {
    let (_world, site) = site().await;
    site.add_user("bob").await;
    let off = [("disabled", "yes")];
    send(&site, "/admin/users/admin", "/admin/users/admin/disabled", &off).await;
    assert!(
        page(&site, "/admin/users/admin")
            .await
            .contains("You cannot disable your own account.")
    );
    send(&site, "/admin/users/bob", "/admin/users/bob/disabled", &off).await;
    let all = users::list(&site.store).await.unwrap();
    let shut: Vec<(&str, bool)> = all
        .iter()
        .map(|user| (user.name.as_str(), user.disabled))
        .collect();
    assert_eq!(shut, [("admin", false), ("bob", true)]);
    let listed = page(&site, "/admin/users").await;
    assert!(
        listed.contains("sysadmin") && listed.contains("Disabled"),
        "{listed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_gone_and_their_history_stays() {
    let (_world, mut site) = site().await;
    site.add_user("bob").await;
    let (shop, places) = project(&site, "books", &["beta"]).await;
    past(
        &site,
        vec![(asked(&shop, &places[0], 1), DeploymentState::Succeeded)],
    )
    .await;
    let admin = std::mem::replace(&mut site.browser, browser());
    site.log_in("bob", PASSWORD).await;
    assert_eq!(site.get("/profile").await.status(), 200);
    let bob = std::mem::replace(&mut site.browser, admin);

    let shown = page(&site, "/admin/users/bob").await;
    assert!(shown.contains("action=\"/admin/users/bob/delete\""), "{shown}");
    let own = page(&site, "/admin/users/admin").await;
    assert!(!own.contains("/delete\""), "{own}");
    let (status, to, _) = send(&site, "/admin/users/admin", "/admin/users/admin/delete", &[]).await;
    assert_eq!((status, to.as_str()), (303, "/admin/users/admin"));
    assert!(page(&site, &to).await.contains("You cannot delete yourself."));
    assert!(users::by_name(&site.store, "admin").await.is_ok());

    let (status, to, _) = send(&site, "/admin/users/bob", "/admin/users/bob/delete", &[]).await;
    assert_eq!((status, to.as_str()), (303, "/admin/users"));
    assert!(
        page(&site, &to)
            .await
            .contains("User “bob” was deleted. Their history stays.")
    );
    let (_, to, _) = send(&site, "/admin/users", "/admin/users/bob/delete", &[]).await;
    assert!(
        page(&site, &to)
            .await
            .contains("There is no user “bob”. Nothing was done.")
    );
    assert_eq!(site.get("/admin/users/bob").await.status(), 404);
    assert_eq!(site.audited().await[0], "user.deleted user bob");
    let acts = page(&site, "/audit?actor=bob").await;
    assert!(acts.contains("login.succeeded"), "{acts}");
    assert!(page(&site, "/history").await.contains("bob"));

    site.browser = bob;
    assert_eq!(site.get("/profile").await.status(), 303);
    assert_eq!(site.log_in("bob", PASSWORD).await.status(), 422);
    // Nobody else gets that name, and with it the history.
    site.browser = browser();
    site.log_in("admin", PASSWORD).await;
    let fields = [("name", "Bob"), ("password", PASSWORD)];
    let (status, _, shown) = send(&site, "/admin/new/user", "/admin/new/user", &fields).await;
    assert_eq!(status, 422);
    assert!(
        shown.contains("was the name of an account that was deleted; choose another name."),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_page_shows_the_active_lines_and_windows() {
    let (_world, site) = site().await;
    let shown = page(&site, "/admin/policy").await;
    for told in [
        "business-hours",
        "p, role:reader,    *,      *,    view,       always,         allow",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

/// That the log tells of a reload that changed who may what, and of one that failed.
async fn assert_recorded(site: &crate::web::support::TestSite) {
    let filter = AuditFilter {
        actions: vec!["policy.".into()],
        ..AuditFilter::default()
    };
    let told = audit::list(&site.store, &filter, Page::Newest, 10).await.unwrap();
    let told: Vec<_> = told.items.into_iter().map(|one| one.event).collect();
    let say = |at: usize| {
        (
            told[at].action.as_str(),
            told[at].resource.as_str(),
            told[at].outcome,
        )
    };
    assert_eq!(
        say(0),
        ("policy.rejected", "policy", deployer::domain::Outcome::Failed)
    );
    assert_eq!(
        say(1),
        ("policy.reloaded", "policy", deployer::domain::Outcome::Allowed)
    );
    assert_eq!(told[1].detail["rights"], "1 user or group gains");
    let sentence = deployer::app::audit::words::sentence(&told[1]);
    assert!(sentence.ends_with("Rights: 1 user or group gains."), "{sentence}");
}

/// The audit log says who had the policy read, and leads to what it changed.
async fn assert_told_in_the_log(site: &crate::web::support::TestSite, comparison: &str) {
    let log = page(site, "/audit?action=policy.reloaded").await;
    assert!(log.contains("admin had the files read. Rights:"), "{log}");
    assert!(
        log.contains(&format!("href=\"{comparison}\">what it changed</a>")),
        "{log}"
    );
    let log = page(site, "/audit?action=deployer.started").await;
    assert!(
        log.contains("by <a href=\"/audit?action=deployer.started&#38;actor=engine\">the deployer</a>"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_shown_as_it_was_and_compared_with_the_next() {
    // Of files that can be changed.
    let (world, site) = super::site_of(World::project().policy("")).await;
    deployer::app::lifetime::started(&world.app).await.unwrap();
    let before = world.app.policy().digest();
    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().count();
    std::fs::write(&file, format!("{text}p, nina, *, *, view, always, allow\n")).unwrap();
    let (status, location, _) = send(&site, "/admin/policy", "/admin/policy/reload", &[]).await;
    assert_eq!((status, location.as_str()), (303, "/admin/policy"));
    let after = world.app.policy().digest();
    assert_ne!(before, after);
    let shown = page(&site, "/admin/policy").await;
    assert!(
        shown.contains("The files were read, and are in force now."),
        "{shown}"
    );
    let comparison = format!("/admin/policy/versions/{before}/to/{after}");
    assert!(shown.contains(&comparison), "{shown}");
    // What a check says is told by a deployer that serves, too.
    assert!(shown.contains("There is no user “nina”"), "{shown}");
    for cause in ["admin had the files read.", "The deployer started."] {
        assert!(shown.contains(cause), "{shown}");
    }
    assert_told_in_the_log(&site, &comparison).await;

    let (last, next) = (
        format!("id=\"policy.csv-{lines}\""),
        format!("id=\"policy.csv-{}\"", lines + 1),
    );
    let then = page(&site, &format!("/admin/policy/versions/{before}")).await;
    assert!(then.contains(&last) && !then.contains(&next), "{then}");
    assert!(then.contains(&comparison), "{then}");
    let now = page(&site, &format!("/admin/policy/versions/{after}")).await;
    assert!(now.contains(&next), "{now}");
    let differs = page(&site, &comparison).await;
    assert!(
        differs.contains("p, nina, *, *, view, always, allow"),
        "{differs}"
    );
    assert!(!differs.contains("calendar.toml"), "{differs}");
    for told in [
        "1 user or group gains.",
        ">gained<",
        ">nina<",
        ">everything, */*<",
    ] {
        assert!(differs.contains(told), "{told}: {differs}");
    }
    assert_eq!(site.get("/admin/policy/versions/0000").await.status(), 404);

    std::fs::write(&file, format!("{text}p, nina\n")).unwrap();
    send(&site, "/admin/policy", "/admin/policy/reload", &[]).await;
    let shown = page(&site, "/admin/policy").await;
    assert!(
        shown.contains("The files have errors. The policy in force stays."),
        "{shown}"
    );
    assert_eq!(world.app.policy().digest(), after);
    assert_recorded(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_an_administrator_is_changed_at_the_first_login() {
    let (_world, mut site) = site().await;
    let fields = [("name", "nina"), ("password", "three plain words")];
    let new = "/admin/new/user";
    assert_eq!(send(&site, new, new, &fields).await.0, 303);
    site.browser = crate::web::support::browser();
    site.log_in("nina", "three plain words").await;
    for path in ["/", "/history", "/activity"] {
        let sent_on = site.get(path).await;
        assert_eq!(
            crate::web::support::header(&sent_on, "location"),
            "/profile",
            "{path}"
        );
    }
    let profile = page(&site, "/profile").await;
    assert!(
        profile.contains("An administrator set your password."),
        "{profile}"
    );

    let change = |to: &'static str| [("old", "three plain words"), ("password", to), ("again", to)];
    for (refused, why) in [
        ("three plain words", "Choose another one"),
        ("nina-nina-nina", "too easy to guess"),
    ] {
        let answer = site.post("/profile", &change(refused)).await;
        assert_eq!(answer.status(), 422);
        let said = answer.text().await.unwrap();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(
        site.post("/profile", &change("four words of mine"))
            .await
            .status(),
        303
    );
    assert_eq!(site.get("/").await.status(), 200);
}
