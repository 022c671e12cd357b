//! What a server really runs: every byte read and compared.

use super::Trust;
use super::error::{Error, readable};
use super::inspection::Inspection;
use super::layout::{Layout, ReleaseData};
use super::listing::{Listed, Listing};
use super::manifest::{Manifest, TreeEntry};
use super::remote::{DOUBT, Limits, ask};
use super::source::list;
use crate::ssh::Session;

/// How a tree on a server differs from the one it should be. Paths are made readable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Other content, other target, other kind, or other permission bits.
    pub modified: Vec<String>,
    /// Missing on the server.
    pub missing: Vec<String>,
    /// On the server, but not part of the tree.
    pub extra: Vec<String>,
    /// How many files, links and directories are as they should be.
    pub right: u64,
}

impl Findings {
    /// Whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.modified.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }

    /// Compares contents; times don't matter.
    pub fn between(listing: &Listing, manifest: &Manifest) -> Self {
        let mut findings = Self::default();
        for (path, entry) in manifest.entries() {
            match (entry, listing.found.get(path)) {
                (TreeEntry::Directory { counted: false, .. }, _) => {}
                (_, None) => findings.missing.push(readable(path)),
                (entry, Some(found)) if is_same(entry, found) => findings.right += 1,
                _ => findings.modified.push(readable(path)),
            }
        }
        let extra = listing
            .found
            .keys()
            .filter(|path| !manifest.entries().contains_key(*path));
        findings.extra = extra.map(|path| readable(path)).collect();
        findings
    }
}

fn is_same(entry: &TreeEntry, found: &Listed) -> bool {
    match (entry, found) {
        (TreeEntry::Directory { .. }, Listed::Directory) => true,
        (TreeEntry::Symlink(target), Listed::Symlink(there)) => target == there,
        (
            TreeEntry::File { mode, hash, .. },
            Listed::File {
                mode: bits,
                hash: Some(there),
                ..
            },
        ) => mode == bits && hash == there,
        _ => false,
    }
}

/// Reads every file of the tree on a server and compares it with `manifest`. Changes nothing.
///
/// # Errors
/// [`Error::Server`] when it cannot be read. Without a tree there, everything is missing.
pub async fn full_check(
    session: &Session,
    layout: &Layout,
    inspection: &Inspection,
    manifest: &Manifest,
    limits: &Limits,
) -> Result<Findings, Error> {
    let listing = match inspection.tree(layout.method) {
        Some(root) => list(session, layout, root, Trust::Contents, limits).await?,
        None => Listing::default(),
    };
    Ok(Findings::between(&listing, manifest))
}

/// Notes on a server that sizes and times there cannot be trusted, so that the next deployment
/// compares contents. Does nothing while somebody deploys there or has deployed since `inspection`.
///
/// # Errors
/// [`Error::Server`] when it cannot be noted.
pub async fn doubt(
    session: &Session,
    layout: &Layout,
    inspection: &Inspection,
    limits: &Limits,
) -> Result<(), Error> {
    let is_whole = inspection
        .release
        .as_ref()
        .is_some_and(|release| !release.in_progress);
    let (Some(root), Some(data), true) = (inspection.tree(layout.method), &inspection.data, is_whole) else {
        return Ok(());
    };
    let doubted = ReleaseData {
        doubted: true,
        ..data.clone()
    };
    let text = |data: &ReleaseData| serde_json::to_string(data).map_err(Error::task);
    let (data, read) = (text(&doubted)?, text(data)?);
    let args = [root, &data, &read].map(str::as_bytes);
    ask(session, DOUBT, &args, limits.question()).await?;
    Ok(())
}
