//! How many processes a program may start where the deployer is root: the kernel's usual limit does not hold
//! root, so each program gets a control group of its own, which counts.
//!
//! With version 1 of control groups it lies below the deployer's in the hierarchy that counts processes; with
//! version 2 it is a threaded group below the deployer's, as counting processes is all it is for, and the
//! deployer itself stays where it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::Command;

/// Enters the group in `$1` and becomes the program that follows.
const ENTER: &str = r#"echo 0 >"$1" || exit; shift; exec "$@""#;
/// What the names of our groups begin with.
const PREFIX: &str = "deployer-script-";
/// How often a group is tried to be removed: its last processes end a moment after the program.
const REMOVAL_TRIES: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// Where groups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ControlGroups {
    own: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    One,
    Two,
}

/// A group of one program; gone with this.
pub(super) struct ControlGroup(PathBuf);

impl ControlGroups {
    /// Looks for where groups can be made by making one, and removes what a killed deployer left; `None` where
    /// there is no such place.
    pub(super) fn find() -> Option<Self> {
        let read = |file: &str| fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
        let found = Self::of(&read("mountinfo"), &read("cgroup"))?;
        found.sweep();
        match found.make(1) {
            Ok(_) => Some(found),
            Err(error) => {
                tracing::debug!(own = %found.own.display(), %error, "no control group can be made");
                None
            }
        }
    }

    /// The deployer's own group, by the texts of `mountinfo` and `cgroup` in `/proc/self`.
    fn of(mounts: &str, groups: &str) -> Option<Self> {
        let found = mounts.lines().filter_map(|line| Self::mounted(line, groups));
        // Where version 1 counts processes, version 2 does not.
        found.min_by_key(|one| one.version)
    }

    /// The own group of the hierarchy that a line of `mountinfo` mounts, if that counts processes.
    fn mounted(line: &str, groups: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let (mut mount, mut file_system) = (mount.split(' ').skip(3), file_system.split(' '));
        let (root, point) = (mount.next()?, mount.next()?);
        let (kind, options) = (file_system.next()?, file_system.nth(1)?);
        let version = match kind {
            "cgroup" if options.split(',').any(|one| one == "pids") => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let path = groups.lines().find_map(|line| own_path(line, version))?;
        let below = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
        Some(Self {
            own: Path::new(point).join(below),
            version,
        })
    }

    /// A fresh group with at most so many processes and threads.
    pub(super) fn make(&self, most: u32) -> io::Result<ControlGroup> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if self.version == Version::Two {
            self.enable()?;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.own.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        let group = ControlGroup(path);
        let kind = group.0.join("cgroup.type");
        if self.version == Version::Two && fs::read_to_string(&kind)?.trim() != "domain" {
            fs::write(&kind, "threaded")?;
        }
        fs::write(group.0.join("pids.max"), most.to_string())?;
        Ok(group)
    }

    /// Has groups below the deployer's own one count processes.
    fn enable(&self) -> io::Result<()> {
        let control = self.own.join("cgroup.subtree_control");
        let is_on = fs::read_to_string(&control)?
            .split_whitespace()
            .any(|one| one == "pids");
        match is_on {
            true => Ok(()),
            false => fs::write(&control, "+pids"),
        }
    }

    /// Removes groups without processes that programs left which are gone: another deployer may be about to enter
    /// one that it has just made.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.own).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let maker = rest.trim_start_matches('-').split('-').next().unwrap_or_default();
            let is_alive = maker.parse::<u32>().is_ok_and(|maker| {
                maker != std::process::id() && Path::new(&format!("/proc/{maker}")).exists()
            });
            if !is_alive {
                // One that is in use cannot be removed.
                _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// The path in a line of `/proc/self/cgroup`, if it is about the hierarchy that counts processes.
fn own_path(line: &str, version: Version) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let is_it = match version {
        Version::One => controllers.split(',').any(|one| one == "pids"),
        Version::Two => controllers.is_empty(),
    };
    is_it.then_some(path)
}

impl ControlGroup {
    /// `command` inside of it, with all that it starts.
    pub(super) fn around(&self, command: Command) -> Command {
        let enter = Command::new("/bin/sh")
            .args(["-c", ENTER, "sh"])
            .arg(self.0.join("cgroup.procs"));
        command.within(enter)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        if fs::remove_dir(&self.0).is_ok() {
            return;
        }
        let path = std::mem::take(&mut self.0);
        thread::spawn(move || remove_soon(&path));
    }
}

#[expect(clippy::disallowed_methods, reason = "it has a thread of its own")]
fn remove_soon(path: &Path) {
    for _ in 0..REMOVAL_TRIES {
        thread::sleep(REMOVAL_PAUSE);
        if fs::remove_dir(path).is_ok() {
            return;
        }
    }
    tracing::warn!(path = %path.display(), "a control group could not be removed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_that_counts_processes_is_found() {
        let of = |mounts: &str, groups: &str| {
            ControlGroups::of(mounts, groups).map(|found| (found.own.display().to_string(), found.version))
        };
        let second = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let service = "0::/system.slice/deployer.service\n";
        let found = of(second, service);
        let expected = "/sys/fs/cgroup/system.slice/deployer.service";
        assert_eq!(found, Some((expected.to_owned(), Version::Two)));
        // A container whose group is mounted as the root.
        let bound = "30 23 0:26 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(
            of(bound, "0::/docker/ab/x\n"),
            Some(("/sys/fs/cgroup/x".to_owned(), Version::Two))
        );
        let both = "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                    32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    33 30 0:29 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n";
        assert_eq!(
            of(both, "9:cpu:/a\n8:pids:/b\n0::/c\n"),
            Some(("/sys/fs/cgroup/pids/b".to_owned(), Version::One))
        );
        for nothing in [
            "",
            "30 23 0:26 / / rw - ext4 /dev/vda rw\n",
            "nonsense",
            " - cgroup2",
        ] {
            assert_eq!(of(nothing, service), None, "{nothing}");
        }
    }
}
