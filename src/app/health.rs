//! Whether the installation is healthy, for monitoring.

use std::time::Duration;

use super::{App, drift};
use crate::domain::standing::Help;
use crate::domain::{Action, Actor, Resource, Result, Service};
use crate::store::deployments::LeftOut;
use crate::store::{deployments, queue};

/// What is wrong while the policy files are.
pub const POLICY_FAULT: &str = "The policy files have an error; the last good policy is in force.";

/// What is wrong while the audit log does not fit the head that was handed out last.
const AUDIT_FAULT: &str = "The audit log is not the one that its last head was handed out for.";

/// How long after the end of its lease an abandoned deployment is reported: by then another instance
/// has usually taken it over.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Why the installation is not healthy; empty when it is.
///
/// Names environments that `actor` may see, and counts the others.
///
/// # Errors
/// When the store cannot be read, which the caller reports as not healthy.
pub async fn reasons(app: &App, actor: &Actor) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    let administers = app.may(actor, Action::Administer, &Resource::Everything);
    for problem in app.access.problems().iter().filter(|problem| problem.is_error()) {
        reasons.push(match administers {
            true => format!("{POLICY_FAULT} {problem}"),
            false => POLICY_FAULT.to_owned(),
        });
        if !administers {
            break;
        }
    }
    reasons.extend(app.audit_fault().map(|fault| match administers {
        true => fault,
        false => AUDIT_FAULT.to_owned(),
    }));
    let mut hidden = 0;
    for drift in drift::report(app).await? {
        let here = Resource::Environment(drift.project.clone(), drift.environment.clone());
        if app.may(actor, Action::View, &here) {
            let sentences = drift.sentences.join(" ");
            reasons.push(format!("{}/{}: {sentences}", drift.project, drift.environment));
        } else {
            hidden += 1;
        }
    }
    if hidden > 0 {
        reasons.push(match hidden {
            1 => "Servers of an environment do not run what they should.".to_owned(),
            _ => format!("Servers of {hidden} environments do not run what they should."),
        });
    }
    reasons.extend(left_out(app, actor).await?);
    reasons.extend(stuck(app).await?);
    Ok(reasons)
}

/// What lacks on this host without making the installation unhealthy.
pub async fn notes(app: &App, actor: &Actor) -> Vec<String> {
    let protection = app.engine.confinement().protection().await;
    match app.may(actor, Action::Administer, &Resource::Everything) {
        true => protection.notes(),
        false => protection.summary().map(str::to_owned).into_iter().collect(),
    }
}

/// A sentence for each server that a deployment left out of service.
async fn left_out(app: &App, actor: &Actor) -> Result<Vec<String>> {
    let (mut sentences, mut hidden) = (Vec::new(), 0);
    for one in deployments::left_out(&app.store).await? {
        let deployment = deployments::by_id(&app.store, one.deployment).await?;
        let (project, environment) = (&deployment.project, &deployment.environment);
        let here = Resource::Environment(project.clone(), environment.clone());
        if app.may(actor, Action::View, &here) {
            sentences.push(format!(
                "{project}/{environment}: {} {}",
                one.name,
                stays_out(&one)
            ));
        } else {
            hidden += 1;
        }
    }
    match hidden {
        0 => {}
        1 => sentences.push("A server was left out of service by a deployment.".to_owned()),
        _ => sentences.push(format!(
            "{hidden} servers were left out of service by deployments."
        )),
    }
    Ok(sentences)
}

/// Why a server is out of service, after its name.
fn stays_out(one: &LeftOut) -> String {
    let id = one.deployment;
    match (&one.split, one.service) {
        (Some(split), _) => format!(
            "{split} by deployment {id}. {}",
            Help::DeployAgainOrDecide.sentence()
        ),
        (None, Service::PuttingBack) => format!(
            "is out of service since deployment {id}, and goes back once every endpoint of its balancer answers."
        ),
        (None, _) => {
            format!("is out of service since deployment {id}, because its release may be incomplete.")
        }
    }
}

/// Deployments whose worker gave no sign of life for too long.
async fn stuck(app: &App) -> Result<Vec<String>> {
    let ended = queue::Abandoned::LeaseEnded {
        now: app.now(),
        ago: STUCK_AFTER,
    };
    Ok(match queue::abandoned(&app.store, ended).await?.len() {
        0 => Vec::new(),
        1 => vec!["1 running deployment has no worker.".to_owned()],
        count => vec![format!("{count} running deployments have no worker.")],
    })
}
