//! What has to be done to a tree on a server to make it the one in a manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::listing::{Listed, Listing, Path, mtime_text};
use super::manifest::{DIRECTORY, FILE, LINK, Manifest, TreeEntry};

/// The work, in the order in which it is done there: `clear`, put in place `send`, `modes`,
/// `delete`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Entries of the manifest that are sent: files, links and missing directories.
    pub send: Vec<Path>,
    /// The entries of `send` that replace something of another kind, or replace a link by a link:
    /// only a rename of their own does that atomically.
    pub swap: BTreeSet<Path>,
    /// The directories of `send` that are missing on the server; those inside a missing one are not
    /// listed.
    pub directories: Vec<Path>,
    /// What is in the way of a file that replaces a directory.
    pub clear: Removal,
    /// Files that need nothing but other permission bits, by those bits.
    pub modes: BTreeMap<u32, Vec<Path>>,
    /// What is on the server but not in the manifest.
    pub delete: Removal,
    /// What is of another kind on the server than it will be: what is there. Somebody may have wanted it so.
    pub turned: BTreeMap<Path, Listed>,
}

/// Things to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// All but directories.
    pub files: Vec<Path>,
    /// Directories, those inside others first.
    pub directories: Vec<Path>,
}

impl Difference {
    /// Between a tree on a server and the one it should be.
    pub fn between(start: &Listing, goal: &Manifest) -> Self {
        let mut work = Self::default();
        let mut missing = BTreeSet::new();
        for (path, entry) in goal.entries() {
            let found = start.found.get(path);
            if !is_same(entry, found) {
                work.send.push(path.clone());
                let is_directory = matches!(entry, TreeEntry::Directory { .. });
                if is_directory && found != Some(&Listed::Directory) {
                    if !parent(path).is_some_and(|above| missing.contains(above)) {
                        work.directories.push(path.clone());
                    }
                    missing.insert(path.as_slice());
                }
                let both_files = matches!(
                    (entry, found),
                    (TreeEntry::File { .. }, Some(Listed::File { .. }))
                );
                if !is_directory && found.is_some() && !both_files {
                    work.swap.insert(path.clone());
                }
                if let Some(there) =
                    found.filter(|there| kind_of(there).is_some_and(|kind| kind != entry.kind()))
                {
                    work.turned.insert(path.clone(), there.clone());
                }
                continue;
            }
            if let (TreeEntry::File { mode, .. }, Some(Listed::File { mode: there, .. })) = (entry, found)
                && mode != there
            {
                work.modes.entry(*mode).or_default().push(path.clone());
            }
        }
        for (path, found) in &start.found {
            let wanted = goal.entries().get(path);
            let is_directory = *found == Listed::Directory;
            let blocks = is_directory && wanted.is_some_and(|e| !matches!(e, TreeEntry::Directory { .. }));
            let removal = match wanted {
                // Anything else in the way is replaced when its turn comes.
                Some(_) if !blocks => continue,
                Some(_) => &mut work.clear,
                None if below_a_leaf(path, goal) => &mut work.clear,
                None => &mut work.delete,
            };
            let list = if is_directory {
                &mut removal.directories
            } else {
                &mut removal.files
            };
            list.push(path.clone());
        }
        // In byte order, “a/b” follows “a”; reversed, what is inside goes first.
        work.clear.directories.reverse();
        work.delete.directories.reverse();
        work
    }

    /// How many things are removed.
    pub fn removed(&self) -> u64 {
        [&self.clear, &self.delete]
            .iter()
            .map(|r| r.files.len() + r.directories.len())
            .sum::<usize>() as u64
    }
}

/// What kind of thing a server has, in a word; `None` for one that may also be a file that we cannot read.
pub(super) fn kind_of(found: &Listed) -> Option<&'static str> {
    match found {
        Listed::Directory => Some(DIRECTORY),
        Listed::File { .. } => Some(FILE),
        Listed::Symlink(_) => Some(LINK),
        Listed::Other => None,
    }
}

/// Whether the content is the same, whatever the permission bits. Where both hashes are known they
/// have to match as well as the time, since the time is part of the tree's digest.
fn is_same(entry: &TreeEntry, found: Option<&Listed>) -> bool {
    match (entry, found) {
        // Uncounted directories are not listed; sending one that exists is harmless.
        (TreeEntry::Directory { counted, .. }, Some(Listed::Directory)) => *counted,
        (TreeEntry::Symlink(target), Some(Listed::Symlink(there))) => target == there,
        (
            TreeEntry::File {
                size, mtime, hash, ..
            },
            Some(Listed::File {
                size: there,
                mtime: then,
                hash: known,
                ..
            }),
        ) => size == there && mtime_text(*mtime) == *then && known.is_none_or(|known| known == *hash),
        _ => false,
    }
}

/// The directory that `path` is in; `None` at the top.
pub(super) fn parent(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some(&path[..slash])
}

/// Whether the goal has a file or link where `path` needs a directory.
fn below_a_leaf(path: &[u8], goal: &Manifest) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes
        .filter_map(|(at, _)| goal.entries().get(&path[..at]))
        .any(|entry| !matches!(entry, TreeEntry::Directory { .. }))
}

#[cfg(test)]
mod tests {
    use super::super::Digest;
    use super::*;

    fn file(content: &str, mtime: u64, mode: u32) -> TreeEntry {
        let hash = Digest::of(content.as_bytes());
        TreeEntry::File {
            mode,
            size: content.len() as u64,
            mtime,
            hash,
        }
    }

    fn manifest(entries: &[(&str, TreeEntry)]) -> Manifest {
        Manifest::new(
            entries
                .iter()
                .map(|(p, e)| (p.as_bytes().to_vec(), e.clone()))
                .collect(),
        )
    }

    fn paths(paths: &[Path]) -> Vec<&str> {
        paths.iter().map(|p| std::str::from_utf8(p).unwrap()).collect()
    }

    const FOLDER: TreeEntry = TreeEntry::Directory {
        mode: 0o755,
        counted: true,
    };

    #[test]
    fn equal_trees_need_no_work() {
        let tree = manifest(&[
            ("d", FOLDER),
            ("d/f", file("x", 1, 0o644)),
            ("l", TreeEntry::Symlink(b"d".to_vec())),
        ]);
        assert_eq!(Difference::between(&tree.listing(), &tree), Difference::default());
    }

    #[test]
    fn only_what_differs_is_sent_and_strangers_go_last_from_the_inside() {
        let start = manifest(&[
            ("old", FOLDER),
            ("old/in", FOLDER),
            ("old/in/f", file("x", 1, 0o644)),
            ("same", file("x", 1, 0o644)),
            ("mode", file("x", 1, 0o644)),
            ("content", file("x", 1, 0o644)),
        ]);
        let goal = manifest(&[
            ("same", file("x", 1, 0o644)),
            ("mode", file("x", 1, 0o755)),
            ("content", file("y", 2, 0o644)),
        ]);
        let work = Difference::between(&start.listing(), &goal);
        assert_eq!(paths(&work.send), ["content"]);
        assert_eq!(work.modes[&0o755], [b"mode".to_vec()]);
        assert_eq!(paths(&work.delete.files), ["old/in/f"]);
        assert_eq!(paths(&work.delete.directories), ["old/in", "old"]);
    }

    #[test]
    fn a_directory_in_the_way_of_a_file_is_cleared_first() {
        let start = manifest(&[("a", FOLDER), ("a/b", FOLDER), ("a/b/c", file("x", 1, 0o644))]);
        let goal = manifest(&[("a", file("x", 1, 0o644))]);
        let work = Difference::between(&start.listing(), &goal);
        assert_eq!(paths(&work.clear.files), ["a/b/c"]);
        assert_eq!(paths(&work.clear.directories), ["a/b", "a"]);
        assert_eq!(work.delete, Removal::default());
        let back = Difference::between(&goal.listing(), &start);
        assert_eq!(paths(&back.send), ["a", "a/b", "a/b/c"]);
        assert_eq!(paths(&back.directories), ["a"], "what is inside comes with it");
        assert_eq!((work.swap.len(), back.swap.len()), (1, 0));
        assert_eq!(work.turned.into_values().collect::<Vec<_>>(), [Listed::Directory]);
        assert_eq!(back.turned.len(), 1);
        assert_eq!(back.clear, Removal::default());
    }

    #[test]
    fn a_same_looking_file_of_known_other_content_is_sent() {
        let start = manifest(&[("f", file("x", 1, 0o644))]);
        let goal = manifest(&[("f", file("y", 1, 0o644))]);
        assert_eq!(paths(&Difference::between(&start.listing(), &goal).send), ["f"]);
        let mut unknown = start.listing();
        if let Some(Listed::File { hash, .. }) = unknown.found.get_mut(&b"f"[..]) {
            *hash = None;
        }
        assert_eq!(Difference::between(&unknown, &goal), Difference::default());
    }
}
