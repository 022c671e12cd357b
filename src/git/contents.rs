//! Everything that a commit needs, brought to this host: its files in Git LFS, and its submodules with
//! theirs; and all of it written into one directory.
//!
//! Each submodule has a mirror of its own beside the project's, fetched with the same keys and logins, and
//! only when the pinned commit is not there yet. So a rollback needs nobody else, as long as what it
//! needs was deployed lately.

use std::path::{Path, PathBuf};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::elsewhere::submodule_url;
use super::error::{Error, Result};
use super::export::{self, ExportPart, Exported};
use super::lfs::{self, Cache, LfsReport};
use super::mirror::{Mirror, Mirrors};
use super::survey::{Submodule, Survey};
use crate::domain::{CommitId, Extras, ProjectId};

/// Submodules of a commit, with theirs: as many as a large product has.
const SUBMODULES: usize = 200;
/// How deep submodules may lie in each other. One that contains itself ends here.
const DEPTH: usize = 8;

/// A commit whose files are all on this host.
pub struct Contents {
    /// The repository itself first, then each submodule after what it lies in.
    parts: Vec<ExportPart>,
    /// What came from Git LFS now.
    pub fetched: LfsReport,
}

/// A repository that is still to be looked at.
struct Ahead {
    mirror: Mirror,
    commit: CommitId,
    at: PathBuf,
    depth: usize,
}

impl Contents {
    /// The files in Git LFS: how many, and their bytes.
    pub fn lfs(&self) -> (usize, u64) {
        let files = self.parts.iter().flat_map(|part| part.lfs.values());
        files.fold((0, 0), |(count, bytes), pointer| {
            (count + 1, u64::saturating_add(bytes, pointer.size))
        })
    }

    /// The submodules: path, commit and address of each.
    pub fn submodules(&self) -> impl Iterator<Item = (&Path, &CommitId, &str)> {
        let below = self.parts.iter().skip(1);
        below.map(|part| (part.at.as_path(), &part.commit, part.mirror.remote().as_str()))
    }

    /// Keeps all commits whatever happens to their branches, because they are on a server.
    ///
    /// # Errors
    /// [`Error::Vanished`] when one is gone already.
    pub async fn keep(&self) -> Result<()> {
        for part in &self.parts {
            part.mirror.keep(&part.commit).await?;
        }
        Ok(())
    }

    /// Writes all files into `into`, as [`Mirror::export`] does those of one commit.
    ///
    /// # Errors
    /// As [`Mirror::export`].
    pub async fn export(self, into: &Path, cancel: &CancellationToken) -> Result<Exported> {
        export::all(self.parts, into, cancel).await
    }
}

impl Mirrors {
    /// Brings what `commit` needs beside its own objects to this host. `mirror` is the project's own, and
    /// has the commit.
    ///
    /// # Errors
    /// [`Error::Timeout`] after [`super::GitOptions::fetch_timeout`], [`Error::Cancelled`],
    /// [`Error::Refused`] and the like for what is not fetched, and whatever stands in the way.
    pub async fn gather(
        &self,
        project: ProjectId,
        mirror: &Mirror,
        commit: &CommitId,
        extras: Extras,
        cancel: &CancellationToken,
    ) -> Result<Contents> {
        let limit = mirror.inner.options.fetch_timeout;
        let work = Box::pin(self.gather_all(project, mirror, commit, extras, cancel));
        let late = |_| Error::Timeout {
            seconds: limit.as_secs(),
        };
        match cancel.run_until_cancelled(timeout(limit, work)).await {
            None => Err(Error::Cancelled),
            Some(done) => done.map_err(late)?,
        }
    }

    async fn gather_all(
        &self,
        project: ProjectId,
        mirror: &Mirror,
        commit: &CommitId,
        extras: Extras,
        cancel: &CancellationToken,
    ) -> Result<Contents> {
        let mut contents = Contents {
            parts: Vec::new(),
            fetched: LfsReport::default(),
        };
        let mut ahead = vec![Ahead {
            mirror: mirror.clone(),
            commit: commit.clone(),
            at: PathBuf::new(),
            depth: 0,
        }];
        while let Some(next) = ahead.pop() {
            let at = next.at.display().to_string();
            let in_it = |error: Error| match next.depth {
                0 => error,
                _ => Error::InSubmodule {
                    path: at.clone(),
                    cause: Box::new(error),
                },
            };
            if next.depth > 0 {
                bring(&next.mirror, &next.commit, cancel).await.map_err(in_it)?;
            }
            let survey = next
                .mirror
                .survey(&next.commit, extras, cancel)
                .await
                .map_err(in_it)?;
            let fetched = fetch_lfs(&next, &survey, cancel).await.map_err(in_it)?;
            contents.fetched.objects += fetched.objects;
            contents.fetched.bytes += fetched.bytes;
            for submodule in &survey.submodules {
                let seen = contents.parts.len() + ahead.len();
                ahead.push(self.below(project, &next, submodule, seen)?);
            }
            contents.parts.push(ExportPart {
                mirror: next.mirror,
                commit: next.commit,
                at: next.at,
                lfs: survey.lfs,
                has_submodules: extras.submodules,
            });
            let all = contents.parts.iter().flat_map(|part| &part.lfs);
            let all = all.map(|(path, pointer)| (path.display().to_string(), pointer));
            lfs::check_sizes(all, &mirror.inner.options)?;
        }
        Ok(contents)
    }

    /// A submodule of `next`, if it may be fetched; `seen` others are.
    fn below(&self, project: ProjectId, next: &Ahead, submodule: &Submodule, seen: usize) -> Result<Ahead> {
        let path = next.at.join(&submodule.path);
        let refused = |why| Error::Refused {
            what: format!("The submodule “{}”", path.display()),
            why,
        };
        if seen >= SUBMODULES {
            let why = format!("comes after {SUBMODULES} others, which is more than are fetched");
            return Err(refused(why));
        }
        if next.depth == DEPTH {
            let why = format!("lies in {DEPTH} others, which is deeper than is fetched");
            return Err(refused(why));
        }
        let options = &next.mirror.inner.options;
        let url = submodule_url(next.mirror.remote(), &submodule.url, &options.other_hosts);
        let url = url.map_err(refused)?;
        Ok(Ahead {
            mirror: self.mirror(project, &url),
            commit: submodule.commit.clone(),
            at: path,
            depth: next.depth + 1,
        })
    }
}

/// Fetches the mirror of a submodule unless it has the commit already.
async fn bring(mirror: &Mirror, commit: &CommitId, cancel: &CancellationToken) -> Result<()> {
    if mirror.commit(commit).await.is_ok() {
        return mirror.inner.mark_fetched();
    }
    mirror.fetch(cancel).await?;
    let missing = |_| {
        Error::Remote(format!(
            "the pinned commit {} is on none of its branches and tags",
            commit.short()
        ))
    };
    mirror.commit(commit).await.map(drop).map_err(missing)
}

async fn fetch_lfs(part: &Ahead, survey: &Survey, cancel: &CancellationToken) -> Result<LfsReport> {
    if survey.lfs.is_empty() {
        return Ok(LfsReport::default());
    }
    let inner = &part.mirror.inner;
    let files = survey.lfs.iter();
    let files = files.map(|(path, pointer)| (path.display().to_string(), pointer.clone()));
    let files = files.collect();
    let (named, cache) = (survey.lfs_url.as_deref(), Cache::of(&inner.path));
    let cache = cache.keeping_free(inner.options.keep_free);
    lfs::fetch(&inner.remote(), named, files, &cache, &inner.options, cancel).await
}

/// What a commit needs from elsewhere, told before a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prospects {
    /// Files in Git LFS.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Path, commit and address of each submodule of the repository itself.
    pub submodules: Vec<(String, CommitId, String)>,
}

impl Mirror {
    /// What `commit` needs from elsewhere. Asks nobody, so what is wrong with what lies in a submodule is
    /// found later.
    ///
    /// # Errors
    /// For what [`Mirrors::gather`] would refuse.
    pub async fn prospects(&self, commit: &CommitId, extras: Extras) -> Result<Prospects> {
        let survey = self.look_for_extras(commit, extras).await?;
        let options = &self.inner.options;
        let mut submodules = Vec::new();
        for submodule in &survey.submodules {
            let path = submodule.path.display().to_string();
            let url = submodule_url(self.remote(), &submodule.url, &options.other_hosts).map_err(|why| {
                Error::Refused {
                    what: format!("The submodule “{path}”"),
                    why,
                }
            })?;
            url.demand_below(&options.local_directories)
                .map_err(|error| Error::InSubmodule {
                    path: path.clone(),
                    cause: Box::new(error),
                })?;
            submodules.push((path, submodule.commit.clone(), url.to_string()));
        }
        let files = survey.lfs.iter();
        let files = files.map(|(path, pointer)| (path.display().to_string(), pointer));
        lfs::check_sizes(files, options)?;
        if !survey.lfs.is_empty() {
            lfs::check_address(self.remote(), survey.lfs_url.as_deref(), options)?;
        }
        Ok(Prospects {
            files: survey.lfs.len(),
            bytes: survey.lfs_bytes(),
            submodules,
        })
    }
}
