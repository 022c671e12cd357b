//! The objects of Git LFS that a mirror has: files named by the SHA-256 of their content, in the
//! mirror's own directory, so that all commits of a project share them and they go with the mirror.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::pointer::Pointer;
use crate::clock::Clock;
use crate::free_room::{RoomWatch, is_short};
use crate::git::error::{Error, Result};

/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// The objects in one mirror. Cheap to clone.
#[derive(Clone)]
pub(in crate::git) struct Cache {
    root: PathBuf,
    /// How many bytes stay free on its disk.
    keep_free: u64,
}

/// An object that is being written; it counts once all of it is there.
pub(super) struct ReceivedObject {
    cache: Cache,
    /// What it is called in sentences.
    path: String,
    pointer: Pointer,
    file: NamedTempFile,
    sum: Sha256,
    bytes: u64,
    room: RoomWatch,
}

impl Cache {
    /// The one of the mirror at `mirror`.
    pub(in crate::git) fn of(mirror: &Path) -> Self {
        Self {
            root: mirror.join("lfs"),
            keep_free: 0,
        }
    }

    /// The same, with so many bytes that stay free on its disk.
    pub(in crate::git) fn keeping_free(self, bytes: u64) -> Self {
        Self {
            keep_free: bytes,
            ..self
        }
    }

    fn path(&self, oid: &str) -> PathBuf {
        in_objects(&self.root.join("objects"), oid)
    }

    /// Whether the object is there, which from now on counts as used.
    fn has(&self, pointer: &Pointer) -> bool {
        let path = self.path(&pointer.oid);
        let is_whole = path
            .symlink_metadata()
            .is_ok_and(|found| found.is_file() && found.len() == pointer.size);
        if is_whole
            && let Err(error) = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(Clock::System.now().into()))
        {
            tracing::debug!(path = %path.display(), %error, "a file of Git LFS keeps its old time");
        }
        is_whole
    }

    /// Those of `files` that are not there, each object once. The first path names it in sentences.
    pub(super) fn missing(&self, files: Vec<(String, Pointer)>) -> Vec<(String, Pointer)> {
        let mut seen = HashSet::new();
        let mut missing = files;
        missing.retain(|(_, pointer)| seen.insert(pointer.oid.clone()) && !self.has(pointer));
        missing
    }

    /// Writes the object to `out`, and compares its content with its name.
    ///
    /// # Errors
    /// When it is not there, or `out` fails; something may have been written then.
    pub(in crate::git) fn write(&self, pointer: &Pointer, out: &mut impl Write) -> io::Result<()> {
        let path = self.path(&pointer.oid);
        let (sum, bytes) = copy(&mut File::open(&path)?, out)?;
        if bytes == pointer.size && sum == pointer.oid {
            return Ok(());
        }
        // The next deployment fetches it again.
        fs::remove_file(&path)?;
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the copy from Git LFS on this host was damaged and has been removed; deploy again",
        ))
    }

    /// Begins to write the object of the file at `path`.
    pub(super) fn receive(&self, path: &str, pointer: &Pointer) -> Result<ReceivedObject> {
        let incoming = self.root.join("incoming");
        let room = RoomWatch::new(&incoming, self.keep_free);
        if is_short(&incoming, self.keep_free, pointer.size) {
            return Err(Error::NoRoom(room.why()));
        }
        let made = fs::create_dir_all(&incoming).and_then(|()| NamedTempFile::new_in(&incoming));
        Ok(ReceivedObject {
            cache: self.clone(),
            path: path.to_owned(),
            pointer: pointer.clone(),
            file: made.map_err(|error| disk(&incoming, error))?,
            sum: Sha256::new(),
            bytes: 0,
            room,
        })
    }

    /// Copies an object out of the repository at `repository` on this host.
    pub(super) fn copy_from(&self, repository: &Path, path: &str, pointer: &Pointer) -> Result<()> {
        let places = [
            repository.join(".git/lfs/objects"),
            repository.join("lfs/objects"),
        ];
        let mut found = places
            .iter()
            .map(|place| in_objects(place, &pointer.oid))
            .find_map(|place| File::open(place).ok())
            .ok_or_else(|| {
                let why = "the repository does not have it. Push it there with “git lfs push --all”";
                Error::lfs_file(path, why)
            })?;
        let mut incoming = self.receive(path, pointer)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match found.read(&mut buffer) {
                Ok(0) => return incoming.finish(),
                Ok(count) => incoming.add(&buffer[..count])?,
                Err(error) => return Err(disk(repository, error)),
            }
        }
    }

    /// Removes what was used longest ago until `bytes` more fit below `limit`.
    pub(super) fn make_room(&self, bytes: u64, limit: u64) -> Result<()> {
        let mut objects = list(&self.root.join("objects")).map_err(|error| disk(&self.root, error))?;
        objects.sort_by_key(|object| object.used);
        let mut whole = objects.iter().map(|object| object.bytes).sum::<u64>();
        for object in objects {
            if whole.saturating_add(bytes) <= limit {
                break;
            }
            fs::remove_file(&object.path).map_err(|error| disk(&object.path, error))?;
            whole -= object.bytes;
        }
        Ok(())
    }

    /// Removes what nobody used since `then`, and what a killed process left half-written before. Returns how
    /// many files.
    pub(in crate::git) fn sweep(&self, then: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for object in list(&self.root)?.into_iter().filter(|object| object.used < then) {
            fs::remove_file(&object.path)?;
            removed += 1;
        }
        Ok(removed)
    }
}

struct Object {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl ReceivedObject {
    /// Adds what came next.
    ///
    /// # Errors
    /// [`Error::Lfs`] for more than the pointer says; [`Error::NoRoom`]; [`Error::Disk`].
    pub(super) fn add(&mut self, data: &[u8]) -> Result<()> {
        self.bytes += data.len() as u64;
        if self.bytes > self.pointer.size {
            return Err(self.wrong("more bytes came than the commit says"));
        }
        if self.room.is_short() {
            return Err(Error::NoRoom(self.room.why()));
        }
        self.sum.update(data);
        let written = self.file.write_all(data);
        written.map_err(|error| disk(self.file.path(), error))
    }

    /// Keeps the object, if it is the right one.
    pub(super) fn finish(self) -> Result<()> {
        if self.bytes != self.pointer.size {
            return Err(self.wrong("fewer bytes came than the commit says"));
        }
        if hex::encode(self.sum.clone().finalize()) != self.pointer.oid {
            return Err(self.wrong("what came has another SHA-256 than the commit says"));
        }
        let place = self.cache.path(&self.pointer.oid);
        let parent = place.parent().unwrap_or(&self.cache.root).to_owned();
        let kept = fs::create_dir_all(parent)
            .and_then(|()| self.file.as_file().sync_all())
            .and_then(|()| self.file.persist(&place).map(drop).map_err(|failed| failed.error));
        kept.map_err(|error| disk(&place, error))
    }

    fn wrong(&self, why: &str) -> Error {
        Error::lfs_file(&self.path, why)
    }
}

/// Every file below `directory`.
fn list(directory: &Path) -> io::Result<Vec<Object>> {
    let (mut found, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                directories.push(entry.path());
            } else {
                found.push(Object {
                    path: entry.path(),
                    bytes: data.len(),
                    used: data.modified()?,
                });
            }
        }
    }
    Ok(found)
}

/// Where an object is below a directory of objects, for us as for git-lfs.
fn in_objects(objects: &Path, oid: &str) -> PathBuf {
    let (first, second) = (
        oid.get(..2).unwrap_or_default(),
        oid.get(2..4).unwrap_or_default(),
    );
    objects.join(first).join(second).join(oid)
}

/// Copies everything; its SHA-256 and its size.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<(String, u64)> {
    let (mut sum, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok((hex::encode(sum.finalize()), bytes));
        }
        sum.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        bytes += count as u64;
    }
}

fn disk(path: &Path, source: io::Error) -> Error {
    Error::Disk {
        path: path.display().to_string(),
        source,
    }
}
