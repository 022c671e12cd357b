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
/// Bytes of one tree object: a directory with about a million files.
const TREE_BYTES: usize = 64 * 1024 * 1024;

/// What one reading may still cost.
pub(super) struct Budget {
    entries: Cell<u64>,
    end: Instant,
    unwanted: CancellationToken,
}

impl Budget {
    /// The whole budget of a reading; it ends when `unwanted` is cancelled.
    pub(super) fn new(unwanted: CancellationToken) -> Self {
        Self::of(crate::sabotage::most("q12", ENTRIES), crate::sabotage::most("q13", TIME), unwanted)
    }

    /// So many entries within `time`; it ends when `unwanted` is cancelled.
    pub(super) fn of(entries: u64, time: Duration, unwanted: CancellationToken) -> Self {
        Self {
            entries: Cell::new(entries),
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

/// The tree `id`, unless it is larger than any directory.
///
/// # Errors
/// [`Error::TooMuchToCompare`], and what libgit2 says of a broken tree.
pub(super) fn find_tree(repository: &Repository, id: Oid) -> Result<Tree<'_>> {
    let (size, _) = repository.odb()?.read_header(id)?;
    if size > crate::sabotage::most("q7", TREE_BYTES) {
        return Err(Error::TooMuchToCompare);
    }
    Ok(repository.find_tree(id)?)
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
