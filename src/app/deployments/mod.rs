//! Asking for deployments, and what people do with them.
//!
//! `request` is the one way in: whoever wants a deployment, for whatever reason, ends up there, so
//! that its rules hold for all. `terms` looks at what is special about a request (its time, a
//! strategy, a lock it overrides, the approval it needs), `proof` says which commits may go where,
//! `target` which servers are meant. `onward` makes requests out of earlier deployments (again,
//! retry, resume, roll back, promote), `approval` is the second person's part, and `acts` tells a
//! deployment that waits or runs what to do.

mod acts;
mod approval;
mod onward;
mod proof;
mod request;
mod target;
mod terms;

pub use acts::{action_of, answer, cancel, pause, unpause_request};
pub(super) use approval::obstacle as approval_obstacle;
pub use approval::{approve, reject};
pub use onward::{Earlier, Open, again, next_environments, open_servers, promote, resume, retry, roll_back};
pub(super) use proof::check_commit;
pub use proof::{promotion_source, proven, was_here};
pub use request::{DeployRequest, REASON_LIMIT, Requested, request};
pub use target::Choice;
pub(super) use target::resolve;
pub use terms::{SCHEDULE_LIMIT, next_allowed};

use super::App;
use crate::app::places;
use crate::domain::{Action, Deployment, Environment, Error, Kind, Project, Resource, Result};
use crate::store::{environments, projects};

/// The project and environment of these names.
///
/// # Errors
/// Not found.
pub async fn place(app: &App, project: &str, environment: &str) -> Result<(Project, Environment)> {
    let project = projects::by_name(&app.store, project).await?;
    let environment = environments::by_name(&app.store, project.id, environment).await?;
    Ok((project, environment))
}

/// What a deployment is about, for policy, by the names of when it was asked for: its history is
/// shown to whoever may see those.
pub fn resource(deployment: &Deployment) -> Resource {
    Resource::Environment(deployment.project.clone(), deployment.environment.clone())
}

/// The project and environment of a deployment, whatever they are called by now: another may have
/// taken the name.
///
/// # Errors
/// A conflict when they are gone.
pub async fn place_of(app: &App, deployment: &Deployment) -> Result<(Project, Environment)> {
    let (Some(project), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Err(Error::conflict(gone(deployment)));
    };
    let project = projects::by_id(&app.store, project).await?;
    let environment = environments::by_id(&app.store, environment).await?;
    Ok((project, environment))
}

fn gone(deployment: &Deployment) -> String {
    format!("The environment of deployment {} is gone.", deployment.id)
}

/// What an act on a deployment is about, for policy: its place by the names of today, or by those
/// it had where it is gone.
///
/// # Errors
/// Of the store.
pub async fn resource_now(app: &App, deployment: &Deployment) -> Result<Resource> {
    if deployment.environment_id.is_none() || deployment.project_id.is_none() {
        return Ok(resource(deployment));
    }
    let (project, environment) = place_of(app, deployment).await?;
    Ok(places::resource(&project, &environment))
}

/// What policy is asked for when a deployment of this kind is to be done.
pub fn action_for(kind: Kind) -> Action {
    match kind {
        Kind::Rollback => Action::Rollback,
        Kind::Regular | Kind::Automatic | Kind::Promotion | Kind::Scheduled => Action::Deploy,
    }
}
