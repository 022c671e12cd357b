//! What runs where.

use deployer::domain::ProjectId;

use super::support::Pages;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn shows_what_runs_where() {
    let mut pages = Pages::start(&["dev", "prod"], "rita").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("Say hello").await;
    pages.world.deploy(&commit).await;

    let page = pages.page("/").await;
    assert!(page.contains("href=\"/projects/shop/dev\""), "{page}");
    assert!(
        page.contains(&commit[..8]) && page.contains("Say hello"),
        "{page}"
    );
    assert!(page.contains("Nothing yet"), "prod has nothing: {page}");
    assert!(!page.contains("Add a project"), "a reader adds none: {page}");

    let fragment = pages.fragment("/").await;
    assert!(
        fragment.trim_start().starts_with("<section id=\"matrix\""),
        "{fragment}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_differ_are_called_drift() {
    use deployer::app::deployments::Choice;
    let mut pages = Pages::with(World::project().clusters(&[2]), "rita").await;
    pages.world.repository.write("a", "1");
    let first = pages.world.commit("First").await;
    pages.world.deploy(&first).await;
    pages.world.repository.write("a", "2");
    let second = pages.world.commit("Second").await;
    let store = &pages.world.store;
    let server = deployer::store::servers::by_name(store, "web2").await.unwrap().id;
    let mut request = World::request(&second);
    request.choice = Choice::Server(server);
    let id = pages.world.ask(request).await;
    pages.world.end(id).await;

    let page = pages.page("/").await;
    assert!(page.contains(&format!("1 on {}", &first[..8])), "{page}");
    assert!(page.contains(&format!("1 on {}", &second[..8])), "{page}");
    assert!(pages.page("/projects/shop").await.contains("Drift"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_see_nothing_reads_so_and_an_admin_reads_what_to_do() {
    let pages = Pages::start(&["dev"], "nobody").await;
    let page = pages.page("/").await;
    assert!(
        page.contains("No projects yet") && !page.contains("shop"),
        "{page}"
    );
    assert_eq!(pages.get("/projects/shop").await.0, 404);
    assert_eq!(pages.get("/projects/shop/dev").await.0, 404);
    assert_eq!(pages.get("/projects/shop/diff").await.0, 404);
    assert_eq!(pages.get("/projects/shop/dev/servers/web1").await.0, 404);

    let pages = Pages::start(&["dev"], "admin").await;
    let tx = crate::support::store::change(&pages.world.store).await;
    deployer::store::projects::delete(&tx, ProjectId(1))
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    assert!(pages.page("/").await.contains("Add the first project"));
    assert_eq!(pages.get("/projects/shop").await.0, 404);
}
