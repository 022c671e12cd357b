//! Takes over abandoned deployments: at a start those that an earlier process left, and at any time those whose
//! lease has ended. Paused ones wait on (`take_up`), the others are closed.
//!
//! They keep their servers reserved until they are closed. Deployments to other servers do not wait
//! for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::task::AbortOnDropHandle;

use super::ending::Ending;
use super::shared::{Settings, Shared};
use super::steps::checkout;
use super::stop::{Stop, StopReason};
use super::{closing, lease, take_up, worker};
use crate::domain::{DeploymentId, Result};
use crate::removal;
use crate::store::queue::{self, Abandoned, Claimed};
use crate::store::{deployments, jobs};

/// How often the store is asked for ended leases: deployments of an instance that died are closed within
/// half a minute.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The wait before closing is tried again.
const CLOSE_AGAIN: Duration = Duration::from_secs(1);
/// How often closing is tried. After that the lease ends, and the deployment is found once more.
const CLOSE_TRIES: usize = 10;

/// Takes over everything an earlier process of this installation left.
pub(super) async fn take_all(engine: &Shared) -> Result<Vec<Claimed>> {
    jobs::free_at_start(&engine.parts.store).await?;
    deployments::lose_hand_acts_at_start(&engine.parts.store).await?;
    let now = engine.parts.clock.now();
    take(engine, Abandoned::AtStart { now }).await
}

async fn take(engine: &Shared, which: Abandoned) -> Result<Vec<Claimed>> {
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

/// Takes abandoned deployments up or closes them, then looks for more until the engine is shut down. The next start finds
/// what is not closed by then.
pub(super) async fn watch(engine: Arc<Shared>, left: Vec<Claimed>) {
    let shutdown = engine.shutdown.clone();
    let watching = async {
        see_to(&engine, left).await;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            match ended(&engine).await {
                Ok(left) => see_to(&engine, left).await,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether a worker is gone is not known"
                ),
            }
        }
    };
    shutdown.run_until_cancelled(Box::pin(watching)).await;
}

/// Takes over deployments whose lease has ended. One that runs here notices by itself, and its programs have
/// to end first.
async fn ended(engine: &Shared) -> Result<Vec<Claimed>> {
    let which = Abandoned::LeaseEnded {
        now: engine.parts.clock.now(),
        ago: Duration::ZERO,
    };
    let found = queue::abandoned(&engine.parts.store, which).await?;
    let is_here = |id: &DeploymentId| engine.running.lock().contains_key(id);
    if found.is_empty() || found.iter().any(|one| is_here(&one.id)) {
        return Ok(Vec::new());
    }
    take(engine, which).await
}

async fn see_to(engine: &Arc<Shared>, left: Vec<Claimed>) {
    let mut lost = Vec::new();
    for mut claimed in left {
        if !take_up::may_be(engine, &mut claimed).await {
            lost.push(claimed);
            continue;
        }
        let here = Arc::clone(engine);
        engine
            .tasks
            .spawn(async move { worker::carry_on(&here, claimed).await });
    }
    join_all(lost.into_iter().map(|claimed| close(engine, claimed))).await;
}

async fn close(engine: &Arc<Shared>, claimed: Claimed) {
    let (id, lease) = (claimed.deployment.id, claimed.lease);
    tracing::warn!(
        deployment = id.0,
        "nobody carries this deployment on; it is closed"
    );
    let stop = Stop::default();
    let beat = lease::beat(Arc::clone(engine), lease, stop.clone());
    let beat = AbortOnDropHandle::new(tokio::spawn(beat));
    // A cancel that nobody carried out ends as a cancel.
    stop.because(match claimed.deployment.cancelled_by {
        Some(_) => StopReason::Cancelled,
        None => StopReason::Shutdown,
    });
    let pauses = std::iter::repeat_n(CLOSE_AGAIN, CLOSE_TRIES);
    closing::end(engine, lease, &stop, (&Ending::Stopped, None), false, pauses).await;
    drop(beat);
}

/// Moves the exported trees of an earlier process aside, as nothing runs at a start that could need them. They are
/// removed beside everything else: that may take longer than anybody waits for a start.
pub(super) async fn clear_trees(engine: &Shared) {
    let trees = checkout::trees(&engine.parts.settings);
    let cleared = tokio::task::spawn_blocking(move || {
        if let Some(work_dir) = trees.parent() {
            removal::remove_set_aside(work_dir);
        }
        removal::remove_later(&trees);
    });
    if let Err(error) = cleared.await {
        tracing::warn!(%error, "old exported trees could not be removed");
    }
}
