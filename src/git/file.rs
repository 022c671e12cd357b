//! The files of a commit, without exporting them.

use std::collections::VecDeque;

use git2::{ObjectType, Oid, Repository, Tree};

use super::budget::find_tree;
use super::error::{Error, Result};
use super::export::within;
use super::mirror::{Mirror, find_commit};
use super::survey::PATH_BYTES;
use crate::domain::CommitId;

/// A file as Git has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it may be run as it is.
    pub executable: bool,
}

/// Git's mode of a file that may be run.
const EXECUTABLE: i32 = 0o100_755;
/// The bits of a mode that hold the file type, and the types.
const KIND: i32 = 0o170_000;
const PLAIN: i32 = 0o100_000;
const DIRECTORY: i32 = 0o040_000;
const LINK: i32 = 0o120_000;
/// As many links on the way to one file as Linux follows.
const MOST_LINKS: usize = 40;
/// The longest path that Linux takes, and so the longest target of a link.
const LONGEST_LINK: usize = 4096;

impl Mirror {
    /// The file at `path` (relative, `/` separated) of `commit`, also through symbolic links inside
    /// its tree; `None` when there is no plain file.
    ///
    /// # Errors
    /// [`Error::Vanished`], [`Error::TooLarge`]; a mirror that cannot be read.
    pub async fn file(&self, commit: &CommitId, path: &'static str) -> Result<Option<CommitFile>> {
        let commit = commit.clone();
        self.read(move |repository, inner| {
            let tree = find_tree(repository, find_commit(repository, &commit)?.tree_id())?;
            let Some((id, mode)) = find(repository, tree, path)? else {
                return Ok(None);
            };
            let (size, _) = repository.odb()?.read_header(id)?;
            within(inner.options.whole_file_limit, size, || path.to_owned())?;
            let blob = repository.find_blob(id)?;
            Ok(Some(CommitFile {
                bytes: blob.content().to_vec(),
                executable: mode == EXECUTABLE,
            }))
        })
        .await
    }
}

impl Mirror {
    /// The names at the top of a commit's tree; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// [`Error::Vanished`]; a mirror that cannot be read.
    pub async fn top_names(&self, commit: &CommitId) -> Result<Vec<String>> {
        let commit = commit.clone();
        self.read(move |repository, _| {
            let tree = find_tree(repository, find_commit(repository, &commit)?.tree_id())?;
            let names = tree
                .iter()
                .map(|entry| String::from_utf8_lossy(entry.name_bytes()).into_owned());
            Ok(names.collect())
        })
        .await
    }
}

impl Mirror {
    /// Shows `see` the path of each file of a commit, links and submodules included, in no certain order,
    /// and gives back what it made of them.
    ///
    /// # Errors
    /// [`Error::TooMuchToCompare`] for a tree that is too large to look through while somebody waits;
    /// [`Error::Vanished`].
    pub async fn each_file<S: Send + 'static>(
        &self,
        commit: &CommitId,
        mut seen: S,
        see: fn(&mut S, &[u8]),
    ) -> Result<S> {
        let commit = commit.clone();
        self.read_within_budget(move |repository, budget| {
            let root = find_commit(repository, &commit)?.tree_id();
            let mut ahead = vec![(root, Vec::new())];
            while let Some((tree, above)) = ahead.pop() {
                for entry in &find_tree(repository, tree)? {
                    budget.spend_entry()?;
                    let mut path = [above.as_slice(), entry.name_bytes()].concat();
                    if path.len() > crate::sabotage::most("u39", PATH_BYTES) {
                        return Err(Error::TooMuchToCompare);
                    }
                    match entry.kind() {
                        Some(ObjectType::Tree) => {
                            path.push(b'/');
                            ahead.push((entry.id(), path));
                        }
                        _ => see(&mut seen, &path),
                    }
                }
            }
            Ok(seen)
        })
        .await
    }
}

/// The object and mode of the plain file at `path` below `tree`, through links that stay inside.
fn find<'r>(repository: &'r Repository, tree: Tree<'r>, path: &str) -> Result<Option<(Oid, i32)>> {
    let names =
        |path: &[u8]| -> Vec<Vec<u8>> { path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect() };
    let mut rest: VecDeque<Vec<u8>> = names(path.as_bytes()).into();
    let (mut above, mut links) = (vec![tree], 0);
    while let Some(name) = rest.pop_front() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." if above.len() > 1 => {
                above.pop();
                continue;
            }
            b".." => return Ok(None),
            _ => {}
        }
        let entry = above
            .last()
            .and_then(|here| here.iter().find(|entry| entry.name_bytes() == name));
        let Some((id, mode)) = entry.map(|entry| (entry.id(), entry.filemode())) else {
            return Ok(None);
        };
        match mode & KIND {
            DIRECTORY => above.push(find_tree(repository, id)?),
            PLAIN if rest.is_empty() => return Ok(Some((id, mode))),
            LINK if links < if crate::sabotage::on("q8") { 2000 } else { MOST_LINKS } && repository.odb()?.read_header(id)?.0 <= crate::sabotage::most("u40", LONGEST_LINK) => {
                links += 1;
                let blob = repository.find_blob(id)?;
                if blob.content().starts_with(b"/") {
                    return Ok(None);
                }
                for name in names(blob.content()).into_iter().rev() {
                    rest.push_front(name);
                }
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}
