//! Where a repository on this host keeps its objects, and what its branches and tags point at: read without
//! libgit2, which would look at the repository's settings and owner first.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{Oid, Reference};

use super::super::error::{Error, Result};
use super::super::refs::{REFS, REFS_BYTES};

/// Bytes of the file of a ref that are read: an object's name, or that of another ref.
const REF_BYTES: u64 = 4096;
/// Places of objects that are looked at; libgit2 goes five deep.
const MOST_PLACES: usize = 100;
/// Bytes of a file that names further places which are read.
const PLACES_BYTES: u64 = 64 * 1024;

/// The directory with the objects and refs of the repository at `path`: of one with a work tree, and of one
/// of several work trees, it is elsewhere.
pub(in crate::git) fn common_directory(path: &Path) -> PathBuf {
    let inside = path.join(".git");
    let named = |file: &Path| {
        let text = fs::File::open(file)
            .and_then(|file| read_some(file, REF_BYTES))
            .ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    };
    let own = match named(&inside) {
        Some(text) => path.join(text.trim_start_matches("gitdir:").trim()),
        None if inside.is_dir() => inside,
        None => path.to_owned(),
    };
    match named(&own.join("commondir")) {
        Some(text) => own.join(text),
        None => own,
    }
}

/// All places that objects of the repository in `directory` are read from: its own, and those that it names.
pub(super) fn object_places(directory: &Path) -> Vec<PathBuf> {
    let mut places = vec![directory.join("objects")];
    let mut at = 0;
    while let Some(place) = places.get(at).cloned().filter(|_| places.len() < MOST_PLACES) {
        at += 1;
        let file = fs::File::open(place.join("info/alternates"));
        let text = file
            .and_then(|file| read_some(file, PLACES_BYTES))
            .unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n');
        let named = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        places.extend(named.map(|line| place.join(OsStr::from_bytes(line))));
    }
    places
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Disk { path, source }
}

/// Branches and tags alone are mirrored.
fn is_mirrored(name: &str) -> bool {
    let is_either = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    is_either && Reference::is_valid_name(name)
}

/// What each branch and tag of the repository in `directory` points at.
///
/// # Errors
/// [`Error::TooManyRefs`], and those of the file system.
pub(super) fn refs(directory: &Path) -> Result<BTreeMap<String, Oid>> {
    let mut refs = packed_refs(&directory.join("packed-refs"))?;
    loose_refs(directory, &mut refs)?;
    match refs.len() > REFS {
        true => Err(Error::TooManyRefs { limit: REFS }),
        false => Ok(refs),
    }
}

/// The refs in one file, as `git pack-refs` writes them.
fn packed_refs(file: &Path) -> Result<BTreeMap<String, Oid>> {
    let text = match fs::File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => read_some(opened.map_err(disk(file))?, REFS_BYTES as u64 + 1).map_err(disk(file))?,
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
fn loose_refs(directory: &Path, refs: &mut BTreeMap<String, Oid>) -> Result<()> {
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
            let Ok(own) = std::str::from_utf8(entry.file_name().as_bytes()).map(str::to_owned) else {
                continue;
            };
            let name = format!("{above}/{own}");
            if entry.file_type().map_err(disk(&place))?.is_dir() {
                ahead.push(name);
            } else if is_mirrored(&name) {
                let Ok(content) = fs::File::open(entry.path()).and_then(|file| read_some(file, REF_BYTES))
                else {
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

fn read_some(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
