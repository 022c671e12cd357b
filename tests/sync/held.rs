//! What applications wrote at excluded paths of old releases, or in the place of links, is neither lost nor out of
//! service.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use deployer::domain::SyncMethod;

use super::survival::read;
use super::{Site, put};
use crate::support::sshd::is_root;

/// The account of the application.
const APPLICATION: u32 = 33;

/// The command that `sentence` names.
fn command_in(sentence: &str) -> String {
    let mut quoted = sentence.split(['“', '”']);
    let command = quoted.find(|part| part.contains("mv "));
    command.expect(sentence).to_owned()
}

#[allow(clippy::disallowed_methods, reason = "a person runs the command")]
fn run(command: &str) {
    let ran = Command::new("sh").args(["-c", command]).status();
    assert!(ran.unwrap().success(), "{command}");
}

/// The directory `kept` of `release` belongs to the application, as do the files in it.
fn give_away(release: &Path) {
    let kept = release.join("kept");
    for path in [kept.join("old"), kept.clone()] {
        chown(path, Some(APPLICATION), Some(APPLICATION)).unwrap();
    }
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn what_a_rollback_cannot_move_stays_in_service_and_no_pruning_deletes_it() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &["kept"]).await;
    let rules = std::mem::take(&mut site.layout.rules);
    let mut releases = Vec::new();
    for n in 1..4 {
        site.write("f", &n.to_string());
        releases.push(site.deploy().await.directory);
    }
    site.layout.rules = rules;
    let running = Path::new(&releases[2]);
    put(running, "kept/old", "theirs");
    give_away(running);
    let refused = site.inspect().await.check_stores().unwrap_err().to_string();
    assert!(refused.contains("mv "), "{refused}");

    for older in [&releases[1], &releases[0]] {
        let told = site.roll_back(older).await.unwrap().moved;
        assert_eq!(read(site.target().join("kept/old")), "theirs", "{told:?}");
        assert!(told[0].contains("could not be moved"), "{told:?}");
        let pruned = site.prune(0, &releases[..1]).await;
        assert!(running.join("kept/old").exists(), "{pruned:?}");
        assert_eq!(pruned.held[0].path, running.join("kept").to_str().unwrap());
    }
    // The next deployment finds it, although another release is in service.
    let refused = site.inspect().await.check_stores().unwrap_err().to_string();
    site.write("f", "4");
    let next = site.deliver().await.unwrap().directory;
    site.switch(&next).await.unwrap_err();
    run(&command_in(&refused));
    site.inspect().await.check_stores().unwrap();
    site.switch(&next).await.unwrap();
    assert_eq!(read(site.target().join("kept/old")), "theirs");
    assert_eq!(read(site.beside("shop_shared/kept/old")), "theirs");
    // Nothing holds it any more, and the release of before can be gone back to.
    let pruned = site.prune(0, &[releases[0].clone()]).await;
    assert_eq!(pruned.held, []);
    assert!(!running.exists(), "{pruned:?}");
    site.roll_back(&releases[0]).await.unwrap();
    assert_eq!(read(site.target().join("kept/old")), "theirs");
}

#[tokio::test]
async fn what_an_application_wrote_before_its_path_was_excluded_is_moved_from_an_old_release() {
    let mut site = Site::symlink().await;
    site.write("f", "1");
    let first = site.deploy().await.directory;
    site.write("f", "2");
    let second = site.deploy().await.directory;
    put(Path::new(&second), "kept/old", "theirs");
    site.roll_back(&first).await.unwrap();
    site.exclude(&["kept"]);
    let pruned = site.prune(0, &[]).await;
    assert_eq!(pruned.held.len(), 1, "{pruned:?}");
    site.write("f", "3");
    site.deploy().await;
    assert_eq!(read(site.target().join("kept/old")), "theirs");
    let pruned = site.prune(0, &[]).await;
    assert!(!Path::new(&second).exists(), "{pruned:?}");
}

#[tokio::test]
async fn what_a_commit_brought_keeps_no_old_release() {
    let mut site = Site::symlink().await;
    site.write("kept/of_the_commit", "1");
    let first = site.deploy().await.directory;
    site.write("f", "2");
    let second = site.deploy().await.directory;
    put(Path::new(&second), "kept/old", "theirs");
    site.write("f", "3");
    site.deploy().await;
    site.exclude(&["kept"]);
    let pruned = site.prune(0, &[]).await;
    assert!(!Path::new(&first).exists(), "{pruned:?}");
    // Nobody can move it to where the store has something else, and its command does.
    site.write("f", "4");
    site.deploy().await;
    let pruned = site.prune(0, &[]).await;
    assert!(Path::new(&second).exists(), "{pruned:?}");
    run(&pruned.held[0].command);
    assert_eq!(
        read(site.beside("shop_shared/kept.replaced-by-hand/old")),
        "theirs"
    );
    site.prune(0, &[]).await;
    assert!(!Path::new(&second).exists());
}

#[tokio::test]
async fn a_directory_that_an_application_put_in_the_place_of_a_link_is_the_one_that_counts() {
    let mut site = Site::new(SyncMethod::Symlink, &["kept"], &[]).await;
    site.write("f", "1");
    let first = site.deploy().await.directory;
    put(&site.target(), "kept/before", "before");
    fs::remove_file(Path::new(&first).join("kept")).unwrap();
    put(Path::new(&first), "kept/after", "after");
    site.write("f", "2");
    let second = site.deliver().await.unwrap().directory;
    let told = site.switch(&second).await.unwrap().moved;
    assert_eq!(read(site.target().join("kept/after")), "after", "{told:?}");
    let aside = site.beside("shop_shared/kept.replaced-2");
    assert_eq!(read(aside.join("before")), "before");
    assert_eq!(told.len(), 2, "{told:?}");
    site.prune(0, &[]).await;
    assert_eq!(read(site.target().join("kept/after")), "after");
}
