//! What can go wrong with a repository: the sentence for the person, and the cause for the log.

use std::io;
use std::path::PathBuf;

use git2::ErrorClass;

use crate::domain::{self, CommitId, ErrorKind};
use crate::http;

/// The result of everything in [`crate::git`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a repository; its text is a public sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host cannot be reached.
    #[error("The Git host {host} cannot be reached: {why}. Check the address and the network.")]
    Unreachable {
        /// Name and port.
        host: String,
        /// What the system said.
        why: String,
    },
    /// The host's key is not the one we know, or we know none.
    #[error("{0}")]
    HostKey(String),
    /// The host does not let us in.
    #[error("The Git host {host} refused to let “{user}” in: {why}.")]
    AuthRefused {
        /// Name and port.
        host: String,
        /// Who we said we are.
        user: String,
        /// What was tried and what to do.
        why: String,
    },
    /// The host wants a login, and we have none for it.
    #[error("The Git host {host} wants a login: the repository is private or does not exist, and {why}.")]
    NoLogin {
        /// Name and port.
        host: String,
        /// Which setting lacks what.
        why: String,
    },
    /// The host refused after the login.
    #[error("The Git host answered: “{0}”")]
    Remote(String),
    /// The host prints something else than Git's answer.
    #[error(
        "The Git host says “{0}” where Git's own answer should begin. Let the account there run git-upload-pack, and print nothing before it."
    )]
    Greeting(String),
    /// The host closed the connection without a word.
    #[error(
        "The Git host closed the connection without an answer. Does the account there run git-upload-pack?"
    )]
    NoAnswer,
    /// TLS failed, or the connection broke off.
    #[error("{}", .0.with_setting("git.https_certificates"))]
    Https(#[from] http::Error),
    /// The path is not below a directory that projects may name.
    #[error(
        "{} is on the deployer's host and below none of its git.local_directories. Use an ssh:// or https:// address, or have an administrator of the host add the directory.",
        path.display()
    )]
    LocalAddress {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is no repository on this host at that path.
    #[error("There is no Git repository at {}.", path.display())]
    NoRepository {
        /// Where it should be.
        path: PathBuf,
    },
    /// A repository on this host that our account may not read.
    #[error(
        "The repository at {} cannot be read: {cause}. Let the account that the deployer runs as read all of it, by its group or with setfacl.",
        path.display()
    )]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A repository of a kind that libgit2 does not read.
    #[error("The repository {what}, which the deployer cannot fetch from. {advice}")]
    Unsupported {
        /// What is special about it, without a full stop.
        what: &'static str,
        /// What to do, as a sentence.
        advice: &'static str,
    },
    /// It took too long.
    #[error("The Git host did not finish within {seconds} s. Try again, or allow more time.")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// Somebody cancelled.
    #[error("Cancelled.")]
    Cancelled,
    /// Nothing was fetched yet.
    #[error("The repository was not fetched yet. Fetch it first.")]
    NotFetched,
    /// The repository has no commit.
    #[error("The repository is empty: push a branch to it first.")]
    Empty,
    /// No such branch.
    #[error("There is no branch “{0}” in the repository.")]
    NoBranch(String),
    /// Nothing of that name.
    #[error("There is no branch, tag or commit “{0}” in the repository.")]
    NotFound(String),
    /// A prefix that several objects have.
    #[error("More than one commit begins with “{0}”. Give more digits.")]
    Ambiguous(String),
    /// A commit that was there, or is said to have been.
    #[error("Commit {} is no longer in the repository. It may have been removed by a force-push; pick another one.", .0.short())]
    Vanished(CommitId),
    /// An object in a form that libgit2 does not take, as some old histories and broken ones have.
    #[error(
        "{what} cannot be read: {why}. Pick another commit or branch, or have it repaired in the repository."
    )]
    Damaged {
        /// The object, as the beginning of a sentence.
        what: String,
        /// What libgit2 said, without a full stop.
        why: String,
    },
    /// An object of the repository is missing or damaged.
    #[error(
        "“{name}” of the repository needs something that is missing or damaged there: {why}. Nothing was fetched. Have it repaired, or that branch or tag removed, and fetch again."
    )]
    Broken {
        /// The branch or tag, with `refs/heads/` or `refs/tags/`.
        name: String,
        /// What libgit2 said, without a full stop.
        why: String,
    },
    /// Input that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A submodule stands in the tree of a project that fetches none.
    #[error(
        "“{0}” is a submodule, and this project does not fetch submodules. Have it do so in its settings, or put the files into the repository."
    )]
    Submodule(String),
    /// Something went wrong with a submodule.
    #[error("The submodule “{path}”: {cause}")]
    InSubmodule {
        /// Where its files belong.
        path: String,
        /// What went wrong.
        #[source]
        cause: Box<Error>,
    },
    /// A commit needs something from elsewhere that is not fetched: its address or its size is not
    /// allowed.
    #[error("{what} {why}.")]
    Refused {
        /// The thing, as the beginning of a sentence.
        what: String,
        /// What is wrong with it, without a full stop.
        why: String,
    },
    /// Git LFS did not give a file.
    #[error("{what} cannot be fetched from Git LFS: {why}.")]
    Lfs {
        /// The file, or all of them.
        what: String,
        /// Why, without a full stop.
        why: String,
    },
    /// A file of the repository in the form of Git's configuration is broken.
    #[error("{file} of the commit cannot be read: line {line} is not in the form of Git's configuration.")]
    BadSettings {
        /// Its name.
        file: &'static str,
        /// Counted from 1.
        line: usize,
    },
    /// A tree entry that no ordinary repository has.
    #[error("The commit cannot be read: “{path}” {why}.")]
    BadEntry {
        /// The entry.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file that would have to be held in memory whole, and is too large for that.
    #[error(
        "“{path}” has {bytes} bytes and is stored in the repository as a difference to another file; such a file may have {limit} bytes at most. Keep it out of the repository, or have it stored whole: give it “-delta” in .gitattributes and repack."
    )]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// What it may have.
        limit: u64,
    },
    /// More entries than are exported, counted before the first one is.
    #[error(
        "The tree of this commit has more than {limit} files and directories, the most that is deployed (engine.tree_entries in the configuration). A few objects can describe very many, so see what was committed; if it is meant, raise the limit. Nothing was exported."
    )]
    TooManyEntries {
        /// How many are exported.
        limit: u64,
    },
    /// A tree or a difference is larger than [`super::budget`] allows.
    #[error(
        "There is too much to compare: the trees of these commits are too large to show here. Compare commits that lie closer together, or use git."
    )]
    TooMuchToCompare,
    /// More branches and tags than are mirrored.
    #[error(
        "The repository has more than {limit} branches and tags, which is more than a mirror takes. Delete those that nobody needs, and fetch again."
    )]
    TooManyRefs {
        /// How many are taken.
        limit: usize,
    },
    /// More bytes in one fetch than are taken.
    #[error(
        "The Git host sends more than {} MiB in one fetch, which is more than the deployer takes (git.pack_limit_mib). Nothing of it was kept. If the repository is that large, raise the limit; otherwise see who pushed what.",
        limit >> 20
    )]
    PackTooLarge {
        /// How many bytes are taken.
        limit: u64,
    },
    /// More objects in one fetch than are taken.
    #[error(
        "The repository sends more than {limit} objects in one fetch, which is more than a mirror takes. Nothing of it was kept. See who pushed what."
    )]
    TooManyObjects {
        /// How many are taken.
        limit: usize,
    },
    /// The disk of the mirror has too little room left.
    #[error("Nothing more was fetched: {0}. Make room there.")]
    NoRoom(String),
    /// A file here could not be written or read.
    #[error("“{path}” could not be written: {source}.")]
    Disk {
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The mirror could not be read or written.
    #[error("The mirror of the repository on this host could not be used: {}.", .0.message())]
    Mirror(#[source] git2::Error),
    /// A fetch failed in a way that has no sentence of its own.
    #[error("Fetching failed: {}.", .0.message())]
    Fetch(#[source] git2::Error),
    /// A bug of ours.
    #[error("Something went wrong in the deployer. Its log has the details.")]
    Internal(#[source] tokio::task::JoinError),
}

impl Error {
    /// The file at `path` cannot be fetched from Git LFS.
    pub(super) fn lfs_file(path: &str, why: impl Into<String>) -> Self {
        Self::Lfs {
            what: format!("“{path}”"),
            why: why.into(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoBranch(_) | Self::NotFound(_) => ErrorKind::NotFound,
            Self::Ambiguous(_) | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Cancelled | Self::NotFetched | Self::Empty | Self::Vanished(_) => ErrorKind::Conflict,
            Self::Submodule(_) | Self::BadEntry { .. } | Self::TooLarge { .. } => ErrorKind::Conflict,
            Self::Refused { .. } | Self::BadSettings { .. } => ErrorKind::Conflict,
            Self::Damaged { .. } | Self::Broken { .. } => ErrorKind::Conflict,
            Self::TooMuchToCompare | Self::TooManyRefs { .. } => ErrorKind::Conflict,
            Self::PackTooLarge { .. } | Self::TooManyObjects { .. } | Self::TooManyEntries { .. } => {
                ErrorKind::Conflict
            }
            Self::Unreachable { .. } | Self::HostKey(_) | Self::AuthRefused { .. } | Self::Remote(_) => {
                ErrorKind::Unavailable
            }
            Self::NoLogin { .. } | Self::Greeting(_) | Self::NoAnswer => ErrorKind::Unavailable,
            Self::Unsupported { .. } => ErrorKind::Conflict,
            Self::NoRepository { .. } | Self::LocalAddress { .. } | Self::Unreadable { .. } => {
                ErrorKind::Unavailable
            }
            Self::Timeout { .. } | Self::Disk { .. } | Self::Lfs { .. } => ErrorKind::Unavailable,
            Self::NoRoom(_) => ErrorKind::Unavailable,
            Self::Https(_) | Self::Mirror(_) | Self::Fetch(_) => ErrorKind::Unavailable,
            Self::InSubmodule { cause, .. } => cause.kind(),
            Self::Internal(_) => ErrorKind::Internal,
        }
    }
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Self {
        match error.class() {
            ErrorClass::Object | ErrorClass::Tree | ErrorClass::Invalid => Self::Damaged {
                what: "A commit, tag or tree that is needed here".to_owned(),
                why: error.message().to_owned(),
            },
            _ => Self::Mirror(error),
        }
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        Self::new(kind, error.to_string()).because(error)
    }
}
