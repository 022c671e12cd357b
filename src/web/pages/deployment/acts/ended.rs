//! What the page of a deployment says that has ended badly.

use crate::app::watch::Watched;
use crate::domain::deployment::ServerState;
use crate::domain::{Deployment, DeploymentState};
use crate::web::format::count;

/// Icon, tone, title and text.
pub type Words = (&'static str, &'static str, String, String);

/// How it ended, and how many servers it left in which state.
pub fn ended_badly(watched: &Watched) -> Words {
    let count_of = |state| watched.servers.iter().filter(|one| one.state == state).count();
    let (failed, done) = (count_of(ServerState::Failed), count_of(ServerState::Succeeded));
    let open = count_of(ServerState::Interrupted) + count_of(ServerState::Cancelled);
    let waiting = watched.servers.iter().filter(|one| one.is_untouched()).count();
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{} failed", count(failed, "server")));
    }
    if open > 0 {
        parts.push(format!("{} unfinished", count(open, "server")));
    }
    if done > 0 {
        parts.push(format!("{} done", count(done, "server")));
    }
    if waiting > 0 && !parts.is_empty() {
        parts.push(format!("{} not touched", count(waiting, "server")));
    }
    let text = match parts.as_slice() {
        [] => "No server was touched.".to_owned(),
        parts => format!("{}; see below what each runs.", parts.join(", ")),
    };
    let (icon, tone, title) = match watched.deployment.state {
        DeploymentState::Cancelled if was_rejected(&watched.deployment) => ("x", "t-warn", "Not approved."),
        DeploymentState::Cancelled => ("ban", "t-warn", "Cancelled."),
        DeploymentState::Interrupted => ("plug-connected-x", "t-bad", "Interrupted: the deployer stopped."),
        _ => ("circle-x", "t-bad", "Failed."),
    };
    (icon, tone, title.to_owned(), text)
}

/// Whether it ended while it waited for approval: rejected, cancelled, or out of time.
fn was_rejected(one: &Deployment) -> bool {
    let unanswered = one
        .approval
        .as_ref()
        .is_some_and(|approval| approval.given.is_none());
    unanswered && one.started_at.is_none()
}
