//! Clears away what a program that was killed left in a mirror's references: locks that nobody holds any more, and
//! files that a power failure emptied. Both would stop every later fetch. The next fetch brings what is lost.

use std::fs::{DirEntry, Metadata};
use std::path::Path;

/// Locks beside the references.
const LOCKS: [&str; 4] = ["packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"];
/// How deep names of references are followed.
const DEPTH: usize = 32;

/// Mends the mirror at `path`; nobody may be writing it.
pub(super) fn mend(path: &Path) {
    for lock in LOCKS {
        remove(&path.join(lock));
    }
    mend_below(&path.join("refs"), DEPTH);
}

fn mend_below(directory: &Path, depth: usize) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => mend_below(&entry.path(), depth - 1),
            Ok(kind) if kind.is_file() && is_broken(&entry) => remove(&entry.path()),
            _ => {}
        }
    }
}

fn is_broken(entry: &DirEntry) -> bool {
    let is_lock = entry.file_name().as_encoded_bytes().ends_with(b".lock");
    let is_empty = |data: Metadata| data.len() == 0;
    is_lock || entry.metadata().is_ok_and(is_empty)
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => tracing::warn!(path = %path.display(), "removed what an interrupted fetch had left"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "this could not be removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_empty_references_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("refs/heads/feature")).unwrap();
        std::fs::create_dir_all(at("refs/deployed")).unwrap();
        let kept = [
            "refs/heads/main",
            "refs/heads/feature/lock",
            "refs/deployed/1",
            "HEAD",
        ];
        let gone = [
            "packed-refs.lock",
            "refs/heads/main.lock",
            "refs/heads/feature/b501.lock",
            "refs/deployed/2.lock",
        ];
        for name in kept.iter().chain(&gone) {
            std::fs::write(at(name), "0123456789012345678901234567890123456789\n").unwrap();
        }
        std::fs::write(at("refs/heads/empty"), "").unwrap();
        mend(dir.path());
        for name in kept {
            assert!(at(name).exists(), "{name}");
        }
        for name in gone.iter().chain(&["refs/heads/empty"]) {
            assert!(!at(name).exists(), "{name}");
        }
        mend(&at("nowhere"));
    }
}
