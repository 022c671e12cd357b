//! Git: what can be deployed, what would change, and the files of one commit.
//!
//! Every project has a bare mirror on this host ([`Mirrors`], [`Mirror`]). [`Mirror::fetch`] brings
//! it up to date; everything else reads the mirror and never waits for a network. libgit2 does the
//! work, on threads meant for blocking.
//!
//! Branch names, hashes and paths are data here: no `git` program is started, so there is nothing
//! that could take `--output=x` for an option, and no hook or filter of a repository is run. Files in
//! Git LFS and submodules are fetched by ourselves, within bounds that a repository cannot move.
//!
//! libgit2's own connections cannot be given a time limit from safe code, and its SSH checks host
//! keys in its own way. So the connections are ours (`link`): SSH with russh, as strict as towards
//! servers, and HTTPS with rustls. A cancelled or late fetch closes the connection under libgit2,
//! which then ends at once.
//!
//! Reading order: `url`, `mirror`, `fetch` with `link`, `local`, `copy`, `refs`, `ssh`, `https` with `credentials`; then `commits`,
//! `history`, `budget`, `compare`, `diff`; `attributes`, `settings`, `elsewhere`, `survey`, `weigh`,
//! `lfs`, `contents`; `export`, `sweep`.

mod attributes;
mod budget;
mod commits;
mod compare;
mod contents;
mod copy;
mod credentials;
mod diff;
mod elsewhere;
mod error;
mod export;
mod fetch;
mod file;
mod history;
#[cfg(test)]
mod hostile;
mod https;
mod lfs;
mod link;
mod local;
mod mend;
mod mirror;
mod orders;
mod pack;
mod refs;
mod settings;
mod ssh;
mod survey;
mod sweep;
#[cfg(test)]
mod tests;
mod tree_size;
mod url;
mod weigh;

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::OtherHost;
use crate::handshake::keys::KeyFiles;
use crate::handshake::login::Agent;

pub use commits::CommitInfo;
pub use contents::{Contents, Prospects};
pub use credentials::{FORM as CREDENTIALS_FORM, unreadable_credentials};
pub use diff::{
    ChangedFile, ChangedFiles, Diff, DiffLine, DiffOptions, FileDiff, FileStatus, Hunk, LfsSizes, LineOrigin,
};
pub use error::{Error, Result};
pub use export::Exported;
pub use fetch::probe;
pub use file::CommitFile;
pub use history::{CommitPage, Commits, Cursor};
pub use lfs::{LfsReport, Pointer};
pub use mirror::{Freshness, Mirror, Mirrors};
pub use sweep::KeptMirror;
pub use url::{RemoteUrl, check_url};
pub use weigh::Weighing;

pub use crate::http::Proxies;

/// How long a fetch may take from its start to its end unless configured: a first clone of a large
/// repository over a slow line takes minutes.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a host may take to accept a connection; with a slower host nothing works well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How large a file may be that has to be held in memory whole, in bytes: libgit2 needs about twice
/// as much, and Git itself stores every file from half that size on so that it can be streamed.
pub const WHOLE_FILE_LIMIT: u64 = 1024 * 1024 * 1024;

/// How many bytes one fetch may bring unless configured: as many as a large product with all its history has.
pub const PACK_LIMIT: u64 = 4 << 30;
/// How large one file in Git LFS may be, in bytes, unless configured.
pub const LFS_OBJECT_LIMIT: u64 = 4 << 30;
/// How much the files of a project in Git LFS may take on this host, in bytes, unless configured.
pub const LFS_PROJECT_LIMIT: u64 = 32 << 30;

/// How many entries a tree may have unless configured: twice those of the largest repositories known.
pub const TREE_ENTRIES: u64 = 1_000_000;

/// How remotes are reached.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// The longest a whole fetch may take.
    pub fetch_timeout: Duration,
    /// Private keys without a passphrase for SSH remotes.
    pub keys: KeyFiles,
    /// The ssh-agent that is asked after the files, where no key is named.
    pub agent: Option<Agent>,
    /// Files in OpenSSH's `known_hosts` form; a host that none of them knows is refused.
    pub known_hosts: Vec<PathBuf>,
    /// Directories of this host below which `file://` addresses may lie.
    pub local_directories: Vec<PathBuf>,
    /// A file of lines `https://user:token@host`, as `git credential-store` keeps them, for private
    /// repositories over HTTPS.
    pub https_credentials: Option<PathBuf>,
    /// A file of certificates (PEM) that are trusted over HTTPS besides those the host trusts.
    pub https_certificates: Option<PathBuf>,
    /// How large a file of a commit may be, in bytes, if it has to be held in memory whole.
    pub whole_file_limit: u64,
    /// How many files, links and directories a tree that is exported may have.
    pub entry_limit: u64,
    /// Hosts beside a repository's own that its submodules and files in Git LFS may be fetched from.
    pub other_hosts: Vec<OtherHost>,
    /// The proxy for https, if any.
    pub proxies: Proxies,
    /// How many bytes one fetch may bring.
    pub pack_limit: u64,
    /// How large one file in Git LFS may be, in bytes.
    pub lfs_object_limit: u64,
    /// How many bytes a project's files in Git LFS may have, together and on this host.
    pub lfs_project_limit: u64,
    /// How many bytes stay free on the disk of the mirrors.
    pub keep_free: u64,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            fetch_timeout: FETCH_TIMEOUT,
            keys: KeyFiles::default(),
            agent: None,
            known_hosts: Vec::new(),
            local_directories: Vec::new(),
            https_credentials: None,
            https_certificates: None,
            whole_file_limit: WHOLE_FILE_LIMIT,
            entry_limit: TREE_ENTRIES,
            other_hosts: Vec::new(),
            proxies: Proxies::default(),
            pack_limit: PACK_LIMIT,
            lfs_object_limit: LFS_OBJECT_LIMIT,
            lfs_project_limit: LFS_PROJECT_LIMIT,
            keep_free: 0,
        }
    }
}
