//! Looks again at servers that ended deployments left out of service without knowing which release they run:
//! the server was away when it mattered. One that has the whole old release goes back into service.
//!
//! One instance does it; the keeper carries out what is decided here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::closing;
use super::shared::Shared;
use crate::domain::{DeploymentId, Event, EventKind, OnServer, Result, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::queue;

/// How often the store is asked for such servers: one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The first pause after a server did not answer; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(60);

/// When a server is asked again, and the pause after that.
type Agenda = HashMap<(DeploymentId, i32), (Instant, Duration)>;

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let store = &engine.parts.store;
    let mut applicant = Applicant::new(Job::Doubts, &engine.parts.settings.instance, LEASE);
    let mut agenda = Agenda::new();
    let watching = async {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let looked = match applicant.lease(store, engine.parts.clock.now()).await {
                Ok(Some(lease)) => look(&engine, lease, &mut agenda).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is on servers that were away is not known"
                );
            }
        }
    };
    engine.shutdown.run_until_cancelled(Box::pin(watching)).await;
    applicant.resign(store).await;
}

async fn look(engine: &Shared, lease: JobLease, agenda: &mut Agenda) -> Result<()> {
    let store = &engine.parts.store;
    let left = deployments::left_out(store).await?;
    let is_open = |key: &(DeploymentId, i32)| left.iter().any(|one| (one.deployment, one.position) == *key);
    agenda.retain(|key, _| is_open(key));
    for one in left.iter().filter(|one| one.service == Service::Out) {
        let (key, now) = ((one.deployment, one.position), Instant::now());
        let (due, pause) = agenda.get(&key).copied().unwrap_or((now, FIRST_PAUSE));
        if due > now || !is_doubtful(engine, one).await? {
            continue;
        }
        agenda.insert(key, (now + pause, LONGEST_PAUSE.min(pause * 2)));
        settle((engine, lease), one).await?;
    }
    Ok(())
}

/// Whether it is not known which release a server runs, and no deployment is at work on it.
async fn is_doubtful(engine: &Shared, one: &LeftOut) -> Result<bool> {
    let store = &engine.parts.store;
    if queue::holders(store).await?.contains_key(&one.server) {
        return Ok(false);
    }
    let parts = deployments::servers(store, one.deployment).await?;
    let part = parts.into_iter().find(|part| part.position == one.position);
    let on = part.and_then(|part| part.on_server);
    Ok(matches!(on, Some(OnServer::Switching | OnServer::Unknown)))
}

/// Asks a server, and stores what is on it; one with the whole old release is put back.
async fn settle((engine, lease): (&Shared, JobLease), one: &LeftOut) -> Result<()> {
    let store = &engine.parts.store;
    let deployment = deployments::by_id(store, one.deployment).await?;
    let Some(on) = closing::look_again(engine, &deployment, one.position).await? else {
        return Ok(());
    };
    if matches!(on, OnServer::Switching | OnServer::Unknown)
        || queue::holders(store).await?.contains_key(&one.server)
    {
        return Ok(());
    }
    let change = engine.change_by_job(lease, &deployment).await?;
    deployments::find_again(&change, one, on).await?;
    let (kind, what) = match on.is_old() {
        true => {
            deployments::settle(&change, one, Service::PuttingBack).await?;
            let what = "it has the whole release of before and goes back into service";
            (EventKind::ServerPutBack, what)
        }
        false => (
            EventKind::ServerKeptOut,
            "it does not have the release of before, and stays out",
        ),
    };
    let sentence = format!("{} answers again: {what}.", one.name);
    tracing::info!(deployment = deployment.id.0, server = one.name, "{sentence}");
    let event = Event::by_engine(kind, &deployment, &sentence).with("server", json!(one.name));
    change.commit(event).await
}
