//! Copies what a mirror lacks from the objects of a repository on this host, and looks at the history that a
//! fetch has brought from elsewhere, before anything else reads it.
//!
//! libgit2's own way to do that calls itself for each directory in a directory, and for each tag of a tag, so
//! that some ten thousands of them in each other end the process. Here objects are found one after the other;
//! libgit2 packs those that it is told, and then finds that it has all that it wants.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use git2::{ObjectType, Odb, OdbLookupFlags, Oid, Repository};

use super::WHOLE_FILE_LIMIT;
use super::budget::find_tree;
use super::error::{Error, Result};

/// Objects of one fetch: about twice those of the largest repositories known.
pub(super) const OBJECTS: usize = 20_000_000;
/// Bytes of a commit or a tag, which are read whole.
const COMMIT_BYTES: usize = 64 * 1024 * 1024;

/// A branch or tag with the object that it names.
pub(super) type Tip = (String, Oid);

/// Which objects are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Commits and tags.
    History,
}

/// Looks at the commits and tags of `tips` in `mirror` that `before`, the objects of the same mirror, did not
/// know: whoever lists commits reads each of them whole.
///
/// # Errors
/// [`Error::Refused`] for one that is too large; as [`copy_missing`].
pub(super) fn check_history(
    mirror: &Repository,
    before: &Odb<'_>,
    tips: &[Tip],
    goes_on: &dyn Fn(usize, usize) -> bool,
) -> Result<()> {
    each_missing(mirror, before, tips, (Which::History, goes_on), |_, _| Ok(()))
}

/// Copies `tips` and all that they need from the directory `objects` into `mirror`, as one pack. Asks
/// `goes_on`, with the objects and the bytes so far, whether it may.
///
/// # Errors
/// [`Error::Cancelled`] when it may not; [`Error::Refused`] for a file, commit or tag too large to be held in
/// memory; [`Error::Disk`]; [`Error::Broken`].
pub(super) fn copy_missing(
    mirror: &Repository,
    objects: &Path,
    tips: &[Tip],
    goes_on: &dyn Fn(usize, usize) -> bool,
) -> Result<()> {
    let here = mirror.odb()?;
    // Opened once more, as this one sees the objects of both.
    let both = Repository::open_bare(mirror.path())?;
    both.odb()?.add_disk_alternate(&objects.to_string_lossy())?;
    let mut packing = both.packbuilder()?;
    here.refresh()?;
    each_missing(&both, &here, tips, (Which::All, goes_on), |object, name| {
        Ok(packing.insert_object(object, name)?)
    })?;
    let count = packing.object_count();
    if count == 0 {
        return Ok(());
    }
    let (mut writer, mut written, mut lost) = (here.packwriter()?, 0, None);
    let packed = {
        packing.set_progress_callback(|_, _, _| goes_on(0, 0))?;
        packing.foreach(|bytes| {
            written += bytes.len();
            lost = writer.write_all(bytes).err();
            lost.is_none() && goes_on(count, written)
        })
    };
    let disk = |source| Error::Disk {
        path: mirror.path().display().to_string(),
        source,
    };
    lost.map_or(Ok(()), |lost| Err(disk(lost)))?;
    packed?;
    writer.commit()?;
    Ok(())
}

/// Calls `act` for each of `tips` and all that they need, with its name in a tree, but for what is among the
/// objects `here`: with that is all that it needs, as packs are taken whole.
fn each_missing(
    both: &Repository,
    here: &Odb<'_>,
    tips: &[Tip],
    (which, goes_on): (Which, &dyn Fn(usize, usize) -> bool),
    mut act: impl FnMut(Oid, Option<&str>) -> Result<()>,
) -> Result<()> {
    let odb = both.odb()?;
    let (mut seen, mut ahead) = (HashSet::new(), Vec::new());
    let mut find = |object: Oid, name: &[u8], ahead: &mut Vec<Oid>| -> Result<()> {
        if seen.insert(object) && !here.exists_ext(object, OdbLookupFlags::NO_REFRESH) {
            let (size, kind) = odb.read_header(object)?;
            check_size(kind, size, name)?;
            act(
                object,
                std::str::from_utf8(name).ok().filter(|name| !name.is_empty()),
            )?;
            ahead.extend((kind != ObjectType::Blob).then_some(object));
        }
        match goes_on(seen.len(), 0) {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    };
    for (name, tip) in tips {
        let broken = |error| broken(name, error);
        find(*tip, b"", &mut ahead).map_err(broken)?;
        while let Some(object) = ahead.pop() {
            for (needed, name) in needs(both, object, which).map_err(broken)? {
                find(needed, &name, &mut ahead).map_err(broken)?;
            }
        }
    }
    Ok(())
}

/// Says on which branch or tag an object is that libgit2 cannot read.
fn broken(name: &str, error: Error) -> Error {
    let why = match error {
        Error::Mirror(cause) => cause.message().escape_debug().to_string(),
        Error::Damaged { why, .. } => why.escape_debug().to_string(),
        other => return other,
    };
    Error::Broken {
        name: name.escape_debug().to_string(),
        why,
    }
}

/// The objects that a commit, tag or tree needs, each with its name in the tree.
fn needs(both: &Repository, object: Oid, which: Which) -> Result<Vec<(Oid, Vec<u8>)>> {
    let odb = both.odb()?;
    let unnamed = |ids: Vec<Oid>| ids.into_iter().map(|id| (id, Vec::new())).collect();
    match odb.read_header(object)?.1 {
        ObjectType::Commit => {
            let commit = both.find_commit(object)?;
            let tree = Some(commit.tree_id()).filter(|_| which == Which::All);
            Ok(unnamed(tree.into_iter().chain(commit.parent_ids()).collect()))
        }
        ObjectType::Tag => Ok(unnamed(vec![both.find_tag(object)?.target_id()])),
        _ if which == Which::History => Ok(Vec::new()),
        _ => {
            let tree = find_tree(both, object)?;
            // The commit of a submodule is elsewhere.
            let of_ours = tree
                .iter()
                .filter(|entry| entry.kind() != Some(ObjectType::Commit));
            Ok(of_ours
                .map(|entry| (entry.id(), entry.name_bytes().to_vec()))
                .collect())
        }
    }
}

/// Packing holds an object in memory whole, and so does reading a commit.
fn check_size(kind: ObjectType, size: usize, name: &[u8]) -> Result<()> {
    let (what, limit) = match kind {
        ObjectType::Blob => (
            format!(
                "The file “{}” of a repository on this host",
                String::from_utf8_lossy(name)
            ),
            WHOLE_FILE_LIMIT,
        ),
        // `find_tree` sees to it.
        ObjectType::Tree => return Ok(()),
        _ => ("A commit or tag".to_owned(), COMMIT_BYTES as u64),
    };
    if size as u64 <= limit {
        return Ok(());
    }
    Err(Error::Refused {
        what,
        why: format!(
            "has {size} bytes, and {limit} are the most that is fetched. Nothing of it was kept. See who pushed it"
        ),
    })
}
