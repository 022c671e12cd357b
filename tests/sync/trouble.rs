//! Servers that do not do their part, and what is true afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use deployer::domain::{Release, SyncMethod};
use deployer::sync::{Changed, DeliveryProgress, Error, Portion, Trouble};

use super::{Site, put};
use crate::support::disk::SmallDisk;
use crate::support::sshd::Sshd;

/// Text that does not compress away.
fn noise(bytes: usize) -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (state >> 33) as u8 % 90)
    };
    (0..bytes).map(|_| next()).collect()
}

/// A target on a disk of one megabyte.
async fn on_small_disk(method: SyncMethod) -> (Site, SmallDisk) {
    let disk = SmallDisk::new();
    let sshd = Sshd::builder().within(disk.program()).start().await;
    let mut site = Site::at(sshd, &disk.path().join("srv/shop"), method, &[], &[]).await;
    site.root = disk.root();
    (site, disk)
}

#[tokio::test]
async fn a_tree_too_big_for_the_disk_is_refused_before_anything_is_sent() {
    let (mut site, _disk) = on_small_disk(SyncMethod::InPlace).await;
    site.write("big", &noise(3_000_000));
    let (looked, large) = (site.inspect().await, site.scan().await);
    let full = looked.check_room(SyncMethod::InPlace, &large).unwrap_err();
    assert!(full.to_string().contains("free"), "{full}");
    site.remove("big");
    site.write("a", "1");
    site.deploy().await;
    let looked = site.inspect().await;
    looked
        .check_room(SyncMethod::InPlace, &large)
        .expect("it may be there already");
    looked.check_room(SyncMethod::Symlink, &large).unwrap_err();
    site.write("big", &noise(3_000_000));
    let error = site.deliver().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Server {
                trouble: Trouble::NoRoom { .. },
                changed: Changed::Nothing
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_disk_that_fills_up_leaves_the_files_in_service_as_they_were() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let (mut site, disk) = on_small_disk(method).await;
        site.write("a", "1");
        site.deploy().await;
        let before = site.marker();
        let looked = site.inspect().await;
        let filler = site.seen(disk.path()).join("filler");
        fs::write(&filler, noise(900_000)).unwrap();
        site.write("big", &noise(300_000));
        let error = site.deliver_after(&looked).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Server {
                    trouble: Trouble::DiskFull { .. },
                    ..
                }
            ),
            "{error}"
        );
        let unchanged = if method == SyncMethod::InPlace {
            Changed::Nothing
        } else {
            Changed::OnlyBeside
        };
        assert!(
            matches!(&error, Error::Server { changed, .. } if *changed == unchanged),
            "{error}"
        );
        assert_eq!(site.marker(), before);
        site.remove("big");
        site.assert_same();
        fs::remove_file(filler).unwrap();
        site.write("a", "2");
        site.deploy().await;
    }
}

#[tokio::test]
async fn a_read_only_target_is_reported_as_such() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let (mut site, disk) = on_small_disk(method).await;
        site.write("a", "1");
        site.deploy().await;
        let looked = site.inspect().await;
        disk.become_read_only();
        site.write("a", "2");
        let error = site.deliver().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Server {
                    trouble: Trouble::ReadOnly { .. },
                    changed: Changed::Nothing
                }
            ),
            "{error}"
        );
        // It may become so after it was looked at.
        let error = site.deliver_after(&looked).await.unwrap_err();
        let nothing_in_service = [Changed::Nothing, Changed::OnlyBeside];
        assert!(
            matches!(&error, Error::Server { trouble: Trouble::ReadOnly { .. }, changed } if nothing_in_service.contains(changed)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_failure_halfway_lists_exactly_what_changed() {
    let mut site = Site::new(SyncMethod::InPlace, &["var/*.db"], &[]).await;
    site.write("a/f", "1");
    site.write("old", "1");
    site.write("was/a/file", "1");
    site.write("run", "1");
    site.deploy().await;
    // What is never touched stands where a file is coming.
    put(&site.target(), "z/f/.git/kept", "x");
    site.write("a/f", "2");
    site.write("new/in/f", "1");
    site.write("var/f", "1");
    site.write("z/f", "new");
    site.remove("old");
    // Removed first, as a file takes the place of the directory; the other goes last.
    site.remove("was");
    site.write("was", "a file");
    fs::set_permissions(site.tree().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    let error = site.deliver().await.unwrap_err();
    let Some(Changed::Partly(partial)) = error.changed() else {
        panic!("{error}");
    };
    let told = |portion: &Portion| (portion.done.join(" "), portion.of);
    assert_eq!(told(&partial.put), ("a/f new/in/f var/f was".to_owned(), 5));
    assert_eq!(told(&partial.made), ("new z".to_owned(), 2));
    assert_eq!(told(&partial.modes), (String::new(), 1));
    assert_eq!(told(&partial.removed), ("was/a/file was/a was".to_owned(), 5));
    assert_eq!(error.changed().unwrap().lines().len(), 9);
    assert!(Release::parse_marker(&site.marker()).unwrap().in_progress);
    assert!(!fs::read_dir(site.target()).unwrap().any(|e| {
        e.unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".deployer-staging")
    }));
    // Once it is out of the way, the next deployment sets it right.
    fs::remove_dir_all(site.target().join("z/f")).unwrap();
    site.deploy().await;
    assert!(!Release::parse_marker(&site.marker()).unwrap().in_progress);
}

#[tokio::test]
async fn changed_permission_bits_are_reported() {
    // Each time the tree is listed somebody has just written there, so that it never becomes the one
    // that was sent.
    let bin = tempfile::TempDir::new().unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", bin.path().display());
    let sshd = Sshd::builder()
        .line(&format!(
            "ForceCommand {path} exec sh -c \"$SSH_ORIGINAL_COMMAND\""
        ))
        .start()
        .await;
    let target = sshd.dir().join("srv/shop");
    let mut site = Site::at(sshd, &target, SyncMethod::InPlace, &["kept"], &[]).await;
    site.write("run", "1");
    site.write("other", "1");
    site.deploy().await;
    fs::set_permissions(site.tree().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    let find = bin.path().join("find");
    put(
        bin.path(),
        "find",
        &format!(
            "#!/bin/sh\n: >'{}'/stranger$$\nexec /usr/bin/find \"$@\"\n",
            target.display()
        ),
    );
    fs::set_permissions(&find, fs::Permissions::from_mode(0o755)).unwrap();
    let error = site.deliver().await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Server {
                trouble: Trouble::Verification,
                ..
            }
        ),
        "{error}"
    );
    let lines = error.changed().unwrap().lines();
    assert!(
        lines.contains(&"Permission bits set: run".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn cancelling_leaves_the_running_release_and_nothing_beside_it() {
    let cancelled = futures_util::future::join_all([0, 10, 30, 60].map(cancel_a_release)).await;
    assert!(cancelled.contains(&true), "each was done before it was cancelled");
}

/// Cancels so many milliseconds after files began to be sent; tells whether that came in time.
async fn cancel_a_release(wait: u64) -> bool {
    let mut site = Site::symlink().await;
    for n in 0..300 {
        site.write(&format!("d{n}/f"), "1");
    }
    let first = site.deploy().await;
    site.write("d1/f", "2");
    site.cancel_after(wait, |progress| {
        matches!(progress, DeliveryProgress::Sending { .. })
    });
    let delivered = site.deliver().await;
    match &delivered {
        Ok(second) => assert!(Path::new(&second.directory).join(".git_release").exists()),
        Err(error) => {
            assert!(error.to_string().contains("cancelled"), "{error}");
            let store = Path::new(&first.directory).parent().unwrap();
            let in_store = fs::read_dir(store).unwrap().count();
            assert!(in_store <= 2, "{in_store}");
        }
    }
    site.write("d1/f", "1");
    site.assert_same();
    delivered.is_err()
}

const FILES: usize = 400;

/// The content of each of many files, which are all changed at once.
fn many(site: &Site, content: &str) {
    for n in 0..FILES {
        site.write(&format!("d{n}/f"), content);
    }
}

#[tokio::test]
async fn cancelling_in_place_reports_each_file_truthfully() {
    let put = futures_util::future::join_all([0, 5, 15, 30, 60, 120, 180, 240].map(cancel_in_place)).await;
    assert!(
        put.iter().any(|&files| files < FILES),
        "each was done before it was cancelled"
    );
}

/// Cancels so many milliseconds after files began to be put in place; tells how many were.
async fn cancel_in_place(wait: u64) -> usize {
    let mut site = Site::in_place().await;
    many(&site, "old");
    site.deploy().await;
    many(&site, "new");
    site.cancel_after(wait, |progress| progress == DeliveryProgress::Placing);
    let target = site.target();
    let is_new = |n| fs::read_to_string(target.join(format!("d{n}/f"))).unwrap() == "new";
    let done: Vec<String> = match site.deliver().await {
        Ok(_) => (0..FILES).map(|n| format!("d{n}/f")).collect(),
        Err(Error::Server {
            changed: Changed::Partly(partial),
            ..
        }) => partial.put.done,
        Err(Error::Server {
            changed: Changed::Nothing,
            ..
        }) => Vec::new(),
        Err(other) => panic!("{other}"),
    };
    for n in 0..FILES {
        assert_eq!(
            is_new(n),
            done.contains(&format!("d{n}/f")),
            "d{n}/f of {} done",
            done.len()
        );
    }
    assert!(
        fs::read_dir(target.join("d0")).unwrap().count() == 1,
        "nothing of ours is left beside the files"
    );
    site.heal();
    site.deploy().await;
    done.len()
}

#[tokio::test]
async fn cancelling_while_files_are_sent_changes_nothing() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = Site::new(method, &[], &[]).await;
        site.write("a", "1");
        site.deploy().await;
        let before = site.marker();
        site.write("big", &noise(20_000_000));
        site.cancel_after(30, |progress| {
            matches!(progress, DeliveryProgress::Sending { .. })
        });
        let error = site.deliver().await.unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
        assert_eq!(site.marker(), before);
        site.heal();
        site.remove("big");
        site.deploy().await;
    }
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_the_next_deployment_repairs_the_target() {
    let mut site = Site::in_place().await;
    site.write("a", "1");
    site.deploy().await;
    site.write("big", &noise(6_000_000));
    let looked = site.inspect().await;
    site.sshd.kill_connections();
    // The session connects anew or tells; both are fine, a silent half is not.
    match site.deliver_after(&looked).await {
        Ok(_) => site.assert_same(),
        Err(error) => {
            assert!(error.to_string().contains("lost"), "{error}");
            site.remove("big");
            site.assert_same();
        }
    }
    site.write("big", "2");
    site.deploy().await;
}

#[tokio::test]
async fn a_target_that_is_a_file_or_a_dangling_link_is_refused() {
    let mut site = Site::in_place().await;
    site.write("a", "1");
    put(site.target().parent().unwrap(), "shop", "a file");
    let error = site.deliver().await.unwrap_err().to_string();
    assert!(error.contains("neither a directory nor a link"), "{error}");
    fs::remove_file(site.target()).unwrap();
    std::os::unix::fs::symlink("/nowhere", site.target()).unwrap();
    let error = site.deliver().await.unwrap_err().to_string();
    assert!(error.contains("neither a directory nor a link"), "{error}");
}

#[tokio::test]
async fn a_target_below_a_file_is_found_by_the_check() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let sshd = Sshd::builder().start().await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let site = Site::at(sshd, &file.join("below/shop"), method, &[], &[]).await;
        let error = site.inspect().await.check(method).unwrap_err().to_string();
        let expected = format!("{} is not a directory", file.display());
        assert!(error.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_pack_leaves_room_on_the_disk_of_this_host() {
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = Site::new(method, &[], &[]).await;
        site.write("a", "1");
        site.deploy().await;
        site.write("a", "2");
        // Smaller packs are in memory.
        site.write("big", &noise(9 << 20));
        site.keep_free = u64::MAX;
        let error = site.put_in_service().await.unwrap_err();
        assert!(matches!(error, Error::Spool(_)), "{error}");
        assert!(error.to_string().contains("(engine.keep_free_mib)"), "{error}");
        assert_eq!(fs::read_to_string(site.served().join("a")).unwrap(), "1");
        let beside: Vec<_> = fs::read_dir(site.here.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
        site.keep_free = 1;
        site.deploy().await;
    }
}
