//! Where things are on a server, and what our releases are called there.

use serde::{Deserialize, Serialize};

use super::Digest;
use super::error::Error;
use super::rules::Rules;
use super::stored::Stored;
use crate::domain::{
    BranchName, CommitId, DeploymentId, Environment, Instant, Name, Project, Release, SyncMethod, TargetPath,
};

/// Characters of the branch that go into a release's name: enough to recognise it, and few enough
/// that the whole stays far below what a file name holds.
const BRANCH_IN_NAME: usize = 60;

/// Where on a server an environment's trees go, and by which method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub project: Name,
    pub environment: Name,
    /// The directory, or the link, that is in service.
    pub target: TargetPath,
    /// How trees are put there.
    pub method: SyncMethod,
    /// Which paths deployments leave alone.
    pub rules: Rules,
}

/// What is being put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// By which deployment.
    pub deployment: DeploymentId,
    /// The branch the commit was picked from.
    pub branch: BranchName,
    pub commit: CommitId,
    /// The present instant.
    pub at: Instant,
}

/// What we write beside the marker; see [`super::rules::EXTRA_MARKER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseData {
    /// The deployment that put it there.
    pub deployment: DeploymentId,
    /// The digest of its tree, in hexadecimal digits.
    pub digest: String,
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// Whether somebody had changed the tree before this one. Then the next deployment lists this
    /// tree instead of believing its digest.
    #[serde(default)]
    pub restless: bool,
    /// Whether a full check has found files whose sizes and times were right and whose content was
    /// not. Then the next deployment compares contents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
    /// The stored paths that this release has links for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<String>,
    /// The sum over the tree's records in `find`'s own order, added by the server when the digest
    /// was `digest`. The same sum again proves the same tree without sorting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<String>,
    /// The stored paths where `deploy.sh` put something in the place of the link, added by the server when
    /// the script had ended. `None`: none has. Scripts on the server look for `"own":[`, so it has to be
    /// the last list in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Vec<String>>,
}

impl Layout {
    /// The layout of an environment.
    ///
    /// # Errors
    /// [`Error::Pattern`] for options that make no sense.
    pub fn new(project: &Project, environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            project: project.name.clone(),
            environment: environment.name.clone(),
            target: environment.target_path.clone(),
            method: project.method,
            rules: Rules::new(&environment.options, project.method)?,
        })
    }

    /// The name of the directory, beside the target, that holds releases.
    pub fn releases(&self) -> String {
        format!("{}_releases", self.project)
    }

    /// The name of the directory, beside that, that holds shared paths.
    pub fn shared(&self) -> String {
        format!("{}_shared", self.project)
    }

    /// The name of the directory, beside the target, that holds its excluded paths.
    pub fn kept(&self) -> String {
        let name = self.target.as_str().rsplit('/').next().unwrap_or_default();
        format!("{name}_shared")
    }

    pub(super) fn data(&self, stamp: &Stamp, digest: Digest, restless: bool) -> ReleaseData {
        ReleaseData {
            deployment: stamp.deployment,
            digest: digest.to_string(),
            project: self.project.to_string(),
            environment: self.environment.to_string(),
            restless,
            doubted: false,
            linked: self.linked(),
            walk: None,
            own: None,
        }
    }

    /// How our data in a release of this environment names it. Names have nothing that JSON escapes.
    pub(super) fn ours(&self) -> String {
        format!(
            "\"project\":\"{}\",\"environment\":\"{}\"",
            self.project, self.environment
        )
    }
}

impl Layout {
    /// The arguments for scripts, four per stored path: its kind, its place in the store (relative to
    /// the directory of the target), the path, and the path as JSON.
    pub(super) fn stored_words(&self) -> Vec<String> {
        let words = |stored: &Stored| {
            let (kind, store) = match stored.is_shared {
                true => ("shared", self.shared()),
                false => ("excluded", self.kept()),
            };
            [
                kind.to_owned(),
                format!("{store}/{}", stored.plain()),
                stored.path.clone(),
                // A string always has a JSON form.
                serde_json::to_string(stored.plain()).unwrap_or_default(),
            ]
        };
        self.rules.stored().iter().flat_map(words).collect()
    }

    /// The stored paths, as our data names them.
    pub(super) fn linked(&self) -> Vec<String> {
        let stored = self.rules.stored().iter();
        stored.map(|stored| stored.plain().to_owned()).collect()
    }
}

impl Stamp {
    /// The name of this deployment's release: unique, and readable for people.
    pub fn release_name(&self) -> String {
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        };
        let branch: String = self
            .branch
            .as_str()
            .chars()
            .map(safe)
            .take(BRANCH_IN_NAME)
            .collect();
        let (day, commit) = (self.at.format("%Y%m%d"), self.commit.short());
        format!("{day}_{branch}_{commit}_{}", self.deployment)
    }

    /// The marker for a tree in `path`.
    pub(super) fn marker(&self, path: &str, in_progress: bool) -> String {
        let release = Release {
            in_progress,
            ..self.release(path)
        };
        release.to_marker()
    }

    /// The release in `path`, complete.
    pub(super) fn release(&self, path: &str) -> Release {
        Release {
            branch: self.branch.to_string(),
            commit: self.commit.to_string(),
            at: self.at,
            path: path.to_owned(),
            in_progress: false,
        }
    }
}

/// Whether `name` is one that [`Stamp::release_name`] makes, and for which deployment.
pub(super) fn deployment_of(name: &str) -> Option<DeploymentId> {
    let (rest, deployment) = name.rsplit_once('_')?;
    let (rest, commit) = rest.rsplit_once('_')?;
    let (day, branch) = rest.split_once('_')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hex = commit.len() == 8 && commit.bytes().all(|b| b.is_ascii_hexdigit());
    let well = day.len() == 8 && digits(day) && hex && !branch.is_empty() && digits(deployment);
    if well { deployment.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_safely_and_known_again() {
        let stamp = Stamp {
            deployment: DeploymentId(42),
            branch: "feature/$(id)_é".parse().unwrap(),
            commit: "0123456789012345678901234567890123456789".parse().unwrap(),
            at: "2026-11-22T23:59:59Z".parse().unwrap(),
        };
        assert_eq!(stamp.release_name(), "20261122_feature---id-_-_01234567_42");
        assert_eq!(deployment_of(&stamp.release_name()), Some(DeploymentId(42)));
    }

    #[test]
    fn other_directories_are_not_taken_for_releases_of_ours() {
        for other in [
            "uploads",
            "20261122_main_01234567",
            "backup_20261122_main_01234567_4",
            "20261122__01234567_4",
            "20261122_main_0123456_4",
            "20261122_main_012345678_4",
            "20261122_main_0123456x_4",
            "2026112_main_01234567_4",
            "20261122_main_01234567_",
            "20261122_main_01234567_4a",
            "",
        ] {
            assert_eq!(deployment_of(other), None, "{other}");
        }
    }
}
