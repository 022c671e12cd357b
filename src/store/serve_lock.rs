//! One serving process per SQLite file.
//!
//! Two of them would both believe that every running deployment left behind is theirs to close.
//! The lock is the operating system's, on a file beside the database: it vanishes with the
//! process, however that ends, so a crash leaves nothing to clean up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::backend::beside;
use crate::domain::{Error, Result};

/// The right to serve a database; dropped, it is free again.
#[derive(Debug)]
pub struct ServeLock {
    // Held open: closing the file gives the lock back. `None` where the database server itself
    // coordinates several instances.
    _file: Option<File>,
}

impl ServeLock {
    pub(super) fn take(database: Option<&Path>) -> Result<Self> {
        let Some(database) = database else {
            return Ok(Self { _file: None });
        };
        let path = beside(database, ".lock");
        let told = |what: &str| format!("The file {} {what}.", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| Error::unavailable(told("cannot be opened for writing")).because(cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(database, &mut file)),
            Err(TryLockError::Error(cause)) => {
                return Err(Error::unavailable(told("cannot be locked")).because(cause));
            }
        }
        note_pid(&mut file).map_err(|cause| Error::unavailable(told("cannot be written")).because(cause))?;
        Ok(Self { _file: Some(file) })
    }
}

fn note_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn held(database: &Path, file: &mut File) -> Error {
    let mut pid = String::new();
    // The holder may not have written its process id yet; the sentence works without it.
    let holder = match file.read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => format!("process {}", pid.trim()),
        _ => "another process".to_owned(),
    };
    Error::conflict(format!(
        "The database {} is already being served by {holder}. Stop that one first, or give this one a database of its own.",
        database.display()
    ))
}
