//! Repositories on this host, which projects name by `file://`.
//!
//! libgit2 opens those of its own account only, as the settings of somebody else's repository might run
//! programs, and its own way to one calls itself for each directory in a directory: a repository that nests
//! ten thousands of them ends the process. So we find objects and refs ourselves, follow no setting, and
//! serve them to libgit2 as a Git host would. Whoever set the deployer up has named the directories of the
//! repositories that are fetched, so it does not matter whom one belongs to.

mod refs;
mod serve;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{Odb, Oid};

pub(super) use self::serve::Receiver;
use super::error::{Error, Result};
use super::refs::{reftable, sha256, shallow};
use super::url::is_below;

/// Bytes of a file with a single name that are read.
const NAME_BYTES: u64 = 4096;
/// Places of objects that are looked at; libgit2 goes five deep.
const MOST_PLACES: usize = 100;
/// Bytes of a file that names further places of objects which are read.
const PLACES_BYTES: u64 = 64 * 1024;

/// A repository on this host, ready to be served.
#[derive(Debug)]
pub(super) struct LocalRepository {
    objects: PathBuf,
    /// What each branch and tag points at.
    refs: BTreeMap<String, Oid>,
}

impl LocalRepository {
    /// The repository at `path`, if it and what it leads to is below one of `directories`. Blocks.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::LocalAddress`], [`Error::Unreadable`], [`Error::Unsupported`],
    /// [`Error::TooManyRefs`].
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
        fs::File::open(git_dir.join("HEAD")).map_err(failed)?;
        let shared = common_dir(&git_dir).canonicalize().map_err(failed)?;
        let objects = shared.join("objects");
        fs::read_dir(&objects).map_err(failed)?;
        let refs = ["refs", "packed-refs"].map(|name| shared.join(name));
        for place in [shared.clone()].into_iter().chain(refs).chain(places(&objects)) {
            if !is_below(&place, directories) {
                return Err(Error::LocalAddress { path: place });
            }
        }
        if let Some(error) = special(&shared) {
            return Err(error);
        }
        let mut refs = refs::read(&shared).map_err(|error| match error {
            Error::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => failed(source),
            error => error,
        })?;
        let odb = Odb::new()?;
        odb.add_disk_alternate(&objects.to_string_lossy())?;
        // Git passes over what points at nothing, too.
        refs.retain(|_, at| odb.exists(*at));
        Ok(Self { objects, refs })
    }
}

/// Git's own directory of the repository at `top`, as Git finds it: below it, where a file says, or itself.
fn git_dir(top: &Path) -> PathBuf {
    let inside = top.join(".git");
    if inside.is_dir() {
        return inside;
    }
    let text = read_some(&inside, NAME_BYTES).unwrap_or_default();
    match text.strip_prefix(b"gitdir:") {
        Some(place) => top.join(OsStr::from_bytes(place.trim_ascii())),
        None => top.to_owned(),
    }
}

/// The directory with objects and branches: another one for a linked worktree.
fn common_dir(git_dir: &Path) -> PathBuf {
    match read_some(&git_dir.join("commondir"), NAME_BYTES) {
        Ok(place) => git_dir.join(OsStr::from_bytes(place.trim_ascii_end())),
        Err(_) => git_dir.to_owned(),
    }
}

/// All places that objects are read from: `own`, those that it names, and what they name.
fn places(own: &Path) -> Vec<PathBuf> {
    let mut places = vec![own.to_owned()];
    let mut at = 0;
    while let Some(place) = places.get(at).cloned().filter(|_| places.len() < MOST_PLACES) {
        at += 1;
        let text = read_some(&place.join("info/alternates"), PLACES_BYTES).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n');
        let named = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        places.extend(named.map(|line| place.join(OsStr::from_bytes(line))));
    }
    places
}

/// Why we cannot fetch from the repository with this directory of objects and branches.
fn special(shared: &Path) -> Option<Error> {
    if shared.join("shallow").exists() {
        return Some(shallow());
    }
    let config = git2::Config::open(&shared.join("config")).ok()?;
    let is = |name: &str, value: &str| {
        let found = config.get_string(&format!("extensions.{name}"));
        found.is_ok_and(|found| found.to_lowercase() == value)
    };
    let is_sha256 = is("objectformat", "sha256").then(sha256);
    is_sha256.or_else(|| is("refstorage", "reftable").then(reftable))
}

/// The beginning of a file, `limit` bytes at most.
fn read_some(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
