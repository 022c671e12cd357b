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
use super::stopwatch::Stopwatch;
use super::turn::WorkTurn;
use super::{closing, lease, phases, take_up};
use crate::domain::DeploymentState;
use crate::store::Lease;
use crate::store::queue::{self, Claimed};

/// How often the queue is read when nobody wakes us: another instance or a command on the deployer's host
/// may have queued something.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The outcome of a deployment that panicked.
const BROKE_OFF: &str = "A bug in the deployer stopped it; the deployer's own log has the details. Each server shows what it runs.";
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

/// Waits on in the pause of a deployment that was taken over, and carries it on from there.
pub(super) async fn carry_on(engine: &Arc<Shared>, claimed: Claimed) {
    let turn = WorkTurn::given_back(&engine.turns);
    carry_out(engine, claimed, turn, take_up::take_up).await;
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
    // Nobody measured how long one took that another process began.
    let is_new = claimed.deployment.state == DeploymentState::Running;
    let begun = claimed
        .deployment
        .started_at
        .filter(|_| is_new)
        .map(Stopwatch::since);
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
    if matches!(ending, Ending::Paused) {
        beat.abort();
        let_go(engine, lease).await;
        engine.running.lock().remove(&id);
        return;
    }
    let unwritten = matches!(stop.reason(), Some(StopReason::LeaseLost | StopReason::LogBroken));
    let later = std::iter::repeat(LAST_CLOSE_PAUSE).take_while(|_| !engine.shutdown.is_cancelled());
    let pauses = CLOSE_PAUSES.into_iter().chain(later);
    let is_right = !torn && !unwritten && !ending.is_interruption();
    closing::end(engine, lease, &stop, (&ending, begun), is_right, pauses).await;
    beat.abort();
    engine.running.lock().remove(&id);
}

/// Leaves a paused deployment to the next start, or to another instance.
async fn let_go(engine: &Shared, lease: Lease) {
    let now = engine.parts.clock.now();
    if let Err(error) = queue::let_go(&engine.parts.store, lease, now).await {
        tracing::warn!(
            deployment = lease.deployment.0,
            error = &error as &dyn std::error::Error,
            "a paused deployment is taken up only when its lease has ended"
        );
    }
}

#[cfg(test)]
mod tests;
