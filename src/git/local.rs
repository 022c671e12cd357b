//! Repositories on this host, which projects name by `file://`.
//!
//! libgit2 opens those of its own account only: the settings of somebody else's repository might run
//! programs. We run none, and whoever set the deployer up has named the directories of the repositories that
//! are fetched. So one of another account is fetched by way of a stand-in, a directory of ours that has the
//! form of a linked worktree: it shares objects, branches and tags with the repository.
//!
//! libgit2 lists the branches and tags; [`super::copy`] brings the objects.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::error::{Error, Result};
use super::refs;
use super::url::is_below;
use crate::small_file;

/// Before the path in a file that stands in the place of `.git`.
const GIT_DIR: &[u8] = b"gitdir:";
/// More than `HEAD`, `.git` and `commondir` can hold: a path and a word.
const LONGEST_OWN_FILE: u64 = 8 * 1024;
/// More than the names of all repositories that one shares objects with.
const LONGEST_ALTERNATES: u64 = 64 * 1024;

/// Directories of objects that are looked at; nobody has as many.
const MOST_PLACES: usize = 1000;

/// A repository on this host, ready for libgit2.
pub(super) struct LocalRepository {
    /// Where libgit2 finds it.
    pub(super) path: PathBuf,
    /// The directory of its objects.
    pub(super) objects: PathBuf,
    /// What stands in for one of another account; removed with this.
    pub(super) stand_in: Option<TempDir>,
}

impl LocalRepository {
    /// The repository at `path`, if it and what it leads to is below one of `directories`.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::LocalAddress`], [`Error::Unreadable`], [`Error::Unsupported`].
    pub(super) fn open(path: &Path, directories: &[PathBuf]) -> Result<Self> {
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::PermissionDenied => Error::Unreadable {
                path: path.to_owned(),
                cause,
            },
            _ => Error::NoRepository {
                path: path.to_owned(),
            },
        };
        let top = path.canonicalize().map_err(failed)?;
        let git_dir = git_dir(&top);
        let head = own_file(&git_dir.join("HEAD")).map_err(failed)?;
        let shared = common_dir(&git_dir).and_then(|dir| dir.canonicalize());
        let shared = shared.map_err(failed)?;
        let objects = shared.join("objects");
        let mut places = object_places(&objects).map_err(failed)?;
        places.extend(["", "refs", "packed-refs"].map(|name| shared.join(name)));
        if let Some(path) = places.into_iter().find(|place| !is_below(place, directories)) {
            return Err(Error::LocalAddress { path });
        }
        if let Some(error) = special(&shared) {
            return Err(error);
        }
        if [&top, &git_dir, &shared].into_iter().all(|dir| is_ours(dir)) {
            return Ok(Self {
                path: top,
                objects,
                stand_in: None,
            });
        }
        let made = stand_in(&head, &shared).map_err(|source| Error::Disk {
            path: std::env::temp_dir().display().to_string(),
            source,
        })?;
        Ok(Self {
            path: made.path().join("git"),
            objects,
            stand_in: Some(made),
        })
    }
}

/// The directories that objects are read from where a repository has `objects`: that one, and those that it
/// names, as one does that shares them with others.
///
/// # Errors
/// As [`small_file::read`], before libgit2 waits for such a file.
fn object_places(objects: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut places, mut at) = (vec![objects.to_owned()], 0);
    while let Some(place) = places.get(at).cloned() {
        at += 1;
        let text = match small_file::read(&place.join("info/alternates"), LONGEST_ALTERNATES) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            read => read.unwrap_or_default(),
        };
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        places.extend(lines.map(|line| place.join(OsStr::from_bytes(line))));
        if places.len() > MOST_PLACES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
    }
    Ok(places)
}

/// Whether libgit2 opens it: both the directory and a link to it have to be ours.
fn is_ours(dir: &Path) -> bool {
    let own = geteuid().as_raw();
    [fs::metadata(dir), fs::symlink_metadata(dir)]
        .into_iter()
        .all(|known| known.is_ok_and(|known| known.uid() == own))
}

/// Git's own directory of the repository at `top`, as Git finds it: below it, where a file says, or itself.
fn git_dir(top: &Path) -> PathBuf {
    let inside = top.join(".git");
    if inside.is_dir() {
        return inside;
    }
    match own_file(&inside) {
        Ok(text) if text.starts_with(GIT_DIR) => top.join(place(&text[GIT_DIR.len()..])),
        _ => top.to_owned(),
    }
}

/// The directory with objects and branches: another one for a linked worktree.
///
/// # Errors
/// As [`small_file::read`], before libgit2 waits for such a file.
fn common_dir(git_dir: &Path) -> io::Result<PathBuf> {
    match own_file(&git_dir.join("commondir")) {
        Ok(text) => Ok(git_dir.join(place(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(git_dir.to_owned()),
        Err(error) => Err(error),
    }
}

/// The path that a file of Git's own names.
fn place(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text.trim_ascii()))
}

/// The text of one of Git's own small files.
fn own_file(path: &Path) -> io::Result<Vec<u8>> {
    small_file::read(path, LONGEST_OWN_FILE)
}

/// A linked worktree of the repository at `shared`, which has no files and the branch of `head`.
fn stand_in(head: &[u8], shared: &Path) -> io::Result<TempDir> {
    let made = tempfile::Builder::new().prefix("deployer-git-").tempdir()?;
    let git_dir = made.path().join("git");
    fs::create_dir(&git_dir)?;
    fs::write(git_dir.join("HEAD"), head)?;
    fs::write(git_dir.join("commondir"), shared.as_os_str().as_bytes())?;
    let tree = made.path().join("tree/.git");
    fs::write(git_dir.join("gitdir"), tree.as_os_str().as_bytes())?;
    Ok(made)
}

/// Why libgit2 cannot fetch from the repository with this directory of objects and branches.
fn special(shared: &Path) -> Option<Error> {
    if shared.join("shallow").exists() {
        return Some(refs::shallow());
    }
    let config = git2::Config::open(&shared.join("config")).ok()?;
    if is_partial(&config) {
        return Some(refs::partial());
    }
    let format = config.get_string("extensions.objectformat").ok()?;
    (format.to_lowercase() == "sha256").then(refs::sha256)
}

/// Whether a remote of it promises objects that are not there.
fn is_partial(config: &git2::Config) -> bool {
    let mut promisors = match config.entries(Some("remote\\..*\\.promisor")) {
        Ok(entries) => entries,
        Err(_) => return false,
    };
    promisors.next().is_some_and(|entry| entry.is_ok())
}
