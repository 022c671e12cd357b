//! Removes directories that others filled, whatever they put there.
//!
//! A script can nest directories deeper than any stack, and deeper than any path may be long. So nothing
//! here calls itself, and no more than a few directories are open at once: what lies in a directory of
//! the top is moved up to the top, where its turn comes.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// What the names of directories begin with that were moved aside to be removed.
const ASIDE: &str = ".removed-";
/// What we need on a directory to empty it.
const OWN: Mode = Mode::S_IRWXU;

/// Removes a directory with all that is below it, also what was made read-only, as the module caches
/// of some languages are. Follows no link. Nothing may be writing there any more. Blocks.
///
/// # Errors
/// Those of the file system; `NotFound` where there is nothing.
pub fn remove_all(path: &Path) -> io::Result<()> {
    let top = open(AT_FDCWD, path)?;
    let mut moved = 0;
    while empty_once(&top, &mut moved)? {}
    fs::remove_dir(path)
}

/// Moves a directory aside at once, below the one that it is in, and removes it in a thread of its own: that may
/// take long, and nobody waits for it. Does nothing where there is nothing.
pub fn remove_later(path: &Path) {
    let aside = path.with_file_name(format!("{ASIDE}{:016x}", rand::random::<u64>()));
    let gone = match fs::rename(path, &aside) {
        Ok(()) => aside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(_) => path.to_owned(),
    };
    std::thread::spawn(move || warn_unless_removed(&gone));
}

/// Removes in a thread of its own what [`remove_later`] of an earlier process moved aside in `directory`.
pub fn remove_set_aside(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let aside = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with(ASIDE)
    });
    let aside: Vec<PathBuf> = aside.map(|entry| entry.path()).collect();
    std::thread::spawn(move || aside.iter().for_each(|path| warn_unless_removed(path)));
}

fn warn_unless_removed(path: &Path) {
    match remove_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a directory that nobody needs could not be removed");
        }
        _ => {}
    }
}

/// Removes what is in `top` now; whether there was anything.
fn empty_once(top: &OwnedFd, moved: &mut u64) -> io::Result<bool> {
    let mut found = false;
    each(top, |name, kind| {
        found = true;
        if remove(top, name, kind)? {
            return Ok(());
        }
        let inner = open(top, name)?;
        each(&inner, |name, kind| match remove(&inner, name, kind)? {
            true => Ok(()),
            false => move_up(&inner, name, top, moved),
        })?;
        unlinkat(top, name, UnlinkatFlags::RemoveDir)?;
        Ok(())
    })?;
    Ok(found)
}

/// Calls `act` for all that is in a directory, with what kind it is if that is known.
fn each(directory: &OwnedFd, mut act: impl FnMut(&CStr, Option<Type>) -> io::Result<()>) -> io::Result<()> {
    let mut entries = Dir::from_fd(directory.try_clone()?)?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            act(name, entry.file_type())?;
        }
    }
    Ok(())
}

/// Removes what is no directory, or an empty one; whether it is gone.
fn remove(from: &OwnedFd, name: &CStr, kind: Option<Type>) -> io::Result<bool> {
    if kind != Some(Type::Directory) {
        match unlinkat(from, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => {}
            done => return Ok(done.map(|()| true)?),
        }
    }
    match unlinkat(from, name, UnlinkatFlags::RemoveDir) {
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        done => Ok(done.map(|()| true)?),
    }
}

/// Moves a directory to the top under a name of its own.
fn move_up(from: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    loop {
        let fresh = format!("removed-{moved}");
        *moved += 1;
        match renameat(from, name, top, fresh.as_str()) {
            // Something of that name is there already.
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
            // Moving a directory changes what is above it, which takes the right to write there.
            Err(Errno::EACCES) => drop(open(from, name)?),
            done => return Ok(done?),
        }
    }
}

/// Opens a directory, and gives us back all rights on it.
fn open<P: ?Sized + nix::NixPath>(at: impl AsFd, name: &P) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = match openat(&at, name, flags, Mode::empty()) {
        Err(Errno::EACCES) => {
            let unread = openat(&at, name, flags | OFlag::O_PATH, Mode::empty())?;
            fs::set_permissions(own_path(unread.as_fd()), Permissions::from_mode(OWN.bits()))?;
            openat(&at, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    let has = Mode::from_bits_truncate(fstat(&opened)?.st_mode);
    if !has.contains(OWN) {
        fchmod(&opened, has | OWN)?;
    }
    Ok(opened)
}

/// The name that the system gives to an open file.
fn own_path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::mkdirat;

    use super::*;

    /// Levels of directories in each other: their path is longer than any that can be named, and a call for
    /// each is more than [`STACK`] holds.
    const LEVELS: usize = 2000;
    const STACK: usize = 128 * 1024;

    #[test]
    fn nothing_is_too_deep() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut at = open(AT_FDCWD, &top).unwrap();
        for level in 0..LEVELS {
            mkdirat(&at, "deeper", OWN).unwrap();
            at = open(&at, "deeper").unwrap();
            if level % 100 == 0 {
                let flags = OFlag::O_CREAT | OFlag::O_CLOEXEC;
                drop(openat(&at, "file", flags, OWN).unwrap());
            }
        }
        drop(at);
        let gone = top.clone();
        let removing = std::thread::Builder::new().stack_size(STACK);
        let removing = removing.spawn(move || remove_all(&gone)).unwrap();
        removing.join().unwrap().unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn what_is_read_only_goes_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (top, outside) = (parent.path().join("top"), parent.path().join("outside"));
        fs::create_dir_all(top.join("a/b/c/d")).unwrap();
        fs::create_dir_all(top.join("removed-0/removed-1")).unwrap();
        fs::create_dir_all(outside.join("kept")).unwrap();
        for file in [
            "a/file",
            "a/b/file",
            "a/b/c/d/file",
            "removed-0/removed-1/file",
            "removed-2",
        ] {
            fs::write(top.join(file), "").unwrap();
        }
        symlink(&outside, top.join("a/b/link")).unwrap();
        symlink(&outside, top.join("link")).unwrap();
        for closed in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(top.join(closed), Permissions::from_mode(0o000)).unwrap();
        }
        remove_all(&top).unwrap();
        assert!(!top.exists() && outside.join("kept").exists());
        let missing = remove_all(&top).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        symlink(&outside, &top).unwrap();
        assert!(remove_all(&top).is_err(), "a link is no directory");
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn what_is_removed_later_is_out_of_the_way_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().join("top");
        let left = || fs::read_dir(parent.path()).unwrap().count();
        fs::create_dir_all(top.join("a/b")).unwrap();
        remove_later(&top);
        assert!(!top.exists());
        remove_later(&top);
        fs::create_dir_all(parent.path().join(format!("{ASIDE}0/a/b"))).unwrap();
        remove_set_aside(parent.path());
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while left() > 0 && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(left(), 0);
    }
}
