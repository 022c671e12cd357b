//! Takes deployments from the queue while there is a free turn, and carries each out.
//!
//! A deployment runs in a task of its own: a panic is a fault of this program, ends that deployment with
//! a sentence that says so, and leaves the others alone.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::ending::Ending;
use super::shared::{EngineParts, RunHandle, Shared};
use super::stop::{Stop, StopReason};
use super::turn::WorkTurn;
use super::{closing, lease, phases};
use crate::store::queue::{self, Claimed};
use crate::store::{Fenced, Lease};

/// How often the queue is read when nobody wakes us: another instance or a command on the deployer's host
/// may have queued something.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The outcome of a deployment that panicked.
const BROKE_OFF: &str = "A fault in the deployer broke it off; the deployer's own log has the details. Each server says what is on it.";
/// Waits between attempts to store how a deployment ended. Stopping the deployer takes no longer than
/// their sum.
const CLOSE_PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// The wait after those, until it works: a person may free a full disk.
const LAST_CLOSE_PAUSE: Duration = Duration::from_secs(5);

/// Claims and begins deployments until the engine is shut down, then waits for those begun.
pub(super) async fn work(engine: Arc<Shared>) {
    let begun = TaskTracker::new();
    loop {
        // Registered before looking, so that what is queued in between still wakes us.
        let woken = engine.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let turn = tokio::select! {
            biased;
            () = engine.shutdown.cancelled() => break,
            turn = WorkTurn::wait(&engine.turns) => turn,
        };
        let Some(turn) = turn else { break };
        if let Some(claimed) = claim(&engine).await {
            let engine = Arc::clone(&engine);
            begun.spawn(async move {
                carry_out(&engine, claimed, turn, phases::run).await;
            });
            continue;
        }
        // Others must not wait for a turn that nobody uses.
        drop(turn);
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = engine.shutdown.cancelled() => break,
        }
    }
    begun.close();
    begun.wait().await;
}

/// The next deployment that can begin.
async fn claim(engine: &Shared) -> Option<Claimed> {
    let EngineParts {
        store,
        clock,
        settings,
        ..
    } = &engine.parts;
    match queue::claim(store, &settings.instance, clock.now(), settings.lease).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the queue cannot be read"
            );
            None
        }
    }
}

async fn carry_out<F>(
    engine: &Arc<Shared>,
    claimed: Claimed,
    turn: WorkTurn,
    work: impl FnOnce(Arc<Shared>, Claimed, Stop, WorkTurn) -> F,
) where
    F: Future<Output = Ending> + Send + 'static,
{
    let (id, lease) = (claimed.deployment.id, claimed.lease);
    let stop = Stop::default();
    let handle = RunHandle {
        stop: stop.clone(),
        turn: turn.clone(),
    };
    engine.running.lock().insert(id, handle);
    if engine.shutdown.is_cancelled() {
        stop.because(StopReason::Shutdown);
    }
    let beat = tokio::spawn(lease::beat(Arc::clone(engine), lease, stop.clone()));
    let whole = tokio::spawn(work(Arc::clone(engine), claimed, stop.clone(), turn));
    let mut torn = false;
    let ending = match whole.await {
        Ok(ending) => ending,
        Err(panic) => {
            tracing::error!(
                deployment = id.0,
                error = &panic as &dyn std::error::Error,
                "a deployment broke off"
            );
            torn = true;
            Ending::Failed(BROKE_OFF.to_owned())
        }
    };
    close(engine, lease, &stop, ending, torn).await;
    beat.abort();
    engine.running.lock().remove(&id);
}

/// Closes the deployment in the store. What cannot be written is tried again: as long as it is not,
/// its servers are kept from everybody. One that could not be written any more, or broke off
/// (`torn`), may have left servers out of service: that is put right first.
async fn close(engine: &Shared, lease: Lease, stop: &Stop, ending: Ending, torn: bool) {
    let id = lease.deployment.0;
    let mut pauses = CLOSE_PAUSES.iter();
    let unwritten = matches!(stop.reason(), Some(StopReason::LeaseLost | StopReason::LogBroken));
    let mut is_right = !torn && !unwritten;
    loop {
        let closing = async {
            if !is_right {
                closing::put_right(engine, lease).await?;
                is_right = true;
            }
            closing::close(engine, lease, stop, &ending).await
        };
        let Err(error) = Box::pin(closing).await else {
            return;
        };
        if Fenced::is(&error) {
            tracing::error!(
                deployment = id,
                "another instance holds this deployment now; nothing more is written"
            );
            return;
        }
        tracing::warn!(
            deployment = id,
            error = &error as &dyn std::error::Error,
            "the deployment could not be closed"
        );
        let pause = match pauses.next() {
            Some(pause) => *pause,
            None if engine.shutdown.is_cancelled() => {
                tracing::error!(deployment = id, "it is left to be closed at the next start");
                return;
            }
            None => LAST_CLOSE_PAUSE,
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
