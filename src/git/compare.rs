//! Two trees compared: which entries differ, as two in-memory indexes for libgit2 to compare further.
//!
//! libgit2 walks both trees to their ends, however large and alike they are, and cannot be stopped.
//! We skip subtrees that both sides have, stop at the limits of [`Budget`], and pass on only what
//! differs. Modes that Git no longer writes (`0100664`, `0104755`) become those it does.

use std::collections::BTreeMap;

use git2::{DiffFindOptions, Index, IndexEntry, IndexTime, ObjectType, Oid, Repository};

use super::budget::{Budget, find_tree};
use super::error::{Error, Result};
use super::mirror::find_commit;
use crate::domain::CommitId;

/// Entries that may differ: a few times the files of the largest repositories known. libgit2 needs
/// about half a kilobyte for each.
const DIFFERING: usize = 300_000;
/// Bytes of all their paths together.
const PATH_BYTES: usize = 64 * 1024 * 1024;

/// The largest file that is compared line by line, in bytes; a bigger one is not source code.
const FILE_LIMIT: i64 = 8 * 1024 * 1024;
/// How many added and removed files are compared with each other to find renames; the work grows
/// with the square.
const RENAME_LIMIT: usize = 400;
/// With more files than this, or more bytes in them, only renames without a change are found: every
/// file would have to be read.
const RENAME_FILES: usize = 4 * RENAME_LIMIT;
const RENAME_BYTES: usize = 128 * 1024 * 1024;
/// Git's mode of a submodule, whose object is in another repository.
const SUBMODULE: u32 = 0o160_000;

/// A file, link or submodule: its mode and its object.
type Leaf = (u32, Oid);
/// Leaves by path, sorted by bytes as in an index.
type Leaves = BTreeMap<Vec<u8>, Leaf>;

/// The difference between the trees of two commits; without a `from`, everything in `to`. Files come
/// with `context` unchanged lines around each change.
///
/// # Errors
/// [`Error::TooMuchToCompare`], [`Error::Cancelled`], [`Error::Vanished`], [`Error::BadEntry`].
pub(super) fn compare<'a>(
    repository: &'a Repository,
    from: Option<&CommitId>,
    to: &CommitId,
    context: u32,
    budget: &Budget,
) -> Result<git2::Diff<'a>> {
    let new = find_commit(repository, to)?.tree_id();
    let old = match from {
        Some(from) => Some(find_commit(repository, from)?.tree_id()),
        None => None,
    };
    let differing = Differing::between(repository, old, Some(new), budget)?;
    let mut options = git2::DiffOptions::new();
    options
        .context_lines(context)
        .max_size(crate::sabotage::most("q16", FILE_LIMIT))
        .include_typechange(true);
    let (old, new) = (index_of(&differing.old)?, index_of(&differing.new)?);
    let mut diff = repository.diff_index_to_index(&old, &new, Some(&mut options))?;
    let mut similar = DiffFindOptions::new();
    similar
        .renames(true)
        .copies(true)
        .rename_limit(crate::sabotage::most("u12", RENAME_LIMIT))
        .exact_match_only(!is_cheap_to_read(repository, &differing)?);
    diff.find_similar(Some(&mut similar))?;
    Ok(diff)
}

/// Whether all that differs can be read to find renamed files that were also changed.
fn is_cheap_to_read(repository: &Repository, differing: &Differing) -> Result<bool> {
    let leaves = differing.old.values().chain(differing.new.values());
    let odb = repository.odb()?;
    let mut room = crate::sabotage::most("q17", RENAME_BYTES);
    for (_, id) in leaves
        .take(RENAME_FILES + 1)
        .filter(|(mode, _)| *mode != SUBMODULE)
    {
        let Ok((size, _)) = odb.read_header(*id) else {
            continue;
        };
        match room.checked_sub(size) {
            Some(rest) => room = rest,
            None => return Ok(false),
        }
    }
    Ok(differing.old.len() + differing.new.len() <= crate::sabotage::most("q18", RENAME_FILES))
}

/// The entries of two trees that are not the same in both.
struct Differing {
    old: Leaves,
    new: Leaves,
}

/// One name of a directory, on either side.
#[derive(Default)]
struct Pair {
    old: Option<Entry>,
    new: Option<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    is_tree: bool,
    mode: u32,
    id: Oid,
}

impl Differing {
    /// Between two trees; `None` is an empty one.
    ///
    /// # Errors
    /// [`Error::TooMuchToCompare`], [`Error::Cancelled`], and what libgit2 says of broken trees.
    fn between(repository: &Repository, old: Option<Oid>, new: Option<Oid>, budget: &Budget) -> Result<Self> {
        let mut found = Self {
            old: Leaves::new(),
            new: Leaves::new(),
        };
        let mut path_bytes = 0;
        // Not recursive: a hostile tree may be deeper than our stack.
        let mut ahead = vec![(Vec::new(), old, new)];
        while let Some((above, old, new)) = ahead.pop() {
            for (name, Pair { old, new }) in pairs(repository, old, new, budget)? {
                if old == new {
                    continue;
                }
                let path = [above.as_slice(), &name].concat();
                path_bytes += path.len();
                let tree = |entry: Option<Entry>| entry.filter(|entry| entry.is_tree).map(|entry| entry.id);
                let leaf = |entry: Option<Entry>| entry.filter(|entry| !entry.is_tree);
                if let Some(entry) = leaf(old) {
                    found.old.insert(path.clone(), (entry.mode, entry.id));
                }
                if let Some(entry) = leaf(new) {
                    found.new.insert(path.clone(), (entry.mode, entry.id));
                }
                let (old, new) = (tree(old), tree(new));
                if old.is_some() || new.is_some() {
                    ahead.push(([path.as_slice(), b"/"].concat(), old, new));
                }
                if found.old.len() + found.new.len() > crate::sabotage::most("q14", DIFFERING) || path_bytes > crate::sabotage::most("q15", PATH_BYTES) {
                    return Err(Error::TooMuchToCompare);
                }
            }
        }
        Ok(found)
    }
}

/// One side of a pair.
type Side = fn(&mut Pair) -> &mut Option<Entry>;

/// The names in either of two directories.
fn pairs(
    repository: &Repository,
    old: Option<Oid>,
    new: Option<Oid>,
    budget: &Budget,
) -> Result<BTreeMap<Vec<u8>, Pair>> {
    let mut pairs: BTreeMap<Vec<u8>, Pair> = BTreeMap::new();
    let sides: [(Option<Oid>, Side); 2] = [(old, |pair| &mut pair.old), (new, |pair| &mut pair.new)];
    for (tree, side) in sides {
        let Some(tree) = tree else { continue };
        for entry in &find_tree(repository, tree)? {
            budget.spend_entry()?;
            let found = Entry {
                is_tree: entry.kind() == Some(ObjectType::Tree),
                mode: entry.filemode().unsigned_abs(),
                id: entry.id(),
            };
            let pair = pairs.entry(entry.name_bytes().to_vec()).or_default();
            if side(pair).replace(found).is_some() {
                return Err(Error::BadEntry {
                    path: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
                    why: "stands twice in one directory",
                });
            }
        }
    }
    Ok(pairs)
}

/// An index in memory with these entries.
///
/// # Errors
/// [`Error::BadEntry`] for a path that no index takes.
fn index_of(leaves: &Leaves) -> Result<Index> {
    let mut index = Index::new()?;
    let never = IndexTime::new(0, 0);
    for (path, (mode, id)) in leaves {
        let entry = IndexEntry {
            ctime: never,
            mtime: never,
            dev: 0,
            ino: 0,
            mode: *mode,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: *id,
            flags: 0,
            flags_extended: 0,
            path: path.clone(),
        };
        index.add(&entry).map_err(|_| Error::BadEntry {
            path: String::from_utf8_lossy(path).into_owned(),
            why: "is not a path that Git allows",
        })?;
    }
    Ok(index)
}
