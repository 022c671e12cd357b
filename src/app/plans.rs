//! The plan shown before anybody presses Deploy: batches, servers left alone and why, notes. The
//! engine makes it by the same rules as when the deployment begins.

use super::App;
use super::deployments::resolve;
use super::naming::{Choice, place, resource};
use crate::domain::{Action, Actor, Environment, ErrorKind, Plan, Result, Strategy};

/// The plan of a request, or why there is none.
#[derive(Debug, Clone)]
pub struct PlanPreview {
    /// What would be done; `None` when there is an obstacle.
    pub plan: Option<Plan>,
    /// Why it cannot be done so, as a sentence.
    pub obstacle: Option<String>,
}

/// The plan for deploying to the servers of `choice`, by `strategy` or the environment's own, for
/// somebody who may view the environment.
pub async fn preview(
    app: &App,
    actor: &Actor,
    (project, environment): (&str, &str),
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<PlanPreview> {
    let (project, environment) = place(app, project, environment).await?;
    app.permit(actor, Action::View, &resource(&project, &environment))
        .await?;
    match attempt(app, &environment, choice, strategy).await {
        Ok(plan) => Ok(PlanPreview {
            plan: Some(plan),
            obstacle: None,
        }),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => Ok(PlanPreview {
            plan: None,
            obstacle: Some(error.message().to_owned()),
        }),
        Err(error) => Err(error),
    }
}

async fn attempt(
    app: &App,
    environment: &Environment,
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<Plan> {
    let (_, parts) = resolve(app, environment, choice.into()).await?;
    let meant = parts.iter().map(|part| part.server_id).collect();
    app.engine.preview(environment, strategy, &meant).await
}
