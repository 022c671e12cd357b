//! Files of a commit that an environment's excluded and shared paths keep away: the preview and the log name
//! them.

use deployer::domain::EnvironmentOptions;

use super::support::Pages;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_sent_are_named_before_and_during_a_deployment() {
    let options = EnvironmentOptions {
        excluded: vec!["*.log".into(), "docs".into()],
        shared: vec!["uploads".into()],
        ..EnvironmentOptions::default()
    };
    let mut pages = Pages::with(World::project().options(options), "admin").await;
    for path in ["index.html", "uploads/.keep", "docs/a.txt", "var/app.log"] {
        pages.world.repository.write(path, "x");
    }
    let commit = pages.world.commit("Begin").await;
    let sentence = "2 files of the commit are not sent, because their paths are excluded or shared: docs/a.txt, uploads/.keep.";
    let page = pages.page("/projects/shop/dev").await;
    assert!(page.contains(sentence), "{page}");
    for (path, mark) in [
        ("uploads/.keep", " <span class=\"muted\">not sent</span>"),
        ("index.html", "</li>"),
        ("var/app.log", "</li>"),
    ] {
        assert!(
            page.contains(&format!("<code>{path}</code>{mark}")),
            "{path}: {page}"
        );
    }
    assert!(
        page.contains("To exclude var/app.log too, write “**/*.log”."),
        "{page}"
    );

    let deployment = pages.world.deploy(&commit).await;
    pages.world.assert_succeeded(&deployment).await;
    let log = pages.world.log(deployment.id).await;
    assert!(log.contains(&format!("here/export: {sentence}")), "{log}");
    assert_eq!(pages.world.read(1, "dev/shop/var/app.log"), "x");
    assert!(!pages.world.home(1, "dev/shop/docs/a.txt").exists());
    assert!(!pages.world.home(1, "dev/shop/uploads/.keep").exists());

    let plain = Pages::start(&["dev"], "admin").await;
    let page = plain.page("/projects/shop/dev").await;
    assert!(!page.contains("not sent"), "{page}");
}
