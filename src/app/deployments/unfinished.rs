//! What a finished deployment left undone, and what has replaced it since, judged by what its servers run
//! now.

use std::collections::HashSet;

use crate::app::App;
use crate::app::naming::gone;
use crate::domain::{
    CommitId, Deployment, DeploymentId, DeploymentState, Result, ServerId, ServerPart, ServerState,
};
use crate::store::{releases, servers};

/// What a finished deployment left undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Active servers that failed and still do not run its commit.
    pub failed: HashSet<ServerId>,
    /// All its active servers that do not run its commit, the failed ones included.
    pub unfinished: HashSet<ServerId>,
    /// Why it cannot be retried or resumed; a sentence.
    pub obstacle: Option<String>,
}

impl Open {
    fn hindered(why: String) -> Self {
        Self {
            obstacle: Some(why),
            ..Self::default()
        }
    }
}

/// What `deployment`, whose servers are `parts`, left undone, judged by what its servers run now.
pub async fn open_servers(app: &App, deployment: &Deployment, parts: &[ServerPart]) -> Result<Open> {
    use DeploymentState::{Cancelled, Failed, Interrupted};
    let id = deployment.id;
    let Some(environment) = deployment.environment_id else {
        return Ok(Open::hindered(gone(deployment)));
    };
    if !matches!(deployment.state, Failed | Cancelled | Interrupted) {
        let state = match deployment.state {
            DeploymentState::Succeeded => "has succeeded".to_owned(),
            state => format!("is {}", state.title().to_lowercase()),
        };
        return Ok(Open::hindered(format!(
            "Deployment {id} {state}, so there is nothing to retry or resume."
        )));
    }
    if deployment.started_at.is_none() {
        return Ok(Open::hindered(format!(
            "Deployment {id} never began. Redeploy it instead."
        )));
    }
    let store = &app.store;
    if let Some(newer) = releases::changed_since(store, environment, id, &deployment.commit).await? && !crate::sabotage::on("o13") {
        return Ok(Open::hindered(format!(
            "Deployment {newer} has deployed another commit since. Start a new deployment, so that the two are not mixed."
        )));
    }
    let complete = releases::complete(store, environment).await?;
    let has_it = |id: &ServerId| {
        complete
            .get(id)
            .is_some_and(|(commit, _)| *commit == deployment.commit)
    };
    let active = servers::list(store).await?.into_iter().filter(|one| one.active);
    let active: HashSet<ServerId> = active.map(|one| one.id).collect();
    let mut open = Open::default();
    for part in parts {
        let Some(server) = part.server_id.filter(|id| active.contains(id) && !has_it(id)) else {
            continue;
        };
        open.unfinished.insert(server);
        if part.state == ServerState::Failed || crate::sabotage::on("o12") {
            open.failed.insert(server);
        }
    }
    Ok(open)
}

/// A later deployment that has put another commit on servers of an ended one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superseded {
    /// The newest of them.
    pub by: DeploymentId,
    pub commit: CommitId,
    /// On how many of its servers a later deployment has done so.
    pub servers: usize,
    /// Of so many.
    pub of: usize,
}

/// What has replaced `deployment`, whose servers are `parts`. `None` while each of them runs what it left
/// there, or the same commit.
pub async fn superseded(
    app: &App,
    deployment: &Deployment,
    parts: &[ServerPart],
) -> Result<Option<Superseded>> {
    let Some(environment) = deployment.environment_id else {
        return Ok(None);
    };
    let own: HashSet<ServerId> = parts.iter().filter_map(|part| part.server_id).collect();
    let mut later = releases::current(&app.store, environment).await?;
    later.retain(|one| {
        one.deployment_id > Some(deployment.id)
            && one.commit != deployment.commit
            && one.server_id.is_some_and(|id| own.contains(&id))
    });
    let servers = later.len();
    let newest = later.into_iter().max_by_key(|one| one.deployment_id);
    Ok(newest.and_then(|newest| {
        Some(Superseded {
            by: newest.deployment_id?,
            commit: newest.commit,
            servers,
            of: own.len(),
        })
    }))
}
