//! The files of one commit, in a fresh directory: exactly what Git has, nothing run, nothing
//! converted.
//!
//! A tree may be hostile: an entry named `..`, two entries of one name of which the first is a
//! symlink to `/etc`. So every name is looked at, every directory and file must be made by us
//! (making one that exists is an error, and never follows a symlink). Files in Git LFS come from the
//! cache, and submodules from their own mirrors; see [`super::contents`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use git2::{ObjectType, Odb, Oid, Repository, TreeEntry};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tokio_util::sync::CancellationToken;

use super::budget::{PATH_BYTES, find_tree, too_deep};
use super::error::{Error, Result};
use super::lfs::{Cache, Pointer};
use super::mirror::{Mirror, find_commit};
use super::{pack, tree_size};
use crate::domain::CommitId;
use crate::removal::remove_later;

/// From this size on, in bytes, a file is streamed from the pack where that can be done.
const STREAM_FROM: usize = 4 * 1024 * 1024;

const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;
const DIRECTORY_MODE: u32 = 0o755;

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files and symlinks.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Files, symlinks, directories and submodules.
    pub entries: u64,
}

/// One repository's share of the tree.
pub(super) struct ExportPart {
    pub(super) mirror: Mirror,
    pub(super) commit: CommitId,
    /// Where its files belong; empty for the repository itself.
    pub(super) at: PathBuf,
    /// Files that are in the cache of Git LFS.
    pub(super) lfs: BTreeMap<PathBuf, Pointer>,
    /// Whether submodules stand for themselves in it; otherwise there must be none.
    pub(super) has_submodules: bool,
}

impl Mirror {
    /// Writes the tree of `commit` into `into`, which must not exist yet but whose parent must.
    /// Files are `0644` or `0755` as Git has them, symlinks are symlinks, times are the commit's.
    /// The entries are counted before anything is written. After a failure, a cancel, or when the future is
    /// dropped, `into` is gone again.
    ///
    /// # Errors
    /// [`Error::Vanished`], [`Error::Submodule`], [`Error::BadEntry`],
    /// [`Error::TooLarge`], [`Error::TooManyEntries`], [`Error::Disk`], [`Error::Cancelled`].
    pub async fn export(
        &self,
        commit: &CommitId,
        into: &Path,
        cancel: &CancellationToken,
    ) -> Result<Exported> {
        let part = ExportPart {
            mirror: self.clone(),
            commit: commit.clone(),
            at: PathBuf::new(),
            lfs: BTreeMap::new(),
            has_submodules: false,
        };
        all(vec![part], into, cancel).await
    }
}

/// Writes the trees of `parts` into `into`, each where it belongs; what a part lies in comes before it.
///
/// # Errors
/// As [`Mirror::export`].
pub(super) async fn all(parts: Vec<ExportPart>, into: &Path, cancel: &CancellationToken) -> Result<Exported> {
    let into = into.to_owned();
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let work = move || {
        tree_size::demand(parts.iter().map(|part| (&part.mirror, &part.commit)), &stop)?;
        let (mut fresh, mut done) = (None, Exported::default());
        for part in parts {
            let root = into.join(&part.at);
            // Making something in a directory changes its time.
            let above = part.at.parent().map(|above| into.join(above));
            let time_above = above.as_deref().map(modified).transpose()?;
            let repository = part.mirror.inner.open()?;
            make_directory(&root, &into)?;
            fresh.get_or_insert_with(|| Fresh {
                path: into.clone(),
                complete: false,
            });
            // Whatever a cancel ended, a write for one, was cancelled.
            done = export_part(&repository, &part, &root, done, &stop).map_err(|error| {
                if stop.is_cancelled() {
                    Error::Cancelled
                } else {
                    error
                }
            })?;
            if let (Some(above), Some(time)) = (above, time_above) {
                set_time(&above, time).map_err(|error| disk(&above, &into, error))?;
            }
        }
        if let Some(fresh) = fresh {
            fresh.keep();
        }
        Ok(done)
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::Internal)?
}

pub(super) fn export_part(
    repository: &Repository,
    part: &ExportPart,
    root: &Path,
    done: Exported,
    stop: &CancellationToken,
) -> Result<Exported> {
    let commit = find_commit(repository, &part.commit)?;
    let seconds = commit.time().seconds().max(0);
    let export = Export {
        repository,
        odb: repository.odb()?,
        part,
        cache: Cache::of(&part.mirror.inner.path),
        root,
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()),
        stop,
        done,
    };
    export.run(commit.tree_id())
}

/// A directory that is removed again unless the export was completed.
struct Fresh {
    path: PathBuf,
    complete: bool,
}

impl Fresh {
    fn keep(mut self) {
        self.complete = true;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Nobody waits for the removal of many files.
        if !self.complete {
            remove_later(&self.path);
        }
    }
}

struct Export<'a> {
    repository: &'a Repository,
    odb: Odb<'a>,
    part: &'a ExportPart,
    cache: Cache,
    root: &'a Path,
    time: SystemTime,
    stop: &'a CancellationToken,
    /// With what the parts before had.
    done: Exported,
}

impl Export<'_> {
    fn run(mut self, tree: Oid) -> Result<Exported> {
        // Not recursive: a hostile tree may be deeper than our stack.
        let mut directories = vec![self.root.to_owned()];
        let mut ahead = vec![(tree, self.root.to_owned())];
        while let Some((tree, directory)) = ahead.pop() {
            let tree = find_tree(self.repository, tree)?;
            for entry in &tree {
                let path = self.checked(&directory, &entry)?;
                match (entry.kind(), entry.filemode()) {
                    (Some(ObjectType::Tree), _) => {
                        make_directory(&path, self.root)?;
                        directories.push(path.clone());
                        ahead.push((entry.id(), path));
                    }
                    (Some(ObjectType::Blob), 0o120_000) => self.symlink(entry.id(), &path)?,
                    (Some(ObjectType::Blob), mode) => self.file(entry.id(), &path, mode)?,
                    // Its own part makes it.
                    _ if self.part.has_submodules => {}
                    _ => return Err(Error::Submodule(self.shown(&path))),
                }
            }
        }
        // Last, as every entry made in a directory changes its time.
        for directory in directories.iter().rev() {
            self.set_time(directory)?;
        }
        Ok(self.done)
    }

    /// The path of an entry, if it may be written and the export was not cancelled.
    fn checked(&mut self, directory: &Path, entry: &TreeEntry<'_>) -> Result<PathBuf> {
        if self.stop.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let name = entry.name_bytes();
        let path = directory.join(OsStr::from_bytes(name));
        let bad = |why| {
            Err(Error::BadEntry {
                path: String::from_utf8_lossy(name).into_owned(),
                why,
            })
        };
        self.done.entries += 1;
        let limit = self.part.mirror.inner.options.entry_limit;
        if self.done.entries > limit {
            return Err(Error::TooManyEntries { limit });
        }
        // With the NUL that ends it there.
        if path.as_os_str().len() >= PATH_BYTES {
            return Err(too_deep(name));
        }
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return bad("leads out of the tree");
        }
        if name.eq_ignore_ascii_case(b".git") {
            return bad("would be taken for a repository");
        }
        Ok(path)
    }

    fn symlink(&mut self, blob: Oid, path: &Path) -> Result<()> {
        let (size, _) = self.odb.read_header(blob)?;
        within(self.whole_limit(), size, || self.shown(path))?;
        let blob = self.repository.find_blob(blob)?;
        let target = OsStr::from_bytes(blob.content());
        symlink(target, path).map_err(|error| self.disk(path, error))?;
        self.set_time(path)?;
        self.count(blob.size() as u64);
        Ok(())
    }

    fn file(&mut self, blob: Oid, path: &Path, mode: i32) -> Result<()> {
        let mode = if mode & 0o111 == 0 {
            FILE_MODE
        } else {
            PROGRAM_MODE
        };
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(path);
        let mut file = opened.map_err(|error| self.disk(path, error))?;
        let bytes = self.fill(&mut file, blob, path)?;
        let finish = || {
            // The umask may have taken bits away that Git says are there.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.set_times(FileTimes::new().set_modified(self.time).set_accessed(self.time))
        };
        finish().map_err(|error| self.disk(path, error))?;
        self.count(bytes);
        Ok(())
    }

    /// Bytes of a file that has to be read as a whole.
    fn whole_limit(&self) -> u64 {
        self.part.mirror.inner.options.whole_file_limit
    }

    fn fill(&self, file: &mut File, blob: Oid, path: &Path) -> Result<u64> {
        let mut writer = Watched {
            file,
            stop: self.stop,
        };
        let inside = path.strip_prefix(self.root).unwrap_or(path);
        if let Some(pointer) = self.part.lfs.get(inside) {
            let written = self.cache.write(pointer, &mut writer);
            written.map_err(|error| self.disk(path, error))?;
            return Ok(pointer.size);
        }
        let (size, _) = self.odb.read_header(blob)?;
        if size >= STREAM_FROM {
            match pack::stream_blob(self.repository.path(), blob, &mut writer) {
                Ok(true) => return Ok(size as u64),
                Ok(false) => {}
                Err(error) => return Err(self.disk(path, error)),
            }
        }
        within(self.whole_limit(), size, || self.shown(path))?;
        let blob = self.odb.read(blob)?;
        writer
            .write_all(blob.data())
            .map_err(|error| self.disk(path, error))?;
        Ok(size as u64)
    }

    fn set_time(&self, path: &Path) -> Result<()> {
        set_time(path, self.time).map_err(|error| self.disk(path, error))
    }

    fn count(&mut self, bytes: u64) {
        self.done.files += 1;
        self.done.bytes += bytes;
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }

    fn disk(&self, path: &Path, error: io::Error) -> Error {
        disk(path, self.root, error)
    }
}

/// Stops a long write when it is cancelled.
struct Watched<'a> {
    file: &'a mut File,
    stop: &'a CancellationToken,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file of `size` may be held in memory whole.
pub(super) fn within(limit: u64, size: usize, path: impl FnOnce() -> String) -> Result<()> {
    let bytes = size as u64;
    if bytes > limit {
        let path = path();
        return Err(Error::TooLarge { path, bytes, limit });
    }
    Ok(())
}

/// Sets both times of a path, and follows no link.
fn set_time(path: &Path, time: SystemTime) -> io::Result<()> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let spec = TimeSpec::from_duration(since);
    utimensat(AT_FDCWD, path, &spec, &spec, UtimensatFlags::NoFollowSymlink).map_err(Into::into)
}

fn modified(path: &Path) -> Result<SystemTime> {
    let found = fs::symlink_metadata(path).and_then(|found| found.modified());
    found.map_err(|error| disk(path, path, error))
}

fn make_directory(path: &Path, root: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    let made = made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)));
    made.map_err(|error| disk(path, root, error))
}

fn disk(path: &Path, root: &Path, error: io::Error) -> Error {
    let shown = match path.strip_prefix(root) {
        Ok(inside) if inside != Path::new("") => inside,
        _ => path,
    };
    let shown = shown.to_string_lossy().into_owned();
    if error.kind() == io::ErrorKind::AlreadyExists && path != root {
        return Error::BadEntry {
            path: shown,
            why: "stands twice in one directory",
        };
    }
    Error::Disk {
        path: shown,
        source: error,
    }
}
