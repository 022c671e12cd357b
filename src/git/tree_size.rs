//! How many entries a tree has, counted without looking at any subtree twice: a few kilobytes of Git objects can
//! describe billions of files.

use std::collections::HashMap;

use git2::{ObjectType, Oid, Repository};
use tokio_util::sync::CancellationToken;

use super::budget::find_tree;
use super::error::{Error, Result};
use super::mirror::{Mirror, find_commit};
use crate::domain::CommitId;

impl Mirror {
    /// Demands that the tree of `commit` has no more entries than are exported, whatever lies in its submodules.
    ///
    /// # Errors
    /// [`Error::TooManyEntries`], [`Error::Vanished`], [`Error::Cancelled`].
    pub async fn demand_exportable(&self, commit: &CommitId, cancel: &CancellationToken) -> Result<()> {
        let (commit, stop) = (commit.clone(), cancel.child_token());
        let _stop_when_dropped = stop.clone().drop_guard();
        self.read(move |repository, inner| {
            let root = find_commit(repository, &commit)?.tree_id();
            count(repository, root, inner.options.entry_limit, &stop).map(drop)
        })
        .await
    }
}

/// Demands that `parts` together have no more entries than are exported.
///
/// # Errors
/// As [`Mirror::demand_exportable`].
pub(super) fn demand<'a>(
    parts: impl Iterator<Item = (&'a Mirror, &'a CommitId)>,
    stop: &CancellationToken,
) -> Result<()> {
    let mut all = 0_u64;
    for (mirror, commit) in parts {
        let repository = mirror.inner.open()?;
        let root = find_commit(&repository, commit)?.tree_id();
        let limit = mirror.inner.options.entry_limit;
        all += count(&repository, root, limit, stop)?;
        if all > limit {
            return Err(Error::TooManyEntries { limit });
        }
    }
    Ok(())
}

/// The entries of the tree `root`, those of its subtrees included; at most `limit`.
fn count(repository: &Repository, root: Oid, limit: u64, stop: &CancellationToken) -> Result<u64> {
    let mut counted: HashMap<Oid, u64> = HashMap::new();
    // Not recursive: a hostile tree may be deeper than our stack.
    let mut ahead = vec![root];
    while let Some(&id) = ahead.last() {
        if stop.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if counted.contains_key(&id) {
            ahead.pop();
            continue;
        }
        let waiting = ahead.len();
        let mut entries = 0_u64;
        for entry in &find_tree(repository, id)? {
            entries += 1;
            if entry.kind() == Some(ObjectType::Tree) {
                match counted.get(&entry.id()) {
                    Some(below) => entries += below,
                    None => ahead.push(entry.id()),
                }
            }
            if entries > limit {
                return Err(Error::TooManyEntries { limit });
            }
        }
        if ahead.len() == waiting {
            counted.insert(id, entries);
            ahead.pop();
        }
    }
    Ok(counted.get(&root).copied().unwrap_or_default())
}
