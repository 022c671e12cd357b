//! The bare mirrors: one directory per project and address, opened cheaply, fetched one at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use git2::{ErrorClass, ErrorCode, Oid, Repository, RepositoryInitOptions};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::GitOptions;
use super::budget::Budget;
use super::error::{Error, Result};
use super::mend::mend;
use super::orders::Orders;
use super::url::RemoteUrl;
use crate::domain::{CommitId, Instant, KeyName, ProjectId};

/// How many opened repositories a mirror keeps for the next reader; each holds a few file handles.
const IDLE_REPOSITORIES: usize = 4;
/// Bytes of the address's hash in a directory's name: enough that two never collide.
pub(super) const URL_HASH_BYTES: usize = 8;
/// Exists in a mirror after a successful fetch, to tell “empty” from “not fetched”.
pub(super) const FETCHED_MARK: &str = "deployer-fetched";

/// All mirrors of this instance.
#[derive(Clone)]
pub struct Mirrors {
    dir: PathBuf,
    options: Arc<GitOptions>,
    opened: Arc<Mutex<HashMap<PathBuf, Mirror>>>,
}

/// One project's mirror. Cheap to clone; clones share the lock that fetches take.
#[derive(Clone)]
pub struct Mirror {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) path: PathBuf,
    remote: RemoteUrl,
    /// The key to fetch with, as it was named last.
    key: Mutex<Option<KeyName>>,
    pub(super) options: Arc<GitOptions>,
    /// Held while the mirror is being written, by the thread that writes too.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
    pub(super) orders: Orders,
    idle: Mutex<Vec<Repository>>,
    last_try: Mutex<LastTry>,
    /// Whether what an earlier process left was cleared away.
    mended: Once,
}

/// How the last fetch of this process went.
#[derive(Default)]
struct LastTry {
    began: Option<std::time::Instant>,
    failure: Option<String>,
}

/// How much a mirror's content can be relied on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When a fetch last succeeded; `None`: never.
    pub fetched_at: Option<Instant>,
    /// Whether one is going on.
    pub fetching: bool,
    /// What went wrong with the last one of this process, if it failed.
    pub failure: Option<String>,
}

impl Mirrors {
    /// Mirrors below `dir`, which is created when the first one is fetched.
    pub fn new(dir: PathBuf, options: GitOptions) -> Self {
        let opened = Arc::default();
        Self {
            dir,
            options: Arc::new(options),
            opened,
        }
    }

    /// Refuses an address on this host outside the directories that projects may name.
    pub fn may_name(&self, url: &RemoteUrl) -> Result<()> {
        url.demand_below(&self.options.local_directories)
    }

    /// The mirror of `project` at `url`; nothing is read or fetched yet. A project whose address
    /// changes gets a new mirror, as its history may differ.
    pub fn mirror(&self, project: ProjectId, url: &RemoteUrl) -> Mirror {
        let path = self.dir.join(Self::name(project, url));
        let mut opened = self.opened.lock();
        let mirror = opened.entry(path.clone()).or_insert_with(|| Mirror {
            inner: Arc::new(Inner {
                path,
                remote: url.clone(),
                key: Mutex::default(),
                options: self.options.clone(),
                writing: Arc::default(),
                orders: Orders::default(),
                idle: Mutex::default(),
                last_try: Mutex::default(),
                mended: Once::new(),
            }),
        });
        mirror.inner.key.lock().clone_from(&url.key);
        mirror.clone()
    }

    /// What the mirror's directory is called.
    pub(super) fn name(project: ProjectId, url: &RemoteUrl) -> String {
        let hash = Sha256::digest(url.as_str().as_bytes());
        format!("{project}-{}", hex::encode(&hash[..URL_HASH_BYTES]))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Closes the mirror in this directory; `false` when it is in use.
    pub(super) fn forget(&self, path: &Path) -> bool {
        let mut opened = self.opened.lock();
        // One handle is the map's own; more mean that somebody uses the mirror.
        let is_free = opened
            .get(path)
            .is_none_or(|mirror| Arc::strong_count(&mirror.inner) == 1);
        if is_free {
            opened.remove(path);
        }
        is_free
    }
}

impl Mirror {
    /// The directory of the bare repository.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Where it fetches from.
    pub fn remote(&self) -> &RemoteUrl {
        &self.inner.remote
    }

    /// Whether a fetch has ever succeeded.
    pub fn is_fetched(&self) -> bool {
        self.inner.path.join(FETCHED_MARK).exists()
    }

    /// How fresh it is. Looks at one file.
    pub fn freshness(&self) -> Freshness {
        let mark = self.inner.path.join(FETCHED_MARK);
        let written = mark.metadata().and_then(|mark| mark.modified()).ok();
        Freshness {
            fetched_at: written.map(Instant::from),
            fetching: self.inner.writing.try_lock().is_err(),
            failure: self.inner.last_try.lock().failure.clone(),
        }
    }

    /// Whether no fetch began for `pause`; a caller who gets `true` has to fetch.
    pub fn is_due(&self, pause: Duration) -> bool {
        let mut last = self.inner.last_try.lock();
        let due = last.began.is_none_or(|began| began.elapsed() >= pause);
        if due {
            last.began = Some(std::time::Instant::now());
        }
        due
    }

    /// Keeps `commit` (and all it needs) whatever happens to its branch, because it is on a server.
    ///
    /// # Errors
    /// [`Error::Vanished`] when it is gone already.
    pub async fn keep(&self, commit: &CommitId) -> Result<()> {
        let commit = commit.clone();
        self.read(move |repository, _| {
            let id = find_commit(repository, &commit)?.id();
            repository.reference(&format!("refs/deployed/{id}"), id, true, "deployed")?;
            Ok(())
        })
        .await
    }

    /// Runs `work` with an open repository on a thread for blocking.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Repository, &Inner) -> Result<T> + Send + 'static,
    {
        let inner = self.inner.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let idle = inner.idle.lock().pop();
            let repository = match idle {
                Some(repository) => repository,
                None => inner.open()?,
            };
            let answer = work(&repository, &inner);
            inner.put_back(repository);
            match answer {
                // Nothing can have vanished from a mirror that never held anything.
                Err(Error::Vanished(_)) if !inner.path.join(FETCHED_MARK).exists() => Err(Error::NotFetched),
                answer => answer,
            }
        });
        reading.await.map_err(Error::Internal)?
    }

    /// As [`Self::read`], for work whose cost a hostile repository decides: it has a budget, and
    /// ends soon after nobody waits for it any more.
    pub(super) async fn read_within_budget<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Repository, &Budget) -> Result<T> + Send + 'static,
    {
        let unwanted = CancellationToken::new();
        let _unwanted_when_dropped = unwanted.clone().drop_guard();
        self.read(move |repository, _| work(repository, &Budget::new(unwanted)))
            .await
    }
}

impl Inner {
    /// Where it is fetched from, with the key that is named now.
    pub(super) fn remote(&self) -> RemoteUrl {
        let key = self.key.lock().clone();
        self.remote.clone().with_key(key)
    }

    pub(super) fn open(&self) -> Result<Repository> {
        self.mended.call_once(|| mend(&self.path));
        match Repository::open_bare(&self.path) {
            Ok(repository) => Ok(repository),
            Err(error) if error.code() == ErrorCode::NotFound => Err(Error::NotFetched),
            Err(error) => Err(error.into()),
        }
    }

    fn put_back(&self, repository: Repository) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_REPOSITORIES {
            idle.push(repository);
        }
    }

    /// Remembers how a fetch that began at `began` went, for [`Mirror::freshness`].
    pub(super) fn remember(&self, began: std::time::Instant, outcome: Result<(), String>) {
        *self.last_try.lock() = LastTry {
            began: Some(began),
            failure: outcome.err(),
        };
    }

    /// Opens the mirror, or makes it; making it again over a half-made one is harmless.
    pub(super) fn open_or_create(&self) -> Result<Repository> {
        match self.open() {
            Err(Error::NotFetched) => {
                let mut options = RepositoryInitOptions::new();
                options.bare(true).mkpath(true).external_template(false);
                Ok(Repository::init_opts(&self.path, &options)?)
            }
            opened => opened,
        }
    }

    /// Notes that a fetch succeeded, and lets readers open the mirror anew.
    pub(super) fn mark_fetched(&self) -> Result<()> {
        let mark = self.path.join(FETCHED_MARK);
        std::fs::write(&mark, b"").map_err(|source| Error::Disk {
            path: mark.display().to_string(),
            source,
        })?;
        self.idle.lock().clear();
        Ok(())
    }

    /// What to say when something is not there: the repository may be empty or never fetched.
    pub(super) fn absent(&self, repository: &Repository, otherwise: Error) -> Error {
        if !self.path.join(FETCHED_MARK).exists() {
            return Error::NotFetched;
        }
        let heads = repository.references_glob("refs/heads/*");
        match heads.map(|mut heads| heads.next().is_none()) {
            Ok(true) => Error::Empty,
            _ => otherwise,
        }
    }
}

/// The commit of a full hash, or the sentence that it is gone.
pub(super) fn find_commit<'a>(repository: &'a Repository, id: &CommitId) -> Result<git2::Commit<'a>> {
    let gone = || Error::Vanished(id.clone());
    let oid = Oid::from_str(id.as_str()).map_err(|_| gone())?;
    match repository.find_commit(oid) {
        Ok(commit) => Ok(commit),
        Err(error) if error.code() == ErrorCode::NotFound => Err(gone()),
        Err(error) if matches!(error.class(), ErrorClass::Object | ErrorClass::Invalid) => {
            Err(Error::Damaged {
                what: format!("Commit {}", id.short()),
                why: error.message().to_owned(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Converts a hash of libgit2 to our type.
pub(super) fn commit_id(oid: Oid) -> CommitId {
    let text = oid.to_string();
    text.parse()
        .expect("libgit2 writes hashes as 40 lower-case hexadecimal digits")
}
