//! Removing mirrors that nobody needs any more: of deleted projects, and of addresses that projects
//! have left.
//!
//! Of the mirrors that stay, files of Git LFS go that no deployment has needed since.
//!
//! Only what is known to be ours goes: a directory that is named as we name mirrors and has our mark
//! in it. It is renamed first, so that a half-deleted directory is never mistaken for a mirror.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lfs::Cache;
use super::mirror::{FETCHED_MARK, Mirrors, URL_HASH_BYTES};
use super::url::RemoteUrl;
use crate::domain::{Instant, ProjectId};
use crate::removal::remove_all;

/// What a mirror's name ends with while it is being removed.
const GONE: &str = ".gone";

/// A project whose mirror stays.
#[derive(Debug, Clone)]
pub struct KeptMirror {
    pub project: ProjectId,
    /// Its address; `None` if we cannot read it: then all mirrors of the project stay.
    pub url: Option<RemoteUrl>,
}

impl Mirrors {
    /// Removes the mirrors that belong to none of `kept` and were not fetched since `unused_since`;
    /// returns their directories. Blocks.
    ///
    /// # Errors
    /// When the directory of mirrors cannot be read. What cannot be removed is tried again the next
    /// time.
    pub fn sweep(&self, kept: &[KeptMirror], unused_since: Instant) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.dir()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let is_kept = |project: ProjectId, name: &str| {
            kept.iter().filter(|one| one.project == project).any(|one| {
                let own = one.url.as_ref().map(|url| Self::name(project, url));
                own.is_none_or(|own| own == name)
            })
        };
        let mut removed = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name
                .to_str()
                .filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            else {
                continue;
            };
            let (name, is_gone) = match name.strip_suffix(GONE) {
                Some(name) => (name, true),
                None => (name, false),
            };
            let Some(project) = project_of(name) else { continue };
            let path = entry.path();
            let goes = is_gone || is_unused(&path, unused_since) && !is_kept(project, name);
            if !goes {
                if let Err(error) = Cache::of(&path).sweep(unused_since.into()) {
                    tracing::warn!(path = %path.display(), %error, "old files of Git LFS could not be removed");
                }
            } else if self.remove(&path, is_gone) {
                removed.push(path);
            }
        }
        Ok(removed)
    }

    fn remove(&self, path: &Path, is_gone: bool) -> bool {
        let mut aside = path.as_os_str().to_owned();
        if !is_gone {
            aside.push(GONE);
            if !self.forget(path) {
                return false;
            }
        }
        let aside = PathBuf::from(aside);
        let renamed = if is_gone { Ok(()) } else { fs::rename(path, &aside) };
        let done = renamed.and_then(|()| remove_all(&aside));
        if let Err(error) = &done {
            tracing::warn!(path = %path.display(), %error, "a mirror that nobody needs could not be removed");
        }
        done.is_ok()
    }
}

/// Whether a directory is a mirror of ours that was not fetched since `then`.
fn is_unused(mirror: &Path, then: Instant) -> bool {
    let mark = mirror.join(FETCHED_MARK);
    let fetched = mark.symlink_metadata().and_then(|mark| mark.modified());
    let is_repository = mirror.join("HEAD").is_file() && mirror.join("objects").is_dir();
    is_repository && fetched.is_ok_and(|fetched| Instant::from(fetched) < then)
}

/// The project of a mirror with this name; `None` for a name that we do not give.
fn project_of(name: &str) -> Option<ProjectId> {
    let (project, hash) = name.split_once('-')?;
    let is_hash = hash.len() == 2 * URL_HASH_BYTES
        && hash
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let project: i64 = project.parse().ok().filter(|_| is_hash)?;
    // Only our own spelling: no sign, no leading zeros.
    let id = ProjectId(project);
    name.starts_with(&format!("{id}-")).then_some(id)
}
