//! A directory that a commit makes a link of, or the other way round: the preview says what goes, the log says
//! what went.

use super::support::Pages;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_commit_turns_into_something_else_is_told_before_and_after() {
    let mut pages = Pages::with(World::project().in_place(), "admin").await;
    pages.world.repository.write("data/a", "a");
    pages.world.repository.write("file", "x");
    let first = pages.world.commit("Begin").await;
    let deployment = pages.world.deploy(&first).await;
    pages.world.assert_succeeded(&deployment).await;
    let root = pages.world.repository.path();
    std::fs::remove_dir_all(root.join("data")).unwrap();
    std::fs::remove_file(root.join("file")).unwrap();
    std::os::unix::fs::symlink("file", root.join("data")).unwrap();
    pages.world.repository.write("file/inside", "x");
    let second = pages.world.commit("Turn").await;
    let page = pages.page("/projects/shop/dev").await;
    for told in [
        "“data” is no directory any more: it is removed on the servers with all that is in it, also what no commit has.",
        "“file” becomes a directory: the file or link there is removed on the servers.",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let deployment = pages.world.deploy(&second).await;
    pages.world.assert_succeeded(&deployment).await;
    let log = pages.world.log(deployment.id).await;
    for told in [
        "data was a directory on the server and is a link now: what was in it is gone.",
        "file was a file on the server and is a directory now: what was in it is gone.",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    // Releases leave what was there before as it is.
    let mut releases = Pages::start(&["dev"], "admin").await;
    releases.world.repository.write("data/a", "a");
    let first = releases.world.commit("Begin").await;
    let deployment = releases.world.deploy(&first).await;
    releases.world.assert_succeeded(&deployment).await;
    std::fs::remove_dir_all(releases.world.repository.path().join("data")).unwrap();
    releases.world.repository.write("data", "x");
    releases.world.commit("Turn").await;
    let page = releases.page("/projects/shop/dev").await;
    assert!(!page.contains("no directory any more"), "{page}");
}
