//! Puts a tree onto servers: walks it once, sends each server the difference.
//!
//! One deployment makes one [`Manifest`] of its tree and one [`TreeSource`] from that. Then, for every
//! server on its pooled [`Session`](crate::ssh::Session):
//!
//! 1. [`inspect`] asks, in one command, what is at the target: marker, digest of the tree, free
//!    room, tools. [`Inspection::check`] says whether it can be deployed to.
//! 2. [`TreeSource::deliver`] brings the tree there. A digest that is known needs no listing, one that
//!    is the goal's needs no files. Files arrive in a staging directory on the same file system and
//!    go into place by rename, deletions last; then the server sums its tree again, and unless that
//!    is the manifest's digest the delivery has failed.
//! 3. [`activate`] switches the link to the new release (symlink method); [`go_back`] to an older one,
//!    which [`look`] finds without reading any tree.
//! 4. [`prune`] removes releases that nobody will go back to, by number and age.
//!
//! [`clear_leftovers`] removes what an interrupted deployment left, and [`Torn`] finds out whether a tree in
//! place is complete after that.
//!
//! [`full_check`] reads every byte there instead of believing sizes and times.
//!
//! Why sizes and times may be believed: [`Manifest::scan`] gives a file a new time exactly when its
//! content changes, strictly newer than all it ever had at that path ([`KnownTrees::mtime`]). Keep
//! the last manifests of each environment ([`Manifest::save`], [`Manifest::load`]); losing them
//! costs time, never correctness.
//!
//! What is on a server stays within the target: no directory there is entered through a symbolic
//! link, excluded and shared paths ([`rules`]) are neither read nor touched, and the remote side is
//! fixed scripts (`scripts/`) whose data are arguments. A release takes the unchanged files of its
//! manifest from the one before and nothing else: what applications, scripts and other accounts put
//! there is never opened, and what has to survive is in a store ([`stored`]). The files are copies,
//! not hard links, since a script that edits a file in place would change both.
//!
//! Reading order: [`rules`], [`stored`], `glob`, `unsent`, [`listing`], [`manifest`], `scan`, [`difference`], [`pack`],
//! [`layout`], [`ground`], [`inspection`], `one_place`, [`source`], [`deliver`], `aftermath`, [`activate`], [`release`], [`check`],
//! [`torn`], [`error`], [`changed`].

pub mod activate;
mod aftermath;
pub mod changed;
pub mod check;
pub mod deliver;
mod delivery;
pub mod difference;
mod digest;
pub mod error;
mod glob;
pub mod ground;
#[cfg(test)]
mod hostile;
pub mod inspection;
pub mod layout;
pub mod leftovers;
pub mod listing;
pub mod manifest;
mod one_place;
pub mod pack;
pub mod release;
mod remote;
pub mod rules;
mod scan;
pub mod source;
pub mod stored;
pub mod torn;
mod unsent;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

pub use activate::{Activated, activate, go_back, note_own};
pub use changed::{Changed, Partial, Portion};
pub use check::{Findings, doubt, full_check};
pub use deliver::Delivered;
pub use delivery::{Delivery, DeliveryProgress};
pub use digest::Digest;
pub use error::{Error, Trouble};
pub use ground::{Ground, Overlap, whereabouts};
pub use inspection::{Inspection, TargetKind, inspect, missing_tools, survey};
pub use layout::{Layout, ReleaseData, Stamp};
pub use leftovers::{Leftovers, clear_leftovers, watch_word};
pub use manifest::{KnownTrees, Manifest};
pub use one_place::same_places;
pub use release::{Looked, Pruned, ReleaseDirectory, Retention, look, prune, remove_remains, withdraw};
pub use remote::Limits;
pub use rules::{Rules, is_own};
pub use scan::{Scan, reserved_names};
pub use source::TreeSource;
pub use torn::Torn;
pub use unsent::Unsent;

/// Whether the sizes and times that a server lists are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// They are: what only we write changes its time with its content.
    #[default]
    Times,
    /// Every file there is read.
    Contents,
}

/// The file on this host at `path` below `root`.
fn local_path(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}
