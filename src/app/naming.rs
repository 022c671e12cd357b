//! Finds projects and environments by name, and names resources and actions for policy.
//!
//! An environment is looked up by name once, when a request comes in, and by id from then on, so that
//! a rename never moves a deployment elsewhere. Policy is asked by present names.

use super::App;
use crate::domain::{
    Action, Actor, Answer, ClusterId, Deployment, Environment, Error, Kind, Project, Resource, Result,
    ServerId,
};
use crate::store::{environments, projects};

/// The longest reason, in characters: a paragraph, not a document.
pub const REASON_LIMIT: usize = 2_000;

/// Which servers of an environment a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All of them.
    All,
    /// Those of one cluster.
    Cluster(ClusterId),
    Server(ServerId),
}

/// The project and environment of these names.
pub async fn place(app: &App, project: &str, environment: &str) -> Result<(Project, Environment)> {
    let project = projects::by_name(&app.store, project).await?;
    let environment = environments::by_name(&app.store, project.id, environment).await?;
    Ok((project, environment))
}

/// The project and environment of a deployment under their present names.
///
/// # Errors
/// A conflict when they were deleted.
pub async fn place_of(app: &App, deployment: &Deployment) -> Result<(Project, Environment)> {
    let (Some(project), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Err(Error::conflict(gone(deployment)));
    };
    let project = projects::by_id(&app.store, project).await?;
    let environment = environments::by_id(&app.store, environment).await?;
    Ok((project, environment))
}

/// Says that the environment of a deployment was deleted.
pub(super) fn gone(deployment: &Deployment) -> String {
    format!("The environment of deployment {} was deleted.", deployment.id)
}

/// The resource of an environment.
pub fn resource(project: &Project, environment: &Environment) -> Resource {
    Resource::Environment(project.name.to_string(), environment.name.to_string())
}

/// The resource of a deployment by the names at its request.
fn resource_then(deployment: &Deployment) -> Resource {
    Resource::Environment(deployment.project.clone(), deployment.environment.clone())
}

/// The resource of a deployment by its present names; by the former ones when its environment was
/// deleted.
pub async fn resource_now(app: &App, deployment: &Deployment) -> Result<Resource> {
    if deployment.environment_id.is_none() || deployment.project_id.is_none() {
        return Ok(resource_then(deployment));
    }
    let (project, environment) = place_of(app, deployment).await?;
    Ok(resource(&project, &environment))
}

/// Whether `actor` may view a deployment, by its present name.
pub async fn may_be_seen(app: &App, actor: &Actor, deployment: &Deployment) -> bool {
    let place = resource_now(app, deployment).await;
    place.is_ok_and(|place| app.may(actor, Action::View, &place))
}

/// The action that an answer to a paused deployment of this kind needs: to continue is to deploy,
/// to stop is to cancel.
pub fn action_of_answer(answer: Answer, kind: Kind) -> Action {
    match answer {
        Answer::Resume | Answer::Retry | Answer::Skip => kind.action(),
        Answer::RollBack => Action::Rollback,
        Answer::Stop => Action::Cancel,
    }
}

/// Complains about `field` when a reason is too long.
pub(super) fn check_reason(field: &str, reason: &str) -> Result<()> {
    if reason.chars().count() <= REASON_LIMIT {
        return Ok(());
    }
    let message = format!("Keep the reason under {REASON_LIMIT} characters.");
    Err(Error::field(field, message))
}
