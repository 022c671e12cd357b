//! Whose servers a project may use: a cluster names the projects, and who configures one of them reaches
//! no other's servers.

use deployer::domain::Cluster;
use deployer::store::{Page, audit, clusters};

use super::{page, send};
use crate::support::store::{bring_in, change, cluster};
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

const FORM: &str = "/admin/projects/shop/environments/dev";
const CLOSED: &str = "One of these clusters is not open to this project.";

/// Carla configures the shop, whose environment uses `cluster1`. Nobody uses `vault`.
async fn site(who: &str) -> (World, TestSite, Cluster) {
    let world = World::project()
        .policy("p, carla, shop, *, configure, always, allow")
        .workers(0)
        .start()
        .await;
    let tx = change(&world.store).await;
    let mut vault = cluster("vault", &[]);
    vault.backends = Vec::new();
    let vault = clusters::insert(&tx, &vault).await.unwrap();
    bring_in(tx).await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    for name in ["admin", "carla"] {
        site.add_user(name).await;
    }
    site.log_in(who, PASSWORD).await;
    (world, site, vault)
}

/// Sends the environment's form with these clusters.
async fn choose(site: &TestSite, chosen: &[&str]) -> (u16, String) {
    let mut form = super::environment("deploy", "1");
    form.retain(|(name, _)| !["name", "clusters"].contains(name));
    form.push(("name", "dev"));
    form.extend(chosen.iter().map(|id| ("clusters", *id)));
    let (status, _, said) = send(site, FORM, FORM, &form).await;
    (status, said)
}

async fn projects_of(world: &World, name: &str) -> Vec<i64> {
    let found = clusters::by_name(&world.store, name).await.unwrap();
    found.projects.iter().map(|id| id.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_configures_a_project_takes_no_cluster_that_is_not_open_to_it() {
    let (world, site, vault) = site("carla").await;
    let id = vault.id.to_string();
    let form = page(&site, FORM).await;
    assert!(form.contains("cluster1") && !form.contains("vault"), "{form}");
    let (status, said) = choose(&site, &["1", &id]).await;
    assert_eq!(status, 422, "{said}");
    assert!(said.contains(CLOSED) && !said.contains("vault"), "{said}");
    let recorded = site.audited().await;
    assert!(
        recorded
            .iter()
            .any(|one| one.starts_with("configure.refused everything")),
        "{recorded:?}"
    );
    let (status, said) = choose(&site, &["1"]).await;
    assert_eq!(status, 303, "what it uses already goes on: {said}");

    let tx = change(&world.store).await;
    let project = deployer::store::projects::by_name(&tx, "shop").await.unwrap().id;
    clusters::open_to(&tx, vault.id, &[project]).await.unwrap();
    bring_in(tx).await;
    assert!(page(&site, FORM).await.contains("vault"));
    let (status, said) = choose(&site, &["1", &id]).await;
    assert_eq!(status, 303, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_opened_on_its_page_and_not_closed_to_who_uses_it() {
    let (world, site, vault) = site("admin").await;
    let vault_page = "/admin/clusters/vault";
    assert!(page(&site, vault_page).await.contains("Projects that may use it"));
    let (status, _, said) = send(
        &site,
        vault_page,
        vault_page,
        &[("name", "vault"), ("projects", "1")],
    )
    .await;
    assert_eq!(status, 303, "{said}");
    assert_eq!(projects_of(&world, "vault").await, [1]);
    let newest = audit::list(&world.store, &Default::default(), Page::Newest, 1).await;
    let event = newest.unwrap().items.remove(0).event;
    assert!(
        event.action == "cluster.changed" && event.detail.to_string().contains("[\"shop\"]"),
        "{event:?}"
    );
    let (status, _, _) = send(&site, vault_page, vault_page, &[("name", "vault")]).await;
    assert_eq!(status, 303);
    assert_eq!(projects_of(&world, "vault").await, [0_i64; 0]);
    let (status, _, said) = send(
        &site,
        vault_page,
        vault_page,
        &[("name", "vault"), ("projects", "99")],
    )
    .await;
    assert!(
        status == 422 && said.contains("does not exist any more"),
        "{said}"
    );

    let used = "/admin/clusters/cluster1";
    let (status, _, said) = send(&site, used, used, &[("name", "cluster1"), ("members", "1")]).await;
    assert!(
        status == 422
            && said.contains("shop/dev deploys to it. Take the cluster out of that environment first."),
        "{said}"
    );
    // Who may configure everything opens it by using it.
    let id = vault.id.to_string();
    let (status, said) = choose(&site, &["1", &id]).await;
    assert_eq!(status, 303, "{said}");
    assert_eq!(projects_of(&world, "vault").await, [1]);
}
