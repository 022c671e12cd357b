//! Keeps the lease of a deployment alive while it is worked on.

use std::sync::Arc;
use std::time::Duration;

use super::shared::{EngineParts, Shared};
use super::stop::{Stop, StopReason};
use crate::store::queue;
use crate::store::{Fenced, Lease};

/// A lease is renewed this many times before it would run out, so that one slow write loses nothing.
const SIGNS_PER_LEASE: u32 = 4;
/// The least time between looks for a cancel.
const SHORTEST_BEAT: Duration = Duration::from_millis(200);

/// Renews the lease until it is lost, and stops the deployment when a person cancelled it through
/// another instance.
pub(super) async fn beat(engine: Arc<Shared>, lease: Lease, stop: Stop) {
    let id = lease.deployment;
    let EngineParts {
        store,
        clock,
        settings,
        ..
    } = &engine.parts;
    let pause = (settings.lease / SIGNS_PER_LEASE).max(SHORTEST_BEAT);
    let mut good_until = tokio::time::Instant::now() + settings.lease;
    loop {
        match queue::extend(store, lease, clock.now(), settings.lease).await {
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
