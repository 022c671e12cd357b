//! Takes over the deployments that nobody carries on, and closes them: at a start all that an earlier
//! process left, and at any time those whose worker gave no sign of life for too long.
//!
//! They keep their reservations until then, so nothing else touches their servers meanwhile, and
//! nothing that has to do with other servers waits for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::inquest::{self, Files};
use crate::domain::{DeploymentId, Result};
use crate::engine::run::Ending;
use crate::engine::stop::{Stop, StopReason};
use crate::engine::worker;
use crate::engine::{Inner, Settings};
use crate::store::queue::{self, Abandoned, Claimed};
use crate::store::{Fenced, Lease, deployments};

/// How often it is looked for a lease that has ended: well within the half minute in which what
/// another instance has lost is to be closed.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The wait before what could not be written is tried again.
const CLOSE_AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried; after that its lease ends, and then it is found once more.
const CLOSE_TRIES: u32 = 10;

/// Takes over everything an earlier process of this installation left.
pub(in crate::engine) async fn take_all(engine: &Inner) -> Result<Vec<Claimed>> {
    take(engine, Abandoned::All).await
}

async fn take(engine: &Inner, which: Abandoned) -> Result<Vec<Claimed>> {
    let Settings { instance, lease, .. } = &engine.parts.settings;
    queue::take_over(
        &engine.parts.store,
        which,
        instance,
        engine.parts.clock.now(),
        *lease,
    )
    .await
}

/// Closes what was left, then looks for more until the engine is shut down. What is not closed by
/// then is found at the next start.
pub(in crate::engine) async fn watch(engine: Arc<Inner>, left: Vec<Claimed>) {
    let shutdown = engine.shutdown.clone();
    let watching = async {
        close_all(&engine, left).await;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            match ended(&engine).await {
                Ok(left) => close_all(&engine, left).await,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether a worker is gone is not known"
                ),
            }
        }
    };
    shutdown.run_until_cancelled(Box::pin(watching)).await;
}

/// Takes over those whose lease has ended. One that runs here sees that itself, and has to have its
/// programs ended first.
async fn ended(engine: &Inner) -> Result<Vec<Claimed>> {
    let which = Abandoned::LeaseEnded(engine.parts.clock.now());
    let found = queue::abandoned(&engine.parts.store, which).await?;
    let is_here = |id: &DeploymentId| engine.running.lock().contains_key(id);
    if found.is_empty() || found.iter().any(|one| is_here(&one.id)) {
        return Ok(Vec::new());
    }
    take(engine, which).await
}

async fn close_all(engine: &Arc<Inner>, left: Vec<Claimed>) {
    join_all(left.into_iter().map(|claimed| close(engine, claimed))).await;
}

async fn close(engine: &Arc<Inner>, claimed: Claimed) {
    let (id, lease) = (claimed.deployment.id, claimed.lease);
    tracing::warn!(
        deployment = id.0,
        "nobody carries this deployment on; it is closed"
    );
    let stop = Stop::default();
    let beat = tokio::spawn(worker::beat(Arc::clone(engine), lease, stop.clone()));
    let guard = Abort(beat);
    if let Err(error) = put_right(engine, lease).await {
        tracing::error!(
            deployment = id.0,
            error = &error as &dyn std::error::Error,
            "what is on its servers could not be written down"
        );
    }
    // Whoever wanted it ended has got that.
    stop.because(match claimed.deployment.cancelled_by {
        Some(_) => StopReason::Cancelled,
        None => StopReason::Shutdown,
    });
    for _ in 0..CLOSE_TRIES {
        let Err(error) = super::close(engine, lease, &stop, &Ending::Stopped).await else {
            break;
        };
        tracing::warn!(
            deployment = id.0,
            error = &error as &dyn std::error::Error,
            "the deployment could not be closed"
        );
        if Fenced::is(&error) {
            break;
        }
        tokio::time::sleep(CLOSE_AGAIN).await;
    }
    drop(guard);
}

/// Ends a task with whoever began it.
struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Finds out what is on the servers of a deployment that was torn off, puts them right at their
/// balancers and writes down how they are. What cannot be found out is said with the rest of it at
/// the close.
///
/// # Errors
/// [`Fenced`] when somebody else holds it; those of the store.
pub(in crate::engine) async fn put_right(engine: &Inner, lease: Lease) -> Result<()> {
    let store = &engine.parts.store;
    let deployment = deployments::by_id(store, lease.deployment).await?;
    let files = Files::read(engine, &deployment).await?;
    let verdicts = inquest::hold(engine, lease, &files).await;
    let record = store.record_leased(lease).await?;
    for (position, verdict) in verdicts {
        deployments::set_server(&record, position, verdict.state, &verdict.detail).await?;
        if let Some(service) = verdict.service {
            deployments::set_service(&record, position, service).await?;
        }
    }
    deployments::set_pause(&record, None).await?;
    record.commit().await
}
