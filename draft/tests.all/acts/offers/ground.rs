//! A project whose three servers stand behind one balancer, or none.

use std::time::Duration;

use deployer::balancer::Limits;
use deployer::domain::{BalancerId, Cluster, CommitId, Environment, Instant, Project, ProjectId, Server};
use deployer::store::releases::NewRelease;
use deployer::store::{clusters, environments, projects, servers};

use super::cases::{Edge, Reach};
use super::progress::STOPPED;
use crate::support::setup::Setup;
use crate::support::world::{World, bring_in, change};

/// Balancers are given up soon.
pub fn balancer_options() -> deployer::balancer::Options {
    let limits = Limits {
        retry: Duration::from_millis(100),
        ..Limits::default()
    };
    deployer::balancer::Options {
        limits,
        ..Default::default()
    }
}

/// Nobody is at work.
pub fn setup() -> Setup {
    World::project()
        .workers(0)
        .balancers(balancer_options())
        .policy("g, dora, role:developer")
}

/// A project whose servers stand behind one balancer.
pub struct Place {
    pub edge: Edge,
    pub project: Project,
    pub dev: Environment,
    pub cluster: Cluster,
    pub servers: Vec<Server>,
}

impl Place {
    pub fn members(&self, reach: Reach) -> Vec<&Server> {
        let all: Vec<&Server> = self.servers.iter().collect();
        match reach {
            Reach::Environment | Reach::Cluster => all,
            Reach::Server => vec![all[STOPPED]],
            Reach::Servers => all[STOPPED..].to_vec(),
        }
    }
}

/// Stores one; its project and servers are called as its balancer is.
pub async fn place(world: &World, edge: Edge, balancer: Option<BalancerId>) -> Place {
    let tx = change(&world.store).await;
    let name = edge.name();
    let project = Project {
        id: ProjectId(0),
        git_url: world.repository.url(),
        ..crate::support::store::project(name)
    };
    let project = projects::insert(&tx, &project).await.unwrap();
    let mut made = Vec::new();
    for number in 1..=3 {
        let server = crate::support::store::server(&format!("{name}-{number}"));
        made.push(servers::insert(&tx, &server).await.unwrap());
    }
    let cluster = Cluster {
        balancer,
        backends: vec![name.to_owned()],
        ..crate::support::store::cluster(name, &made)
    };
    let cluster = clusters::insert(&tx, &cluster).await.unwrap();
    let environment = |name, position| Environment {
        position,
        clusters: vec![cluster.id],
        ..crate::support::store::environment(&project, name)
    };
    let dev = environments::insert(&tx, &environment("dev", 1)).await.unwrap();
    environments::insert(&tx, &environment("live", 2)).await.unwrap();
    bring_in(tx).await;
    Place {
        edge,
        project,
        dev,
        cluster,
        servers: made,
    }
}

pub fn release(place: &Place, server: &Server, commit: &CommitId, at: Instant) -> NewRelease {
    NewRelease {
        server_id: server.id,
        server: server.name.to_string(),
        environment_id: place.dev.id,
        branch: "main".into(),
        commit: commit.clone(),
        path: "/srv".into(),
        at,
    }
}
