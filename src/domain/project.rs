//! What is deployed (a project) and where to (its environments).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::health::HealthCheck;
use super::names::{BranchName, KeyName, Name, TargetPath};
use super::push::AutoOptions;
use super::rollout::RolloutOptions;
use super::words::words;
use super::{ClusterId, EnvironmentId, ProjectId};

/// A Git repository that is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub id: ProjectId,
    /// Unique.
    pub name: Name,
    /// One sentence for people; may be empty.
    pub description: String,
    /// `ssh://…`, `git@host:path`, `https://…` or `file://…`.
    pub git_url: String,
    /// The private key to fetch with; `None`: those that are configured, in order.
    pub key: Option<KeyName>,
    /// How a tree is put in place on the servers.
    pub method: SyncMethod,
    /// What is fetched beside the repository itself.
    pub extras: Extras,
    /// E-mail addresses to notify about deployments.
    pub notify: Vec<String>,
}

/// What a project fetches beside its repository's own objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Files that `.gitattributes` keeps in Git LFS. Otherwise their pointers stay as they are.
    pub lfs: bool,
    /// Submodules. Otherwise a commit that has one is refused: they are fetched with the deployer's own
    /// keys, so whoever may push could have any repository deployed that the deployer can read.
    pub submodules: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            lfs: true,
            submodules: false,
        }
    }
}

words! {
    /// How a tree is put in place on a server.
    SyncMethod {
        /// Files are changed inside the target directory.
        InPlace = "in_place", "In place";
        /// Each release has a directory; the target is a symlink that is switched at once.
        Symlink = "symlink", "Symlink";
    }
}

/// An environment of a project: where and how it is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub id: EnvironmentId,
    pub project_id: ProjectId,
    /// Unique within the project.
    pub name: Name,
    /// The branch whose commits can be deployed.
    pub branch: BranchName,
    /// The target directory on each server.
    pub target_path: TargetPath,
    /// The login on its servers.
    pub remote_user: String,
    /// Position in the promotion chain, from 1. A commit must first have succeeded in the
    /// environment before it on the same branch.
    pub position: i32,
    /// Whether a push to the branch deploys automatically.
    pub auto_deploy: bool,
    /// Whether failing tests fail the deployment.
    pub fail_on_failed_tests: bool,
    /// The clusters it is deployed to, in order.
    pub clusters: Vec<ClusterId>,
    pub options: EnvironmentOptions,
}

/// Options that a deployment which has begun does not depend on.
const IDLE_OPTIONS: [&str; 5] = [
    "approval_hours",
    "auto",
    "keep_days",
    "keep_releases",
    "watch_drift",
];

impl Environment {
    /// All settings that affect a deployment, here and in its project, secrets included: bytes that change when one
    /// of them does. Only a digest of them is stored, under the key that seals secrets.
    pub fn terms(&self, project: &Project) -> Vec<u8> {
        // Maps here are sorted, and everything has a JSON form.
        let mut own = self.clone();
        // These say only whether one comes about.
        own.auto_deploy = false;
        own.options.auto = AutoOptions::default();
        let text = serde_json::to_vec(&(
            own,
            &project.git_url,
            &project.key,
            project.method,
            project.extras,
        ));
        text.unwrap_or_default()
    }

    /// What a deployment to it depends on here and in its project, as [`Self::terms`]. An option that a later
    /// version adds changes nothing while it has its default, so a deployment outlives an upgrade.
    pub fn footing(&self, project: &Project) -> Vec<u8> {
        // Everything has a JSON form.
        let options = serde_json::to_value(&self.options).unwrap_or_default();
        let defaults = serde_json::to_value(EnvironmentOptions::default()).unwrap_or_default();
        let chosen: BTreeMap<&String, &serde_json::Value> = options
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| {
                !IDLE_OPTIONS.contains(&name.as_str()) && defaults.get(name.as_str()) != Some(*value)
            })
            .collect();
        let text = serde_json::json!([
            project.method.as_str(),
            project.git_url,
            self.target_path,
            self.remote_user,
            self.clusters,
            self.fail_on_failed_tests,
            chosen,
        ]);
        text.to_string().into_bytes()
    }
}

/// Options of an environment. Each has a default, so stored options survive new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvironmentOptions {
    /// Paths (relative, `/` separated, `*` and `?` within a name) that are never sent. In place they
    /// are left alone; with releases, one without wildcards is kept beside them and linked into each.
    pub excluded: Vec<String>,
    /// Paths kept beside the releases and linked into each one, and shared with the project's other
    /// environments there; in place they are left alone.
    pub shared: Vec<String>,
    /// The group on servers that may read what is deployed, and no other account; `None`: every account may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readers: Option<String>,
    /// Environment variables for every script.
    pub variables: BTreeMap<String, Variable>,
    /// Seconds a script on the deployer's host may take.
    pub local_timeout: u64,
    /// Seconds a script on a server may take.
    pub remote_timeout: u64,
    /// How many servers are worked on at once.
    pub parallel: u32,
    /// How many old releases stay on a server beside the current and the previous one.
    pub keep_releases: u32,
    /// Old releases younger than this many days stay even beyond that number; 0: only the number
    /// counts.
    pub keep_days: u32,
    /// The health check after a release was activated; `None`: no check.
    pub health: Option<HealthCheck>,
    /// Strategy, reaction to failures, and limits of the rollout.
    pub rollout: RolloutOptions,
    /// Hours within which a second person must approve each deployment; `None`: nobody has to.
    pub approval_hours: Option<u32>,
    /// Whether differing commits on its servers are reported.
    pub watch_drift: bool,
    /// The private key to log in with on its servers; `None`: those that are configured, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    /// Which pushes are deployed automatically.
    #[serde(skip_serializing_if = "AutoOptions::is_default")]
    pub auto: AutoOptions,
}

/// A variable that scripts see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    pub value: String,
    /// Whether it is masked in every log and page.
    pub secret: bool,
    /// Whether `$NAME` in it stands for another variable.
    #[serde(default)]
    pub refers: bool,
}

/// The fewest characters of a secret: logs do not mask shorter ones, as hiding every “1” would hide the log.
pub const SHORTEST_SECRET: usize = 3;

impl Default for EnvironmentOptions {
    fn default() -> Self {
        Self {
            excluded: Vec::new(),
            shared: Vec::new(),
            readers: None,
            variables: BTreeMap::new(),
            local_timeout: 600,
            remote_timeout: 900,
            parallel: 20,
            keep_releases: 5,
            keep_days: 0,
            health: None,
            rollout: RolloutOptions::default(),
            approval_hours: None,
            watch_drift: true,
            key: None,
            auto: AutoOptions::default(),
        }
    }
}
