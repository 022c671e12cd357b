//! The commits of a branch: page by page, searched, compared.
//!
//! Newest first by commit time; a commit comes after the commit that led to it. A walk reads no more
//! of the history than it must, and the hashes it passed are kept per newest commit (`orders`), so
//! paging to the end of a long history costs one walk, not one per page.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use git2::{Repository, Revwalk};

use super::commits::{CommitInfo, text_of, tip};
use super::error::Result;
use super::mirror::{Inner, Mirror, commit_id, find_commit};
use super::orders::walk;
use crate::domain::{BranchName, CommitId};

/// How long one search may walk before it answers with what it has and where to go on.
const SEARCH_TIME: Duration = Duration::from_secs(2);
/// The most commits any list returns at once, whatever is asked for.
const LIST_LIMIT: usize = 1000;

/// Where a page begins: a number of commits below a fixed newest one, so that a fetch between two
/// pages neither repeats nor hides a commit. Written `hash:number` in addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    tip: CommitId,
    offset: usize,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tip, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "That page does not exist; begin at the first one.".to_owned();
        let (tip, offset) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            tip: tip.parse()?,
            offset: offset.parse().map_err(|_| wrong())?,
        })
    }
}

/// Some commits in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPage {
    /// Newest first.
    pub commits: Vec<CommitInfo>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
    /// How many commits a search looked at, those of earlier pages included.
    pub searched: Option<usize>,
}

/// Commits that one side has and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// Newest first.
    pub commits: Vec<CommitInfo>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

impl Mirror {
    /// `limit` commits of a branch (150 fill a page), from its newest or from a cursor on.
    ///
    /// # Errors
    /// [`Error::NoBranch`](super::Error::NoBranch), [`Error::Vanished`](super::Error::Vanished) for a cursor whose history is gone,
    /// [`Error::NotFetched`](super::Error::NotFetched), [`Error::Empty`](super::Error::Empty).
    pub async fn commits(
        &self,
        branch: &BranchName,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<CommitPage> {
        let (branch, limit) = (branch.clone(), limit.clamp(1, LIST_LIMIT));
        self.read(move |repository, inner| {
            let from = from.map_or_else(|| newest(repository, inner, &branch), Ok)?;
            let start = find_commit(repository, &from.tip)?.id();
            let order = inner
                .orders
                .until(repository, start, from.offset.saturating_add(limit + 1))?;
            let begin = from.offset.min(order.len());
            let end = (begin + limit).min(order.len());
            let commits = order[begin..end].iter();
            let commits = commits.map(|id| Ok(CommitInfo::of(&repository.find_commit(*id)?)));
            let next = (order.len() > end).then(|| Cursor {
                tip: from.tip.clone(),
                offset: end,
            });
            Ok(CommitPage {
                commits: commits.collect::<Result<_>>()?,
                next,
                searched: None,
            })
        })
        .await
    }

    /// Up to `limit` commits of a branch with `text` in the message, in the author's name or address, or at
    /// the beginning of the hash, from its newest or from a cursor on. Letter case does not matter.
    ///
    /// # Errors
    /// As [`Mirror::commits`].
    pub async fn search(
        &self,
        branch: &BranchName,
        text: &str,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<CommitPage> {
        let (branch, limit) = (branch.clone(), limit.clamp(1, LIST_LIMIT));
        let text = text.trim().to_lowercase();
        self.read(move |repository, inner| {
            let from = from.map_or_else(|| newest(repository, inner, &branch), Ok)?;
            let walk = walk(repository, find_commit(repository, &from.tip)?.id())?;
            look_through(repository, walk, from, &text, limit)
        })
        .await
    }

    /// Whether `commit` is on `branch`. A commit that is gone is not.
    ///
    /// # Errors
    /// [`Error::NoBranch`](super::Error::NoBranch), [`Error::NotFetched`](super::Error::NotFetched), [`Error::Empty`](super::Error::Empty).
    pub async fn contains(&self, branch: &BranchName, commit: &CommitId) -> Result<bool> {
        let (branch, commit) = (branch.clone(), commit.clone());
        self.read(move |repository, inner| {
            let tip = tip(repository, inner, &branch)?.id();
            let Ok(commit) = find_commit(repository, &commit) else {
                return Ok(false);
            };
            Ok(tip == commit.id() || repository.graph_descendant_of(tip, commit.id())?)
        })
        .await
    }

    /// How many commits `a` has that `b` does not have, and vice versa.
    ///
    /// # Errors
    /// [`Error::Vanished`](super::Error::Vanished), [`Error::NotFetched`](super::Error::NotFetched).
    pub async fn ahead_behind(&self, a: &CommitId, b: &CommitId) -> Result<(usize, usize)> {
        let (a, b) = (a.clone(), b.clone());
        self.read(move |repository, _| {
            let (a, b) = (
                find_commit(repository, &a)?.id(),
                find_commit(repository, &b)?.id(),
            );
            Ok(repository.graph_ahead_behind(a, b)?)
        })
        .await
    }

    /// The commits that a deployment of `to` adds where `from` runs; without a `from`, all up to `to`.
    ///
    /// # Errors
    /// [`Error::Vanished`](super::Error::Vanished), [`Error::NotFetched`](super::Error::NotFetched).
    pub async fn between(&self, from: Option<&CommitId>, to: &CommitId, limit: usize) -> Result<Commits> {
        let (from, to, limit) = (from.cloned(), to.clone(), limit.clamp(1, LIST_LIMIT));
        self.read(move |repository, _| {
            let mut walk = walk(repository, find_commit(repository, &to)?.id())?;
            if let Some(from) = from {
                walk.hide(find_commit(repository, &from)?.id())?;
            }
            let mut ids = walk.take(limit + 1).collect::<Result<Vec<_>, _>>()?;
            let more = ids.len() > limit;
            ids.truncate(limit);
            let commits = ids
                .into_iter()
                .map(|id| Ok(CommitInfo::of(&repository.find_commit(id)?)));
            Ok(Commits {
                commits: commits.collect::<Result<_>>()?,
                more,
            })
        })
        .await
    }
}

/// The beginning of a branch's first page.
fn newest(repository: &Repository, inner: &Inner, branch: &BranchName) -> Result<Cursor> {
    Ok(Cursor {
        tip: commit_id(tip(repository, inner, branch)?.id()),
        offset: 0,
    })
}

fn look_through(
    repository: &Repository,
    walk: Revwalk<'_>,
    from: Cursor,
    text: &str,
    limit: usize,
) -> Result<CommitPage> {
    let started = Instant::now();
    let (mut commits, mut next, mut searched) = (Vec::new(), None, from.offset);
    for id in walk.skip(from.offset) {
        if commits.len() == limit || started.elapsed() > SEARCH_TIME {
            next = Some(Cursor {
                tip: from.tip,
                offset: searched,
            });
            break;
        }
        searched += 1;
        let commit = repository.find_commit(id?)?;
        if fits(&commit, text) {
            commits.push(CommitInfo::of(&commit));
        }
    }
    Ok(CommitPage {
        commits,
        next,
        searched: Some(searched),
    })
}

fn fits(commit: &git2::Commit<'_>, text: &str) -> bool {
    let has = |bytes: &[u8]| text_of(bytes).to_lowercase().contains(text);
    let author = commit.author();
    has(commit.message_bytes())
        || has(author.name_bytes())
        || has(author.email_bytes())
        || commit.id().to_string().starts_with(text)
}
