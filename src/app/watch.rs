//! Looking at one deployment: its state, its steps, its log.

use super::App;
use super::deployments::resource;
use crate::domain::deployment::ServerPart;
use crate::domain::{
    Action, Actor, CommitId, Deployment, DeploymentId, Instant, Kind, LogLine, Result, Step,
};
use crate::store::log::{self, Filter};
use crate::store::{deployments, steps};

/// A deployment with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Itself.
    pub deployment: Deployment,
    /// Its servers, in order.
    pub servers: Vec<ServerPart>,
    /// Its steps, in order; empty until a worker has taken it.
    pub steps: Vec<Step>,
    /// When this was read.
    pub at: Instant,
}

/// What somebody may do with a deployment now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    /// End it.
    pub cancel: bool,
    /// Ask for the same once more.
    pub again: bool,
    /// Go back to what the environment had before it.
    pub roll_back_to: Option<CommitId>,
}

/// The deployment as it is now, without asking who wants to know: for what is rendered once and
/// sent to viewers who were asked when they came.
///
/// # Errors
/// Not found.
pub async fn now(app: &App, id: DeploymentId) -> Result<Watched> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let servers = deployments::servers(&app.store, id).await?;
    let steps = steps::list(&app.store, id).await?;
    Ok(Watched {
        deployment,
        servers,
        steps,
        at: app.now(),
    })
}

/// The deployment for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn see(app: &App, actor: &Actor, id: DeploymentId) -> Result<(Watched, Acts)> {
    let watched = now(app, id).await?;
    app.permit(actor, Action::View, &resource(&watched.deployment))
        .await?;
    let acts = acts(app, actor, &watched.deployment).await?;
    Ok((watched, acts))
}

async fn acts(app: &App, actor: &Actor, deployment: &Deployment) -> Result<Acts> {
    let resource = resource(deployment);
    let may = |action| app.may(actor, action, &resource);
    let lives = deployment.project_id.is_some() && deployment.environment_id.is_some();
    if !deployment.state.is_final() {
        return Ok(Acts {
            cancel: may(Action::Cancel) && deployment.cancelled_by.is_none(),
            ..Acts::default()
        });
    }
    let again = match deployment.kind {
        Kind::Rollback => Action::Rollback,
        _ => Action::Deploy,
    };
    let roll_back_to = if lives && may(Action::Rollback) {
        before(app, deployment).await?
    } else {
        None
    };
    Ok(Acts {
        cancel: false,
        again: lives && may(again),
        roll_back_to,
    })
}

/// The commit that the environment ran with success before this deployment, if it is another one.
///
/// # Errors
/// Of the store.
pub async fn before(app: &App, deployment: &Deployment) -> Result<Option<CommitId>> {
    let found = deployments::previous_succeeded(&app.store, deployment.id).await?;
    Ok(found.map(|deployment| deployment.commit))
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// From this line on.
    From(i64),
    /// What ends before this line.
    Before(i64),
    /// The last lines.
    Last,
}

/// At most `limit` lines of a deployment's log, in order, for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn log_window(
    app: &App,
    actor: &Actor,
    id: DeploymentId,
    window: Window,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<LogLine>> {
    let deployment = deployments::by_id(&app.store, id).await?;
    app.permit(actor, Action::View, &resource(&deployment)).await?;
    let lines = match window {
        Window::From(line) => log::read(&app.store, id, line, limit, filter).await?,
        Window::Before(line) => log::read_before(&app.store, id, line, limit, filter).await?,
        Window::Last => log::read_before(&app.store, id, i64::MAX, limit, filter).await?,
    };
    Ok(lines)
}
