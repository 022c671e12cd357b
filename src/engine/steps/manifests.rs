//! The manifests of the last trees of each environment, kept on this host: what lies on servers is known by
//! them without listing it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::script::DEPLOY;
use crate::domain::EnvironmentId;
use crate::sync::{KnownTrees, Manifest};

/// Manifests kept per environment. A server that has one of these trees need not be listed. Older ones are
/// rarely needed, and a listing is only slower.
const KEPT_MANIFESTS: usize = 6;

/// The last manifests of one environment, as files.
#[derive(Clone)]
pub struct Manifests {
    dir: PathBuf,
}

fn manifests_dir(work_dir: &Path, environment: EnvironmentId) -> PathBuf {
    work_dir.join("manifests").join(environment.to_string())
}

/// Whether the manifest of the tree with this digest is still kept.
pub async fn keeps(work_dir: &Path, environment: EnvironmentId, digest: &str) -> bool {
    match manifest_file(work_dir, environment, digest) {
        Some(file) => tokio::fs::try_exists(&file).await.unwrap_or(false),
        None => false,
    }
}

/// The file that a manifest is kept in. The digest comes from a file on a server: only digits name a file
/// of ours.
fn manifest_file(work_dir: &Path, environment: EnvironmentId, digest: &str) -> Option<PathBuf> {
    let is_plain = !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| manifests_dir(work_dir, environment).join(digest))
}

/// The manifest of the tree with this digest, as it is on servers after `deploy.sh` has run and is
/// deleted; `None` when it is no longer kept.
pub async fn kept(work_dir: &Path, environment: EnvironmentId, digest: &str) -> Option<Manifest> {
    let file = manifest_file(work_dir, environment, digest)?;
    let load = move || {
        let manifest = Manifest::load(&file).ok()?;
        let mut entries = manifest.entries().clone();
        entries.remove(DEPLOY.as_bytes());
        Some(Manifest::new(entries))
    };
    tokio::task::spawn_blocking(load).await.ok().flatten()
}

impl Manifests {
    pub fn of(work_dir: &Path, environment: EnvironmentId) -> Self {
        Self {
            dir: manifests_dir(work_dir, environment),
        }
    }

    /// The paths in which `manifest` differs from the kept one with these contents, sorted; none where that
    /// is no longer kept.
    pub async fn difference(&self, contents: &str, manifest: &Arc<Manifest>) -> Vec<String> {
        let (manifests, contents) = (self.clone(), contents.to_owned());
        let manifest = Arc::clone(manifest);
        let compare = move || {
            let files = manifests.newest_first().into_iter();
            let mut kept = files.filter_map(|file| Manifest::load(&file).ok());
            let Some(before) = kept.find(|one| one.contents().to_string() == contents) else {
                return Vec::new();
            };
            let (old, new) = (before.entries(), manifest.entries());
            let changed = new
                .iter()
                .filter(|(path, entry)| !old.get(*path).is_some_and(|old| old.is_like(entry)));
            let gone = old.keys().filter(|path| !new.contains_key(*path));
            let mut paths: Vec<String> = changed
                .map(|(path, _)| path)
                .chain(gone)
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect();
            paths.sort_unstable();
            paths
        };
        tokio::task::spawn_blocking(compare).await.unwrap_or_default()
    }

    /// Newest first. Unreadable ones are left out: that costs time, never correctness.
    pub async fn load(&self) -> KnownTrees {
        let manifests = self.clone();
        let load = move || {
            let files = manifests.newest_first();
            KnownTrees::new(
                files
                    .iter()
                    .filter_map(|file| Manifest::load(file).ok())
                    .map(Arc::new),
            )
        };
        tokio::task::spawn_blocking(load).await.unwrap_or_default()
    }

    pub async fn save(&self, manifest: Arc<Manifest>) -> std::io::Result<()> {
        let manifests = self.clone();
        let save = move || {
            std::fs::create_dir_all(&manifests.dir)?;
            manifest.save(&manifests.dir.join(manifest.digest().to_string()))?;
            for old in manifests.newest_first().iter().skip(KEPT_MANIFESTS) {
                std::fs::remove_file(old)?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(save)
            .await
            .map_err(std::io::Error::other)?
    }

    fn newest_first(&self) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let mut files: Vec<_> = files
            .flatten()
            .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
            .collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        files.into_iter().map(|(_, path)| path).collect()
    }
}
