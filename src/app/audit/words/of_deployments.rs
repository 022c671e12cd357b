//! Sentences about deployments, and about servers at their balancers.

use super::parts::{because, deployment, text, time, who};
use crate::domain::{Answer, EventKind, Kind, NewAuditEvent, short_hash};

/// The sentence of an event; `None` for a kind of another file.
pub fn told(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let (who, one) = (who(event), deployment(event));
    Some(match kind {
        EventKind::DeploymentRequested => requested(event),
        EventKind::DeploymentApproved => {
            let of = match text(event, "requested_by") {
                "" => String::new(),
                requester => format!(", which {requester} requested"),
            };
            format!("{who} approved {one} to {}{of}.", event.resource)
        }
        EventKind::ApprovalRefused => {
            format!(
                "{who} tried to approve {one} and may not{}.",
                because(&event.permit)
            )
        }
        EventKind::DeploymentRejected => {
            format!("{who} rejected {one}{}.", because(text(event, "reason")))
        }
        EventKind::CancelRequested => format!("{who} cancelled {one}."),
        EventKind::PauseRequested => format!("{who} asked {one} to pause after its current batch."),
        EventKind::PauseWithdrawn => format!("{who} withdrew the pause of {one}."),
        EventKind::DeploymentAnswered => {
            let answer = Answer::parse(text(event, "answer")).map_or("", Answer::title);
            format!("{who} answered the paused {one}{}.", because(answer))
        }
        EventKind::LockOverridden => {
            format!(
                "{who} overrode a lock for {one}{}.",
                because(text(event, "reason"))
            )
        }
        EventKind::CommitsFetched => {
            let project = match text(event, "project") {
                "" => event.resource.as_str(),
                project => project,
            };
            format!("{who} fetched the repository of {project}.")
        }
        kind => return by_engine(kind, event),
    })
}

fn requested(event: &NewAuditEvent) -> String {
    let commit = text(event, "commit");
    let what = match Kind::parse(text(event, "kind")) {
        Some(Kind::Rollback) => "a rollback",
        Some(Kind::Promotion) => "a promotion",
        Some(Kind::Automatic) => "an automatic deployment",
        _ => "a deployment",
    };
    let number = event.detail["deployment"].as_i64();
    let number = number.map(|id| format!(" ({id})")).unwrap_or_default();
    let commit = match commit {
        "" => String::new(),
        commit => format!(" of {}", short_hash(commit)),
    };
    let target = match text(event, "target") {
        "" => String::new(),
        target => format!(", {target}"),
    };
    let at = match time(&event.detail["at"]) {
        at if at.is_empty() => at,
        at => format!(", to begin at {at}"),
    };
    let (who, place) = (who(event), &event.resource);
    let why = because(text(event, "reason"));
    format!("{who} requested {what}{number}{commit} to {place}{target}{at}{why}.")
}

/// What the engine did in the requester's name.
fn by_engine(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let why = because(text(event, "outcome"));
    let what = match kind {
        EventKind::DeploymentSuperseded => match event.detail["by"].as_i64() {
            Some(by) => format!("was superseded by deployment {by}"),
            None => "was superseded".to_owned(),
        },
        EventKind::DeploymentQueued => "was queued".to_owned(),
        EventKind::DeploymentStarted => "started".to_owned(),
        EventKind::DeploymentPaused => "paused".to_owned(),
        EventKind::DeploymentResumed => "continued".to_owned(),
        EventKind::DeploymentStopped => "was stopped at its pause".to_owned(),
        EventKind::DeploymentRefused => "was refused by policy when its turn came".to_owned(),
        EventKind::DeploymentSucceeded => "succeeded".to_owned(),
        EventKind::DeploymentFailed => "failed".to_owned(),
        EventKind::DeploymentCancelled => "ended, cancelled".to_owned(),
        EventKind::DeploymentInterrupted => "was interrupted".to_owned(),
        EventKind::ServerKeptOut => "keeps a server out of service".to_owned(),
        EventKind::ServerPutBack => "put a server back into service".to_owned(),
        EventKind::ServerPutBackByHand => {
            "left a server out of service that somebody put back at the balancer".to_owned()
        }
        EventKind::ServerTakenOutByHand => {
            "leaves a server to somebody who took it out at the balancer".to_owned()
        }
        _ => return None,
    };
    let one = match event.detail["deployment"].as_i64() {
        Some(id) => format!("Deployment {id}"),
        None => "A deployment".to_owned(),
    };
    Some(format!("{one} to {} {what}{why}.", event.resource))
}
