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
use super::manifest::{KnownTrees, Manifest, TreeEntry};
use super::rules::{Ownership, Rules, is_own};
use super::{Digest, local_path};
use crate::domain::Instant;

/// Permission bits that are deployed; set-user-id and the like are not.
const MODE_BITS: u32 = 0o777;
/// Added to every directory: one that its owner cannot enter or write could not be deployed over.
const OWN_DIRECTORY: u32 = 0o700;
/// The largest pointer of Git LFS, by its specification.
const POINTER: u64 = 1024;
/// Bytes read at once: large enough that system calls cost nothing beside the hashing.
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

fn walk(root: &LocalPath, rules: &Rules) -> Result<(BTreeMap<Path, TreeEntry>, Vec<File>), Error> {
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
            if verdict == Ownership::Kept {
                continue;
            }
            let data = child.metadata().map_err(|e| Error::tree(&path, e))?;
            let mode = data.permissions().mode() & if crate::sabotage::on("y3") { 0o7777 } else { MODE_BITS };
            if kind.is_dir() {
                let counted = verdict == Ownership::Ours;
                entries.insert(
                    path.clone(),
                    TreeEntry::Directory {
                        mode: mode | if crate::sabotage::on("y4") { 0 } else { OWN_DIRECTORY },
                        counted,
                    },
                );
                directories.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(child.path()).map_err(|e| Error::tree(&path, e))?;
                entries.insert(path, TreeEntry::Symlink(target.into_os_string().into_vec()));
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

/// Names at the top of an exported tree that are not deployed, because we use them ourselves. Blocks for
/// one look at a directory.
pub fn reserved_names(root: &LocalPath) -> Vec<String> {
    let names = std::fs::read_dir(root).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| is_own(name)).collect()
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

/// Whether a small file is nothing but a pointer to one that is kept in Git LFS.
fn is_lfs_pointer(content: &[u8]) -> bool {
    let Some(rest) = content.strip_prefix(b"version https://git-lfs.github.com/spec/v1\n") else {
        return false;
    };
    let mut lines = rest.split(|byte| *byte == b'\n');
    lines.any(|line| line.starts_with(b"oid sha256:")) && lines.any(|line| line.starts_with(b"size "))
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
    if file.size <= POINTER && is_lfs_pointer(&buffer[..usize::try_from(size).unwrap_or(0).min(buffer.len())])
    {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is a pointer to a file in Git LFS and not the file. Have the project fetch such files, and say “filter=lfs” of it in .gitattributes; or fetch it in predeploy.sh, or list it under excluded paths",
        ));
    }
    if size != file.size {
        return Err(io::Error::other("it is being changed by somebody"));
    }
    Ok(Digest(sum.finalize().into()))
}
