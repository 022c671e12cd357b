//! The way from an empty installation to its first successful deployment.
//!
//! Every step is true by what the store holds; nobody ticks one off.

use super::host_keys;
use super::inventory::Inventory;
use crate::app::App;
use crate::domain::{Action, Actor, Environment, Project, Resource, Result, Server, ServerId};
use crate::store::{deployments, users};

/// Something to do before the first deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstStep {
    /// Create an account to log in with.
    CreateUser,
    /// Add a project, which is one Git repository.
    AddProject,
    /// Add a server, which is one SSH host.
    AddServer,
    /// Trust the host key of a server; of this one next.
    TrustHostKey(Option<ServerId>),
    /// Make a cluster with servers in it.
    AddCluster,
    /// Add an environment with active servers, to this project.
    AddEnvironment(Option<String>),
    /// Give an environment of this project active servers, as it has none.
    GiveServers(String, String),
    /// Deploy to this project and environment.
    Deploy(Option<(String, String)>),
}

/// All of them in order, each with whether it is done.
pub type FirstSteps = Vec<(FirstStep, bool)>;

/// What leads to the first successful deployment; `None` once there was one, and for whoever may not
/// configure this installation.
///
/// # Errors
/// Of the store.
pub async fn first_steps(app: &App, actor: &Actor) -> Result<Option<FirstSteps>> {
    let may = app.may(actor, Action::Configure, &Resource::Everything);
    if !may || deployments::has_success(&app.store).await? {
        return Ok(None);
    }
    let mut inventory = Inventory::load(&app.store).await?;
    inventory.leave_out_hidden(app, actor);
    let has_users = users::exist(&app.store).await?;
    Ok(Some(steps(app, &inventory, has_users)))
}

fn steps(app: &App, inventory: &Inventory, has_users: bool) -> FirstSteps {
    let Inventory {
        projects,
        environments,
        clusters,
        servers,
        ..
    } = inventory;
    let untrusted = |server: &&Server| server.active && !host_keys::is_known(app, server);
    let next_key = servers.iter().find(untrusted).map(|server| server.id);
    let has_server = |one: &&Environment| inventory.servers_of(one).iter().any(|server| server.active);
    let ready = environments.iter().find(has_server);
    let place = ready.and_then(|one| inventory.place(one.id));
    let names = |(project, one): (&Project, &Environment)| (project.name.to_string(), one.name.to_string());
    vec![
        (FirstStep::CreateUser, has_users),
        (FirstStep::AddProject, !projects.is_empty()),
        (FirstStep::AddServer, !servers.is_empty()),
        (
            FirstStep::TrustHostKey(next_key),
            next_key.is_none() && servers.iter().any(|server| host_keys::is_known(app, server)),
        ),
        (
            FirstStep::AddCluster,
            clusters.iter().any(|cluster| !cluster.members.is_empty()),
        ),
        (environment_step(inventory), place.is_some()),
        (FirstStep::Deploy(place.map(names)), false),
    ]
}

/// What leads to an environment that can be deployed to, while there is none.
fn environment_step(inventory: &Inventory) -> FirstStep {
    let bare = inventory
        .environments
        .first()
        .and_then(|one| inventory.place(one.id));
    match bare {
        Some((project, one)) => FirstStep::GiveServers(project.name.to_string(), one.name.to_string()),
        None => {
            let project = inventory.projects.first();
            FirstStep::AddEnvironment(project.map(|project| project.name.to_string()))
        }
    }
}
