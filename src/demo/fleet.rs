//! The demo's servers, clusters and environments, as plain tables.
//!
//! Ten servers carry five projects: a development host, two for rehearsal, four that serve the
//! web in two clusters, three behind the APIs of which one is out of service. Every server is a
//! directory of its own, so the same target path can be used on all of them.

use std::collections::BTreeMap;

use crate::domain::{EnvironmentOptions, OnFailure, RolloutOptions, Share, Strategy, SyncMethod, Variable};

/// Who the deployer logs in as on every server.
pub const REMOTE_USER: &str = "deploy";

/// A named set of servers.
#[derive(Debug, Clone, Copy)]
pub struct ClusterPlan {
    /// Its name.
    pub name: &'static str,
    /// The names of its servers, in order.
    pub servers: &'static [&'static str],
}

/// All clusters; together they name every server once.
pub const CLUSTERS: [ClusterPlan; 5] = [
    cluster("dev", &["dev-1"]),
    cluster("beta", &["beta-1", "beta-2"]),
    cluster("web-a", &["web-1", "web-2"]),
    cluster("web-b", &["web-3", "web-4"]),
    cluster("api", &["api-1", "api-2", "api-3"]),
];

/// The server that is out of service.
pub const INACTIVE: &str = "api-3";

/// The names of all servers, in order.
pub fn servers() -> impl Iterator<Item = &'static str> {
    CLUSTERS
        .iter()
        .flat_map(|cluster| cluster.servers.iter().copied())
}

/// A project's environment.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The project.
    pub project: &'static str,
    /// The environment.
    pub environment: &'static str,
    /// The branch whose commits are offered.
    pub branch: &'static str,
    /// Where in the promotion chain.
    pub position: i32,
    /// The clusters, in order.
    pub clusters: &'static [&'static str],
    /// Below the remote user's home.
    pub path: &'static str,
    /// Whether pushes deploy by themselves.
    pub auto_deploy: bool,
}

impl Place {
    /// Its active servers with their clusters, in order.
    pub fn active_servers(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let clusters = self.clusters;
        CLUSTERS
            .iter()
            .filter(move |cluster| clusters.contains(&cluster.name))
            .flat_map(|cluster| cluster.servers.iter().map(|server| (*server, cluster.name)))
            .filter(|(server, _)| *server != INACTIVE)
    }

    /// The environment a commit has to succeed in before: of the same project and branch, the
    /// nearest one lower in order.
    pub fn source(&self) -> Option<&'static Place> {
        PLACES
            .iter()
            .filter(|other| other.project == self.project && other.branch == self.branch)
            .filter(|other| other.position < self.position)
            .max_by_key(|other| other.position)
    }

    /// How it goes over the servers: each way once, so that a newcomer sees them all. What goes to
    /// the shop's customers goes to one server first, and waits for a person.
    fn rollout(&self) -> RolloutOptions {
        let (strategy, on_failure) = match (self.project, self.environment) {
            ("webshop", "prod") => (
                Strategy::Canary {
                    first: 1,
                    wait: None,
                    batch: Share::Percent(50),
                    keep: None,
                },
                OnFailure::Ask,
            ),
            ("webshop", "beta") | ("orders-api", "prod") => (
                Strategy::Rolling {
                    batch: Share::Count(1),
                    keep: None,
                },
                OnFailure::Ask,
            ),
            ("site", _) => (Strategy::AllAtOnce, OnFailure::Stop),
            _ => (Strategy::ClusterByCluster, OnFailure::Stop),
        };
        RolloutOptions {
            strategy,
            on_failure,
            ..RolloutOptions::default()
        }
    }

    /// What the environment tunes.
    pub fn options(&self) -> EnvironmentOptions {
        let excluded: &[&str] = match self.project {
            "webshop" => &["cache"],
            "orders-api" => &[".migrated"],
            "handbook" => &["search-index.txt"],
            _ => &[],
        };
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: String, secret: bool| {
            variables.insert(name.to_owned(), Variable { value, secret });
        };
        let environment = self.environment;
        match self.project {
            "webshop" => {
                set("PAYMENT_KEY", format!("sk_{environment}_8fT2vLq0ZxW4"), true);
                set("NODE_ENV", environment.to_owned(), false);
            }
            "orders-api" => {
                let url = format!("postgres://orders:s3cr3t-{environment}-pw@db.example.com/orders");
                set("DATABASE_URL", url, true);
                set("WORKERS", "4".to_owned(), false);
            }
            _ => {}
        }
        EnvironmentOptions {
            excluded: excluded.iter().map(|path| (*path).to_owned()).collect(),
            variables,
            // Two at a time, so that one can watch them roll.
            parallel: 2,
            rollout: self.rollout(),
            ..EnvironmentOptions::default()
        }
    }
}

/// All environments, each project's in the order of its promotion chain.
pub const PLACES: [Place; 14] = [
    place("webshop", "dev", "main", 1, DEV, true),
    place("webshop", "beta", "main", 2, BETA, false),
    place("webshop", "prod", "main", 3, WEB, false),
    place("orders-api", "dev", "main", 1, DEV, false),
    place("orders-api", "beta", "release", 2, BETA, false),
    place("orders-api", "prod", "release", 3, API, false),
    place("site", "dev", "main", 1, DEV, true),
    place("site", "beta", "main", 2, BETA, false),
    place("site", "prod", "main", 3, WEB, false),
    place("mobile-backend", "dev", "main", 1, DEV, false),
    Place {
        path: "~/apps/mobile-preview",
        ..place("mobile-backend", "preview", "feature/push-v2", 2, BETA, false)
    },
    place("mobile-backend", "prod", "main", 3, API, false),
    place("handbook", "dev", "main", 1, DEV, false),
    place("handbook", "prod", "main", 2, &["web-a"], false),
];

/// How each project's tree is put in place.
pub fn method(project: &str) -> SyncMethod {
    match project {
        "site" | "handbook" => SyncMethod::InPlace,
        _ => SyncMethod::Symlink,
    }
}

const DEV: &[&str] = &["dev"];
const BETA: &[&str] = &["beta"];
const WEB: &[&str] = &["web-a", "web-b"];
const API: &[&str] = &["api"];

const fn cluster(name: &'static str, servers: &'static [&'static str]) -> ClusterPlan {
    ClusterPlan { name, servers }
}

const fn place(
    project: &'static str,
    environment: &'static str,
    branch: &'static str,
    position: i32,
    clusters: &'static [&'static str],
    auto_deploy: bool,
) -> Place {
    let path = match project.as_bytes() {
        b"webshop" => "~/apps/shop",
        b"orders-api" => "~/apps/orders",
        b"site" => "~/apps/site",
        b"mobile-backend" => "~/apps/mobile",
        _ => "~/apps/handbook",
    };
    Place {
        project,
        environment,
        branch,
        position,
        clusters,
        path,
        auto_deploy,
    }
}

#[cfg(test)]
mod tests {
    use super::super::stories::STORIES;
    use super::*;

    #[test]
    fn there_are_ten_servers_and_no_two_environments_collide() {
        assert_eq!(servers().count(), 10);
        let mut taken = std::collections::HashSet::new();
        for place in &PLACES {
            assert!(STORIES.iter().any(|story| story.name == place.project));
            assert!(place.path.parse::<crate::domain::TargetPath>().is_ok());
            for (server, _) in place.active_servers() {
                assert!(taken.insert((server, place.path)), "{server}:{}", place.path);
            }
        }
    }

    #[test]
    fn promotion_follows_the_branch() {
        let source = |project, environment| {
            let place = PLACES
                .iter()
                .find(|p| (p.project, p.environment) == (project, environment));
            place.unwrap().source().map(|found| found.environment)
        };
        assert_eq!(source("webshop", "prod"), Some("beta"));
        assert_eq!(source("orders-api", "prod"), Some("beta"));
        assert_eq!(source("orders-api", "beta"), None);
        assert_eq!(source("mobile-backend", "prod"), Some("dev"));
    }
}
