//! Trees that are not what their markers say, and how files go in place over them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deployer::domain::SyncMethod;

use super::{Site, put};

#[tokio::test]
async fn a_false_marker_costs_one_more_attempt() {
    let mut site = Site::in_place().await;
    for n in 0..20 {
        site.write(&format!("d{n}/f"), "1");
    }
    site.deploy().await;
    // Somebody changed what the next deployment does not touch, and what it does.
    put(&site.target(), "d1/f", "edit");
    fs::remove_dir_all(site.target().join("d2")).unwrap();
    fs::remove_file(site.target().join("d3/f")).unwrap();
    put(&site.target(), "d3/f/in", "a directory");
    put(&site.target(), "new/strange", "x");
    symlink("d1", site.target().join("d21")).unwrap();
    for n in [2, 3, 4, 21] {
        site.write(&format!("d{n}/f"), "2");
    }
    site.write("new/f", "2");
    let healed = site.deploy().await;
    assert!(healed.sent_files >= 6, "{healed:?}");
    assert!(site.inspect().await.data.unwrap().restless);
    // It is listed the next time, and believed again once nobody else writes there.
    site.write("d4/f", "3");
    assert_eq!(site.deploy().await.sent_files, 1);
    assert!(!site.inspect().await.data.unwrap().restless);
    site.write("d4/f", "4");
    assert_eq!(site.deploy().await.sent_files, 1);
}

#[tokio::test]
async fn an_unchanged_tree_is_recognised_and_a_changed_one_is_not() {
    let mut site = Site::new(SyncMethod::InPlace, &["kept/", "var/*/log"], &[]).await;
    for n in 0..20 {
        site.write(&format!("d{n}/f"), "1");
    }
    site.write("var/f", "1");
    let walk = async |site: &Site| site.inspect().await.data.unwrap().walk.unwrap();
    site.deploy().await;
    put(&site.target(), "kept/f", "not ours");
    let first = walk(&site).await;
    assert!(site.deploy().await.unchanged);
    assert_eq!(walk(&site).await, first);
    // As after a copy of the target, in which files may come in another order.
    let marker = site.target().join(".deployer_release");
    let said = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, said.replace(&first, &"0".repeat(64))).unwrap();
    assert!(site.deploy().await.unchanged);
    assert_eq!(walk(&site).await, first);
    // The same content, written by somebody else.
    put(&site.target(), "d7/f", "1");
    put(&site.target(), "d8/strange", "1");
    let healed = site.deploy().await;
    assert_eq!((healed.sent_files, healed.deleted), (1, 1));
    assert!(site.deploy().await.unchanged);
}

#[tokio::test]
async fn new_directories_get_their_bits_whether_moved_or_made() {
    let mut site = Site::in_place().await;
    site.write("a/b/c/f", "1");
    site.deploy().await;
    // Gone there without our knowing, so that it has to be made for the file that changes.
    fs::remove_dir_all(site.target().join("a/b")).unwrap();
    for directory in ["a/b", "a/b/c", "a/n", "t", "t/u"] {
        let path = site.tree().join(directory);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
    }
    site.write("a/b/c/f", "2");
    site.write("a/n/f", "2");
    site.write("t/u/f", "2");
    site.deploy().await;
    for directory in ["a/b", "a/b/c", "a/n", "t", "t/u"] {
        let mode = fs::metadata(site.target().join(directory))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o711, "{directory}");
    }
}

#[tokio::test]
async fn files_replace_files_and_links_without_ever_being_missing() {
    let mut site = Site::in_place().await;
    site.write("d/f", "0");
    site.link("l", "d0");
    site.deploy().await;
    let (file, link) = (site.target().join("d/f"), site.target().join("l"));
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(!fs::read_to_string(&file).unwrap().is_empty());
                assert!(fs::read_link(&link).unwrap().to_str().unwrap().starts_with('d'));
                looks += 1;
            }
            looks
        }
    });
    for n in 1..=5 {
        site.write("d/f", &n.to_string());
        site.remove("l");
        site.link("l", &format!("d{n}"));
        site.deploy().await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(watcher.join().unwrap() > 100);
}

#[tokio::test]
async fn a_file_that_is_gone_after_each_deployment_is_sent_with_each() {
    let mut site = Site::in_place().await;
    site.consumed = vec!["run.sh"];
    site.write("run.sh", "echo");
    site.write("f", "1");
    for n in 1..=3 {
        site.deploy().await;
        fs::remove_file(site.target().join("run.sh")).unwrap();
        site.write("f", &format!("{n} more"));
        let delivered = site.deploy().await;
        assert_eq!((delivered.sent_files, delivered.deleted), (2, 0), "at once");
        assert!(!site.inspect().await.data.unwrap().restless);
        fs::remove_file(site.target().join("run.sh")).unwrap();
        assert_eq!(site.deploy().await.sent_files, 1);
    }
}

#[tokio::test]
async fn a_link_that_appears_between_looking_and_writing_is_not_followed() {
    let mut site = Site::in_place().await;
    site.write("config/a", "1");
    site.write("config/b", "1");
    site.write("old/a", "1");
    site.deploy().await;
    let outside = site.sshd.dir().join("outside");
    put(&outside, "a", "precious");
    let looked = site.inspect().await;
    for name in ["config", "old"] {
        fs::remove_dir_all(site.target().join(name)).unwrap();
        symlink(&outside, site.target().join(name)).unwrap();
    }
    site.write("config/a", "2");
    site.remove("old");
    site.deliver_after(&looked).await.unwrap();
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    site.assert_same();
}
