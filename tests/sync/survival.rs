//! What applications write is neither lost nor comes back, whatever is deployed meanwhile.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use deployer::domain::{EnvironmentOptions, SyncMethod};
use deployer::sync::Rules;

use super::foreign::DEPLOYER;
use super::{Site, put};
use crate::support::disk::SmallDisk;
use crate::support::sshd::{Sshd, is_root};

/// An environment with releases that keeps `kept`.
async fn keeping() -> Site {
    Site::new(SyncMethod::Symlink, &["kept"], &[]).await
}

impl Site {
    pub(super) fn exclude(&mut self, excluded: &[&str]) {
        let options = EnvironmentOptions {
            excluded: excluded.iter().map(|path| (*path).to_owned()).collect(),
            ..Default::default()
        };
        self.layout.rules = Rules::new(&options, self.layout.method).unwrap();
    }

    /// Deploys once without excluded paths, and puts `kept` into the release as if it had been kept
    /// there ever since. Returns the release.
    pub(super) async fn deploy_as_before(&mut self) -> PathBuf {
        let rules = std::mem::take(&mut self.layout.rules);
        let release = PathBuf::from(self.deploy().await.directory);
        self.layout.rules = rules;
        put(&release, "kept/old", "theirs");
        release
    }

    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.target().parent().unwrap().join(name)
    }
}

pub(super) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn what_is_written_before_during_and_after_a_deployment_stays() {
    let mut site = keeping().await;
    site.write("f", "1");
    let first = site.deploy().await.directory;
    put(&site.target(), "kept/a", "before");
    site.write("f", "2");
    let second = site.deliver().await.unwrap().directory;
    // The canary's pause.
    put(&site.target(), "kept/during", "during");
    site.switch(&second).await.unwrap();
    put(&site.target(), "kept/b", "after");
    fs::remove_file(site.target().join("kept/a")).unwrap();
    site.roll_back(&first).await.unwrap();
    assert_eq!(read(site.target().join("f")), "1");
    for n in 3..8 {
        let kept = site.target().join("kept");
        assert_eq!(read(kept.join("during")), "during");
        assert_eq!(read(kept.join("b")), "after");
        assert!(!kept.join("a").exists());
        site.write("f", &n.to_string());
        site.deploy().await;
        site.prune(1, &[]).await;
    }
}

#[tokio::test]
async fn what_lies_in_a_release_moves_to_the_store_when_the_next_one_is_activated() {
    if !is_root() {
        return;
    }
    let mut site = keeping().await;
    site.write("f", "1");
    let before = site.deploy_as_before().await;
    let kept = before.join("kept");
    chown(&kept, Some(33), Some(34)).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o2770)).unwrap();
    let inode = fs::metadata(&kept).unwrap().ino();
    site.write("f", "2");
    let next = site.deliver().await.unwrap().directory;
    put(&before, "kept/during", "theirs");
    let told = site.switch(&next).await.unwrap().moved;
    let (from, to) = (kept.display(), site.beside("shop_shared/kept"));
    assert_eq!(
        told,
        [format!(
            "Moved {from} to {}; a link to it is left there.",
            to.display()
        )]
    );
    let stored = fs::symlink_metadata(site.beside("shop_shared/kept")).unwrap();
    assert_eq!((stored.uid(), stored.gid(), stored.ino()), (33, 34, inode));
    assert_eq!(stored.mode() & 0o7777, 0o2770);
    for at in [site.target(), before.clone()] {
        assert_eq!(read(at.join("kept/old")), "theirs");
        assert_eq!(read(at.join("kept/during")), "theirs");
        assert!(at.join("kept").is_symlink());
    }
}

#[tokio::test]
async fn a_rollback_to_a_release_with_a_copy_of_its_own_serves_what_is_there_now() {
    let mut site = keeping().await;
    site.write("f", "1");
    let oldest = site.deploy_as_before().await;
    site.write("f", "2");
    let before = site.deploy_as_before().await;
    put(&before, "kept/new", "newer");
    fs::remove_file(before.join("kept/old")).unwrap();
    site.roll_back(oldest.to_str().unwrap()).await.unwrap();
    assert_eq!(read(site.target().join("f")), "1");
    assert_eq!(read(site.target().join("kept/new")), "newer");
    assert!(!site.target().join("kept/old").exists(), "it was removed");
    // Nothing is deleted: the copy lies aside.
    let aside = site.beside(&format!("shop_shared/kept.replaced-{}", site.deployments));
    assert_eq!(read(aside.join("old")), "theirs");
}

#[tokio::test]
async fn a_file_that_was_written_over_its_link_is_the_one_that_counts() {
    let mut site = Site::new(SyncMethod::Symlink, &["state.db", "kept"], &[]).await;
    site.write("f", "1");
    let first = site.deliver().await.unwrap().directory;
    site.switch(&first).await.unwrap();
    put(&site.target(), "state.db", "one");
    assert_eq!(
        read(site.beside("shop_shared/state.db")),
        "one",
        "through the link"
    );
    // As editors and careful programs do: a new file, renamed over the old name.
    put(&site.target(), "state.new", "two");
    fs::rename(site.target().join("state.new"), site.target().join("state.db")).unwrap();
    site.write("f", "2");
    let second = site.deliver().await.unwrap().directory;
    site.switch(&second).await.unwrap();
    assert_eq!(read(site.target().join("state.db")), "two");
    site.roll_back(&first).await.unwrap();
    assert_eq!(read(site.target().join("state.db")), "two");
    assert_eq!(read(site.beside("shop_shared/state.db.replaced-2")), "one");
}

#[tokio::test]
async fn a_link_that_somebody_made_by_hand_goes_on_leading_there() {
    let mut site = keeping().await;
    site.write("f", "1");
    let before = site.deploy_as_before().await;
    fs::rename(before.join("kept"), site.beside("elsewhere")).unwrap();
    symlink("../../elsewhere", before.join("kept")).unwrap();
    site.write("f", "2");
    site.deploy().await;
    put(&site.target(), "kept/new", "theirs");
    assert_eq!(read(site.target().join("kept/old")), "theirs");
    assert_eq!(read(site.beside("elsewhere/new")), "theirs");
    fs::remove_dir_all(before).unwrap();
    assert_eq!(read(site.target().join("kept/old")), "theirs");
}

#[tokio::test]
async fn what_would_have_to_cross_file_systems_is_refused_but_never_in_a_rollback() {
    let disk = SmallDisk::new();
    let sshd = Sshd::builder().within(disk.program()).start().await;
    let target = sshd.dir().join("srv/shop");
    let mut site = Site::at(sshd, &target, SyncMethod::Symlink, &["kept"], &[]).await;
    site.write("f", "1");
    let oldest = site.deploy_as_before().await;
    site.write("f", "2");
    let before = site.deploy_as_before().await;
    symlink(disk.path(), site.beside("shop_shared")).unwrap();
    site.write("f", "3");
    let early = site.inspect().await.check_stores().unwrap_err().to_string();
    let next = site.deliver().await.unwrap().directory;
    let refused = site.switch(&next).await.unwrap_err().to_string();
    let (from, to) = (before.join("kept"), site.beside("shop_shared/kept"));
    let command = format!("mv {0} {1} && ln -s {1} {0}", from.display(), to.display());
    for refused in [early, refused] {
        assert!(refused.contains(&command), "{refused}");
    }
    assert_eq!(read(site.target().join("f")), "2");
    site.roll_back(oldest.to_str().unwrap()).await.unwrap();
    assert_eq!(read(site.target().join("f")), "1");
    assert_eq!(read(before.join("kept/old")), "theirs");
    assert_eq!(read(site.target().join("kept/old")), "theirs");
}

#[tokio::test]
async fn what_the_deploy_user_cannot_move_is_found_before_anything_is_sent() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &["kept", "log"]).await;
    site.inspect().await.check_stores().unwrap();
    site.write("f", "1");
    let release = site.deploy_as_before().await;
    let found = site.inspect().await;
    found.check(SyncMethod::Symlink).unwrap();
    let (from, to) = (release.join("kept"), site.beside("shop_shared/kept"));
    let command = format!(
        "install -d -o {DEPLOYER} -g {DEPLOYER} {2} && mv {0} {1} && ln -s {1} {0}",
        from.display(),
        to.display(),
        site.beside("shop_shared").display()
    );
    let early = found.check_stores().unwrap_err().to_string();
    assert!(
        early.contains(&format!("run “{command}” on the server")),
        "{early}"
    );
    assert!(!site.beside("shop_shared").exists(), "a look changes nothing");
    site.write("f", "2");
    let next = site.deliver().await.unwrap().directory;
    let late = site.switch(&next).await.unwrap_err().to_string();
    // By then the store is there.
    let (_, moving) = command.split_once(" && ").unwrap();
    assert!(late.contains(&format!("“{moving}”")), "{late}");

    // A directory in which only owners may rename; then one of the deploy user's own.
    chown(&from, Some(DEPLOYER), Some(DEPLOYER)).unwrap();
    chown(&release, Some(0), Some(0)).unwrap();
    fs::set_permissions(&release, fs::Permissions::from_mode(0o1777)).unwrap();
    site.inspect().await.check_stores().unwrap();
    chown(&from, Some(0), Some(0)).unwrap();
    fs::set_permissions(&from, fs::Permissions::from_mode(0o777)).unwrap();
    site.inspect().await.check_stores().unwrap_err();
    chown(&release, Some(DEPLOYER), Some(DEPLOYER)).unwrap();
    site.inspect().await.check_stores().unwrap();
    site.switch(&next).await.unwrap();
    assert_eq!(read(site.target().join("kept/old")), "theirs");
    site.inspect().await.check_stores().unwrap();
}

#[tokio::test]
async fn environments_beside_each_other_keep_their_own() {
    let sshd = Sshd::start().await;
    let mut prod = Site::at(sshd, Path::new("/no/where"), SyncMethod::Symlink, &["kept"], &[]).await;
    let srv = prod.sshd.dir().join("srv");
    for (target, name) in [("prod", "prod"), ("beta", "beta")] {
        prod.layout.target = srv.join(target).to_str().unwrap().parse().unwrap();
        prod.layout.environment = name.parse().unwrap();
        prod.write("f", name);
        prod.deploy().await;
        put(&prod.target(), "kept/name", name);
    }
    assert_eq!(read(srv.join("prod/kept/name")), "prod");
    assert_eq!(read(srv.join("beta/kept/name")), "beta");
}

#[tokio::test]
async fn a_pattern_only_filters_what_is_sent() {
    let mut site = Site::new(SyncMethod::Symlink, &["*.log", "cache/**"], &[]).await;
    site.write("f", "1");
    site.write("x.log", "not sent");
    let first = site.deliver().await.unwrap().directory;
    site.switch(&first).await.unwrap();
    put(&site.target(), "y.log", "theirs");
    put(&site.target(), "cache/z", "theirs");
    site.write("f", "2");
    let second = site.deliver().await.unwrap().directory;
    site.switch(&second).await.unwrap();
    let names = |at: &str| {
        let names = fs::read_dir(at).unwrap().map(|one| one.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    };
    assert_eq!(names(&second), ["f"]);
    assert_eq!(names(&first), ["cache", "f", "y.log"]);
}

#[tokio::test]
async fn what_was_excluded_inside_something_shared_goes_with_it() {
    let mut site = Site::new(
        SyncMethod::Symlink,
        &["data/kept", "var", ".git"],
        &["data", "var/log/"],
    )
    .await;
    site.write("f", "1");
    let first = site.deliver().await.unwrap().directory;
    site.switch(&first).await.unwrap();
    put(&site.target(), "data/kept/x", "theirs");
    put(&site.target(), "var/log/y", "theirs");
    site.exclude(&["data", "var"]);
    site.write("f", "2");
    let second = site.deliver().await.unwrap().directory;
    site.switch(&second).await.unwrap();
    assert_eq!(read(site.target().join("data/kept/x")), "theirs");
    assert_eq!(read(site.target().join("var/log/y")), "theirs");
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a person runs the command")]
async fn the_command_that_a_refusal_names_does_what_it_says() {
    if !is_root() {
        return;
    }
    let mut site = Site::unprivileged(SyncMethod::Symlink, &["var/kept"]).await;
    site.write("f", "1");
    let release = site.deploy_as_before().await;
    put(&release, "var/kept/old", "theirs");
    chown(release.join("var/kept"), Some(0), Some(0)).unwrap();
    let refused = site.inspect().await.check_stores().unwrap_err().to_string();
    let mut quoted = refused.split(['“', '”']);
    let command = quoted.find(|part| part.starts_with("install ")).expect(&refused);
    let ran = std::process::Command::new("sh").args(["-c", command]).status();
    assert!(ran.unwrap().success(), "{command}");
    site.write("f", "2");
    let next = site.deliver().await.unwrap().directory;
    site.switch(&next).await.unwrap();
    assert_eq!(read(site.target().join("var/kept/old")), "theirs");
    let store = fs::metadata(site.beside("shop_shared/var")).unwrap();
    assert_eq!(store.uid(), DEPLOYER);
}
