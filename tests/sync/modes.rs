//! Permission bits are ours, whatever the server's umask is.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use deployer::domain::{EnvironmentOptions, SyncMethod};
use deployer::sync::{Error, Rules, Trouble};

use super::{Site, put};
use crate::support::sshd::{Sshd, is_root};

#[tokio::test]
async fn a_web_server_of_another_account_can_read_everything() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let sshd = Sshd::builder().start_as(4711, "077").await;
        let target = sshd.dir().join("srv/www/shop");
        let mut site = Site::at(sshd, &target, method, &["kept", "var/data"], &["up"]).await;
        for n in 1..4 {
            site.write("f", &n.to_string());
            site.write("d/in/f", "1");
            site.write(&format!("new{n}/in/f"), "1");
            site.write("var/f", "1");
            let delivered = site.deliver().await.unwrap();
            if method == SyncMethod::Symlink {
                site.switch(&delivered.directory).await.unwrap();
            }
            let srv = site.sshd.dir().join("srv");
            let mut looked = vec![srv.join("www")];
            while let Some(path) = looked.pop() {
                let found = fs::symlink_metadata(&path).unwrap();
                let bits = found.permissions().mode() & 0o777;
                if found.is_dir() {
                    assert_eq!(bits, 0o755, "{path:?}");
                    looked.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
                } else if found.is_file() {
                    assert_eq!(bits, 0o644, "{path:?}");
                }
            }
        }
        // What is there keeps its bits.
        let d = site.target().join("d");
        fs::set_permissions(&d, fs::Permissions::from_mode(0o711)).unwrap();
        put(&site.tree(), "d/in/f", "2");
        site.deliver().await.unwrap();
        if method == SyncMethod::InPlace {
            assert_eq!(fs::metadata(&d).unwrap().permissions().mode() & 0o777, 0o711);
        }
    }
}

/// A site as an account of a group of its own, where `group` alone may read.
async fn for_group(method: SyncMethod, group: &str) -> Site {
    let sshd = Sshd::builder().start_as(4711, "022").await;
    let target = sshd.dir().join("srv/www/shop");
    let mut site = Site::at(sshd, &target, method, &["kept"], &[]).await;
    let options = EnvironmentOptions {
        excluded: vec!["kept".into()],
        readers: Some(group.into()),
        ..Default::default()
    };
    site.layout.rules = Rules::new(&options, method).unwrap();
    site
}

#[tokio::test]
async fn what_is_deployed_for_a_group_is_the_groups_and_nobody_else_reads_it() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = for_group(method, "4711").await;
        for n in 1..3 {
            site.write("f", &n.to_string());
            site.write("d/in/f", "1");
            site.write(&format!("new{n}/f"), "1");
            let delivered = site.deliver().await.unwrap();
            let root = site.seen(&delivered.directory);
            if method == SyncMethod::Symlink {
                site.switch(&delivered.directory).await.unwrap();
                let bits = fs::metadata(&root).unwrap().permissions().mode() & 0o777;
                assert_eq!(bits, 0o750);
            }
            for (path, expected) in [("f", 0o640), ("d", 0o750), ("d/in/f", 0o640), ("new1/f", 0o640)] {
                let found = fs::metadata(root.join(path)).unwrap();
                assert_eq!(found.permissions().mode() & 0o777, expected, "{path}");
                assert_eq!(found.gid(), 4711, "{path}");
            }
            // It was somebody else's group in between.
            std::os::unix::fs::chown(root.join("d/in/f"), None, Some(0)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_group_that_the_deploy_user_is_not_in_is_told_before_anything_is_changed() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = for_group(method, "4711").await;
        site.write("f", "1");
        site.put_in_service().await.unwrap();
        for group in ["4712", "no-such-group"] {
            let options = EnvironmentOptions {
                excluded: vec!["kept".into()],
                readers: Some(group.into()),
                ..Default::default()
            };
            site.layout.rules = Rules::new(&options, method).unwrap();
            site.write("f", "2");
            let error = site.put_in_service().await.unwrap_err();
            let is_told = matches!(
                &error,
                Error::Server {
                    trouble: Trouble::Group { .. },
                    ..
                }
            );
            assert!(is_told, "{error}");
            assert!(
                error.to_string().contains(&format!("the group “{group}”")),
                "{error}"
            );
            assert_eq!(fs::read_to_string(site.served().join("f")).unwrap(), "1");
        }
    }
}
