//! How much is configured, and what needs attention.

use super::inventory::{Inventory, Twice};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{Result, ServerId};
use crate::store::users;

/// The start page of configuration.
#[derive(Debug)]
pub struct ConfigurationOverview {
    pub projects: usize,
    pub environments: usize,
    pub servers: usize,
    pub active_servers: usize,
    pub clusters: usize,
    pub users: usize,
    pub disabled_users: usize,
    /// What needs attention, the most serious first.
    pub attention: Vec<Attention>,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attention {
    /// A policy file has an error or a warning.
    Policy {
        /// `file:line: message`.
        problem: String,
        /// Whether it keeps the policy from taking effect.
        is_error: bool,
    },
    /// A server without a trusted host key, so nothing connects to it.
    NoHostKey { id: ServerId, server: String },
    /// An environment without active servers.
    NoServers {
        project: String,
        environment: String,
        /// Whether it has clusters at all.
        has_clusters: bool,
    },
    /// A project without environments.
    NoEnvironments { project: String },
    /// A server in two clusters of one environment.
    Twice(Twice),
    /// A cluster without servers.
    NoMembers { cluster: String },
}

/// The whole overview.
pub async fn look(app: &App, _permit: &Permit) -> Result<ConfigurationOverview> {
    let inventory = Inventory::load(&app.store).await?;
    let users = users::list(&app.store).await?;
    let problems = app.access.problems();
    let mut attention: Vec<Attention> = problems
        .iter()
        .map(|problem| Attention::Policy {
            problem: problem.to_string(),
            is_error: problem.is_error(),
        })
        .collect();
    attention.extend(of(&inventory));
    Ok(ConfigurationOverview {
        projects: inventory.projects.len(),
        environments: inventory.environments.len(),
        servers: inventory.servers.len(),
        active_servers: inventory.servers.iter().filter(|server| server.active).count(),
        clusters: inventory.clusters.len(),
        users: users.len(),
        disabled_users: users.iter().filter(|user| user.disabled).count(),
        attention,
    })
}

fn of(inventory: &Inventory) -> Vec<Attention> {
    let keyless = inventory
        .servers
        .iter()
        .filter(|server| server.active && server.host_key.is_none());
    let mut found: Vec<Attention> = keyless
        .map(|server| Attention::NoHostKey {
            id: server.id,
            server: server.name.to_string(),
        })
        .collect();
    for environment in &inventory.environments {
        if inventory
            .servers_of(environment)
            .iter()
            .any(|server| server.active)
        {
            continue;
        }
        let project = inventory.project(environment.project_id);
        found.push(Attention::NoServers {
            project: project.map(|one| one.name.to_string()).unwrap_or_default(),
            environment: environment.name.to_string(),
            has_clusters: !environment.clusters.is_empty(),
        });
    }
    let bare = inventory
        .projects
        .iter()
        .filter(|project| inventory.environments_of(project.id).next().is_none());
    found.extend(bare.map(|project| Attention::NoEnvironments {
        project: project.name.to_string(),
    }));
    found.extend(inventory.twice().into_iter().map(Attention::Twice));
    let empty = inventory
        .clusters
        .iter()
        .filter(|cluster| cluster.members.is_empty());
    found.extend(empty.map(|cluster| Attention::NoMembers {
        cluster: cluster.name.to_string(),
    }));
    found
}
