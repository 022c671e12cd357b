//! The directory a demo lives in: a temporary one that goes with it, or a given one that stays.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::domain::{Error, Result};

/// Marks a demo's directory, so that no other directory is ever written to.
const MARK: &str = "this-is-a-deployer-demo.txt";
const MARK_TEXT: &str = "Made by “deployer demo”. Delete the whole directory when you are done with it.\n";
/// Present once the first start is complete.
const READY: &str = "ready";
/// What the first start makes. A start that was stopped in the middle is repeated.
const MADE: [&str; 8] = [
    "repositories",
    "servers",
    "policies",
    "mirrors",
    "work",
    "passwords.txt",
    "secrets.key",
    "deployer.sqlite",
];
/// SQLite's companions of the database file.
const BESIDE_DATABASE: [&str; 2] = ["deployer.sqlite-wal", "deployer.sqlite-shm"];

/// How often a removal is tried: the database or a fetch that was just stopped may put one more
/// file into a directory that is being emptied.
const REMOVALS: usize = 50;
/// Between two tries.
const REMOVE_AGAIN: Duration = Duration::from_millis(100);

/// Where a demo lives.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Home {
    /// The given directory, or a temporary one that goes when this is dropped.
    ///
    /// # Errors
    /// A directory that holds something else, or cannot be written to.
    pub fn open(dir: Option<&Path>) -> Result<Self> {
        let temporary = match dir {
            Some(_) => None,
            None => {
                let made = tempfile::Builder::new().prefix("deployer-demo-").tempdir();
                Some(made.map_err(|cause| unusable(&std::env::temp_dir(), cause))?)
            }
        };
        let path = temporary
            .as_ref()
            .map_or_else(|| dir.unwrap_or(Path::new(".")), TempDir::path);
        let path = claim(path)?;
        Ok(Self { path, temporary })
    }

    /// The directory, without links in its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a demo was set up here before.
    pub fn is_ready(&self) -> bool {
        self.join(READY).exists()
    }

    /// Notes that the first start is complete.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn mark_ready(&self) -> Result<()> {
        fs::write(self.join(READY), "").map_err(|cause| unusable(&self.path, cause))
    }

    /// Removes the temporary directory; a given one stays.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub async fn close(&self) -> Result<()> {
        if self.temporary.is_none() {
            return Ok(());
        }
        let mut tries = 1;
        while let Err(cause) = remove(&self.path) {
            if tries == REMOVALS {
                return Err(unusable(&self.path, cause));
            }
            tries += 1;
            tokio::time::sleep(REMOVE_AGAIN).await;
        }
        Ok(())
    }
}

fn claim(dir: &Path) -> Result<PathBuf> {
    let failed = |cause| unusable(dir, cause);
    fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.canonicalize().map_err(failed)?;
    let is_ours = path.join(MARK).exists();
    if !is_ours && fs::read_dir(&path).map_err(failed)?.next().is_some() {
        return Err(Error::conflict(format!(
            "{} is not empty and not a demo's directory. Name an empty one, or one that does not exist.",
            path.display()
        )));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    fs::write(path.join(MARK), MARK_TEXT).map_err(failed)?;
    if !path.join(READY).exists() {
        for name in MADE.iter().chain(&BESIDE_DATABASE) {
            remove(&path.join(name)).map_err(failed)?;
        }
    }
    Ok(path)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The sentence for a directory that cannot be used.
pub fn unusable(dir: &Path, cause: io::Error) -> Error {
    let sentence = format!("The demo cannot use the directory {}: {cause}.", dir.display());
    Error::unavailable(sentence).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        let error = Home::open(Some(dir.path())).unwrap_err();
        assert!(error.message().contains("not empty"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_start_that_was_stopped_in_the_middle_is_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(Some(dir.path())).unwrap();
        fs::create_dir(home.join("repositories")).unwrap();
        let home = Home::open(Some(dir.path())).unwrap();
        assert!(!home.join("repositories").exists());
        home.mark_ready().unwrap();
        fs::create_dir(home.join("repositories")).unwrap();
        let home = Home::open(Some(dir.path())).unwrap();
        assert!(home.is_ready() && home.join("repositories").exists());
        home.close().await.unwrap();
        assert!(dir.path().exists());
    }

    #[tokio::test]
    async fn a_temporary_one_goes() {
        let home = Home::open(None).unwrap();
        let path = home.path().to_owned();
        home.close().await.unwrap();
        assert!(!path.exists());
    }
}
