//! The plan shown before anybody presses Deploy: batches, servers left alone and why, notes. The
//! engine makes it by the same rules as when the deployment begins.

use super::App;
use super::deployments::resolve;
use super::naming::{Choice, place, resource};
use crate::domain::{Action, Actor, Environment, ErrorKind, Plan, Result, Strategy};

/// The plan for deploying to the servers of `choice`, by `strategy` or the environment's own, for
/// somebody who may view the environment; or why it cannot be done so, as a sentence.
pub async fn preview(
    app: &App,
    actor: &Actor,
    (project, environment): (&str, &str),
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<Result<Plan, String>> {
    let (project, environment) = place(app, project, environment).await?;
    app.permit(actor, Action::View, &resource(&project, &environment))
        .await?;
    match attempt(app, &environment, choice, strategy).await {
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
            Ok(Err(error.message().to_owned()))
        }
        outcome => outcome.map(Ok),
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
