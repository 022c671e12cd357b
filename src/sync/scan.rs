//! Reading a tree on this host into a [`Manifest`].
//!
//! The walk is one thread's work; the hashing is spread over all cores, because it is what takes
//! the time. Nothing here runs on the runtime's own threads.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::listing::Path;
use super::manifest::{Entry, KnownTrees, Manifest};
use super::rules::{Rules, Verdict};
use super::{Digest, local_path};
use crate::domain::Instant;

/// Permission bits that travel; set-user-id and its like stay behind.
const MODE_BITS: u32 = 0o777;
/// A directory its owner cannot enter or write could never be deployed over.
const OWN_DIRECTORY: u32 = 0o700;
/// Bytes read at once: big enough that system calls don't show.
const CHUNK: usize = 128 * 1024;

struct File {
    path: Path,
    mode: u32,
    size: u64,
}

impl Manifest {
    /// Scans the tree at `root`. New contents get `commit_time`; contents that `known` has at the
    /// same path keep their time.
    ///
    /// # Errors
    /// [`Error::Tree`] for what cannot be read or cannot be deployed (a socket, a device).
    pub async fn scan(
        root: PathBuf,
        rules: Rules,
        commit_time: Instant,
        known: KnownTrees,
    ) -> Result<Self, Error> {
        let fresh = u64::try_from(commit_time.timestamp()).unwrap_or(0);
        let work = move || {
            let (mut entries, files) = walk(&root, &rules)?;
            let hashes = hash_all(&root, &files)?;
            for (File { path, mode, size }, hash) in files.into_iter().zip(hashes) {
                let mtime = known.mtime(&path, size, hash, fresh);
                entries.insert(
                    path,
                    Entry::File {
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

fn walk(root: &LocalPath, rules: &Rules) -> Result<(BTreeMap<Path, Entry>, Vec<File>), Error> {
    let (mut entries, mut files) = (BTreeMap::new(), Vec::new());
    let mut directories = vec![Path::new()];
    while let Some(directory) = directories.pop() {
        let here = local_path(root, &directory);
        for child in fs::read_dir(&here).map_err(|e| Error::tree(&directory, e))? {
            let child = child.map_err(|e| Error::tree(&directory, e))?;
            let name = child.file_name();
            let path = match directory.as_slice() {
                b"" => name.as_bytes().to_vec(),
                above => [above, b"/", name.as_bytes()].concat(),
            };
            let kind = child.file_type().map_err(|e| Error::tree(&path, e))?;
            let verdict = rules.verdict(&path, kind.is_dir());
            if verdict == Verdict::Kept {
                continue;
            }
            let data = child.metadata().map_err(|e| Error::tree(&path, e))?;
            let mode = data.permissions().mode() & MODE_BITS;
            if kind.is_dir() {
                let counted = verdict == Verdict::Ours;
                entries.insert(
                    path.clone(),
                    Entry::Directory {
                        mode: mode | OWN_DIRECTORY,
                        counted,
                    },
                );
                directories.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(child.path()).map_err(|e| Error::tree(&path, e))?;
                entries.insert(path, Entry::Symlink(target.into_os_string().into_vec()));
            } else if kind.is_file() {
                files.push(File {
                    path,
                    mode,
                    size: data.len(),
                });
            } else {
                let what = "it is a socket, a pipe or a device, which cannot be deployed";
                return Err(Error::tree(
                    &path,
                    io::Error::new(io::ErrorKind::Unsupported, what),
                ));
            }
        }
    }
    Ok((entries, files))
}

/// The hashes of `files`, in their order.
fn hash_all(root: &LocalPath, files: &[File]) -> Result<Vec<Digest>, Error> {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let worker = || {
        let (mut done, mut buffer) = (Vec::new(), vec![0; CHUNK]);
        while let Some((at, file)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, files.get(at)?)))
        {
            let hash = hash_one(root, file, &mut buffer).map_err(|e| Error::tree(&file.path, e))?;
            done.push((at, hash));
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

fn hash_one(root: &LocalPath, file: &File, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut content = fs::File::open(local_path(root, &file.path))?;
    let mut sum = Sha256::new();
    let mut size = 0;
    loop {
        match content.read(buffer)? {
            0 => break,
            count => {
                sum.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    if size != file.size {
        return Err(io::Error::other("it is being changed by somebody"));
    }
    Ok(Digest(sum.finalize().into()))
}
