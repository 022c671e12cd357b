//! How much the tree of a commit takes, from the headers of Git's objects: nothing is unpacked.
//!
//! Files in Git LFS count as their pointers say. What lies in submodules is not counted: it may not be on
//! this host yet.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{ObjectType, Oid, Repository};
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, ENTRIES, find_tree, path_in};
use super::error::Result;
use super::lfs::Pointer;
use super::mirror::{Mirror, find_commit};
use super::survey::survey;
use crate::domain::{CommitId, Extras, TreeSize};

/// What is weighed.
#[derive(Debug, Clone)]
pub struct Weighing {
    /// The commit whose tree it is.
    pub commit: CommitId,
    /// Only what differs from the tree of this one; `None`: all of it.
    pub since: Option<CommitId>,
    /// What is fetched beside the repository itself.
    pub extras: Extras,
    /// The longest it may take.
    pub time: Duration,
}

impl Mirror {
    /// What the tree of a commit takes, without the paths that `is_sent` (which is told the path and
    /// whether it is a directory) leaves out. Asks nobody.
    ///
    /// # Errors
    /// [`super::Error::Vanished`] and [`super::Error::NotFetched`] for a commit that is not here;
    /// [`super::Error::TooMuchToCompare`] for a tree that is too large for the time; otherwise as
    /// [`Mirror::prospects`].
    pub async fn weigh(
        &self,
        what: Weighing,
        is_sent: impl Fn(&[u8], bool) -> bool + Send + 'static,
    ) -> Result<TreeSize> {
        let unwanted = CancellationToken::new();
        let _unwanted_when_dropped = unwanted.clone().drop_guard();
        self.read(move |repository, _| {
            let budget = Budget::of(ENTRIES, what.time, unwanted);
            let lfs = survey(repository, &what.commit, what.extras, &budget)?.lfs;
            let root = |commit: &CommitId| -> Result<Oid> { Ok(find_commit(repository, commit)?.tree_id()) };
            let trees = (root(&what.commit)?, what.since.as_ref().map(root).transpose()?);
            weigh(repository, trees, &lfs, &budget, is_sent)
        })
        .await
    }
}

fn weigh(
    repository: &Repository,
    (root, since): (Oid, Option<Oid>),
    lfs: &BTreeMap<PathBuf, Pointer>,
    budget: &Budget,
    is_sent: impl Fn(&[u8], bool) -> bool,
) -> Result<TreeSize> {
    let (odb, mut size) = (repository.odb()?, TreeSize::default());
    let mut ahead = vec![(root, since, Vec::new())];
    while let Some((tree, before, prefix)) = ahead.pop() {
        let tree = find_tree(repository, tree)?;
        let before = before.map(|id| find_tree(repository, id)).transpose()?;
        for entry in &tree {
            budget.spend_entry()?;
            let was = before
                .as_ref()
                .and_then(|before| before.get_name_bytes(entry.name_bytes()));
            let is_same =
                |was: &git2::TreeEntry<'_>| (was.id(), was.filemode()) == (entry.id(), entry.filemode());
            let path = path_in(&prefix, entry.name_bytes())?;
            let is_directory = entry.kind() == Some(ObjectType::Tree);
            if was.as_ref().is_some_and(is_same) || !is_sent(&path, is_directory) {
                continue;
            }
            size.entries += 1;
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let was = was.filter(|was| was.kind() == Some(ObjectType::Tree));
                    ahead.push((entry.id(), was.map(|was| was.id()), [&path[..], b"/"].concat()));
                }
                Some(ObjectType::Blob) => {
                    let bytes = match lfs.get(Path::new(OsStr::from_bytes(&path))) {
                        Some(pointer) => pointer.size,
                        None => odb.read_header(entry.id())?.0 as u64,
                    };
                    size.bytes = size.bytes.saturating_add(bytes);
                }
                _ => {}
            }
        }
    }
    Ok(size)
}
