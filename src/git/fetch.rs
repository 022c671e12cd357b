//! Bringing a mirror up to date, and asking a remote what it has.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{
    AutotagOption, Direction, ErrorClass, ErrorCode, FetchOptions, Oid, Reference, Remote, RemoteCallbacks,
    RemoteRedirect, RemoteUpdateFlags, Repository,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::GitOptions;
use super::copy::{OBJECTS, Tip, check_history, copy_missing};
use super::error::{Error, Result};
use super::link::RemoteLink;
use super::mirror::{Inner, Mirror, commit_id};
use super::refs::REFS;
use super::url::RemoteUrl;
use crate::domain::{BranchName, CommitId};
use crate::free_room::RoomWatch;

/// What is mirrored: branches and tags, each moved wherever the remote has it now.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

impl Mirror {
    /// Waits for the fetch that is under way, and fetches if there was none or it failed; does nothing
    /// when a fetch has ever succeeded.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_once(&self, cancel: &CancellationToken) -> Result<()> {
        let limit = self.inner.options.fetch_timeout;
        let under_way = async {
            drop(self.inner.writing.lock().await);
            Ok(())
        };
        within(under_way, limit, cancel).await?;
        if self.is_fetched() {
            return Ok(());
        }
        self.fetch(cancel).await.map(drop)
    }

    /// Brings the mirror up to date, making it first if need be. One fetch runs at a time per
    /// mirror, a second caller waits for it; reads go on meanwhile. Dropping the future stops the
    /// fetch too. Answers how many branches and tags came, went or moved.
    ///
    /// # Errors
    /// [`Error::Timeout`] after [`GitOptions::fetch_timeout`] (waiting included),
    /// [`Error::Cancelled`], or an error of the connection, the remote or the disk.
    pub async fn fetch(&self, cancel: &CancellationToken) -> Result<usize> {
        let (inner, began) = (self.inner.clone(), Instant::now());
        let stop = cancel.child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        let work = async {
            let alone = inner.writing.clone().lock_owned().await;
            let link = RemoteLink::open(&inner.remote(), &inner.options).await?;
            let mut session = Session::new(&link, &stop, &inner.options);
            session.room = Some(RefCell::new(RoomWatch::new(&inner.path, inner.options.keep_free)));
            let writer = inner.clone();
            let fetching = tokio::task::spawn_blocking(move || {
                // Held until the thread is really done, even if nobody waits for it any more.
                let _alone = alone;
                fetch_into(&writer, &session)
            });
            fetching
                .await
                .map_err(Error::Internal)?
                .map_err(|error| explain(error, &link))
        };
        let done = within(work, inner.options.fetch_timeout, cancel).await;
        let outcome = done.as_ref().map(drop).map_err(ToString::to_string);
        self.inner.remember(began, outcome);
        done
    }
}

impl Mirror {
    /// Where the remote has its branches now. Nothing is fetched.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn remote_branches(&self) -> Result<Vec<(BranchName, CommitId)>> {
        probe(&self.inner.remote(), &self.inner.options).await
    }
}

/// Asks a remote for its branches without keeping anything: what `git-check` prints.
///
/// # Errors
/// As [`Mirror::fetch`].
pub async fn probe(remote: &RemoteUrl, options: &GitOptions) -> Result<Vec<(BranchName, CommitId)>> {
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let work = async {
        let link = RemoteLink::open(remote, options).await?;
        let session = Session::new(&link, &stop, options);
        let asking = tokio::task::spawn_blocking(move || list(&session));
        asking
            .await
            .map_err(Error::Internal)?
            .map_err(|error| explain(error, &link))
    };
    within(work, options.fetch_timeout, &stop).await
}

async fn within<T>(
    work: impl Future<Output = Result<T>>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Cancelled),
        done = timeout(limit, work) => done.unwrap_or(Err(Error::Timeout { seconds: limit.as_secs() })),
    }
}

/// Prefers the remote's own message to libgit2's “unexpected end of file”.
fn explain(error: Error, link: &RemoteLink) -> Error {
    let said = escaped(String::from_utf8_lossy(&link.heard.lock()).trim());
    let Error::Fetch(cause) = error else { return error };
    if let Some(trouble) = link.trouble.lock().take() {
        return trouble;
    }
    match (said.is_empty(), cause.class()) {
        (false, _) => Error::Remote(said),
        (true, ErrorClass::Object | ErrorClass::Tree | ErrorClass::Invalid) => Error::Damaged {
            what: "A commit, tag or tree of the repository".to_owned(),
            why: escaped(cause.message()),
        },
        (true, ErrorClass::Net) if cause.code() == ErrorCode::Eof => Error::NoAnswer,
        (true, ErrorClass::Http) => Error::Remote(escaped(cause.message())),
        // A remote may send words of its own, which libgit2 repeats.
        (true, _) if cause.message().contains(char::is_control) => Error::Remote(escaped(cause.message())),
        (true, _) => Error::Fetch(cause),
    }
}

/// What a remote said, with its control characters escaped, except line ends.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push('\n'),
            c if c.is_control() => escaped.extend(c.escape_debug()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What libgit2 needs to know for one conversation.
struct Session {
    url: String,
    /// Where the objects are of a repository on this host.
    objects: Option<PathBuf>,
    stop: CancellationToken,
    /// How many bytes it may bring.
    limit: u64,
    /// Whether it would have brought more bytes, or more objects than [`OBJECTS`].
    is_over: Cell<bool>,
    has_too_many: Cell<bool>,
    /// The room where it brings them.
    room: Option<RefCell<RoomWatch>>,
    is_short: Cell<bool>,
}

impl Session {
    fn new(link: &RemoteLink, stop: &CancellationToken, options: &GitOptions) -> Self {
        Self {
            url: link.url.clone(),
            objects: link.objects.clone(),
            stop: stop.clone(),
            limit: options.pack_limit,
            is_over: Cell::new(false),
            has_too_many: Cell::new(false),
            room: None,
            is_short: Cell::new(false),
        }
    }

    /// Whether it may go on with so many objects and bytes.
    fn goes_on(&self, objects: usize, received: usize) -> bool {
        self.is_over.set(received as u64 > self.limit);
        self.has_too_many.set(objects > OBJECTS);
        let room = self.room.as_ref();
        self.is_short
            .set(room.is_some_and(|room| room.borrow_mut().is_short()));
        !self.is_over.get() && !self.has_too_many.get() && !self.is_short.get() && !self.stop.is_cancelled()
    }
}

fn fetch_into(inner: &Inner, session: &Session) -> Result<usize> {
    let repository = inner.open_or_create()?;
    let before = tips(&repository)?;
    let mut remote = repository.remote_anonymous(&session.url)?;
    let failed = |error| failed(error, session);
    remote.connect(Direction::Fetch).map_err(failed)?;
    let heads = remote.list().map_err(failed)?;
    if heads.len() > REFS {
        return Err(Error::TooManyRefs { limit: REFS });
    }
    // libgit2 passes over names that are none.
    let is_wanted = |name: &str| is_mirrored(name) && Reference::is_valid_name(name);
    let wanted = heads.iter().filter(|head| is_wanted(head.name()));
    let wanted: Vec<Tip> = wanted.map(|head| (head.name().to_owned(), head.oid())).collect();
    let goes_on = |objects, bytes| session.goes_on(objects, bytes);
    let stopped = |error| session.stopped().unwrap_or(error);
    if !goes_on(0, 0) {
        return Err(stopped(Error::Cancelled));
    }
    if let Some(objects) = &session.objects {
        copy_missing(&repository, objects, &wanted, &goes_on).map_err(stopped)?;
    }
    // What is here now, as this one does not look again.
    let unaware = inner.open()?;
    let known = unaware.odb()?;
    known.refresh()?;
    let packs = Packs::of(&repository);
    download(&mut remote, session).map_err(failed)?;
    if let Err(error) = check_history(&repository, &known, &wanted, &goes_on) {
        packs.remove_later_ones();
        return Err(stopped(error));
    }
    update(&mut remote).map_err(failed)?;
    let after = tips(&repository)?;
    inner.mark_fetched()?;
    Ok(changes(&before, &after))
}

impl Session {
    /// Why it was stopped, if it was.
    fn stopped(&self) -> Option<Error> {
        if self.stop.is_cancelled() {
            return Some(Error::Cancelled);
        }
        if self.has_too_many.get() {
            return Some(Error::TooManyObjects { limit: OBJECTS });
        }
        if self.is_short.get()
            && let Some(room) = &self.room
        {
            return Some(Error::NoRoom(room.borrow().why()));
        }
        let is_over = self.is_over.get();
        is_over.then_some(Error::PackTooLarge { limit: self.limit })
    }
}

fn failed(error: git2::Error, session: &Session) -> Error {
    session.stopped().unwrap_or(Error::Fetch(error))
}

/// Whether a branch or tag of that name has a place in the mirror.
fn is_mirrored(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

fn download(remote: &mut Remote<'_>, session: &Session) -> Result<(), git2::Error> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks
        .transfer_progress(|progress| session.goes_on(progress.total_objects(), progress.received_bytes()));
    callbacks.sideband_progress(|_| !session.stop.is_cancelled());
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks)
        .download_tags(AutotagOption::None)
        .follow_redirects(RemoteRedirect::None);
    remote.download(&REFSPECS, Some(&mut options))
}

/// Moves the branches and tags.
fn update(remote: &mut Remote<'_>) -> Result<(), git2::Error> {
    // Removed refs are pruned first: an old branch `a` would block a new branch `a/b`.
    remote.prune(None)?;
    remote.update_tips(
        None,
        RemoteUpdateFlags::empty(),
        AutotagOption::None,
        Some("fetch"),
    )?;
    remote.disconnect()
}

/// The packs of a mirror at some time.
struct Packs {
    directory: PathBuf,
    names: HashSet<OsString>,
}

impl Packs {
    fn of(mirror: &Repository) -> Self {
        let directory = mirror.path().join("objects/pack");
        let names = Self::names(&directory);
        Self { directory, names }
    }

    fn names(directory: &Path) -> HashSet<OsString> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).collect()
    }

    /// Removes what came since: what nothing leads to would count as known the next time.
    fn remove_later_ones(&self) {
        for name in Self::names(&self.directory).difference(&self.names) {
            let path = self.directory.join(name);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a pack that was refused could not be removed");
            }
        }
    }
}

fn list(session: &Session) -> Result<Vec<(BranchName, CommitId)>> {
    let asked = || {
        let mut remote = Remote::create_detached(session.url.as_str())?;
        let connection = remote.connect_auth(Direction::Fetch, None, None)?;
        let branch = |head: &git2::RemoteHead<'_>| {
            let name = head.name().strip_prefix("refs/heads/")?.parse().ok()?;
            Some((name, commit_id(head.oid())))
        };
        let branches = connection.list()?.iter().filter_map(branch).collect();
        Ok(branches)
    };
    asked().map_err(|error| failed(error, session))
}

type Tips = BTreeMap<String, Oid>;

/// Every branch and tag with what it points at.
fn tips(repository: &Repository) -> Result<Tips> {
    let mut tips = Tips::new();
    for reference in repository.references()? {
        let reference = reference?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        if let (true, Some(target)) = (is_mirrored(&name), reference.target()) {
            tips.insert(name, target);
        }
    }
    Ok(tips)
}

/// How many came, went or moved.
fn changes(before: &Tips, after: &Tips) -> usize {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let new = after.iter().filter(|(name, at)| before.get(*name) != Some(at));
    gone.count() + new.count()
}
