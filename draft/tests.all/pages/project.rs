//! A project: its chain, its commits, fetching.

use super::support::{Pages, location, value};

#[tokio::test(flavor = "multi_thread")]
async fn shows_the_chain_and_what_may_be_promoted() {
    let mut pages = Pages::start(&["dev", "prod"], "admin").await;
    pages.world.repository.write("a", "1");
    let first = pages.world.commit("First\n\nWith a body").await;
    pages.world.deploy(&first).await;
    pages.world.repository.write("a", "2");
    pages.world.commit("Second").await;

    let page = pages.page("/projects/shop?env=prod").await;
    assert!(page.contains("1 commit behind main"), "{page}");
    assert!(page.contains(&format!("Promote {}", &first[..8])), "{page}");
    assert!(page.contains("Not yet deployed to dev successfully"), "{page}");
    assert!(page.contains("With a body"), "{page}");
    let found = pages.page("/projects/shop?q=second").await;
    assert!(
        found.contains("Second") && !found.contains("With a body"),
        "{found}"
    );
    assert!(
        pages
            .page("/projects/shop?q=nowhere")
            .await
            .contains("Nothing found")
    );
    assert!(
        pages
            .page("/projects/shop?branch=gone")
            .await
            .contains("There is no branch “gone”")
    );
    let hostile = pages
        .page("/projects/shop?branch=--output%3Dx&from=..%2F..")
        .await;
    assert!(hostile.contains("is not a branch name"), "{hostile}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_by_a_visit_and_by_a_button() {
    let mut pages = Pages::start(&["dev"], "dora").await;
    let first = pages.page("/projects/shop").await;
    assert!(first.contains("Fetching"), "{first}");
    let empty = pages.fetched("/projects/shop").await;
    assert!(empty.contains("The repository is empty"), "{empty}");

    pages.world.repository.write("a", "1");
    pages.world.repository.commit("Pushed since");
    let form = [("csrf", value(&empty, "csrf"))];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = pages.send("/projects/shop", &form).await;
    assert_eq!(location(&answer), "/projects/shop");
    let page = pages.fetched("/projects/shop").await;
    assert!(
        page.contains("1 branch or tag moved") && page.contains("Pushed since"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_has_no_buttons_and_cannot_fetch() {
    let pages = Pages::start(&["dev"], "rita").await;
    let page = pages.fetched("/projects/shop").await;
    assert!(
        !page.contains("Fetch now") && !page.contains("Deploy</span>"),
        "{page}"
    );
    let token = value(&page, "csrf");
    let answer = pages.send("/projects/shop", &[("csrf", &token)]).await;
    assert_eq!(answer.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_opens_while_the_git_host_is_down() {
    let pages = Pages::start(&["dev"], "dora").await;
    let path = pages.world.repository.path();
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    let page = pages.fetched("/projects/shop").await;
    assert!(
        page.contains("The last fetch failed. There is no Git repository at"),
        "{page}"
    );
    assert!(page.contains("was not fetched yet"), "{page}");
    assert!(
        pages
            .page("/projects/shop/dev")
            .await
            .contains("was not fetched yet")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_come_150_at_a_time() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    for number in 1..=150 {
        let message = format!("Change {number}.");
        pages
            .world
            .repository
            .git(&["commit", "-q", "--allow-empty", "-m", &message]);
    }
    pages.world.repository.write("a", "1");
    pages.world.commit("The last").await;
    let page = pages.page("/projects/shop").await;
    assert_eq!(page.matches("class=\"commit-what\"").count(), 150);
    assert!(page.contains("Change 2.") && !page.contains("Change 1."));
    let older = crate::history::support::link(&page, "next").expect("there is one more");
    let rest = pages.page(older.trim_end_matches("#commits")).await;
    assert_eq!(rest.matches("class=\"commit-what\"").count(), 1);
    assert!(rest.contains("Change 1."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_project_is_locked_on_its_page() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("First").await;
    let page = pages.page("/projects/shop").await;
    let token = value(&page, "csrf");
    assert!(page.contains("action=\"/locks/projects/shop\""), "{page}");
    let refused = pages.send("/locks/projects/shop", &[("csrf", &token)]).await;
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.unwrap().contains("Give a reason"));
    let form = [("csrf", token.as_str()), ("reason", "Moving house")];
    let locked = pages.send("/locks/projects/shop", &form).await;
    let page = pages.page(&location(&locked)).await;
    assert!(
        page.contains("admin has locked all of shop") && page.contains("Moving house"),
        "{page}"
    );
    let app = &pages.world.app;
    let wanted = crate::support::world::World::request(&commit);
    let asked = deployer::app::deployments::request(app, &crate::support::world::admin(), wanted).await;
    assert!(asked.unwrap_err().message().contains("Moving house"));
    let events =
        deployer::store::audit::list(&pages.world.store, &Default::default(), Default::default(), 10).await;
    let events = events.unwrap().items;
    assert!(
        events
            .iter()
            .any(|one| one.event.action == "lock.created" && one.event.resource == "shop"),
        "{events:#?}"
    );
    let other = Pages::start(&["dev"], "rita").await;
    assert!(!other.page("/projects/shop").await.contains("/locks/projects/"));
}
