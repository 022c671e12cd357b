//! Keeps trying to clear away what ended deployments left on servers: programs that would not end, and files
//! such as `deploy.sh` on a server that did not answer when its deployment was closed.
//!
//! Every instance may do it, as doing it twice does no harm. A server that a deployment holds is left to that
//! deployment.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::agenda::Agenda;
use super::reach;
use super::shared::Shared;
use super::steps::visit::ClearAway;
use crate::domain::{DeploymentId, Error, Result};
use crate::store::deployments::{self, LeftThere};
use crate::store::{environments, projects, queue, servers};
use crate::sync::{Layout, Limits};

/// How often the store is asked for servers with leftovers: one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// For everything on one server.
const VISIT_LIMIT: Duration = Duration::from_secs(20);
/// The first pause after a visit that did not clear everything; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// A server of a deployment, by its place there.
type Place = (DeploymentId, i32);

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let mut agenda = Agenda::new(FIRST_PAUSE, LONGEST_PAUSE);
    let watching = async {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Err(error) = look(&engine, &mut agenda).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what deployments left on servers is not known"
                );
            }
        }
    };
    engine.shutdown.run_until_cancelled(Box::pin(watching)).await;
}

async fn look(engine: &Shared, agenda: &mut Agenda<Place>) -> Result<()> {
    let store = &engine.parts.store;
    let left = deployments::left_there(store).await?;
    agenda.retain(|key| left.iter().any(|one| (one.deployment, one.position) == *key));
    if left.is_empty() {
        return Ok(());
    }
    let held = queue::holders(store).await?;
    for one in left {
        let (key, now) = ((one.deployment, one.position), Instant::now());
        if !agenda.is_due(&key, now) || one.server.is_some_and(|server| held.contains_key(&server)) {
            continue;
        }
        agenda.put_off(key, now);
        match timeout(VISIT_LIMIT, visit(engine, &one)).await {
            Ok(Ok(remains)) => {
                let record = store.record().await?;
                let remains = Some(remains).filter(|remains| !remains.is_empty());
                deployments::set_remains(&record, one.deployment, one.position, remains.as_deref()).await?;
                record.commit().await?;
            }
            Ok(Err(why)) => tracing::debug!(deployment = one.deployment.0, "still not cleared away: {why}"),
            Err(_) => tracing::debug!(deployment = one.deployment.0, "still not cleared away in time"),
        }
    }
    Ok(())
}

/// Visits one server; returns what is left there. If the environment or the server is gone, nothing
/// is left to do.
async fn visit(engine: &Shared, one: &LeftThere) -> Result<Vec<String>> {
    let store = &engine.parts.store;
    let deployment = deployments::by_id(store, one.deployment).await?;
    let (Some(project), Some(environment), Some(server)) =
        (deployment.project_id, deployment.environment_id, one.server)
    else {
        return Ok(Vec::new());
    };
    let (project, environment) = (
        projects::by_id(store, project).await?,
        environments::by_id(store, environment).await?,
    );
    let server = servers::by_id(store, server).await?;
    let endpoint = reach::endpoint(store, &server, &environment).await?;
    let session = engine.parts.ssh.session(&endpoint).await.map_err(Error::from)?;
    let visit = ClearAway {
        session: &session,
        layout: &Layout::new(&project, &environment)?,
        deployment: &deployment,
    };
    Ok(visit.clear(&Limits::default(), true).await?.left)
}
