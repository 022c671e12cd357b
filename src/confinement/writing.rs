//! How much a program may write, watched while it runs.
//!
//! Its tree and its temporary directory lie on a disk of this host, perhaps on that of the database. So they are
//! weighed again and again, and what is free on that disk is looked at in between: a program that would
//! fill it is ended, before everybody else on this host is out of room.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::free_room::{LOOK_EVERY, is_short, why};

/// How often the directories are weighed, at most.
const WEIGH_EVERY: Duration = Duration::from_secs(2);
/// How many times as long as a weighing took nothing is weighed.
const REST: u32 = 20;
/// Bytes in a block, as the system counts those of a file.
const BLOCK: u64 = 512;
/// Files, links and directories of a program: as many as a tree may have that is exported.
pub const MOST_FILES: u64 = 5_000_000;

/// How much a program may write.
#[derive(Debug, Clone, Copy)]
pub struct WriteLimits {
    /// Bytes of its tree and its temporary directory together, with what was in the tree before.
    pub written: u64,
    /// Bytes that stay free on the disk which they are on.
    pub free: u64,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            written: 64 << 30,
            free: 512 << 20,
        }
    }
}

/// What a program has done to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excess {
    /// It has written more than this many bytes.
    Bytes(u64),
    /// It has made more than this many files.
    Files(u64),
    /// Less than so many bytes are free where this directory is.
    Disk(PathBuf, u64),
}

/// Returns when the program whose directories these are has done too much.
pub(super) async fn excess(directories: Vec<PathBuf>, limits: WriteLimits) -> Excess {
    let (mut weighed, mut pause) = (Instant::now(), WEIGH_EVERY);
    loop {
        if let Some(excess) = too_full(&directories, limits) {
            return excess;
        }
        sleep(LOOK_EVERY).await;
        if weighed.elapsed() < pause {
            continue;
        }
        let (begun, own) = (Instant::now(), directories.clone());
        let weight = tokio::task::spawn_blocking(move || weigh(&own, limits.written)).await;
        if let Ok(Some(excess)) = weight {
            return excess;
        }
        weighed = Instant::now();
        pause = WEIGH_EVERY.max((weighed - begun) * REST);
    }
}

/// Whether less is free on the disk of one of `directories` than has to be.
pub(super) fn too_full(directories: &[PathBuf], limits: WriteLimits) -> Option<Excess> {
    let is_full = |directory: &&PathBuf| is_short(directory, limits.free, 0);
    let full = directories.iter().find(is_full)?;
    Some(Excess::Disk(full.clone(), limits.free))
}

/// Whether `directories` have more together than `limit` bytes, or more than [`MOST_FILES`] files. What goes away
/// meanwhile is not counted. Not recursive, as a program may nest directories deeper than our stack.
fn weigh(directories: &[PathBuf], limit: u64) -> Option<Excess> {
    let (mut bytes, mut files) = (0_u64, 0_u64);
    let mut ahead: Vec<PathBuf> = directories.to_vec();
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            files += 1;
            if let Ok(found) = entry.metadata() {
                // Names of one file share its bytes.
                bytes = bytes.saturating_add(found.blocks() * BLOCK / found.nlink().max(1));
                if found.is_dir() {
                    ahead.push(entry.path());
                }
            }
            if bytes > limit {
                return Some(Excess::Bytes(limit));
            }
            if files > MOST_FILES {
                return Some(Excess::Files(MOST_FILES));
            }
        }
    }
    None
}

impl Excess {
    /// Why `what`, such as “The script”, was ended, as a sentence.
    pub fn sentence(&self, what: &str) -> String {
        match self {
            Self::Bytes(limit) => format!(
                "{what} was ended, as the tree and its temporary directory have more than {} MiB together (engine.tree_limit_mib).",
                limit >> 20
            ),
            Self::Files(limit) => format!(
                "{what} was ended, as the tree and its temporary directory have more than {limit} files together."
            ),
            Self::Disk(directory, limit) => format!(
                "{what} was ended or did not begin: {}. Make room there.",
                why(shown(directory), *limit)
            ),
        }
    }
}

/// The directory that holds those of all programs: their own names tell nothing.
fn shown(directory: &Path) -> &Path {
    directory.parent().unwrap_or(directory)
}
