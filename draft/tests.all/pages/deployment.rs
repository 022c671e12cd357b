//! A deployment's page: its acts as forms, its log in parts and as a file.

use deployer::domain::{DeploymentId, DeploymentState};
use deployer::store::{deployments, environments, projects};
use reqwest::StatusCode;

use super::support::{Pages, location};
use crate::support::world::World;

/// The address and the hidden fields of an act's form.
fn form(page: &str, id: DeploymentId, act: &str) -> (String, Vec<(String, String)>) {
    let address = format!("/deployments/{id}/{act}");
    let (_, rest) = page
        .split_once(&format!("action=\"{address}\""))
        .unwrap_or_else(|| panic!("there is no form for {act} in {page}"));
    let (form, _) = rest.split_once("</form>").unwrap();
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
    });
    (address, fields.collect())
}

async fn send(pages: &Pages, (address, fields): &(String, Vec<(String, String)>)) -> reqwest::Response {
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    pages.send(address, &pairs).await
}

fn id_of(address: &str) -> DeploymentId {
    address.strip_prefix("/deployments/").unwrap().parse().unwrap()
}

async fn page_of(pages: &Pages, id: DeploymentId) -> String {
    pages.page(&format!("/deployments/{id}")).await
}

/// Presses a button, waits for the end of what it asked for, and presses it again.
async fn press_twice(pages: &Pages, id: DeploymentId, act: &str) -> DeploymentId {
    let form = form(&page_of(pages, id).await, id, act);
    let one = id_of(&location(&send(pages, &form).await));
    assert_ne!(one, id, "{act}");
    // It is over by then: nothing waits that would be the same.
    let ended = pages.world.end(one).await;
    assert_eq!(
        ended.state,
        DeploymentState::Succeeded,
        "{act}: {}",
        ended.outcome
    );
    let two = location(&send(pages, &form).await);
    assert_eq!(id_of(&two), one, "{act}");
    let page = page_of(pages, one).await;
    assert!(page.contains("Already requested as deployment "), "{act}: {page}");
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_sent_twice_is_one_deployment() {
    let mut pages = Pages::start(&["dev", "beta"], "admin").await;
    pages.world.repository.write("a", "1");
    let first = pages.world.commit("First").await;
    pages.world.deploy(&first).await;
    pages.world.repository.write("a", "2");
    let second = pages.world.commit("Second").await;
    let last = pages.world.deploy(&second).await.id;
    // Each button is an act of its own.
    let page = page_of(&pages, last).await;
    let key = |act| form(&page, last, act).1;
    assert_ne!(key("again").pop(), key("rollback").pop());
    for (act, on_dev) in [("again", "2"), ("rollback", "1"), ("promote", "1")] {
        press_twice(&pages, last, act).await;
        assert_eq!(pages.world.read(1, "dev/shop/a"), on_dev, "{act}");
    }
    assert_eq!(pages.world.read(1, "beta/shop/a"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_and_a_resume_sent_twice_are_one_deployment_each() {
    let mut pages = Pages::with(World::project().clusters(&[1, 1]), "admin").await;
    pages.world.script("deploy.sh", "test ! -e ~/broken");
    let commit = pages.world.commit("First").await;
    std::fs::write(pages.world.home(1, "broken"), "").unwrap();
    let failed = pages.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    std::fs::remove_file(pages.world.home(1, "broken")).unwrap();
    let retried = press_twice(&pages, failed.id, "retry").await;
    let resumed = press_twice(&pages, failed.id, "resume").await;
    assert_ne!(retried, resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_follow_a_renamed_environment_and_not_the_one_that_took_its_name() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("First").await;
    let old = pages.world.deploy(&commit).await;

    let store = &pages.world.store;
    let mut shop = projects::by_name(store, "shop").await.unwrap();
    let mut dev = environments::by_name(store, shop.id, "dev").await.unwrap();
    let (mut other, mut others) = (shop.clone(), dev.clone());
    let tx = crate::support::store::change(store).await;
    shop.name = "store".parse().unwrap();
    projects::update(&tx, &shop).await.unwrap();
    dev.name = "stage".parse().unwrap();
    environments::update(&tx, &dev).await.unwrap();
    other = projects::insert(&tx, &other).await.unwrap();
    others.project_id = other.id;
    environments::insert(&tx, &others).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let page = page_of(&pages, old.id).await;
    assert!(page.contains("href=\"/projects/store/stage\""), "{page}");
    let asked = send(&pages, &form(&page, old.id, "again")).await;
    let again = pages.world.end(id_of(&location(&asked))).await;
    assert_eq!(
        (again.project.as_str(), again.environment.as_str()),
        ("store", "stage")
    );
    assert_eq!(again.environment_id, old.environment_id);

    let tx = crate::support::store::change(store).await;
    projects::delete(&tx, shop.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let page = page_of(&pages, old.id).await;
    assert!(!page.contains("/again\""), "there is nothing to act on: {page}");
    let token = super::support::value(&page, "csrf");
    let refused = pages
        .send(&format!("/deployments/{}/again", old.id), &[("csrf", &token)])
        .await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.text().await.unwrap().contains("was deleted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_and_running_deployments_are_cancelled_on_their_page() {
    let mut pages = Pages::with(World::project().workers(1), "admin").await;
    pages.world.script("deploy.sh", "touch ~/begun; sleep 50");
    let commit = pages.world.commit("First").await;
    let running = pages
        .world
        .ask(crate::support::world::World::request(&commit))
        .await;
    let begun = pages.world.home(1, "begun");
    while !begun.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    pages.world.repository.write("a", "2");
    let commit = pages.world.commit("Second").await;
    let waiting = pages
        .world
        .ask(crate::support::world::World::request(&commit))
        .await;
    let page = page_of(&pages, waiting).await;
    assert!(
        page.contains("First in the queue.")
            && page.contains(&format!(
                "Waiting for <a href=\"/deployments/{running}\">deployment {running}</a> of shop/dev to finish."
            )),
        "{page}"
    );
    for id in [waiting, running] {
        let cancel = form(&page_of(&pages, id).await, id, "cancel");
        assert_eq!(
            location(&send(&pages, &cancel).await),
            format!("/deployments/{id}")
        );
        let page = page_of(&pages, id).await;
        let told = ["Cancelled by ", "Cancelled."];
        assert!(told.iter().any(|words| page.contains(words)), "{page}");
        let ended = pages.world.end(id).await;
        assert_eq!(ended.state, DeploymentState::Cancelled);
        assert_eq!(ended.cancelled_by.as_deref(), Some("admin"));
        assert_eq!(send(&pages, &cancel).await.status(), StatusCode::CONFLICT);
    }
}

/// The lines that the page shows of the log.
fn lines(page: &str) -> &str {
    let (_, rest) = page.split_once("id=\"lines\"").unwrap();
    rest.split_once("</section>").unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_filtered_and_downloaded() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    pages.world.script("predeploy.sh", "echo made here");
    pages
        .world
        .script("deploy.sh", "printf 'put \\033[1mthere\\033[0m\\n'; echo done");
    let commit = pages.world.commit("First").await;
    let id = pages.world.deploy(&commit).await.id;
    let all = page_of(&pages, id).await;
    assert!(lines(&all).contains("made here") && lines(&all).contains("put "));
    for (query, here, there) in [
        ("server=here", true, false),
        ("server=web1", false, true),
        ("step=predeploy", true, false),
        ("step=deploy", false, true),
        ("text=MADE", true, false),
        ("server=web1&text=made", false, false),
    ] {
        let page = pages.page(&format!("/deployments/{id}?{query}")).await;
        let lines = lines(&page);
        assert_eq!(
            (lines.contains("made here"), lines.contains("put ")),
            (here, there),
            "{query}: {lines}"
        );
        assert_eq!(page.contains("No matching line."), !here && !there, "{query}");
    }
    let (status, text) = pages.get(&format!("/deployments/{id}/log")).await;
    assert_eq!(status, StatusCode::OK);
    let total = deployments::by_id(&pages.world.store, id)
        .await
        .unwrap()
        .last_line;
    assert_eq!(i64::try_from(text.lines().count()).unwrap(), total);
    for end in ["Z here predeploy: made here", "Z web1 deploy: put there"] {
        assert!(text.lines().any(|line| line.ends_with(end)), "{end}: {text}");
    }
    let (_, part) = pages.get(&format!("/deployments/{id}/log?step=predeploy")).await;
    assert!(
        part.contains("made here") && !part.contains("put there"),
        "{part}"
    );
}

/// The phases as the page draws them: the class and the word of each.
fn phases(page: &str) -> Vec<(String, String)> {
    let (_, rest) = page.split_once("<ol class=\"phases\"").unwrap();
    let list = rest.split_once("</ol>").unwrap().0;
    let items = list.split("<li class=\"").skip(1);
    items
        .map(|item| {
            let (class, rest) = item.split_once('"').unwrap();
            let (_, word) = rest.split_once('>').unwrap();
            let word = word.split_once('<').unwrap().0;
            (class.to_owned(), word.to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_drawn_where_they_happened_and_rollback_covers_only_changed_servers() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.repository.write("a", "1");
    let good = pages.world.commit("Good").await;
    assert_eq!(pages.world.deploy(&good).await.state, DeploymentState::Succeeded);
    pages.world.script("tests/run_local_tests.sh", "exit 1");
    let commit = pages.world.commit("Fails here").await;
    let failed = pages.world.deploy(&commit).await;
    let page = page_of(&pages, failed.id).await;
    let classes = |page: &str| {
        phases(page)
            .into_iter()
            .map(|(class, _)| class)
            .collect::<Vec<_>>()
    };
    assert_eq!(classes(&page), ["done", "stopped", "next", "next"], "{page}");
    assert!(page.contains("No server was touched."), "{page}");
    assert!(!page.contains("Roll back to"), "{page}");
    pages.world.script("tests/run_local_tests.sh", "");
    pages.world.script("deploy.sh", "exit 1");
    let commit = pages.world.commit("Fails there").await;
    let failed = pages.world.deploy(&commit).await;
    let page = page_of(&pages, failed.id).await;
    assert_eq!(classes(&page), ["done", "done", "stopped", "done"], "{page}");
    assert!(page.contains("Roll back to"), "{page}");
    // Nothing was begun where a server could not even be looked at.
    pages.world.script("deploy.sh", "");
    let commit = pages.world.commit("Cannot be looked at").await;
    std::fs::create_dir_all(pages.world.home(1, "dev")).unwrap();
    let target = pages.world.home(1, "dev/shop");
    std::fs::remove_file(&target).unwrap();
    std::fs::write(&target, "in the way").unwrap();
    let failed = pages.world.deploy(&commit).await;
    let page = page_of(&pages, failed.id).await;
    assert_eq!(classes(&page), ["stopped", "next", "next", "next"], "{page}");
    assert!(!page.contains("Roll back to"), "{page}");
}
