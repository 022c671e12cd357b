//! Files that a repository keeps in Git LFS: found by their pointers, fetched over the batch API, kept
//! in a cache inside the mirror.
//!
//! The repository says what is fetched, by hash and size; a server only says where. So whatever comes
//! is believed only when both are right, and what a file is at most is known before the first byte.
//! Where to ask follows from the repository's own address; `.lfsconfig` may name another one within the
//! bounds of [`super::elsewhere`]. The address of an object comes from the server: it may be anywhere on
//! the internet, gets the headers that came with it, and never our login for another host.
//!
//! Reading order: `pointer`, `place` (where to ask), `batch` (what is asked and answered), `download`,
//! `cache`.

mod batch;
mod cache;
mod download;
mod place;
pub(super) mod pointer;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

use self::download::LfsServer;
use self::place::ObjectPlace;
pub(super) use self::place::check as check_address;
pub use self::pointer::Pointer;
use super::GitOptions;
use super::error::{Error, Result};
use super::url::RemoteUrl;

pub(super) use self::cache::Cache;

/// Objects that one question names; git-lfs does the same.
const BATCH: usize = 100;
/// Objects that are downloaded at once, as git-lfs does.
const AT_ONCE: usize = 8;

/// What was fetched from Git LFS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LfsReport {
    /// Objects that came now.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Refuses files that are larger than the limits, before anything is asked.
///
/// # Errors
/// [`Error::Refused`].
pub(super) fn check_sizes<'a>(
    files: impl IntoIterator<Item = (String, &'a Pointer)>,
    options: &GitOptions,
) -> Result<()> {
    let mut whole: u64 = 0;
    for (path, pointer) in files {
        let limit = options.lfs_object_limit;
        if pointer.size > crate::sabotage::most("l1", limit) {
            return Err(Error::Refused {
                what: format!("“{path}”"),
                why: format!(
                    "has {} bytes in Git LFS; git.lfs_object_limit_mib allows {limit}",
                    pointer.size
                ),
            });
        }
        whole = whole.saturating_add(pointer.size);
    }
    if whole > crate::sabotage::most("l2", options.lfs_project_limit) {
        return Err(Error::Refused {
            what: "The commit".into(),
            why: format!(
                "has files of {whole} bytes in Git LFS; git.lfs_project_limit_mib allows a project {}",
                options.lfs_project_limit
            ),
        });
    }
    Ok(())
}

/// Brings the objects of `files`, each with its path, that are not there yet into `cache`. `named` is the
/// address of `.lfsconfig`.
///
/// # Errors
/// [`Error::Refused`], [`Error::Lfs`], [`Error::Disk`], [`Error::Cancelled`], and what the way to the
/// host has to say.
pub(super) async fn fetch(
    remote: &RemoteUrl,
    named: Option<&str>,
    files: Vec<(String, Pointer)>,
    cache: &Cache,
    options: &GitOptions,
    cancel: &CancellationToken,
) -> Result<LfsReport> {
    let sizes = files.iter().map(|(path, pointer)| (path.clone(), pointer));
    check_sizes(sizes, options)?;
    let (own, limit) = (cache.clone(), options.lfs_project_limit);
    let looking = tokio::task::spawn_blocking(move || {
        let missing = own.missing(files);
        let bytes = bytes_of(&missing);
        if bytes > 0 {
            own.make_room(bytes, limit)?;
        }
        Ok::<_, Error>(missing)
    });
    let missing = looking.await.map_err(Error::Internal)??;
    let report = LfsReport {
        objects: missing.len(),
        bytes: bytes_of(&missing),
    };
    if missing.is_empty() {
        return Ok(report);
    }
    let fetching = Box::pin(async {
        match ObjectPlace::find(remote, named, options).await? {
            ObjectPlace::Here(repository) => copy(cache.clone(), repository, missing, cancel.clone()).await,
            ObjectPlace::There(server) => download(&server, &missing, cache).await,
        }
    });
    let done = cancel.run_until_cancelled(fetching).await;
    done.unwrap_or(Err(Error::Cancelled))?;
    Ok(report)
}

fn bytes_of(files: &[(String, Pointer)]) -> u64 {
    files
        .iter()
        .fold(0, |sum, (_, pointer)| sum.saturating_add(pointer.size))
}

async fn copy(
    cache: Cache,
    repository: PathBuf,
    files: Vec<(String, Pointer)>,
    cancel: CancellationToken,
) -> Result<()> {
    let copying = tokio::task::spawn_blocking(move || {
        files.iter().try_for_each(|(path, pointer)| {
            if cancel.is_cancelled() && !crate::sabotage::on("l16") {
                return Err(Error::Cancelled);
            }
            cache.copy_from(&repository, path, pointer)
        })
    });
    copying.await.map_err(Error::Internal)?
}

async fn download(server: &LfsServer, files: &[(String, Pointer)], cache: &Cache) -> Result<()> {
    for some in files.chunks(BATCH) {
        let sources = Box::pin(server.ask(some)).await?;
        // Boxed, as the compiler cannot see that the bare futures may move between threads.
        let mut downloads: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for (source, (path, pointer)) in sources.into_iter().zip(some) {
            downloads.push(Box::pin(server.download(source, path, pointer, cache)));
        }
        stream::iter(downloads)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}
