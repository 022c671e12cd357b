//! Keeps files and directories to the account that the deployer runs as, whatever its umask is.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const OWN_FILE: u32 = 0o600;
const OWN_DIRECTORY: u32 = 0o700;
/// What other accounts may do.
const OTHERS: u32 = 0o077;

/// Creates the file `path`, empty, unless it exists. An existing one is not even opened: closing it
/// again would release the locks that this process may hold on it.
pub fn make_file(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWN_FILE)
        .open(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Writes `text` into a new file `path`, and to the disk.
pub fn write_new_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWN_FILE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Adds `text` to the end of the file `path`, which is made if need be, and writes it to the disk.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(OWN_FILE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Writes `text` into the file `path`, in place of the one of before: whoever reads it meets one of the two whole.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // One that an end in the middle of this left.
    _ = fs::remove_file(&new);
    write_new_file(Path::new(&new), text)?;
    fs::rename(&new, path)
}

/// Creates the directory `path` unless it exists, or somebody creates it at the same time. Its parent has to exist.
pub fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(OWN_DIRECTORY).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Removes the rights of other accounts on `path`, if it exists. Returns its former mode if other
/// accounts had rights.
pub fn close_to_others(path: &Path) -> io::Result<Option<u32>> {
    let known = match fs::metadata(path) {
        Ok(known) => known,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = known.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(None);
    }
    let own = if known.is_dir() { OWN_DIRECTORY } else { OWN_FILE };
    fs::set_permissions(path, Permissions::from_mode(own))?;
    Ok(Some(mode))
}
