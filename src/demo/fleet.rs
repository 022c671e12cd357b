//! The demo's servers, clusters, projects and environments, as `fleet.toml` in the demo's data
//! lists them.

use std::sync::LazyLock;

use serde::Deserialize;

use super::data;
use crate::domain::{EnvironmentOptions, SyncMethod};

/// The login on every server.
pub const REMOTE_USER: &str = "deploy";

/// The whole fleet.
pub static FLEET: LazyLock<Fleet> = LazyLock::new(|| data::read("fleet.toml"));

/// The servers, clusters, projects and environments of the demo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The server that is out of service.
    pub inactive: String,
    /// Together they name every server once.
    pub clusters: Vec<SampleCluster>,
    pub projects: Vec<SampleProject>,
    /// Each project's in the order of its promotion chain.
    pub environments: Vec<SampleEnvironment>,
}

/// A named list of servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleCluster {
    pub name: String,
    pub servers: Vec<String>,
}

/// A project, whose repository has its name too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleProject {
    pub name: String,
    pub description: String,
    pub method: SyncMethod,
}

/// A project's environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleEnvironment {
    pub project: String,
    pub name: String,
    pub branch: String,
    pub position: i32,
    pub clusters: Vec<String>,
    /// Below the remote user's home.
    pub path: String,
    pub options: EnvironmentOptions,
}

/// The names of all servers, in order.
pub fn servers() -> impl Iterator<Item = &'static str> {
    FLEET
        .clusters
        .iter()
        .flat_map(|cluster| cluster.servers.iter().map(String::as_str))
}

/// How a project's tree is put in place.
pub fn method(project: &str) -> SyncMethod {
    let found = FLEET.projects.iter().find(|one| one.name == project);
    found.map_or(SyncMethod::Symlink, |project| project.method)
}

impl SampleEnvironment {
    /// Its active servers with their clusters, in order.
    pub fn active_servers(&'static self) -> impl Iterator<Item = (&'static str, &'static str)> {
        FLEET
            .clusters
            .iter()
            .filter(|cluster| self.clusters.contains(&cluster.name))
            .flat_map(|cluster| {
                let servers = cluster.servers.iter();
                servers.map(|server| (server.as_str(), cluster.name.as_str()))
            })
            .filter(|(server, _)| *server != FLEET.inactive)
    }

    /// The environment that a commit is promoted from: of the same project and branch, the nearest one
    /// lower in order.
    pub fn source(&self) -> Option<&'static Self> {
        FLEET
            .environments
            .iter()
            .filter(|other| other.project == self.project && other.branch == self.branch)
            .filter(|other| other.position < self.position)
            .max_by_key(|other| other.position)
    }

    /// Whether it is `project`/`name`.
    pub fn is(&self, project: &str, name: &str) -> bool {
        self.project == project && self.name == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_servers_and_no_two_environments_collide() {
        assert_eq!(servers().count(), 10);
        let mut taken = std::collections::HashSet::new();
        for environment in &FLEET.environments {
            let of_project = |project: &SampleProject| project.name == environment.project;
            assert!(FLEET.projects.iter().any(of_project));
            assert!(environment.path.parse::<crate::domain::TargetPath>().is_ok());
            for (server, _) in environment.active_servers() {
                assert!(
                    taken.insert((server, &environment.path)),
                    "{server}:{}",
                    environment.path
                );
            }
        }
    }

    #[test]
    fn promotion_follows_the_branch() {
        let source = |project, name| {
            let found = FLEET.environments.iter().find(|one| one.is(project, name));
            found.unwrap().source().map(|source| source.name.as_str())
        };
        assert_eq!(source("webshop", "prod"), Some("beta"));
        assert_eq!(source("orders-api", "prod"), Some("beta"));
        assert_eq!(source("orders-api", "beta"), None);
        assert_eq!(source("mobile-backend", "prod"), Some("dev"));
    }
}
