//! Whether all is well here, for monitoring.

use super::{App, drift};
use crate::domain::{Action, Actor, Resource, Result};

/// What is not well; nothing: all is.
///
/// Whoever asks is told of environments they may see; of the others only that there is something.
///
/// # Errors
/// When the store cannot be read: that is not well either, and is the caller's to tell.
pub async fn reasons(app: &App, actor: &Actor) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    let administers = app.may(actor, Action::Administer, &Resource::Everything);
    for problem in app.access.problems().iter().filter(|problem| problem.is_error()) {
        reasons.push(if administers {
            format!("The policy files have an error; the last good policy is in force. {problem}")
        } else {
            "The policy files have an error; the last good policy is in force.".to_owned()
        });
        if !administers {
            break;
        }
    }
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
        reasons.push(format!(
            "Servers of {hidden} environments do not run what they should."
        ));
    }
    Ok(reasons)
}
