//! A closed project is not disclosed by what it uses, by what happened to that, nor by what collides with
//! it; and nobody takes away what it uses without knowing of it.

use deployer::domain::{Action, Actor, Cluster, Event, EventKind, Resource, Server};
use deployer::store::{clusters, environments, queue, servers};
use serde_json::{Value, json};

use super::{environment, page, send};
use crate::history::support::{project, queued, server};
use crate::support::store::{LEASE, bring_in, change, cluster, deployment};
use crate::web::support::{Options, PASSWORD, TestSite, browser};

const HIDDEN: &str = "something that you may not see";

/// Lea reads the audit log and all open projects but the hushed environment, sam about servers, ruth
/// configures all but closed projects, wim the shop; hans knows the vault.
const POLICY: &str = "p, lea, *, *, audit, always, allow
p, lea, *, *, view, always, allow
p, lea, *, hushed, *, always, deny
p, sam, servers, *, view, always, allow
p, ruth, *, *, configure, always, allow
p, wim, shop, *, configure, always, allow
g3, vault, projects:closed
g3, crypt, projects:closed
p, hans, vault, *, view, always, allow
g, lena, role:reader";

/// The vault and the shop, and a cluster `web` with one server that only vault/prod uses.
async fn site() -> (TestSite, Cluster, Server) {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for name in ["lea", "sam", "ruth", "wim", "hans", "lena", "admin"] {
        site.add_user(name).await;
    }
    let host = server(&site, "web1").await;
    let (shop, _) = project(&site, "shop", &["dev", "hushed"]).await;
    let (vault, mut in_vault) = project(&site, "vault", &["prod"]).await;
    let tx = change(&site.store).await;
    let mut web = cluster("web", std::slice::from_ref(&host));
    web.backends = Vec::new();
    web.projects = vec![shop.id, vault.id];
    let web = clusters::insert(&tx, &web).await.unwrap();
    in_vault[0].clusters = vec![web.id];
    in_vault[0].target_path = "~/live/books".parse().unwrap();
    environments::update(&tx, &in_vault[0]).await.unwrap();
    bring_in(tx).await;
    (site, web, host)
}

async fn sit_down(site: &mut TestSite, name: &str) {
    site.browser = browser();
    assert_eq!(site.log_in(name, PASSWORD).await.status(), 303);
}

/// Events whose details name the vault, or what was renamed into something hidden.
fn telling() -> Vec<(EventKind, &'static str, Value)> {
    let both = json!(["shop", "vault"]);
    vec![
        (
            EventKind::ClusterAdded,
            "cluster web",
            json!({"name": "web", "projects": both}),
        ),
        (
            EventKind::ClusterChanged,
            "cluster web",
            json!({"projects": {"from": ["vault"], "to": both}}),
        ),
        (
            EventKind::ClusterDeleted,
            "cluster web",
            json!({"projects": both}),
        ),
        (
            EventKind::ProjectChanged,
            "project shop",
            json!({"name": {"from": "shop", "to": "crypt"}}),
        ),
        (
            EventKind::EnvironmentChanged,
            "shop/dev",
            json!({"name": {"from": "dev", "to": "hushed"}}),
        ),
        (
            EventKind::EnvironmentMoved,
            "shop/dev",
            json!({"order": ["dev", "hushed"]}),
        ),
        (
            EventKind::SecretsSealed,
            "secrets",
            json!({"key": "abc", "secrets": ["shop/dev OPEN_TOKEN", "vault/prod TOKEN", "shop/hushed TOKEN"]}),
        ),
        (
            EventKind::PolicyRejected,
            "policy",
            json!({"problems": ["policy.csv:9: vault is a mistake"], "added": ["p, x, vault, *, view, always, allow"]}),
        ),
        (
            EventKind::EnvironmentDeleted,
            "vault/prod",
            json!({"name": "prod"}),
        ),
    ]
}

/// Has the log tell of the vault in every way that details of other things' events can.
async fn tell(site: &TestSite) {
    let permit = site
        .app
        .permit(
            &Actor::user("admin", "192.0.2.1"),
            Action::Administer,
            &Resource::Everything,
        )
        .await
        .unwrap();
    for (kind, about, detail) in telling() {
        let tx = site.store.change(&permit, site.app.now()).await.unwrap();
        tx.commit(Event::new(kind, detail).about(about)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_no_hidden_place_in_the_details_of_other_things() {
    let (mut site, ..) = site().await;
    tell(&site).await;
    sit_down(&mut site, "lea").await;
    let log = page(&site, "/audit").await;
    for hidden in ["vault", "crypt", "hushed"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
    for told in ["cluster web", "something you may not see", "shop"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    // Nor does whoever guesses it letter by letter; what she may know she finds.
    for hidden in ["vau", "crypt", "hushed", "a mistake"] {
        let found = page(&site, &format!("/audit?text={}", hidden.replace(' ', "+"))).await;
        assert!(found.contains("No event matches"), "{hidden}: {found}");
    }
    let found = page(&site, "/audit?text=cluster+web").await;
    assert!(!found.contains("No event matches"), "{found}");
    let table = page(&site, "/audit.csv?text=vau").await;
    assert!(table.contains("complete,0 events"), "{table}");
    sit_down(&mut site, "admin").await;
    let found = page(&site, "/audit?text=a+mistake").await;
    assert!(!found.contains("No event matches"), "{found}");
    let log = page(&site, "/audit").await;
    for told in ["vault/prod TOKEN", "crypt", "hushed", "vault is a mistake"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert!(!log.contains("something you may not see"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hidden_project_uses_is_not_deleted_by_who_does_not_know_it() {
    let (mut site, web, host) = site().await;
    sit_down(&mut site, "ruth").await;
    let cluster_page = page(&site, "/admin/clusters/web").await;
    assert!(
        cluster_page.contains(HIDDEN) && !cluster_page.contains("vault"),
        "{cluster_page}"
    );
    assert!(
        !cluster_page.contains("No environment uses it."),
        "{cluster_page}"
    );
    let server_page = format!("/admin/servers/{}", host.id);
    for (from, to) in [
        ("/admin/clusters/web", "/admin/clusters/web/delete".to_owned()),
        (&server_page, format!("{server_page}/delete")),
    ] {
        let (status, location, _) = send(&site, from, &to, &[]).await;
        assert_eq!((status, location.as_str()), (303, from));
        let said = page(&site, from).await;
        assert!(said.contains(&format!("is used by {HIDDEN}")), "{said}");
        assert!(!said.contains("vault"), "{said}");
    }
    assert!(clusters::by_id(&site.store, web.id).await.is_ok());
    assert!(servers::by_id(&site.store, host.id).await.is_ok());
    // The form of the cluster does not close it to the vault either.
    let fields = [("name", "web"), ("members", "1"), ("projects", "1")];
    let (status, _, said) = send(&site, "/admin/clusters/web", "/admin/clusters/web", &fields).await;
    assert_eq!(status, 303, "{said}");
    assert_eq!(
        clusters::by_id(&site.store, web.id).await.unwrap().projects,
        web.projects
    );

    sit_down(&mut site, "admin").await;
    let (status, location, _) = send(&site, "/admin/clusters/web", "/admin/clusters/web/delete", &[]).await;
    assert_eq!((status, location.as_str()), (303, "/admin/clusters"));
    assert!(clusters::by_id(&site.store, web.id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_collides_with_a_hidden_one_does_not_learn_its_name() {
    let (mut site, web, _) = site().await;
    let id = web.id.to_string();
    for name in ["wim", "ruth", "admin"] {
        sit_down(&mut site, name).await;
        for path in ["~/live/books", "~/live/books/inner", "~/live"] {
            let mut form = environment("deploy", &id);
            form.retain(|(field, _)| *field != "target_path");
            form.push(("target_path", path));
            let new = "/admin/projects/shop/new";
            let (status, _, said) = send(&site, new, new, &form).await;
            assert_eq!(status, 422, "{name} {path}: {said}");
            let is_named = said.contains("vault");
            assert_eq!(is_named, name == "admin", "{name} {path}: {said}");
            let is_hidden = said.contains(&format!("On server “web1”, {HIDDEN} goes to this path"));
            assert_eq!(is_hidden, !is_named, "{name} {path}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_all_is_not_told_that_nothing_is_there() {
    let (mut site, _, host) = site().await;
    let (vault, in_vault) = {
        let vault = deployer::store::projects::by_name(&site.store, "vault")
            .await
            .unwrap();
        let all = environments::list(&site.store, vault.id).await.unwrap();
        (vault, all)
    };
    let mut new = deployment(&vault, &in_vault[0], std::slice::from_ref(&host));
    new.deployment.queued_at = deployer::clock::Clock::System.now();
    let running = queued(&site, &new).await;
    let claimed = queue::claim(&site.store, "tester", site.app.now(), LEASE)
        .await
        .unwrap();
    assert!(claimed.is_some());
    let link = format!("/deployments/{}", running.id);
    for name in ["sam", "ruth"] {
        sit_down(&mut site, name).await;
        let servers = page(&site, "/admin/servers").await;
        let clusters = page(&site, "/admin/clusters").await;
        for said in [&servers, &clusters] {
            assert!(said.contains("nothing that you may see"), "{name}: {said}");
            assert!(!said.contains("vault") && !said.contains(&link), "{name}: {said}");
        }
        assert!(
            servers.contains("in a deployment that you may not see"),
            "{name}: {servers}"
        );
    }
    let own = page(&site, &format!("/admin/servers/{}", host.id)).await;
    for said in [
        "none that you may see",
        "Nothing that you may see was deployed here yet.",
    ] {
        assert!(own.contains(said), "{said}: {own}");
    }
    assert!(!own.contains(&link), "{own}");
    // Whom vault/prod logs in as is not ruth's to know.
    let test = format!("/admin/servers/{}/test", host.id);
    let (status, _, said) = send(
        &site,
        &format!("/admin/servers/{}", host.id),
        &test,
        &[("user", "")],
    )
    .await;
    assert_eq!(status, 422, "{said}");
    assert!(
        said.contains("No environment that you may see uses this server yet"),
        "{said}"
    );
    sit_down(&mut site, "admin").await;
    let servers = page(&site, "/admin/servers").await;
    assert!(
        servers.contains(&link) && !servers.contains("that you may see"),
        "{servers}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_about_what_one_may_not_see_finds_nothing() {
    let (mut site, _, host) = site().await;
    let vault = deployer::store::projects::by_name(&site.store, "vault")
        .await
        .unwrap();
    let all = environments::list(&site.store, vault.id).await.unwrap();
    let asked = queued(&site, &deployment(&vault, &all[0], std::slice::from_ref(&host))).await;
    for name in ["lena", "ruth", "wim", "sam"] {
        sit_down(&mut site, name).await;
        let mut tried = 0;
        for (method, pattern) in deployer::web::entries() {
            let is_about = pattern.contains(":project") || pattern.starts_with("/deployments/");
            if method != "POST" || !is_about {
                continue;
            }
            let path = pattern
                .replace(":project", "vault")
                .replace(":environment", "prod")
                .replace(":server", "web1")
                .replace(":id", &asked.id.to_string());
            let fields = [
                ("answer", "resume"),
                ("to", "later"),
                ("environment", "prod"),
                ("reason", "x"),
            ];
            let (status, _, said) = send(&site, "/profile", &path, &fields).await;
            assert_eq!(status, 404, "{name} {path}: {said}");
            tried += 1;
        }
        assert!(tried > 10, "{tried}");
    }
}
