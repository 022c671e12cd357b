//! The tree of one deployment, ready for any number of servers.
//!
//! What many servers have in common is done once: the listing of a tree nobody knew, the
//! difference to it, the packing. A server names its starting point by a digest; whoever comes
//! first with one does the work, the others wait for it and share it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::difference::Difference;
use super::error::{Error, Trouble};
use super::inspection::Inspection;
use super::layout::Layout;
use super::listing::Listing;
use super::manifest::{KnownTrees, Manifest};
use super::pack::{Pack, spool_for};
use super::remote::{LIST, Limits, ask};
use super::{Digest, Trust};
use crate::ssh::Session;

/// Made by whoever asks first.
type Once<T> = Arc<OnceCell<Arc<T>>>;
/// Starting points, `None` being no tree, each with and without gzip.
type Packs = HashMap<(Option<Digest>, bool), Once<Prepared>>;

/// The tree of one deployment.
#[derive(Debug)]
pub struct Source {
    root: PathBuf,
    pub(super) goal: Arc<Manifest>,
    known: KnownTrees,
    listings: Mutex<HashMap<Digest, Once<Listing>>>,
    prepared: Mutex<Packs>,
}

/// A difference and its pack.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) work: Difference,
    pub(super) pack: Pack,
}

/// A tree on a server to start from. Its key tells it from all others; `None` is no tree.
pub(super) struct Start {
    key: Option<Digest>,
    listing: Option<Arc<Listing>>,
}

impl Source {
    /// The tree at `root`, of which `manifest` was made; it must not change any more.
    pub fn open(root: PathBuf, manifest: Arc<Manifest>, known: KnownTrees) -> Self {
        Self {
            root,
            goal: manifest,
            known,
            listings: Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    /// What is being deployed.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.goal
    }

    /// What there is to start from on a server; asks it only for a tree that nobody knows, or for
    /// all contents when its listing is not trusted.
    pub(super) async fn start(
        &self,
        session: &Session,
        layout: &Layout,
        inspection: &Inspection,
        trust: Trust,
        limits: &Limits,
    ) -> Result<Start, Error> {
        let (Some(digest), Some(root)) = (inspection.digest, inspection.resolved.as_deref()) else {
            return Ok(Start {
                key: None,
                listing: None,
            });
        };
        if trust == Trust::Contents {
            let listing = list(session, layout, root, trust, limits).await?;
            let contents: Vec<_> = listing
                .found
                .iter()
                .map(|(path, found)| format!("{path:?}{found:?}"))
                .collect();
            let key = Digest::of(contents.join("\0").as_bytes());
            return Ok(Start {
                key: Some(key),
                listing: Some(Arc::new(listing)),
            });
        }
        if self.known.find(digest).is_some() || digest == self.goal.digest() {
            return Ok(Start {
                key: Some(digest),
                listing: None,
            });
        }
        let once = Arc::clone(self.listings.lock().entry(digest).or_default());
        let listing = once
            .get_or_try_init(|| async { list(session, layout, root, trust, limits).await.map(Arc::new) })
            .await?;
        // It may have changed since it was summed: then this is another starting point.
        let seen = listing.digest();
        Ok(Start {
            key: Some(seen),
            listing: Some(Arc::clone(listing)),
        })
    }

    /// The difference from `start`, packed; made once per starting point.
    pub(super) async fn prepare(&self, start: Start, may_gzip: bool) -> Result<Arc<Prepared>, Error> {
        let once = Arc::clone(self.prepared.lock().entry((start.key, may_gzip)).or_default());
        let (goal, root) = (Arc::clone(&self.goal), self.root.clone());
        let known = start.key.and_then(|key| {
            if key == self.goal.digest() {
                Some(&self.goal)
            } else {
                self.known.find(key)
            }
        });
        let known = known.map(Arc::clone);
        let build = move || {
            let listing = match (&start.listing, known) {
                (Some(listing), _) => Arc::clone(listing),
                (None, Some(manifest)) => Arc::new(manifest.listing()),
                (None, None) => Arc::default(),
            };
            let work = Difference::between(&listing, &goal);
            let pack = Pack::build(&root, &spool_for(&root), &goal, &work, may_gzip)?;
            Ok::<_, Error>(Arc::new(Prepared { work, pack }))
        };
        let prepared = once
            .get_or_try_init(|| async {
                tokio::task::spawn_blocking(build)
                    .await
                    .map_err(Error::task)
                    .flatten()
            })
            .await?;
        Ok(Arc::clone(prepared))
    }
}

/// Lists the tree in `root` on the server.
pub(super) async fn list(
    session: &Session,
    layout: &Layout,
    root: &str,
    trust: Trust,
    limits: &Limits,
) -> Result<Listing, Error> {
    let (kept, above) = (layout.rules.kept_regex(), layout.rules.above_regex());
    let (depth, how) = match trust {
        Trust::Times => ("times", limits.question()),
        // Every byte is read, which takes a disk about as long as writing it.
        Trust::Contents => ("contents", limits.transfer(crate::ssh::Stdin::Empty)),
    };
    let answer = ask(
        session,
        LIST,
        &[root, &kept, &above, depth].map(str::as_bytes),
        how,
    )
    .await?;
    let output = answer.raw();
    // No record of the listing is this word, since each begins with a letter and a space.
    let separator = b"\0hashes\0";
    let middle = output
        .windows(separator.len())
        .position(|window| window == separator);
    let (records, hashes) = match middle {
        _ if output.starts_with(&separator[1..]) => (&output[..0], &output[separator.len() - 1..]),
        Some(at) => (&output[..at], &output[at + separator.len()..]),
        None => (output, &output[..0]),
    };
    let unreadable = |detail| Trouble::Other {
        doing: "list its files",
        detail,
    };
    let mut listing = Listing::parse(records).map_err(unreadable)?;
    listing.add_hashes(hashes);
    Ok(listing)
}
