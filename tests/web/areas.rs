//! Pages of what belongs to no project, for those whom a line names them for; and projects that are
//! closed, on every page that lists projects.

use deployer::app::admin::clusters::{self, ClusterSpec};
use deployer::domain::{Action, Actor, DeploymentState, Resource};
use deployer::store::clusters as rows;

use super::support::{Options, PASSWORD, TestSite, browser};
use crate::history::support::{asked, past, project, server};

const POLICY: &str = "p, una, users, *, view, always, allow
p, una, policy, *, view, always, allow
p, aud, audit, *, audit, always, allow
p, sam, servers, *, view, always, allow
p, ruth, *, *, configure, always, allow
g3, vault, projects:closed
p, hans, vault, *, view, always, allow
g, lena, role:reader";

async fn site() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for name in ["una", "aud", "sam", "ruth", "hans", "lena", "admin"] {
        site.add_user(name).await;
    }
    site
}

/// Logs `name` in instead of whoever was.
async fn sit_down(site: &mut TestSite, name: &str) {
    site.browser = browser();
    assert_eq!(site.log_in(name, PASSWORD).await.status(), 303);
}

async fn status(site: &TestSite, path: &str) -> u16 {
    site.get(path).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_for_an_area_opens_its_pages_and_no_form() {
    let mut site = site().await;
    server(&site, "web1").await;
    let all = [
        "/audit",
        "/admin/users",
        "/admin/policy",
        "/admin/servers",
        "/admin/clusters",
        "/admin/balancers",
        "/admin",
        "/admin/projects",
        "/admin/users/una",
        "/admin/servers/1",
        "/admin/new/user",
        "/admin/new/server",
    ];
    for (name, first, open) in [
        ("una", "/admin/users", &["/admin/users", "/admin/policy"][..]),
        ("aud", "/audit", &["/audit"][..]),
        (
            "sam",
            "/admin/servers",
            &["/admin/servers", "/admin/clusters", "/admin/balancers"][..],
        ),
        ("lena", "/history", &[][..]),
    ] {
        sit_down(&mut site, name).await;
        for path in all {
            let expected = if open.contains(&path) { 200 } else { 403 };
            assert_eq!(status(&site, path).await, expected, "{name} {path}");
        }
        let home = site.get("/profile").await.text().await.unwrap();
        assert!(home.contains(&format!("href=\"{first}\"")), "{name}: {home}");
        for path in open {
            let page = site.get(path).await.text().await.unwrap();
            let forms = [
                "/admin/new/",
                "Add a ",
                "href=\"/admin/users/",
                "href=\"/admin/servers/",
            ];
            assert!(
                !forms.iter().any(|form| page.contains(form)),
                "{name} {path}: {page}"
            );
        }
    }
    sit_down(&mut site, "aud").await;
    assert_eq!(site.post_at("/audit", "/audit/verify").await.status(), 200);
    sit_down(&mut site, "una").await;
    assert_eq!(site.post_at("/profile", "/audit/verify").await.status(), 403);
    let refused = site.post_at("/profile", "/admin/users/una/delete").await;
    assert_eq!(refused.status(), 403);
}

/// Whether any page that lists projects names the vault.
async fn pages_with_the_vault(site: &TestSite) -> Vec<&'static str> {
    let all = [
        "/",
        "/history",
        "/history.csv",
        "/activity",
        "/search?q=vault",
        "/admin",
        "/admin/projects",
        "/admin/servers",
        "/admin/clusters",
        "/admin/clusters/web",
        "/admin/servers/1",
        "/projects/vault",
        "/projects/vault/prod",
        "/deployments/2",
        "/admin/projects/vault",
    ];
    let mut found = Vec::new();
    for path in all {
        let answer = site.get(path).await;
        let was_found = answer.status() == 200;
        let said = answer.text().await.unwrap();
        // The search repeats what was looked for.
        let names = said.matches("vault").count() - said.matches("value=\"vault\"").count();
        let is_search = path.starts_with("/search");
        let is_named = if is_search {
            said.contains("/projects/vault")
        } else {
            names > 0
        };
        if was_found && is_named {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_project_is_on_no_page_of_others() {
    let mut site = site().await;
    let host = server(&site, "web1").await;
    let (shop, in_shop) = project(&site, "shop", &["prod"]).await;
    let (vault, mut in_vault) = project(&site, "vault", &["prod"]).await;
    let tx = crate::support::store::change(&site.store).await;
    let mut cluster = crate::support::store::cluster("web", &[host]);
    cluster.projects = vec![vault.id];
    let cluster = rows::insert(&tx, &cluster).await.unwrap();
    in_vault[0].clusters = vec![cluster.id];
    deployer::store::environments::update(&tx, &in_vault[0])
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    past(
        &site,
        vec![
            (asked(&shop, &in_shop[0], 1), DeploymentState::Succeeded),
            (asked(&vault, &in_vault[0], 2), DeploymentState::Succeeded),
        ],
    )
    .await;

    for name in ["lena", "ruth", "sam"] {
        sit_down(&mut site, name).await;
        assert_eq!(pages_with_the_vault(&site).await, [""; 0], "{name}");
        assert_eq!(status(&site, "/projects/vault").await, 404, "{name}");
    }
    sit_down(&mut site, "hans").await;
    let seen = pages_with_the_vault(&site).await;
    for path in [
        "/",
        "/history",
        "/projects/vault",
        "/projects/vault/prod",
        "/deployments/2",
    ] {
        assert!(seen.contains(&path), "{path} in {seen:?}");
    }
    sit_down(&mut site, "admin").await;
    let seen = pages_with_the_vault(&site).await;
    for path in [
        "/admin/projects",
        "/admin/clusters",
        "/admin/servers/1",
        "/projects/vault",
    ] {
        assert!(seen.contains(&path), "{path} in {seen:?}");
    }
}

/// A form that does not show the vault does not take it away from the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_project_keeps_its_cluster() {
    let site = site().await;
    let host = server(&site, "web1").await;
    let (shop, _) = project(&site, "shop", &["prod"]).await;
    let (vault, _) = project(&site, "vault", &["prod"]).await;
    let tx = crate::support::store::change(&site.store).await;
    let mut cluster = crate::support::store::cluster("web", &[host]);
    cluster.projects = vec![vault.id];
    let cluster = rows::insert(&tx, &cluster).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let ruth = Actor::user("ruth", "192.0.2.1");
    let permit = site
        .app
        .permit(&ruth, Action::Configure, &Resource::Everything)
        .await;
    let spec = ClusterSpec {
        name: cluster.name.clone(),
        members: cluster.members.clone(),
        balancer: None,
        backends: Vec::new(),
        projects: vec![shop.id],
        via: Default::default(),
    };
    let changed = clusters::edit(&site.app, &permit.unwrap(), cluster.id, spec)
        .await
        .unwrap();
    let mut both = vec![shop.id, vault.id];
    both.sort();
    assert_eq!(changed.stored.projects, both);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_project_takes_the_name_of_an_area() {
    let mut site = site().await;
    sit_down(&mut site, "admin").await;
    for name in ["audit", "Users", "policy", "servers"] {
        let form = [
            ("name", name),
            ("git_url", "https://git.example.org/x.git"),
            ("method", "symlink"),
        ];
        let answer = site.post("/admin/new/project", &form).await;
        assert_eq!(answer.status(), 422, "{name}");
        let said = answer.text().await.unwrap();
        assert!(said.contains("in policy lines; choose another name"), "{said}");
    }
}
