//! Projects, environments, clusters and servers read at once, and how they relate.

use std::collections::{HashMap, HashSet};

use crate::access::Permit;
use crate::app::App;
use crate::app::naming::{self, resource};
use crate::domain::standing::Help;
use crate::domain::{
    Action, Actor, Cluster, ClusterId, DeploymentId, Environment, EnvironmentId, HeldData, Project,
    ProjectId, Resource, Result, Server, ServerId, ServerRelease, ServerStanding, ServerState,
};
use crate::store::{self, Reader, clusters, environments, projects, queue, releases, servers};

/// The whole configuration, read at once.
#[derive(Debug, Default)]
pub struct Inventory {
    /// By name.
    pub projects: Vec<Project>,
    /// By project, then in the order of the promotion chain.
    pub environments: Vec<Environment>,
    /// By name.
    pub clusters: Vec<Cluster>,
    /// By name.
    pub servers: Vec<Server>,
    /// What environments use that were left out, as the reader may not know them.
    hidden: HiddenUse,
}

/// The clusters and servers that environments use which a reader may not know.
#[derive(Debug, Default)]
struct HiddenUse {
    /// Whether there are such environments at all.
    is_any: bool,
    clusters: HashSet<ClusterId>,
    servers: HashSet<ServerId>,
}

/// What sentences call a place that the reader may not know.
pub const HIDDEN: &str = "something that you may not see";

/// A server that one environment reaches through two clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    pub server: String,
    pub project: String,
    pub environment: String,
    pub clusters: Vec<String>,
}

impl Twice {
    pub fn sentence(&self) -> String {
        format!(
            "Server “{}” is in several clusters of {}/{} ({}): it is deployed to once, with the first of them.",
            self.server,
            self.project,
            self.environment,
            self.clusters.join(", ")
        )
    }
}

/// The paths that deployments could not delete on `server`, by place (`project/environment`).
///
/// # Errors
/// Of the store.
pub async fn leftovers(
    app: &App,
    _: &Permit,
    inventory: &Inventory,
    server: ServerId,
) -> Result<Vec<(String, Vec<String>)>> {
    let left = store::leftovers::of_server(&app.store, server).await?;
    Ok(placed(inventory, left))
}

/// Things of environments, each with its place.
fn placed<T>(inventory: &Inventory, things: Vec<(EnvironmentId, T)>) -> Vec<(String, T)> {
    let placed = things.into_iter().filter_map(|(environment, thing)| {
        let (project, environment) = inventory.place(environment)?;
        Some((format!("{}/{}", project.name, environment.name), thing))
    });
    placed.collect()
}

/// What old releases on `server` hold, by place (`project/environment`).
///
/// # Errors
/// Of the store.
pub async fn held(
    app: &App,
    _: &Permit,
    inventory: &Inventory,
    server: ServerId,
) -> Result<Vec<(String, Vec<HeldData>)>> {
    let held = store::leftovers::held_on(&app.store, server).await?;
    Ok(placed(inventory, held))
}

/// How deployments left a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAs {
    /// `project/environment`.
    pub place: String,
    /// The last one there that did something to the server.
    pub deployment: DeploymentId,
    /// How it stands, as a sentence.
    pub told: String,
}

/// How the last deployment of each environment left `server`, unless all is well.
///
/// # Errors
/// Of the store.
pub async fn left_as(app: &App, _: &Permit, inventory: &Inventory, server: ServerId) -> Result<Vec<LeftAs>> {
    let last = store::deployments::last_on(&app.store, server).await?;
    let left = last.into_iter().filter_map(|(deployment, part)| {
        let (project, environment) = inventory.place(deployment.environment_id?)?;
        let told = [part.told(&deployment.commit), part.remains_told()].join(" ");
        let helps =
            |standing: &ServerStanding| standing.help(part.previous_commit.is_some()) != Help::Nothing;
        let is_well = part.state == ServerState::Succeeded
            && part.remains.is_none()
            && !part.standing().as_ref().is_some_and(helps);
        (!is_well).then(|| LeftAs {
            place: format!("{}/{}", project.name, environment.name),
            deployment: deployment.id,
            told: told.trim().to_owned(),
        })
    });
    Ok(left.collect())
}

/// What runs on servers, and which deployments use them.
#[derive(Debug, Default)]
pub struct InUse {
    /// The releases in use.
    pub releases: Vec<ServerRelease>,
    /// The deployment that uses a server; `None`: one that the reader may not see.
    pub holders: HashMap<ServerId, Option<DeploymentId>>,
}

/// The inventory, for whoever may configure something or read about servers. Projects and environments
/// that they may neither view nor configure are left out.
pub async fn read(app: &App, permit: &Permit) -> Result<Inventory> {
    read_on(app, permit, &app.store).await
}

/// As [`read`], as a change sees it.
pub(super) async fn read_on(app: &App, permit: &Permit, on: &impl Reader) -> Result<Inventory> {
    let mut inventory = Inventory::load(on).await?;
    if !permit.is_of_host() {
        inventory.leave_out_hidden(app, permit.actor());
    }
    Ok(inventory)
}

/// Whether the holder of the permit may know that `project` exists.
pub(super) fn knows_project(app: &App, permit: &Permit, project: &Project) -> bool {
    permit.is_of_host() || knows(app, permit.actor(), &Resource::Project(project.name.to_string()))
}

/// The name of an environment for whoever may know it.
pub(super) fn name_for(
    app: &App,
    permit: &Permit,
    project: &Project,
    environment: &Environment,
) -> Option<String> {
    let is_known = permit.is_of_host() || knows(app, permit.actor(), &resource(project, environment));
    is_known.then(|| format!("{}/{}", project.name, environment.name))
}

fn knows(app: &App, actor: &Actor, place: &Resource) -> bool {
    let mut actions = [Action::View, Action::Configure].into_iter();
    actions.any(|action| app.may(actor, action, place))
}

/// What runs, for whoever may configure something.
pub async fn running(app: &App, permit: &Permit) -> Result<InUse> {
    let holders = queue::holders(&app.store).await?;
    let at_work: HashSet<DeploymentId> = holders.values().copied().collect();
    let at_work = store::deployments::by_ids(&app.store, &at_work).await?;
    let mut seen = HashSet::new();
    for (id, deployment) in &at_work {
        if naming::may_be_seen(app, permit.actor(), deployment).await {
            seen.insert(*id);
        }
    }
    Ok(InUse {
        releases: releases::all_current(&app.store).await?,
        holders: holders
            .into_iter()
            .map(|(server, id)| (server, Some(id).filter(|id| seen.contains(id))))
            .collect(),
    })
}

impl Inventory {
    /// Reads all of it.
    pub(super) async fn load(on: &impl Reader) -> Result<Self> {
        Ok(Self {
            projects: projects::list(on).await?,
            environments: environments::all(on).await?,
            clusters: clusters::list(on).await?,
            servers: servers::list(on).await?,
            hidden: HiddenUse::default(),
        })
    }

    /// Leaves out the projects and environments that `actor` may not know; notes what they use.
    pub(super) fn leave_out_hidden(&mut self, app: &App, actor: &Actor) {
        let is_known = |one: &Environment| {
            let project = self.project(one.project_id);
            project.is_some_and(|project| {
                knows(app, actor, &Resource::Project(project.name.to_string()))
                    && knows(app, actor, &resource(project, one))
            })
        };
        let mut hidden = HiddenUse::default();
        let (known, unknown): (Vec<_>, Vec<_>) = self.environments.iter().cloned().partition(is_known);
        for one in unknown {
            hidden.clusters.extend(&one.clusters);
            hidden
                .servers
                .extend(self.servers_of(&one).iter().map(|server| server.id));
        }
        let all = self.projects.len() + self.environments.len();
        self.environments = known;
        self.projects
            .retain(|project| knows(app, actor, &Resource::Project(project.name.to_string())));
        hidden.is_any = self.projects.len() + self.environments.len() < all;
        self.hidden = hidden;
    }

    /// `none`, or that there is nothing which the reader may see where they may not see everything:
    /// `nothing that you may see`.
    pub fn none_seen(&self, none: &str) -> String {
        match self.hidden.is_any {
            true => format!("{none} that you may see"),
            false => none.to_owned(),
        }
    }

    /// Whether something that the reader may not know deploys to a cluster.
    pub fn hides_use_of_cluster(&self, id: ClusterId) -> bool {
        self.hidden.clusters.contains(&id)
    }

    /// Whether something that the reader may not know deploys to a server.
    pub fn hides_use_of_server(&self, id: ServerId) -> bool {
        self.hidden.servers.contains(&id)
    }

    /// A project by its id.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// A server by its id.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// A cluster by its id.
    pub fn cluster(&self, id: ClusterId) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.id == id)
    }

    /// The environments of a project, in order.
    pub fn environments_of(&self, project: ProjectId) -> impl Iterator<Item = &Environment> {
        self.environments
            .iter()
            .filter(move |one| one.project_id == project)
    }

    /// An environment by its id, with its project.
    pub fn place(&self, id: EnvironmentId) -> Option<(&Project, &Environment)> {
        let environment = self.environments.iter().find(|one| one.id == id)?;
        Some((self.project(environment.project_id)?, environment))
    }

    /// The environments that use a cluster.
    pub fn places_of_cluster(&self, id: ClusterId) -> Vec<(&Project, &Environment)> {
        let own = self.environments.iter().filter(|one| one.clusters.contains(&id));
        own.filter_map(|one| self.place(one.id)).collect()
    }

    /// The clusters a server is in.
    pub fn clusters_of(&self, id: ServerId) -> Vec<&Cluster> {
        let holds = |cluster: &&Cluster| cluster.members.iter().any(|member| member.server == id);
        self.clusters.iter().filter(holds).collect()
    }

    /// The environments that use a server.
    pub fn places_of(&self, id: ServerId) -> Vec<(&Project, &Environment)> {
        let reaches = |one: &&Environment| self.servers_of(one).iter().any(|server| server.id == id);
        let own = self.environments.iter().filter(reaches);
        own.filter_map(|one| self.place(one.id)).collect()
    }

    /// The servers of an environment, each once, in order.
    pub fn servers_of(&self, environment: &Environment) -> Vec<&Server> {
        let mut found: Vec<&Server> = Vec::new();
        for cluster in environment.clusters.iter().filter_map(|id| self.cluster(*id)) {
            for server in cluster
                .members
                .iter()
                .filter_map(|member| self.server(member.server))
            {
                if !found.iter().any(|other| other.id == server.id) {
                    found.push(server);
                }
            }
        }
        found
    }

    /// The servers that an environment reaches through two clusters.
    pub fn twice(&self) -> Vec<Twice> {
        self.environments
            .iter()
            .flat_map(|one| self.twice_in(one))
            .collect()
    }

    fn twice_in(&self, environment: &Environment) -> Vec<Twice> {
        let holding = |server: ServerId| {
            let own = environment.clusters.iter().filter_map(|id| self.cluster(*id));
            own.filter(move |cluster| cluster.members.iter().any(|member| member.server == server))
                .map(|cluster| cluster.name.to_string())
                .collect::<Vec<_>>()
        };
        let project = self.project(environment.project_id);
        let several = self.servers_of(environment).into_iter().filter_map(|server| {
            let clusters = holding(server.id);
            (clusters.len() > 1).then(|| Twice {
                server: server.name.to_string(),
                project: project.map(|one| one.name.to_string()).unwrap_or_default(),
                environment: environment.name.to_string(),
                clusters,
            })
        });
        several.collect()
    }
}
