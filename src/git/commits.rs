//! Branches and single commits as people see them.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono::DateTime;
use git2::{BranchType, ErrorCode, ObjectType, Repository};

use super::error::{Error, Result};
use super::mirror::{Inner, Mirror, commit_id, find_commit};
use crate::domain::{BranchName, CommitId, Instant};

/// The fewest digits that may stand for a commit, as Git has it.
const PREFIX_DIGITS: usize = 4;
/// How much of a message is kept, in bytes: nobody reads more, and some hold whole logs.
const MESSAGE_LIMIT: usize = 16 * 1024;
/// How much of a name, an address or a title is kept, in characters: what fits a table row.
const FIELD_LIMIT: usize = 300;

/// A commit as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its hash; [`CommitId::short`] is what people read.
    pub id: CommitId,
    /// Who wrote it.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// When it was committed.
    pub time: Instant,
    /// The first line of the message.
    pub title: String,
    /// The whole message, the title included.
    pub message: String,
}

impl Mirror {
    /// All branches, the one with the newest commit first.
    ///
    /// # Errors
    /// [`Error::NotFetched`], [`Error::Empty`].
    pub async fn branches(&self) -> Result<Vec<BranchName>> {
        self.read(|repository, inner| {
            let mut branches = Vec::new();
            for branch in repository.branches(Some(BranchType::Local))? {
                branches.extend(branch_of(&branch?.0));
            }
            if branches.is_empty() {
                return Err(inner.absent(repository, Error::Empty));
            }
            branches.sort();
            Ok(branches.into_iter().map(|(_, name)| name).collect())
        })
        .await
    }

    /// Where all branches are here.
    ///
    /// # Errors
    /// [`Error::NotFetched`].
    pub async fn tips(&self) -> Result<Vec<(BranchName, CommitId)>> {
        self.read(|repository, _| {
            let mut tips = Vec::new();
            for branch in repository.branches(Some(BranchType::Local))? {
                let branch = branch?.0;
                let name = branch.name_bytes().ok();
                let name = name.and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
                tips.extend(name.zip(branch.get().target().map(commit_id)));
            }
            Ok(tips)
        })
        .await
    }

    /// One commit by its full hash.
    ///
    /// # Errors
    /// [`Error::Vanished`] when it is not there (any more), [`Error::NotFetched`].
    pub async fn commit(&self, id: &CommitId) -> Result<CommitInfo> {
        let id = id.clone();
        self.read(move |repository, _| Ok(CommitInfo::of(&find_commit(repository, &id)?)))
            .await
    }

    /// What a person typed: a branch, a tag (`refs/heads/…` and `refs/tags/…` where both have the name), a
    /// hash or the first digits of one (four at least).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`], [`Error::Vanished`] for a full hash that is not
    /// there, [`Error::NotFetched`], [`Error::Empty`].
    pub async fn resolve(&self, text: &str) -> Result<CommitInfo> {
        let text = text.trim().to_owned();
        self.read(move |repository, inner| Ok(CommitInfo::of(&resolve(repository, inner, &text)?)))
            .await
    }
}

/// Its name, and the time of its newest commit, later ones first.
fn branch_of(branch: &git2::Branch<'_>) -> Option<(Reverse<i64>, BranchName)> {
    let name = std::str::from_utf8(branch.name_bytes().ok()?)
        .ok()?
        .parse()
        .ok()?;
    let tip = branch.get().peel_to_commit().ok()?;
    Some((Reverse(tip.time().seconds()), name))
}

fn resolve<'a>(repository: &'a Repository, inner: &Inner, text: &str) -> Result<git2::Commit<'a>> {
    let lower = text.to_ascii_lowercase();
    if let Ok(id) = lower.parse::<CommitId>() {
        return find_commit(repository, &id);
    }
    let places = ["refs/heads/", "refs/tags/"];
    let whole = places
        .iter()
        .find_map(|place| Some((*place, text.strip_prefix(*place)?)));
    let (places, text) = match &whole {
        Some((place, name)) => (std::slice::from_ref(place), *name),
        None => (&places[..], text),
    };
    // A name that is not a branch name cannot be a tag's either; nothing else reaches libgit2.
    if text.parse::<BranchName>().is_ok() {
        for place in places {
            let found = repository.find_reference(&format!("{place}{text}"));
            if let Ok(commit) = found.and_then(|reference| reference.peel_to_commit()) {
                return Ok(commit);
            }
        }
    }
    let hexadecimal = whole.is_none() && lower.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && (PREFIX_DIGITS..40).contains(&lower.len()) {
        let found = repository.find_object_by_prefix(&lower, Some(ObjectType::Commit));
        match found.and_then(|object| object.peel_to_commit()) {
            Ok(commit) => return Ok(commit),
            Err(error) if error.code() == ErrorCode::Ambiguous => return Err(Error::Ambiguous(lower)),
            Err(_) => {}
        }
    }
    let shown: String = text.escape_debug().take(FIELD_LIMIT).collect();
    Err(inner.absent(repository, Error::NotFound(shown)))
}

/// The newest commit of a branch.
pub(super) fn tip<'a>(
    repository: &'a Repository,
    inner: &Inner,
    branch: &BranchName,
) -> Result<git2::Commit<'a>> {
    let found = repository.find_reference(&format!("refs/heads/{branch}"));
    match found.and_then(|reference| reference.peel_to_commit()) {
        Ok(commit) => Ok(commit),
        Err(error) if error.code() == ErrorCode::NotFound => {
            Err(inner.absent(repository, Error::NoBranch(branch.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

impl CommitInfo {
    pub(super) fn of(commit: &git2::Commit<'_>) -> Self {
        let author = commit.author();
        let message = commit.message_bytes();
        let is_within = |at: &usize| message.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let end = message.len().min(MESSAGE_LIMIT);
        // Not within a character of UTF-8, which has four bytes at most.
        let end = (end.saturating_sub(3)..=end)
            .rev()
            .find(|at| !is_within(at))
            .unwrap_or(end);
        let message = &message[..end];
        let message = text_of(message).trim().to_owned();
        Self {
            id: commit_id(commit.id()),
            author: field(author.name_bytes()),
            email: field(author.email_bytes()),
            time: instant(commit.time().seconds()),
            title: field(message.lines().next().unwrap_or_default().as_bytes()),
            message,
        }
    }
}

/// Text that a person wrote: UTF-8, or else Latin-1, as in old commits.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn field(bytes: &[u8]) -> String {
    text_of(bytes).trim().chars().take(FIELD_LIMIT).collect()
}

/// Seconds since 1970 as an instant; a commit may claim any time, and one that no calendar holds
/// counts as 1970.
pub(super) fn instant(seconds: i64) -> Instant {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
}
