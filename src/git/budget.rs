//! What reading a repository may cost.
//!
//! A few kilobytes of Git objects can describe a tree with billions of entries: the same subtree
//! over and over. So code that walks trees counts the entries it reads. It stops at a limit, when its
//! time is up, and when nobody waits for the answer any more.

use std::cell::Cell;
use std::time::{Duration, Instant};

use git2::{Oid, Repository, Tree};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Result};

/// Tree entries that one comparison looks at: ten times those of the largest repositories known.
pub(super) const ENTRIES: u64 = 2_000_000;
/// How long one comparison may take: more than a person waits for a page.
pub(super) const TIME: Duration = Duration::from_secs(10);
/// Steps of comparing paths with patterns: some seconds of work, a hundred times what the largest repositories
/// known take.
const STEPS: u64 = 1 << 30;
/// Steps after which it is looked whether anybody still waits.
const STEPS_AT_ONCE: u64 = 1 << 20;
/// The longest path in a tree, in bytes, as on Linux; a hostile tree may be deeper than that.
pub(super) const PATH_BYTES: usize = 4096;
/// Bytes of one tree object: a directory with about a million files.
const TREE_BYTES: usize = 64 * 1024 * 1024;

/// What one reading may still cost.
pub(super) struct Budget {
    entries: Cell<u64>,
    steps: Cell<u64>,
    /// How many may be left when it is looked again.
    next_look: Cell<u64>,
    end: Instant,
    unwanted: CancellationToken,
}

impl Budget {
    /// The whole budget of a reading; it ends when `unwanted` is cancelled.
    pub(super) fn new(unwanted: CancellationToken) -> Self {
        Self::of(ENTRIES, TIME, unwanted)
    }

    /// So many entries within `time`; it ends when `unwanted` is cancelled.
    pub(super) fn of(entries: u64, time: Duration, unwanted: CancellationToken) -> Self {
        Self {
            entries: Cell::new(entries),
            steps: Cell::new(STEPS),
            next_look: Cell::new(STEPS),
            end: Instant::now() + time,
            unwanted,
        }
    }

    /// Whether the time is up.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.end
    }

    /// # Errors
    /// [`Error::Cancelled`] when nobody waits for the answer.
    pub(super) fn check_wanted(&self) -> Result<()> {
        if self.unwanted.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Pays for looking at one tree entry.
    ///
    /// # Errors
    /// [`Error::TooMuchToCompare`], [`Error::Cancelled`].
    pub(super) fn spend_entry(&self) -> Result<()> {
        self.check_wanted()?;
        let left = self.entries.get().checked_sub(1);
        self.entries.set(left.ok_or(Error::TooMuchToCompare)?);
        if self.is_late() {
            return Err(Error::TooMuchToCompare);
        }
        Ok(())
    }
}

impl Budget {
    /// Pays for so many small steps of comparing a path with patterns.
    ///
    /// # Errors
    /// [`Error::Refused`] when all are spent; [`Error::TooMuchToCompare`], [`Error::Cancelled`].
    pub(super) fn spend_steps(&self, steps: usize) -> Result<()> {
        let left = self.steps.get().checked_sub(steps as u64);
        let left = left.ok_or_else(|| Error::Refused {
            what: "“.gitattributes” of the commit".into(),
            why: "compares too many patterns with too many paths. Use fewer and shorter ones".into(),
        })?;
        self.steps.set(left);
        if left > self.next_look.get() {
            return Ok(());
        }
        self.next_look.set(left.saturating_sub(STEPS_AT_ONCE));
        self.check_wanted()?;
        match self.is_late() {
            true => Err(Error::TooMuchToCompare),
            false => Ok(()),
        }
    }
}

/// The tree `id`, unless it is larger than any directory.
///
/// # Errors
/// [`Error::TooMuchToCompare`], and what libgit2 says of a broken tree.
pub(super) fn find_tree(repository: &Repository, id: Oid) -> Result<Tree<'_>> {
    let (size, _) = repository.odb()?.read_header(id)?;
    if size > TREE_BYTES {
        return Err(Error::TooMuchToCompare);
    }
    Ok(repository.find_tree(id)?)
}

/// The path of the entry `name` in the directory `above`, which ends with a slash or is empty.
///
/// # Errors
/// [`Error::BadEntry`] for one that is longer than any system takes.
pub(super) fn path_in(above: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    if above.len() + name.len() > PATH_BYTES {
        return Err(too_deep(name));
    }
    Ok([above, name].concat())
}

/// An entry whose path is longer than any system takes.
pub(super) fn too_deep(name: &[u8]) -> Error {
    Error::BadEntry {
        path: String::from_utf8_lossy(name).into_owned(),
        why: "lies deeper than any path may be long",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_for_a_page_ends_in_time() {
        let left = |budget: Budget| budget.end.saturating_duration_since(Instant::now());
        let whole = left(Budget::new(CancellationToken::new()));
        assert!((TIME / 2..=TIME).contains(&whole), "{whole:?}");
        let over = Budget::of(10, Duration::ZERO, CancellationToken::new());
        assert!(matches!(over.spend_entry(), Err(Error::TooMuchToCompare)));
    }
}
