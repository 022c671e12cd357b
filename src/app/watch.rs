//! One deployment: its state, its steps, its log, and the acts it offers.

mod acts;
mod afterwards;
mod watched;

pub use self::acts::{Acts, Hindrance, Promotion};
pub use self::watched::{Since, Watched, now};
use super::App;
use super::audit::comparison::correct;
use super::naming::resource_now;
use crate::domain::{Action, Actor, DeploymentId, LogLine, Result};
use crate::store::deployments;
use crate::store::log::{self, FoundLines, LogFilter, LogWindow};

/// The deployment, for whoever may view it; where the database contradicts the audit log, as the log has it.
pub async fn see(app: &App, actor: &Actor, id: DeploymentId) -> Result<(Watched, Acts)> {
    let mut watched = now(app, id).await?;
    let place = resource_now(app, &watched.deployment).await?;
    app.permit(actor, Action::View, &place).await?;
    let mut corrected = correct(&app.store, std::slice::from_mut(&mut watched.deployment)).await?;
    watched.contradictions = corrected.remove(&id).unwrap_or_default();
    let acts = match watched.deployment.state.is_final() {
        true => afterwards::afterwards(app, actor, &watched).await?,
        false => acts::meanwhile(app, actor, &watched).await?,
    };
    Ok((watched, acts))
}

/// How many lines one request searches for a text, a quarter of a second's work; a link continues.
pub const SEARCHED: usize = 100_000;

/// At most `limit` lines of a deployment's log from line `from` on, for a stream whose viewer's
/// permission was checked when it was opened and is checked again while it lasts.
pub async fn lines(
    app: &App,
    id: DeploymentId,
    from: i64,
    limit: usize,
    filter: &LogFilter,
) -> Result<Vec<LogLine>> {
    log::read(&app.store, id, from, limit, filter).await
}

/// The same before line `before`.
pub async fn lines_before(
    app: &App,
    id: DeploymentId,
    before: i64,
    limit: usize,
    filter: &LogFilter,
) -> Result<Vec<LogLine>> {
    let window = LogWindow::Before(before);
    let found = log::search(&app.store, id, window, limit, filter, usize::MAX).await?;
    Ok(found.lines)
}

/// At most `limit` lines of a deployment's log, in order, for whoever may view it.
pub async fn log_window(
    app: &App,
    actor: &Actor,
    id: DeploymentId,
    window: LogWindow,
    limit: usize,
    filter: &LogFilter,
) -> Result<FoundLines> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let place = resource_now(app, &deployment).await?;
    app.permit(actor, Action::View, &place).await?;
    log::search(&app.store, id, window, limit, filter, SEARCHED).await
}
