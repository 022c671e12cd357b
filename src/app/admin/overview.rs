//! How much is configured, and what needs attention.

use super::host_keys;
use super::inventory::{self, Inventory, Twice};
use crate::access::{Permit, Problem};
use crate::app::App;
use crate::app::naming::resource;
use crate::app::places::{Known, Place};
use crate::domain::{Action, Deployment, DeploymentId, DeploymentState, Project, Result, ServerId};
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
    /// Scripts of repositories are not kept from this host as they should be.
    Scripts { sentence: String },
    /// Servers without a trusted host key, so nothing connects to them; at least one.
    NoHostKeys { servers: Vec<(ServerId, String)> },
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
    /// Something is wrong where something is deployed.
    InPlace(PlaceTrouble),
}

/// What is wrong with an environment or a server of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceTrouble {
    /// The last deployment failed.
    Failed {
        project: String,
        environment: String,
        deployment: DeploymentId,
    },
    /// A deployment left a server out of service.
    LeftOut {
        server: String,
        deployment: DeploymentId,
    },
    /// A server does not run what was deployed to it, or could not be asked.
    Astray {
        project: String,
        environment: String,
        server: String,
        /// A sentence.
        why: String,
    },
}

/// What is configured, what is missing in it, and what policy complains about.
pub async fn look(app: &App, permit: &Permit) -> Result<ConfigurationOverview> {
    let inventory = inventory::read(app, permit).await?;
    let users = users::list(&app.store).await?;
    let problems = app.access.problems();
    let mut attention: Vec<Attention> = problems
        .iter()
        .filter(|problem| !Problem::is_note(problem))
        .map(|problem| Attention::Policy {
            problem: problem.to_string(),
            is_error: problem.is_error(),
        })
        .collect();
    let scripts = app.engine.confinement().protection().await.notes().into_iter();
    attention.extend(scripts.map(|sentence| Attention::Scripts { sentence }));
    attention.extend(in_places(app, permit, &inventory).await?);
    attention.extend(of(app, &inventory));
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

/// What is wrong where something is deployed, as far as the holder of the permit may see it.
async fn in_places(app: &App, permit: &Permit, inventory: &Inventory) -> Result<Vec<Attention>> {
    let mut known = Known::of_all(app).await?;
    let mut found = Vec::new();
    for environment in &inventory.environments {
        let Some(project) = inventory.project(environment.project_id) else {
            continue;
        };
        if app.may(permit.actor(), Action::View, &resource(project, environment)) {
            let troubles = in_place(project, &known.place(environment.clone()));
            found.extend(troubles.into_iter().map(Attention::InPlace));
        }
    }
    Ok(found)
}

fn in_place(project: &Project, place: &Place) -> Vec<PlaceTrouble> {
    let names = || (project.name.to_string(), place.environment.name.to_string());
    let mut found = Vec::new();
    let failed = |last: &&Deployment| {
        matches!(last.state, DeploymentState::Failed | DeploymentState::Interrupted) && place.open.is_empty()
    };
    if let Some(last) = place.last.as_ref().filter(failed) {
        let (project, environment) = names();
        found.push(PlaceTrouble::Failed {
            project,
            environment,
            deployment: last.id,
        });
    }
    for one in place.servers.iter().filter(|one| one.server.active) {
        let server = one.server.name.to_string();
        if let Some(deployment) = one.left_out {
            found.push(PlaceTrouble::LeftOut { server, deployment });
        } else if let Some(why) = one.trouble().map(str::to_owned).or_else(|| one.differs()) {
            let (project, environment) = names();
            found.push(PlaceTrouble::Astray {
                project,
                environment,
                server,
                why,
            });
        }
    }
    found
}

fn of(app: &App, inventory: &Inventory) -> Vec<Attention> {
    let keyless = inventory
        .servers
        .iter()
        .filter(|server| server.active && !host_keys::is_known(app, server));
    let keyless: Vec<_> = keyless
        .map(|server| (server.id, server.name.to_string()))
        .collect();
    let mut found = Vec::new();
    if !keyless.is_empty() {
        found.push(Attention::NoHostKeys { servers: keyless });
    }
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
