//! A disk of one megabyte that one sshd alone sees, and that can become read-only.
//!
//! It is a tmpfs in a mount namespace of that sshd, so nothing stays mounted when a test is killed.
//! Root makes the namespace directly; anybody else makes it in a user namespace, where sshd is given
//! its own account back, as it refuses to work for a root that may not change users.
#![allow(
    clippy::disallowed_methods,
    reason = "a remount is waited for where nothing else runs"
)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a remount may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Mounts the disk, leaves a watcher behind that makes it read-only on demand, and becomes the program
/// that follows.
const PREPARE: &str = r#"
mount -t tmpfs -o size=1m tmpfs "$1/disk" || exit
(while [ -e "/proc/$$" ]; do
    [ -e "$1/protect" ] && mount -o remount,ro "$1/disk" && rm "$1/protect"
    sleep 0.05
done) &
echo $! >"$1/watcher"
shift
exec "$@"
"#;

/// A small disk; gone with the sshd that was started [within](Self::program) it.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// A place for one.
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        fs::create_dir(dir.path().join("disk")).expect("an empty directory");
        Self(dir)
    }

    /// Starts sshd where the disk is mounted: for [`super::sshd::Builder::within`].
    pub fn program(&self) -> Vec<OsString> {
        let me = fs::metadata("/proc/self").expect("this process");
        let is_root = me.uid() == 0;
        let mut words = vec!["unshare", "--mount"];
        if !is_root {
            words.extend(["--user", "--map-root-user"]);
        }
        words.extend(["sh", "-c", PREPARE, "sh"]);
        let mut words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        words.push(self.0.path().into());
        if !is_root {
            let ids = [
                format!("--map-user={}", me.uid()),
                format!("--map-group={}", me.gid()),
            ];
            words.extend(["unshare".into(), "--user".into()]);
            words.extend(ids.map(OsString::from));
        }
        words
    }

    /// Where it is mounted, as sshd sees it.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    /// The root directory that sshd has, as the test sees it.
    pub fn root(&self) -> PathBuf {
        let watcher = fs::read_to_string(self.0.path().join("watcher")).expect("the disk is mounted");
        Path::new("/proc").join(watcher.trim()).join("root")
    }

    /// From now on nobody can write there.
    pub fn become_read_only(&self) {
        let order = self.0.path().join("protect");
        fs::write(&order, "").expect("a writable directory");
        let start = Instant::now();
        while order.exists() {
            assert!(start.elapsed() < PATIENCE, "the disk cannot be made read-only");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
