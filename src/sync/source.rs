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

use super::delivery::Delivery;
use super::difference::Difference;
use super::error::{Error, Trouble};
use super::layout::Layout;
use super::listing::{Found, Listing, Path};
use super::manifest::{KnownTrees, Manifest};
use super::pack::{Pack, spool_for};
use super::remote::{LIST, Limits, ask};
use super::{Digest, Trust};
use crate::domain::SyncMethod;
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
    consumed: Vec<Path>,
    claims: Mutex<HashMap<Digest, Once<Seen>>>,
    prepared: Mutex<Packs>,
}

/// A tree on a server, with its digest.
#[derive(Debug)]
struct Seen {
    listing: Arc<Listing>,
    digest: Digest,
}

/// A difference and its pack.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) work: Difference,
    pub(super) pack: Pack,
}

/// A tree on a server to start from. Its key tells it from all others; `None` is no tree.
pub(super) struct Start {
    pub(super) key: Option<Digest>,
    listing: Arc<Listing>,
    /// Whether the server listed it just now. Otherwise its marker's word was taken for it.
    pub(super) is_sure: bool,
    /// Whether it is another one than we left there.
    pub(super) is_restless: bool,
}

impl Start {
    pub(super) fn nothing() -> Self {
        Self {
            key: None,
            listing: Arc::default(),
            is_sure: true,
            is_restless: false,
        }
    }

    /// A tree that nobody should believe next time.
    pub(super) fn restless() -> Self {
        Self {
            is_restless: true,
            ..Self::nothing()
        }
    }
}

impl Source {
    /// The tree at `root`, of which `manifest` was made; it must not change any more.
    pub fn open(root: PathBuf, manifest: Arc<Manifest>, known: KnownTrees) -> Self {
        Self {
            root,
            goal: manifest,
            known,
            consumed: Vec::new(),
            claims: Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    /// Files that are deleted on servers after each deployment, such as a script that has run: they
    /// are sent each time, instead of being missed each time.
    #[must_use]
    pub fn consumed(mut self, paths: impl IntoIterator<Item = impl Into<Path>>) -> Self {
        self.consumed = paths.into_iter().map(Into::into).collect();
        self
    }

    /// What is being deployed.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.goal
    }

    /// What there is to start from on a server. With `believe` that is what its marker claims, as
    /// far as we know that tree; the digest asked afterwards shows whether it was true.
    pub(super) async fn start(&self, delivery: &Delivery<'_>, believe: bool) -> Result<Start, Error> {
        let Delivery {
            layout,
            inspection,
            trust,
            ..
        } = *delivery;
        let Some(root) = inspection.tree(layout.method) else {
            return Ok(Start::nothing());
        };
        let claim = inspection.claim();
        if let (Some(claim), true, Trust::Times) = (claim, believe, trust) {
            let seen = self.claimed(delivery, root, claim).await?;
            return Ok(Start {
                key: Some(seen.digest),
                listing: Arc::clone(&seen.listing),
                is_sure: false,
                is_restless: false,
            });
        }
        let listing = list(delivery.session, layout, root, trust, delivery.limits).await?;
        let digest = listing.digest();
        let key = match trust {
            Trust::Times => digest,
            Trust::Contents => {
                let contents = listing.found.iter();
                let contents: Vec<_> = contents
                    .map(|(path, found)| format!("{path:?}{found:?}"))
                    .collect();
                Digest::of(contents.join("\0").as_bytes())
            }
        };
        let is_as_left = |left: Digest| {
            digest == left
                || self
                    .known
                    .find(left)
                    .is_some_and(|tree| self.rest_of(tree, layout).digest == digest)
        };
        let left = inspection.data.as_ref().and_then(|data| data.digest.parse().ok());
        Ok(Start {
            key: Some(key),
            listing: Arc::new(listing),
            is_sure: true,
            is_restless: left.is_some_and(|left| !is_as_left(left)),
        })
    }

    /// The tree with the digest `claim`, less what is consumed there. One that we do not know, the
    /// first server that claims it lists for all.
    async fn claimed(&self, delivery: &Delivery<'_>, root: &str, claim: Digest) -> Result<Arc<Seen>, Error> {
        let once = Arc::clone(self.claims.lock().entry(claim).or_default());
        let seen = once
            .get_or_try_init(|| async {
                let known = if claim == self.goal.digest() {
                    Some(&self.goal)
                } else {
                    self.known.find(claim)
                };
                if let Some(tree) = known {
                    return Ok(Arc::new(self.rest_of(tree, delivery.layout)));
                }
                let Delivery {
                    session,
                    layout,
                    trust,
                    limits,
                    ..
                } = *delivery;
                let listing = list(session, layout, root, trust, limits).await?;
                Ok::<_, Error>(Arc::new(Seen {
                    digest: listing.digest(),
                    listing: Arc::new(listing),
                }))
            })
            .await?;
        Ok(Arc::clone(seen))
    }

    /// What is left of a tree once what is consumed is gone, and what is kept by now: that was part
    /// of it when it was put there, and is none of our business any more.
    fn rest_of(&self, tree: &Manifest, layout: &Layout) -> Seen {
        let mut listing = tree.listing();
        let before = listing.found.len();
        for path in &self.consumed {
            listing.found.remove(path);
        }
        let counts = |path: &Path, found: &Found| layout.rules.counts(path, *found == Found::Directory);
        listing.found.retain(|path, found| counts(path, found));
        Seen {
            digest: if listing.found.len() == before {
                tree.digest()
            } else {
                listing.digest()
            },
            listing: Arc::new(listing),
        }
    }

    /// The difference from `start`, packed; made once per starting point.
    pub(super) async fn prepare(
        &self,
        start: &Start,
        method: SyncMethod,
        may_gzip: bool,
    ) -> Result<Arc<Prepared>, Error> {
        let once = Arc::clone(self.prepared.lock().entry((start.key, may_gzip)).or_default());
        let (goal, root) = (Arc::clone(&self.goal), self.root.clone());
        let listing = Arc::clone(&start.listing);
        let build = move || {
            let work = Difference::between(&listing, &goal);
            let pack = Pack::build(&root, &spool_for(&root), &goal, &work, method, may_gzip)?;
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
    let [kept, above, names] = layout.rules.expressions();
    let (depth, how) = match trust {
        Trust::Times => ("times", limits.question()),
        // Every byte is read, which takes a disk about as long as writing it.
        Trust::Contents => ("contents", limits.transfer(crate::ssh::Stdin::Empty)),
    };
    let answer = ask(
        session,
        LIST,
        &[root, &kept, &above, &names, depth].map(str::as_bytes),
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
