//! A difference as one stream: a tar archive, compressed once, sent to every server that starts
//! from the same tree.
//!
//! `lists/…` holds NUL-ended paths: what to remove or, for a new release, what to copy from the
//! previous one; new directories; permission bits to set. `tree/…` holds the new files with their
//! times and bits, and the directories above them; `swap/…` holds the files that replace something
//! that is not a file. `complete` comes last, so that a stream that broke off is never taken for
//! whole, whatever tar says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path as LocalPath, PathBuf};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::difference::{Difference, Removal, parent};
use super::error::Error;
use super::local_path;
use super::manifest::{Manifest, TreeEntry};
use super::rules::{Ownership, Rules};
use crate::domain::SyncMethod;
use crate::free_room::{RoomWatch, RoomWriter};
use crate::ssh::Stdin;

/// Packs with less content than this stay in memory: a few of them are nothing, and most
/// deployments change little.
const MEMORY_LIMIT: u64 = 8 * 1024 * 1024;
/// Below this, starting gzip on the server costs more than it saves.
const WORTH_COMPRESSING: u64 = 64 * 1024;
/// The mode that new directories get by our umask; other modes are listed.
const PLAIN_DIRECTORY: u32 = 0o755;
/// What a tar header's link field holds.
const LINK_FIELD: usize = 100;
/// What a server makes beside what is sent: a directory to stage in with others in it, a listing, markers.
const OWN_INODES: u64 = 16;
/// Bytes gathered per write to a pack on disk.
const BUFFER: usize = 256 * 1024;

/// A difference, ready to be sent any number of times.
#[derive(Debug)]
pub struct Pack {
    body: Body,
    /// Whether it is compressed with gzip.
    pub gzip: bool,
    /// Bytes as they go over the wire.
    pub wire_bytes: u64,
    /// Bytes the new files take on the server.
    pub content_bytes: u64,
    /// Regular files and links in it.
    pub files: u64,
    /// Inodes that unpacking it takes.
    pub inodes: u64,
}

/// NUL-ended paths, by the name of the list.
type Lists = BTreeMap<String, Vec<u8>>;

#[derive(Debug)]
enum Body {
    Memory(Bytes),
    Disk(tempfile::TempPath),
}

/// What is packed.
pub struct Packing<'a> {
    /// The top of the tree on this host.
    pub root: &'a LocalPath,
    /// Where large packs are kept in a file.
    pub spool: &'a LocalPath,
    /// The tree that a server should have.
    pub goal: &'a Manifest,
    /// What it lacks.
    pub work: &'a Difference,
    /// Which paths stay as they are there.
    pub rules: &'a Rules,
    pub method: SyncMethod,
    /// Whether the server can unpack gzip.
    pub may_gzip: bool,
    /// How many bytes stay free on the disk of the file.
    pub keep_free: u64,
    /// Ends it, also in the middle of a file.
    pub cancel: &'a CancellationToken,
}

impl Packing<'_> {
    /// Packs it. Blocks.
    ///
    /// # Errors
    /// [`Error::Tree`] when the tree cannot be read any more, [`Error::Spool`] when the pack
    /// cannot be written, [`Error::Cancelled`].
    pub fn build(&self) -> Result<Pack, Error> {
        let (goal, work) = (self.goal, self.work);
        let lists = match self.method {
            SyncMethod::InPlace => changes(work, goal, self.rules),
            SyncMethod::Symlink => taken(work, goal),
        };
        let listed: u64 = lists.values().map(|list| list.len() as u64).sum();
        let entries = || {
            work.send
                .iter()
                .filter_map(|path| Some((path, goal.entries().get(path)?)))
        };
        let content_bytes = entries().map(|(_, entry)| entry.size()).sum();
        let files = entries()
            .filter(|(_, entry)| !matches!(entry, TreeEntry::Directory { .. }))
            .count() as u64;
        let gzip = self.may_gzip && content_bytes + listed > WORTH_COMPRESSING;
        let (body, wire_bytes, packed) = if content_bytes < MEMORY_LIMIT {
            let mut bytes = Vec::new();
            let packed = self.write(&lists, gzip, &mut bytes)?;
            let length = bytes.len() as u64;
            (Body::Memory(bytes.into()), length, packed)
        } else {
            let file = tempfile::NamedTempFile::new_in(self.spool).map_err(Error::Spool)?;
            let watched = RoomWriter::new(file.as_file(), RoomWatch::new(self.spool, self.keep_free));
            let mut writer = BufWriter::with_capacity(BUFFER, watched);
            let packed = self.write(&lists, gzip, &mut writer)?;
            drop(writer);
            let length = file.as_file().metadata().map_err(Error::Spool)?.len();
            (Body::Disk(file.into_temp_path()), length, packed)
        };
        Ok(Pack {
            body,
            gzip,
            wire_bytes,
            content_bytes,
            files,
            inodes: packed + OWN_INODES,
        })
    }

    /// Writes the archive; how many entries it has.
    fn write(&self, lists: &Lists, gzip: bool, out: &mut dyn Write) -> Result<u64, Error> {
        let written = (|| {
            if !gzip {
                let packed = self.archive(lists, &mut *out)?;
                out.flush().map_err(Error::Spool)?;
                return Ok(packed);
            }
            let mut zipped = GzEncoder::new(out, Compression::fast());
            let packed = self.archive(lists, &mut zipped)?;
            let out = zipped.finish().map_err(Error::Spool)?;
            out.flush().map_err(Error::Spool)?;
            Ok(packed)
        })();
        // What is read ends in the middle then, which looks like a failure.
        match self.cancel.is_cancelled() {
            true => Err(Error::Cancelled),
            false => written,
        }
    }
}

impl Pack {
    /// The stream from its beginning; can be asked for any number of times.
    ///
    /// # Errors
    /// [`Error::Spool`] when the pack's file cannot be opened.
    pub async fn stdin(&self) -> Result<Stdin, Error> {
        match &self.body {
            Body::Memory(bytes) => Ok(Stdin::Bytes(bytes.clone())),
            Body::Disk(path) => {
                let path: &LocalPath = path;
                let file = tokio::fs::File::open(path).await.map_err(Error::Spool)?;
                Ok(Stdin::Reader(Box::new(file)))
            }
        }
    }
}

/// Where a pack for the tree at `root` may be kept: beside it.
pub fn spool_for(root: &LocalPath) -> PathBuf {
    root.parent()
        .map_or_else(std::env::temp_dir, LocalPath::to_path_buf)
}

impl Packing<'_> {
    fn archive(&self, lists: &Lists, out: impl Write) -> Result<u64, Error> {
        let (goal, work) = (self.goal, self.work);
        let mut tar = Builder::new(out);
        for (name, list) in lists {
            append_bytes(&format!("lists/{name}"), list, &mut tar).map_err(Error::Spool)?;
        }
        // Directories and links get the newest time of all: theirs counts for nothing, but should not
        // look as if they were made in 1970.
        let newest = goal.entries().values().filter_map(|entry| match entry {
            TreeEntry::File { mtime, .. } => Some(*mtime),
            _ => None,
        });
        let newest = newest.max().unwrap_or(0);
        let mut begun = BTreeSet::new();
        for path in &work.send {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let top = if work.swap.contains(path) {
                "swap/"
            } else {
                "tree/"
            };
            // Directories above come with their modes, in case they are missing there after all.
            let mut above: Vec<&[u8]> = std::iter::successors(parent(path), |path| parent(path)).collect();
            above.retain(|above| begun.insert((top, *above)));
            begun.insert((top, path));
            for path in above.into_iter().rev().chain([path.as_slice()]) {
                if let Some(entry) = goal.entries().get(path) {
                    self.append(top, path, entry, newest, &mut tar)?;
                }
            }
        }
        append_bytes("complete", b"", &mut tar).map_err(Error::Spool)?;
        tar.finish().map_err(Error::Spool)?;
        Ok((begun.len() + lists.len()) as u64)
    }
}

/// The lists for a tree that is changed in place.
fn changes(work: &Difference, goal: &Manifest, rules: &Rules) -> Lists {
    let mut lists = Lists::new();
    // Where a server may have a directory with something in it that is kept.
    let is_leaf = |path: &&Vec<u8>| !matches!(goal.entries().get(*path), Some(TreeEntry::Directory { .. }));
    let may_hold = |path: &&Vec<u8>| rules.verdict(path, true) == Ownership::Above;
    list(
        &mut lists,
        "above",
        work.send.iter().filter(is_leaf).filter(may_hold),
    );
    for (name, Removal { files, directories }) in [("clear", &work.clear), ("delete", &work.delete)] {
        list(&mut lists, name, files);
        list(&mut lists, &format!("{name}-directories"), directories);
    }
    list(&mut lists, "directories", &work.directories);
    for (mode, paths) in &work.modes {
        list(&mut lists, &format!("mode-{mode:o}"), paths);
    }
    lists
}

/// The lists for a new release: it copies everything that is not sent from the previous one.
fn taken(work: &Difference, goal: &Manifest) -> Lists {
    let mut lists = Lists::new();
    list(&mut lists, "directories", &work.directories);
    for (mode, paths) in &work.modes {
        list(&mut lists, &format!("mode-{mode:o}"), paths);
    }
    let sent: BTreeSet<&Vec<u8>> = work.send.iter().collect();
    for (path, entry) in goal.entries().iter().filter(|(path, _)| !sent.contains(path)) {
        let name = match entry {
            TreeEntry::Directory { mode, .. } => {
                if *mode != PLAIN_DIRECTORY {
                    list(&mut lists, &format!("mode-{mode:o}"), [path]);
                }
                "hold"
            }
            _ => "take",
        };
        list(&mut lists, name, [path]);
    }
    lists
}

fn list<'a>(lists: &mut Lists, name: &str, paths: impl IntoIterator<Item = &'a Vec<u8>>) {
    for path in paths {
        let text = lists.entry(name.to_owned()).or_default();
        // Anchored, so that no name reads as an option.
        text.extend_from_slice(b"./");
        text.extend_from_slice(path);
        text.push(0);
    }
}

fn append_bytes(name: &str, bytes: &[u8], tar: &mut Builder<impl Write>) -> io::Result<()> {
    let mut header = header(EntryType::Regular, 0o600, 0);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, name, bytes)
}

fn header(kind: EntryType, mode: u32, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_size(0);
    header
}

impl Packing<'_> {
    fn append(
        &self,
        top: &str,
        path: &[u8],
        entry: &TreeEntry,
        newest: u64,
        tar: &mut Builder<impl Write>,
    ) -> Result<(), Error> {
        let name = [top.as_bytes(), path].concat();
        let name = LocalPath::new(std::ffi::OsStr::from_bytes(&name));
        match entry {
            TreeEntry::Directory { mode, .. } => {
                let mut header = header(EntryType::Directory, *mode, newest);
                tar.append_data(&mut header, name, io::empty())
                    .map_err(Error::Spool)
            }
            TreeEntry::Symlink(target) => {
                let mut header = header(EntryType::Symlink, 0o777, newest);
                append_link(name, target, &mut header, tar).map_err(Error::Spool)
            }
            TreeEntry::File {
                mode, size, mtime, ..
            } => {
                let changed = || Error::tree(path, io::Error::other("its size changed since it was read"));
                let file = File::open(local_path(self.root, path)).map_err(|e| Error::tree(path, e))?;
                // The size is checked first, to tell this from a pack that cannot be written.
                if file.metadata().map_err(|e| Error::tree(path, e))?.len() != *size {
                    return Err(changed());
                }
                let mut header = header(EntryType::Regular, *mode, *mtime);
                header.set_size(*size);
                let mut content = Watched {
                    file: file.take(*size),
                    cancel: self.cancel,
                };
                tar.append_data(&mut header, name, &mut content)
                    .map_err(Error::Spool)?;
                if content.file.limit() == 0 {
                    Ok(())
                } else {
                    Err(changed())
                }
            }
        }
    }
}

/// A file that is read no further when that is cancelled.
struct Watched<'a> {
    file: io::Take<File>,
    cancel: &'a CancellationToken,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.cancel.is_cancelled() {
            true => Err(io::Error::other("cancelled")),
            false => self.file.read(buffer),
        }
    }
}

/// Writes a link's target byte for byte, a long one in GNU's own record: the crate would normalise it
/// (`a//b/` to `a/b`).
fn append_link(
    name: &LocalPath,
    target: &[u8],
    header_of_link: &mut Header,
    tar: &mut Builder<impl Write>,
) -> io::Result<()> {
    if target.len() > LINK_FIELD {
        let mut long = header(EntryType::GNULongLink, 0o644, 0);
        long.set_path("././@LongLink")?;
        let text = [target, b"\0"].concat();
        long.set_size(text.len() as u64);
        long.set_cksum();
        tar.append(&long, text.as_slice())?;
    }
    header_of_link.set_link_name_literal(&target[..target.len().min(LINK_FIELD)])?;
    tar.append_data(header_of_link, name, io::empty())
}
