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
pub use onward::{Open, again, next_environments, open_servers, promote, resume, retry, roll_back};
pub(super) use proof::check_commit;
pub use proof::{promotion_source, proven, was_here};
pub use request::{DeployRequest, REASON_LIMIT, Requested, request};
pub use target::Choice;
pub(super) use target::resolve;
pub use terms::{SCHEDULE_LIMIT, next_allowed};

use super::App;
use crate::domain::{Action, Deployment, Environment, Kind, Project, Resource, Result};
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

/// What a deployment is about, for policy.
pub fn resource(deployment: &Deployment) -> Resource {
    Resource::Environment(deployment.project.clone(), deployment.environment.clone())
}

/// What policy is asked for when a deployment of this kind is to be done.
pub fn action_for(kind: Kind) -> Action {
    match kind {
        Kind::Rollback => Action::Rollback,
        Kind::Regular | Kind::Automatic | Kind::Promotion | Kind::Scheduled => Action::Deploy,
    }
}
