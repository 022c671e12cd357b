//! How much of the disks of this host stays free, whatever is fetched, packed or written on them: the database may
//! lie on one of them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

/// How often it is looked at what is free: a fast disk takes some hundred mebibytes in between.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether fewer bytes than `keep` are free on the disk of `path` once `more` have been written there. A path that is
/// yet to be made will be on the disk of the one above. What tells no sizes has no limit.
pub fn is_short(path: &Path, keep: u64, more: u64) -> bool {
    let found = path.ancestors().find_map(|above| statvfs(above).ok());
    found.is_some_and(|found| {
        let free = u128::from(found.blocks_available()) * u128::from(found.fragment_size());
        found.blocks() > 0 && free < u128::from(keep) + u128::from(more)
    })
}

/// Why something was ended or did not begin, to complete a sentence: without a full stop.
pub fn why(directory: &Path, keep: u64) -> String {
    format!(
        "less than {} MiB are free on the deployer's disk at {}, which have to stay free (engine.keep_free_mib)",
        keep >> 20,
        directory.display()
    )
}

/// Looks now and then whether a directory's disk has become short, for work that takes a while.
#[derive(Debug, Clone)]
pub struct RoomWatch {
    directory: PathBuf,
    keep: u64,
    looked: Option<Instant>,
    is_short: bool,
}

impl RoomWatch {
    /// For what is written into `directory`, whose disk keeps `keep` bytes free.
    pub fn new(directory: &Path, keep: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            keep,
            looked: None,
            is_short: false,
        }
    }

    /// Whether it has become short. The answer may be [`LOOK_EVERY`] old.
    pub fn is_short(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if is_due && !self.is_short {
            self.is_short = is_short(&self.directory, self.keep, 0);
            self.looked = Some(Instant::now());
        }
        self.is_short
    }

    /// What is short, and what to do, as a sentence.
    pub fn why(&self) -> String {
        why(&self.directory, self.keep)
    }
}

/// A writer that fails once the disk has become short.
pub struct RoomWriter<W> {
    out: W,
    watch: RoomWatch,
}

impl<W> RoomWriter<W> {
    pub fn new(out: W, watch: RoomWatch) -> Self {
        Self { out, watch }
    }
}

impl<W: Write> Write for RoomWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.watch.is_short() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, self.watch.why()));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_short_when_less_is_free_than_has_to_stay() {
        let dir = tempfile::tempdir().unwrap();
        let to_be_made = dir.path().join("a/b");
        for path in [dir.path(), &to_be_made] {
            assert!(!is_short(path, 0, 0));
            assert!(!is_short(path, 4096, 4096));
            assert!(is_short(path, u64::MAX, 0));
            assert!(is_short(path, 0, u64::MAX));
        }
        let mut out = RoomWriter::new(Vec::new(), RoomWatch::new(&to_be_made, u64::MAX));
        let refused = out.write_all(b"x").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(
            refused.to_string().contains("(engine.keep_free_mib)"),
            "{refused}"
        );
        let mut out = RoomWriter::new(Vec::new(), RoomWatch::new(&to_be_made, 0));
        out.write_all(b"x").unwrap();
        assert_eq!(out.out, b"x");
    }
}
