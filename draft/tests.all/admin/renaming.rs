//! A place is protected under its name: no new name takes it out of a deny, a freeze or a lock.

use deployer::app::locks::{self, NewLock};
use deployer::domain::{Actor, Resource};

use super::send;
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// Carla configures the project; kim may not deploy to prod.
const PEOPLE: &str = "p, carla, *, *, configure, always, allow
p, kim, *, prod, deploy, always, deny
p, carla, *, vault, deploy, always, deny
p, carla, sealed, *, configure, always, deny";

async fn site(environment: &'static str) -> (World, TestSite) {
    let world = World::project()
        .environments(&[environment])
        .policy(PEOPLE)
        .workers(0)
        .start()
        .await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    for name in ["admin", "carla"] {
        site.add_user(name).await;
    }
    site.log_in("carla", PASSWORD).await;
    (world, site)
}

/// Renames an environment of `shop` in its form.
async fn rename(site: &TestSite, from: &str, to: &str) -> (u16, String) {
    let page = format!("/admin/projects/shop/environments/{from}");
    let mut form = super::environment("deploy", "1");
    form.retain(|(name, _)| *name != "name" && *name != "target_path");
    form.extend([("name", to), ("target_path", "~/live")]);
    let (status, _, said) = send(site, &page, &page, &form).await;
    (status, said)
}

async fn rename_project(world: &World, site: &TestSite, to: &str) -> (u16, String) {
    let shop = deployer::store::projects::by_name(&world.store, "shop").await;
    let url = shop.unwrap().git_url;
    let form = [("name", to), ("git_url", url.as_str()), ("method", "symlink")];
    let page = "/admin/projects/shop";
    let (status, _, said) = send(site, page, page, &form).await;
    (status, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_or_a_freeze_for_one_name_keeps_that_name() {
    let (world, site) = site("prod").await;
    let (status, said) = rename(&site, "prod", "live").await;
    assert_eq!(status, 422, "{said}");
    assert!(
        said.contains("applies to shop/prod and not to shop/live"),
        "{said}"
    );
    // Policy tells upper from lower case.
    assert_eq!(rename(&site, "prod", "PROD").await.0, 422);
    // The same lines hold whatever the project is called.
    let (status, said) = rename_project(&world, &site, "store").await;
    assert_eq!(status, 303, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_needs_the_rights_under_both_names() {
    let (world, site) = site("dev").await;
    assert_eq!(rename(&site, "dev", "vault").await.0, 403);
    assert_eq!(rename_project(&world, &site, "sealed").await.0, 403);
    assert_eq!(rename(&site, "dev", "stage").await.0, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_keeps_the_name_and_the_place() {
    let (world, site) = site("dev").await;
    let lock = NewLock {
        over: Resource::Environment("shop".into(), "dev".into()),
        reason: "moving house".into(),
        ends_at: None,
    };
    let admin = Actor::user("admin", "192.0.2.7");
    let lock = locks::create(&world.app, &admin, lock).await.unwrap();
    let (status, said) = rename(&site, "dev", "stage").await;
    assert!(
        status == 422 && said.contains("admin has locked shop/dev"),
        "{said}"
    );
    let (status, said) = rename_project(&world, &site, "store").await;
    assert!(
        status == 422 && said.contains("admin has locked shop/dev"),
        "{said}"
    );

    // To delete and add it again would lift the lock.
    for (page, to) in [
        (
            "/admin/projects/shop/environments/dev",
            "/admin/projects/shop/environments/dev/delete",
        ),
        ("/admin/projects/shop", "/admin/projects/shop/delete"),
    ] {
        let (_, location, _) = send(&site, page, to, &[]).await;
        let said = site.get(&location).await.text().await.unwrap();
        assert!(said.contains("admin has locked shop/dev"), "{location} {said}");
    }
    locks::lift(&world.app, &admin, lock).await.unwrap();
    assert_eq!(rename(&site, "dev", "stage").await.0, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_configures_a_project_reaches_nothing_else_of_the_deployers_host() {
    let (world, site) = site("dev").await;
    let page = "/admin/projects/shop/environments/dev";
    let mut form = super::environment("deploy", "1");
    form.retain(|(name, _)| *name != "name" && *name != "target_path");
    form.extend([("name", "dev"), ("target_path", "~/live")]);
    form.extend([
        ("health_kind", "command"),
        ("health_command", "cat /etc/passwd"),
        ("health_interval", "1"),
        ("health_attempts", "1"),
        ("health_limit", "1"),
        ("health_successes", "1"),
    ]);
    let from = |place| [form.clone(), vec![("health_from", place)]].concat();
    assert_eq!(send(&site, page, page, &from("deployer")).await.0, 403);
    let (status, _, said) = send(&site, page, page, &from("server")).await;
    assert_eq!(status, 303, "{said}");
    // The tests' own directories are named; what the process may not name is tried in `git::fetches`.
    let shop = deployer::store::projects::by_name(&world.store, "shop")
        .await
        .unwrap();
    assert!(shop.git_url.starts_with("file://"), "{}", shop.git_url);
}
