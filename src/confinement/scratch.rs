//! A temporary directory for one program, and removing what programs leave.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
        let path = std::mem::take(&mut self.0);
        // Removing the caches of a build takes a while, so nobody waits for it.
        std::thread::spawn(move || {
            if let Err(error) = remove_all(&path) {
                tracing::warn!(path = %path.display(), %error, "a temporary directory could not be removed");
            }
        });
    }
}

/// Removes a directory with all that is below it, also what was made read-only, as the module caches
/// of some languages are. Follows no link. Nothing may be writing there any more.
pub fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_directories(path)?;
            fs::remove_dir_all(path)
        }
        done => done,
    }
}

/// Gives us back all rights on the directories from `top` on.
fn open_directories(top: &Path) -> io::Result<()> {
    let mut ahead = vec![top.to_owned()];
    while let Some(directory) = ahead.pop() {
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                ahead.push(entry.path());
            }
        }
    }
    Ok(())
}
