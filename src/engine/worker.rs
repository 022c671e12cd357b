//! Takes deployments from the queue, one at a time per worker, and keeps the lease alive.

use std::sync::Arc;
use std::time::Duration;

use super::stop::{Stop, StopReason};
use super::{Inner, Parts, run};
use crate::store::queue::{self, Claimed};
use crate::store::{Fenced, Lease};

/// How long a worker sleeps when nobody wakes it: another instance may have queued something, or a
/// command on this machine.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A lease is renewed this many times before it would run out, so that one slow write loses nothing.
const SIGNS_PER_LEASE: u32 = 4;
/// The least time between looks at whether somebody wants a running deployment ended.
const SHORTEST_BEAT: Duration = Duration::from_millis(200);

pub(super) async fn work(engine: Arc<Inner>, number: usize) {
    let name = format!("{}/{number}", engine.parts.settings.instance);
    loop {
        // Registered before looking, so that what is queued in between still wakes us.
        let woken = engine.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if engine.shutdown.is_cancelled() {
            return;
        }
        let Parts {
            store,
            clock,
            settings,
            ..
        } = &engine.parts;
        match queue::claim(store, &name, clock.now(), settings.lease).await {
            Ok(Some(claimed)) => {
                carry_out(&engine, claimed).await;
                engine.wake.notify_waiters();
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the queue cannot be read"
                );
            }
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = engine.shutdown.cancelled() => return,
        }
    }
}

async fn carry_out(engine: &Arc<Inner>, claimed: Claimed) {
    let (id, lease) = (claimed.deployment.id, claimed.lease);
    let stop = Stop::default();
    engine.running.lock().insert(id, stop.clone());
    if engine.shutdown.is_cancelled() {
        stop.because(StopReason::Shutdown);
    }
    let beat = tokio::spawn(beat(Arc::clone(engine), lease, stop.clone()));
    engine.hub.changed(id);
    // Boxed: the future of a whole deployment is large, and a worker holds one at a time.
    Box::pin(run::run(Arc::clone(engine), claimed, stop)).await;
    beat.abort();
    engine.running.lock().remove(&id);
    engine.hub.changed(id);
}

/// Keeps the lease, and sees when somebody elsewhere wants the deployment ended.
async fn beat(engine: Arc<Inner>, lease: Lease, stop: Stop) {
    let id = lease.deployment;
    let Parts {
        store,
        clock,
        settings,
        ..
    } = &engine.parts;
    let pause = (settings.lease / SIGNS_PER_LEASE).max(SHORTEST_BEAT);
    let mut good_until = tokio::time::Instant::now() + settings.lease;
    loop {
        match queue::extend(store, lease, clock.now() + settings.lease).await {
            Ok(()) => {
                good_until = tokio::time::Instant::now() + settings.lease;
                match queue::cancel_requested(store, id).await {
                    Ok(true) => stop.because(StopReason::Cancelled),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(deployment = id.0, "whether to cancel is not known: {error}")
                    }
                }
            }
            Err(error) if Fenced::is(&error) || tokio::time::Instant::now() >= good_until => {
                tracing::error!(
                    deployment = id.0,
                    error = &error as &dyn std::error::Error,
                    "the lease is lost"
                );
                stop.because(StopReason::LeaseLost);
                return;
            }
            Err(error) => {
                tracing::warn!(
                    deployment = id.0,
                    error = &error as &dyn std::error::Error,
                    "the lease was not renewed"
                );
            }
        }
        tokio::time::sleep(pause).await;
    }
}
