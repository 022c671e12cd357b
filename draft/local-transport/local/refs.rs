//! The branches and tags of a repository, from its files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::{Oid, Reference};

use super::read_some;
use crate::git::error::{Error, Result};
use crate::git::refs::{REFS, REFS_BYTES};

/// Bytes of the file of a ref that are read: an object's name, or that of another ref.
const REF_BYTES: u64 = 4096;

/// What each branch and tag of the repository in `directory` points at. Nothing else is mirrored.
///
/// # Errors
/// [`Error::TooManyRefs`], and those of the file system.
pub(super) fn read(directory: &Path) -> Result<BTreeMap<String, Oid>> {
    let mut refs = packed(&directory.join("packed-refs"))?;
    add_loose(directory, &mut refs)?;
    match refs.len() > REFS {
        true => Err(Error::TooManyRefs { limit: REFS }),
        false => Ok(refs),
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Disk { path, source }
}

fn is_mirrored(name: &str) -> bool {
    let is_either = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    is_either && Reference::is_valid_name(name)
}

/// The refs in one file, as `git pack-refs` writes them.
fn packed(file: &Path) -> Result<BTreeMap<String, Oid>> {
    let text = match read_some(file, REFS_BYTES as u64 + 1) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read.map_err(disk(file))?,
    };
    if text.len() > REFS_BYTES {
        return Err(Error::TooManyRefs { limit: REFS });
    }
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| {
        let (at, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        Some((name.to_owned(), Oid::from_str(at).ok()?)).filter(|(name, _)| is_mirrored(name))
    });
    Ok(lines.collect())
}

/// Adds the refs that have a file each, which come before the packed ones.
fn add_loose(directory: &Path, refs: &mut BTreeMap<String, Oid>) -> Result<()> {
    let mut links = Vec::new();
    let mut ahead = vec!["refs/heads".to_owned(), "refs/tags".to_owned()];
    while let Some(above) = ahead.pop() {
        let place = directory.join(&above);
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(disk(&place))?,
        };
        for entry in entries {
            let entry = entry.map_err(disk(&place))?;
            let own = entry.file_name();
            let Ok(own) = std::str::from_utf8(own.as_bytes()) else {
                continue;
            };
            let name = format!("{above}/{own}");
            if entry.file_type().map_err(disk(&place))?.is_dir() {
                ahead.push(name);
            } else if is_mirrored(&name) {
                let Ok(content) = read_some(&entry.path(), REF_BYTES) else {
                    continue;
                };
                let content = String::from_utf8_lossy(&content).trim().to_owned();
                match content.strip_prefix("ref:") {
                    Some(target) => links.push((name, target.trim().to_owned())),
                    None => refs.extend(Oid::from_str(&content).ok().map(|at| (name, at))),
                }
            }
            if refs.len() + ahead.len() + links.len() > 2 * REFS {
                return Err(Error::TooManyRefs { limit: REFS });
            }
        }
    }
    for (name, target) in links {
        let at = refs.get(&target).copied();
        refs.extend(at.map(|at| (name, at)));
    }
    Ok(())
}
