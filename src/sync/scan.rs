//! Reading a tree on this host into a [`Manifest`].
//!
//! The walk is one thread's work; the hashing is spread over all cores, because it is what takes
//! the time. Nothing here runs on the runtime's own threads.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::listing::Path;
use super::manifest::{KnownTrees, Manifest, TreeEntry};
use super::rules::{Ownership, Rules, is_own};
use super::stored::Stored;
use super::{Digest, local_path};
use crate::domain::Instant;

/// Permission bits that are deployed; set-user-id and the like are not.
const MODE_BITS: u32 = 0o777;
/// Those of a tree that one group alone may read.
const BITS_FOR_GROUP: u32 = 0o770;
/// Added to every directory: one that its owner cannot enter or write could not be deployed over.
const OWN_DIRECTORY: u32 = 0o700;
/// The largest pointer of Git LFS, by its specification.
const POINTER: u64 = 1024;
/// Bytes read at once: large enough that system calls cost nothing beside the hashing.
const CHUNK: usize = 128 * 1024;
/// Files, links and directories of a tree: as many as are exported.
const ENTRIES: usize = 5_000_000;

/// What is scanned, and how much it may be.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The top of the tree.
    pub root: PathBuf,
    pub rules: Rules,
    /// New contents get this time.
    pub commit_time: Instant,
    /// Bytes that all files may have together; what is not sent is not counted.
    pub limit: u64,
    /// Ends it, also in the middle of a file.
    pub cancel: CancellationToken,
}

struct File {
    path: Path,
    mode: u32,
    size: u64,
}

impl Manifest {
    /// Scans a tree. New contents get its commit's time; contents that `known` has at the same path keep
    /// their time.
    ///
    /// # Errors
    /// [`Error::Tree`] for what cannot be read or cannot be deployed (a socket, a device);
    /// [`Error::TooLarge`], before any file is read; [`Error::Cancelled`].
    pub async fn scan(scan: Scan, known: KnownTrees) -> Result<Self, Error> {
        let fresh = u64::try_from(scan.commit_time.timestamp()).unwrap_or(0);
        // Nobody waits for the threads when this is dropped.
        let scan = Scan {
            cancel: scan.cancel.child_token(),
            ..scan
        };
        let _stop_when_dropped = scan.cancel.clone().drop_guard();
        let work = move || {
            let (mut entries, files) = scan.walk()?;
            let hashes = scan.hash_all(&files)?;
            for (File { path, mode, size }, hash) in files.into_iter().zip(hashes) {
                let mtime = known.mtime(&path, size, hash, fresh);
                entries.insert(
                    path,
                    TreeEntry::File {
                        mode,
                        size,
                        mtime,
                        hash,
                    },
                );
            }
            Ok(Self::new(entries))
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::task)?
    }
}

/// Everything in a tree but its files, and those.
type Walked = (BTreeMap<Path, TreeEntry>, Vec<File>);

impl Scan {
    fn walk(&self) -> Result<Walked, Error> {
        let (mut entries, mut files, mut bytes) = (BTreeMap::new(), Vec::new(), 0_u64);
        let mut directories = vec![Path::new()];
        while let Some(directory) = directories.pop() {
            let here = local_path(&self.root, &directory);
            for child in fs::read_dir(&here).map_err(|e| Error::tree(&directory, e))? {
                self.check_wanted()?;
                let child = child.map_err(|e| Error::tree(&directory, e))?;
                let name = child.file_name();
                let path = match directory.as_slice() {
                    b"" => name.as_bytes().to_vec(),
                    above => [above, b"/", name.as_bytes()].concat(),
                };
                let kind = child.file_type().map_err(|e| Error::tree(&path, e))?;
                let verdict = self.rules.verdict(&path, kind.is_dir());
                if verdict == Ownership::Kept {
                    continue;
                }
                if !kind.is_dir() {
                    self.check_above_stored(&path)?;
                }
                let data = child.metadata().map_err(|e| Error::tree(&path, e))?;
                match entry(&child, &path, &data, (verdict, self.bits()))? {
                    Some(entry) => {
                        if kind.is_dir() {
                            directories.push(path.clone());
                        }
                        entries.insert(path, entry);
                    }
                    None => {
                        bytes = bytes.saturating_add(data.len());
                        files.push(File {
                            path,
                            mode: data.permissions().mode() & self.bits(),
                            size: data.len(),
                        });
                    }
                }
                self.check_size(bytes, entries.len() + files.len())?;
            }
        }
        Ok((entries, files))
    }

    /// Refuses a file or link where a directory above a stored path has to be, into which nothing could be
    /// linked.
    fn check_above_stored(&self, path: &[u8]) -> Result<(), Error> {
        let is_above = |stored: &&Stored| {
            let rest = stored.path.as_bytes().strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with(b"/") && rest != b"/")
        };
        match self.rules.stored().iter().find(is_above) {
            None => Ok(()),
            Some(stored) => {
                let why = format!(
                    "it is no directory, and the excluded or shared path “{}” lies below it",
                    stored.plain()
                );
                Err(Error::tree(path, io::Error::other(why)))
            }
        }
    }

    fn bits(&self) -> u32 {
        match self.rules.readers {
            Some(_) => BITS_FOR_GROUP,
            None => MODE_BITS,
        }
    }

    fn check_wanted(&self) -> Result<(), Error> {
        match self.cancel.is_cancelled() {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    fn check_size(&self, bytes: u64, entries: usize) -> Result<(), Error> {
        let too_large = |limit, unit, setting| Error::TooLarge { limit, unit, setting };
        if bytes > self.limit {
            return Err(too_large(self.limit, "bytes", "engine.tree_limit_mib"));
        }
        if entries > ENTRIES {
            return Err(too_large(
                ENTRIES as u64,
                "files and directories",
                "no setting changes that",
            ));
        }
        Ok(())
    }
}

/// What is there; `None` for a regular file.
fn entry(
    child: &fs::DirEntry,
    path: &Path,
    data: &fs::Metadata,
    (verdict, bits): (Ownership, u32),
) -> Result<Option<TreeEntry>, Error> {
    let kind = data.file_type();
    if kind.is_dir() {
        return Ok(Some(TreeEntry::Directory {
            mode: data.permissions().mode() & bits | OWN_DIRECTORY,
            counted: verdict == Ownership::Ours,
        }));
    }
    if kind.is_symlink() {
        let target = fs::read_link(child.path()).map_err(|e| Error::tree(path, e))?;
        return Ok(Some(TreeEntry::Symlink(target.into_os_string().into_vec())));
    }
    if kind.is_file() {
        return Ok(None);
    }
    let what = "it is a socket, a pipe or a device, which cannot be deployed";
    Err(Error::tree(
        path,
        io::Error::new(io::ErrorKind::Unsupported, what),
    ))
}

/// Names at the top of an exported tree that are not deployed, because we use them ourselves. Blocks for
/// one look at a directory.
pub fn reserved_names(root: &LocalPath) -> Vec<String> {
    let names = std::fs::read_dir(root).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| is_own(name)).collect()
}

impl Scan {
    /// The hashes of `files`, in their order.
    fn hash_all(&self, files: &[File]) -> Result<Vec<Digest>, Error> {
        let next = AtomicUsize::new(0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let worker = || {
            let (mut done, mut buffer) = (Vec::new(), vec![0; CHUNK]);
            while let Some((at, file)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, files.get(at)?)))
            {
                done.push((at, self.hash_one(file, &mut buffer)?));
            }
            Ok::<_, Error>(done)
        };
        let mut hashes = vec![Digest([0; 32]); files.len()];
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
            for worker in workers {
                let done = worker
                    .join()
                    .map_err(|_| Error::task("a hashing thread ended badly"))??;
                for (at, hash) in done {
                    hashes[at] = hash;
                }
            }
            Ok(())
        })
        .map(|()| hashes)
    }

    fn hash_one(&self, file: &File, buffer: &mut [u8]) -> Result<Digest, Error> {
        let failed = |error| Error::tree(&file.path, error);
        let changed = || failed(io::Error::other("it is being changed by somebody"));
        let content = OpenOptions::new()
            .read(true)
            // A pipe in its place would never be opened, and a link leads elsewhere.
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(local_path(&self.root, &file.path));
        let mut content = content.map_err(failed)?;
        let mut sum = Sha256::new();
        let mut size = 0;
        loop {
            self.check_wanted()?;
            match content.read(buffer).map_err(failed)? {
                0 => break,
                count => {
                    sum.update(&buffer[..count]);
                    size += count as u64;
                }
            }
            // Somebody may go on writing for ever.
            if size > file.size {
                return Err(changed());
            }
        }
        let head = &buffer[..usize::try_from(size).unwrap_or(0).min(buffer.len())];
        if file.size <= POINTER && is_lfs_pointer(head) {
            return Err(failed(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is a pointer to a file in Git LFS and not the file. Have the project fetch such files, and say “filter=lfs” of it in .gitattributes; or fetch it in predeploy.sh, or list it under excluded paths",
            )));
        }
        if size != file.size {
            return Err(changed());
        }
        Ok(Digest(sum.finalize().into()))
    }
}

/// Whether a small file is nothing but a pointer to one that is kept in Git LFS.
fn is_lfs_pointer(content: &[u8]) -> bool {
    let Some(rest) = content.strip_prefix(b"version https://git-lfs.github.com/spec/v1\n") else {
        return false;
    };
    let mut lines = rest.split(|byte| *byte == b'\n');
    lines.any(|line| line.starts_with(b"oid sha256:")) && lines.any(|line| line.starts_with(b"size "))
}
