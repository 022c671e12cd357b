//! Looks again at servers that ended deployments left out of service without knowing how they stand: the server
//! was away when it mattered. One that has a whole release, the old one or the proven new one, goes back into
//! service; of any other it is told what is on it.
//!
//! One instance does it; the keeper carries out what is decided here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::agenda::Agenda;
use super::closing;
use super::shared::Shared;
use super::words;
use crate::domain::{DeploymentId, Event, EventKind, OnServer, Result, ServerPart, Service};
use crate::store::deployments::{self, LeftOut};
use crate::store::jobs::{Applicant, Job, JobLease};
use crate::store::queue;
use serde_json::json;

/// How often the store is asked for such servers: one small query.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The first pause after a server did not answer; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The pause after a server has answered: nothing more is to be learned there until somebody deploys again.
const ANSWERED: Duration = Duration::from_secs(86_400);
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(60);

/// A server of a deployment, by its place there.
type Place = (DeploymentId, i32);

/// Looks again and again, until the engine is shut down.
pub(super) async fn watch(engine: Arc<Shared>) {
    let store = &engine.parts.store;
    let mut applicant = Applicant::new(Job::Doubts, &engine.parts.settings.instance, LEASE);
    let mut agenda = Agenda::new(FIRST_PAUSE, LONGEST_PAUSE);
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

async fn look(engine: &Shared, lease: JobLease, agenda: &mut Agenda<Place>) -> Result<()> {
    let store = &engine.parts.store;
    let left = deployments::left_out(store).await?;
    let is_open = |key: &Place| left.iter().any(|one| (one.deployment, one.position) == *key);
    agenda.retain(|key| is_open(key));
    for one in left.iter().filter(|one| one.service == Service::Out) {
        let (key, now) = ((one.deployment, one.position), Instant::now());
        if !agenda.is_due(&key, now) {
            continue;
        }
        let Some(part) = doubtful(engine, one).await? else {
            continue;
        };
        agenda.put_off(key, now);
        if settle((engine, lease), one, &part).await? {
            agenda.rest(key, now, ANSWERED);
        }
    }
    Ok(())
}

/// The server's part, if it is not known how it stands and no deployment is at work on it.
async fn doubtful(engine: &Shared, one: &LeftOut) -> Result<Option<ServerPart>> {
    let store = &engine.parts.store;
    if queue::holders(store).await?.contains_key(&one.server) {
        return Ok(None);
    }
    let parts = deployments::servers(store, one.deployment).await?;
    let Some(part) = parts.into_iter().find(|part| part.position == one.position) else {
        return Ok(None);
    };
    let is_open = match part.on_server {
        Some(OnServer::NotEnded(_)) => true,
        Some(on) if is_unknown(on) => true,
        // It waits for another environment.
        Some(_) if part.cause.contains(words::ELSEWHERE) => {
            let found = deployments::unfinished_elsewhere(store, one.server, one.environment);
            found.await?.is_none()
        }
        _ => false,
    };
    Ok(Some(part).filter(|_| is_open))
}

fn is_unknown(on: OnServer) -> bool {
    matches!(on, OnServer::Switching | OnServer::Unknown)
}

/// Asks a server, and stores what is on it; one with a whole release is put back. Returns whether the server
/// said what is on it.
async fn settle((engine, lease): (&Shared, JobLease), one: &LeftOut, part: &ServerPart) -> Result<bool> {
    let store = &engine.parts.store;
    let deployment = deployments::by_id(store, one.deployment).await?;
    let Some((on, may_serve)) = closing::look_again(engine, &deployment, one.position).await? else {
        return Ok(false);
    };
    if is_unknown(on) || queue::holders(store).await?.contains_key(&one.server) {
        return Ok(false);
    }
    let is_over = part.cause.starts_with(closing::SILENT) || part.cause.contains(words::ELSEWHERE);
    if part.on_server == Some(on) && !is_over {
        return Ok(true);
    }
    let elsewhere = deployments::unfinished_elsewhere(store, one.server, one.environment);
    let may_serve = may_serve && elsewhere.await?.is_none();
    let change = engine.change_by_job(lease, &deployment).await?;
    let cause = if is_over { "" } else { part.cause.as_str() };
    deployments::find_again(&change, one, on, cause).await?;
    let kind = match may_serve {
        true => {
            deployments::settle(&change, one, Service::PuttingBack).await?;
            EventKind::ServerPutBack
        }
        false => EventKind::ServerKeptOut,
    };
    let what = match on {
        _ if may_serve && on.is_old() => {
            "it has the whole release of before and goes back into service".to_owned()
        }
        _ if may_serve => "it has the whole new release and goes back into service".to_owned(),
        OnServer::NotEnded(trial) => format!("{} not seen to end, so it stays out", trial.was()),
        _ => "it does not have the release of before, and stays out".to_owned(),
    };
    let sentence = format!("{} answers again: {what}.", one.name);
    tracing::info!(deployment = deployment.id.0, server = one.name, "{sentence}");
    let event = Event::by_engine(kind, &deployment, &sentence).with("server", json!(one.name));
    change.commit(event).await?;
    Ok(true)
}
