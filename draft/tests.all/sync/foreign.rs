//! What belongs to other accounts, and what scripts leave read-only: none of it is opened, changed
//! or in the way.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use deployer::domain::SyncMethod;
use deployer::sync::{Trust, full_check};

use super::{Site, put};
use crate::support::sshd::{Sshd, is_root};

/// The account that deploys: no root.
const DEPLOYER: u32 = 4711;
/// The account of the web server.
const WEB: u32 = 33;

impl Site {
    async fn unprivileged(method: SyncMethod, excluded: &[&str]) -> Self {
        let sshd = Sshd::builder().start_as(DEPLOYER, "022").await;
        let target = sshd.dir().join("srv/shop");
        Self::at(sshd, &target, method, excluded, &[]).await
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path, owner: u32, bits: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    mode(path, bits);
}

/// A file and a directory that only the web server may read.
fn private(top: &Path, name: &str) {
    put(top, &format!("{name}.key"), "secret");
    give(&top.join(format!("{name}.key")), WEB, 0o600);
    put(top, &format!("{name}.d/in/x"), "secret");
    give(&top.join(format!("{name}.d/in")), WEB, 0o700);
    give(&top.join(format!("{name}.d")), WEB, 0o700);
}

#[tokio::test]
async fn what_the_deploy_user_cannot_read_blocks_no_deployment() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = Site::unprivileged(method, &["*.key", "kept"]).await;
        site.write("f", "1");
        site.write("d/f", "1");
        site.deploy().await;
        private(&site.target(), "excluded");
        private(&site.target(), "foreign");
        for n in 2..5 {
            site.write("f", &n.to_string());
            let delivered = site.deliver().await.unwrap();
            if method == SyncMethod::Symlink {
                site.switch(&delivered.directory).await.unwrap();
                site.assert_same();
                private(&site.target(), "foreign");
            } else {
                assert_eq!(
                    fs::read_to_string(site.target().join("f")).unwrap(),
                    n.to_string()
                );
                assert_eq!(fs::read(site.target().join("excluded.key")).unwrap(), b"secret");
                assert_eq!(fs::read(site.target().join("foreign.d/in/x")).unwrap(), b"secret");
            }
        }
        let manifest = site.scan().await;
        let (session, layout, inspection) = (&site.session, &site.layout, site.inspect().await);
        let found = full_check(session, layout, &inspection, &manifest, &site.limits).await;
        assert!(found.unwrap().extra.contains(&"foreign.d".to_owned()));
    }
}

#[tokio::test]
async fn a_file_of_ours_that_was_taken_away_from_us_is_put_there_again() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        for bits in [0o600, 0o644, 0o640] {
            let mut site = Site::unprivileged(method, &[]).await;
            site.write("f", "1");
            site.write("conf/secret", "1");
            site.deploy().await;
            give(&site.target().join("conf/secret"), WEB, bits);
            site.write("f", "2");
            site.deploy().await;
            site.trust = Trust::Contents;
            site.write("f", "3");
            site.deploy().await;
        }
    }
}

#[tokio::test]
async fn what_the_web_server_owns_stays_its_own() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = Site::unprivileged(method, &["kept"]).await;
        site.write("f", "1");
        site.deploy().await;
        put(&site.target(), "kept/photo", "theirs");
        let kept = fs::canonicalize(site.target().join("kept")).unwrap();
        give(&kept, WEB, 0o750);
        give(&kept.join("photo"), WEB, 0o640);
        for n in 2..4 {
            site.write("f", &n.to_string());
            site.deploy().await;
            for path in ["kept", "kept/photo"] {
                let found = fs::metadata(site.target().join(path)).unwrap();
                assert_eq!((found.uid(), found.gid()), (WEB, WEB), "{path}");
            }
            assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o750);
        }
    }
}

#[tokio::test]
async fn what_is_not_ours_to_move_is_refused_with_the_command_to_run() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &[]).await;
    site.write("f", "1");
    let first = site.deploy().await.directory;
    site.write("f", "2");
    let second = site.deploy().await.directory;
    let kept = Path::new(&second).join("kept");
    put(&site.target(), "kept/photo", "theirs");
    give(&kept, WEB, 0o755);
    site.exclude(&["kept"]);
    site.write("f", "3");
    let third = site.deliver().await.unwrap().directory;
    let refused = site.switch(&third).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("mv {} ", kept.display())), "{refused}");
    assert_eq!(fs::read_to_string(site.target().join("f")).unwrap(), "2");
    site.roll_back(&first).await.unwrap();
    assert_eq!(fs::read_to_string(site.target().join("f")).unwrap(), "1");
    assert_eq!(fs::read_to_string(kept.join("photo")).unwrap(), "theirs");
}

/// As a build tool leaves its cache: directories without write permission.
fn cache(top: &Path, name: &str) {
    put(top, &format!("{name}/deep/x"), "1");
    for path in [format!("{name}/deep/x"), format!("{name}/deep"), name.to_owned()] {
        let bits = if path.ends_with('x') { 0o444 } else { 0o555 };
        give(&top.join(path), DEPLOYER, bits);
    }
}

#[tokio::test]
async fn read_only_directories_of_scripts_block_nothing_and_go_with_their_release() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let mut site = Site::unprivileged(method, &[]).await;
        site.write("f", "1");
        site.write("d/in/f", "1");
        site.write("old/in/f", "1");
        site.deploy().await;
        for n in 2..6 {
            cache(&site.target(), "cache");
            // Directories of ours too.
            for path in ["d/in", "d", "old/in", "old"] {
                let path = site.target().join(path);
                if path.exists() {
                    mode(&path, 0o555);
                }
            }
            if n == 3 {
                site.remove("old");
            }
            site.write("f", &n.to_string());
            site.write("d/in/f", &n.to_string());
            site.write(&format!("d/new{n}"), "1");
            site.deploy().await;
            if method == SyncMethod::Symlink {
                site.prune(1, &[]).await;
                assert_eq!(names(&site.beside("shop_releases")).len(), 2);
            }
        }
        assert!(!site.target().join("cache").exists());
    }
}

#[tokio::test]
async fn what_cannot_be_removed_stays_until_it_can() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &[]).await;
    for n in 1..4 {
        site.write("f", &n.to_string());
        site.deploy().await;
        if n == 1 {
            private(&site.target(), "foreign");
        }
    }
    let releases = site.beside("shop_releases");
    let pruned = site.prune(0, &[]).await;
    assert_eq!(pruned.removed.len(), 2);
    assert_eq!(pruned.left.len(), 1);
    let left = &pruned.left[0];
    assert!(
        left.contains("/.deleted_") && left.contains("Permission denied"),
        "{left}"
    );
    assert_eq!(
        names(&releases).len(),
        2,
        "the current one, and what could not be removed"
    );
    site.write("f", "4");
    site.deploy().await;
    site.prune(0, &[]).await;
    let left = names(&releases);
    assert_eq!(left.len(), 2, "{left:?}");
    let left = left.iter().find(|name| name.starts_with(".deleted_")).unwrap();
    chown(releases.join(left).join("foreign.d/in"), Some(DEPLOYER), None).unwrap();
    chown(releases.join(left).join("foreign.d"), Some(DEPLOYER), None).unwrap();
    site.prune(0, &[]).await;
    assert_eq!(names(&releases).len(), 1);
}

#[tokio::test]
async fn a_try_that_fails_leaves_no_release_behind() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &[]).await;
    site.write("f", "1");
    let first = site.deliver().await.unwrap().directory;
    cache(Path::new(&first), "cache");
    private(Path::new(&first), "foreign");
    // Again, as a deployment that is retried.
    site.deployments -= 1;
    site.deploy().await;
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect()
}
