//! Waits until a deployment has ended, or waits for a person.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::app::watch;
use crate::domain::{DeploymentId, DeploymentState, Result};
use crate::web::visitor::Visitor;

/// The longest that an answer is waited for, in seconds: proxies close what is silent for longer.
const LONGEST_WAIT: u32 = 60;
/// How long before we would close a quiet connection ourselves the answer is sent.
const BEFORE_QUIET: Duration = Duration::from_secs(5);
/// How often the store is read although nothing rang: another instance may carry the deployment out.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Waits `seconds` at most. Whoever may not view the deployment learns so at once.
///
/// # Errors
/// Not found; forbidden.
pub async fn until_it_rests(visitor: &Visitor, id: DeploymentId, seconds: Option<u32>) -> Result<()> {
    let Some(seconds) = seconds.filter(|seconds| *seconds > 0) else {
        return Ok(());
    };
    let app = visitor.app();
    let mut events = app.hub().watch(id);
    let (watched, _) = watch::see(app, visitor.actor(), id).await?;
    let quiet = visitor
        .site()
        .settings
        .connections
        .quiet
        .saturating_sub(BEFORE_QUIET);
    let longest = Duration::from_secs(seconds.min(LONGEST_WAIT).into());
    let end = Instant::now() + longest.min(quiet);
    let mut state = watched.deployment.state;
    while !rests(state) && Instant::now() < end {
        let next_look = (Instant::now() + LOOK_AGAIN).min(end);
        // Whatever woke us, the store has the truth.
        let _ = timeout_at(next_look, events.recv()).await;
        state = watch::now(app, id).await?.deployment.state;
    }
    Ok(())
}

/// Whether it goes on only by what somebody does.
fn rests(state: DeploymentState) -> bool {
    state.is_final() || matches!(state, DeploymentState::Paused | DeploymentState::Awaiting)
}
