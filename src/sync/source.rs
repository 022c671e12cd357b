//! The tree of one deployment, ready for any number of servers.
//!
//! Work that servers have in common is done once: listing an unknown tree, comparing, packing. Servers
//! with the same digest start from the same tree; the first of them does the work, the others wait
//! and share it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::difference::Difference;
use super::error::{Error, Trouble};
use super::layout::Layout;
use super::listing::{Listed, Listing, Path};
use super::manifest::{KnownTrees, Manifest};
use super::pack::{Pack, Packing, spool_for};
use super::remote::{LIST, Limits, ask};
use super::{Digest, Trust};
use crate::ssh::Session;

/// A value that the first caller makes and the others wait for.
type Once<T> = Arc<OnceCell<Arc<T>>>;
/// Packs by starting point (`None`: no tree) and by whether gzip may be used.
type Packs = HashMap<(Option<Digest>, bool), Once<Prepared>>;

/// The tree of one deployment.
#[derive(Debug)]
pub struct TreeSource {
    root: PathBuf,
    pub(super) goal: Arc<Manifest>,
    known: KnownTrees,
    consumed: Vec<Path>,
    keep_free: u64,
    claims: Mutex<HashMap<Digest, Once<SeenTree>>>,
    prepared: Mutex<Packs>,
}

/// A tree on a server, with its digest.
#[derive(Debug)]
struct SeenTree {
    listing: Arc<Listing>,
    digest: Digest,
}

/// A difference and its pack.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) work: Difference,
    pub(super) pack: Pack,
}

/// A tree on a server to start from, identified by its key; `None`: there is no tree.
pub(super) struct Start {
    pub(super) key: Option<Digest>,
    listing: Arc<Listing>,
    /// Whether the server listed it just now; otherwise it is what the marker says.
    pub(super) is_sure: bool,
    /// Whether somebody has changed it since we deployed it.
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

    /// No tree to start from, and the next deployment has to list what is there.
    pub(super) fn restless() -> Self {
        Self {
            is_restless: true,
            ..Self::nothing()
        }
    }
}

impl TreeSource {
    /// The tree at `root`, of which `manifest` was made; it must not change any more.
    pub fn open(root: PathBuf, manifest: Arc<Manifest>, known: KnownTrees) -> Self {
        Self {
            root,
            goal: manifest,
            known,
            consumed: Vec::new(),
            keep_free: 0,
            claims: Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    /// Files that are deleted on servers after each deployment, such as a script that has run. They
    /// are sent every time and not reported as missing.
    #[must_use]
    pub fn consumed(mut self, paths: impl IntoIterator<Item = impl Into<Path>>) -> Self {
        self.consumed = paths.into_iter().map(Into::into).collect();
        self
    }

    /// With so many bytes that stay free on this host's disk, whatever is packed.
    #[must_use]
    pub fn keeping_free(mut self, bytes: u64) -> Self {
        self.keep_free = bytes;
        self
    }

    /// What is being deployed.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.goal
    }

    /// The tree to start from on a server. With `believe` it is the one that the marker names; the
    /// digest at the end shows whether that was true.
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

    /// The tree with the digest `claim`, without the consumed files. An unknown one is listed by the
    /// first server that has it, for all of them.
    async fn claimed(
        &self,
        delivery: &Delivery<'_>,
        root: &str,
        claim: Digest,
    ) -> Result<Arc<SeenTree>, Error> {
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
                Ok::<_, Error>(Arc::new(SeenTree {
                    digest: listing.digest(),
                    listing: Arc::new(listing),
                }))
            })
            .await?;
        Ok(Arc::clone(seen))
    }

    /// What remains of a tree without the consumed files and the paths that became kept paths since it
    /// was deployed.
    fn rest_of(&self, tree: &Manifest, layout: &Layout) -> SeenTree {
        let mut listing = tree.listing();
        let before = listing.found.len();
        for path in &self.consumed {
            listing.found.remove(path);
        }
        let counts = |path: &Path, found: &Listed| layout.rules.counts(path, *found == Listed::Directory);
        listing.found.retain(|path, found| counts(path, found));
        SeenTree {
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
        layout: &Layout,
        may_gzip: bool,
        cancel: &CancellationToken,
    ) -> Result<Arc<Prepared>, Error> {
        let once = Arc::clone(self.prepared.lock().entry((start.key, may_gzip)).or_default());
        let (goal, root) = (Arc::clone(&self.goal), self.root.clone());
        let listing = Arc::clone(&start.listing);
        let (rules, method) = (layout.rules.clone(), layout.method);
        let keep_free = self.keep_free;
        let cancel = cancel.child_token();
        let _stop_when_dropped = cancel.clone().drop_guard();
        let build = move || {
            let work = Difference::between(&listing, &goal);
            let packing = Packing {
                root: &root,
                spool: &spool_for(&root),
                goal: &goal,
                work: &work,
                rules: &rules,
                method,
                may_gzip,
                keep_free,
                cancel: &cancel,
            };
            let pack = packing.build()?;
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
        // Reading every byte takes a disk about as long as writing it.
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
    // Cannot be a record of the listing: those begin with a letter and a space.
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
