//! Why acts are missing from a deployment's page, and what leads on.

use crate::app::watch::{Acts, Hindrance, Watched};
use crate::domain::{Action, DeploymentState, Refusal, Resource};
use crate::web::format;
use crate::web::urls;

/// A reason why something cannot be done with a deployment now.
pub struct WhyNot {
    /// A sentence.
    pub why: String,
    /// Label and address of what leads on.
    pub way: Option<(String, String)>,
}

/// Every reason there is.
pub fn why_not(watched: &Watched, allowed: &Acts) -> Vec<WhyNot> {
    let hindrances = allowed.obstacles.iter().map(|one| hindered(watched, one));
    let mut all: Vec<WhyNot> = hindrances.collect();
    all.extend(allowed.refusals.iter().map(|one| refused(watched, one)));
    if allowed.may_unlock {
        let (project, environment) = watched.names();
        all.push(WhyNot {
            why: format!("{project}/{environment} is locked."),
            way: Some((
                "Lift or override the lock".to_owned(),
                urls::environment(project, environment),
            )),
        });
    }
    all
}

fn hindered(watched: &Watched, hindrance: &Hindrance) -> WhyNot {
    let project = watched.names().0;
    WhyNot {
        why: hindrance.why.clone(),
        way: hindrance.environment.as_deref().map(|environment| {
            let url = urls::environment(project, environment);
            (format!("Open {project}/{environment}"), url)
        }),
    }
}

fn refused(watched: &Watched, refusal: &Refusal) -> WhyNot {
    let one = &watched.deployment;
    let (project, own) = watched.names();
    let next = match &refusal.resource {
        Resource::Environment(_, environment) if environment != own => Some(environment.as_str()),
        _ => None,
    };
    let act = match (refusal.action, next) {
        (Action::Deploy, Some(next)) => format!("promote this to {next}"),
        (Action::Deploy, None) if one.state == DeploymentState::Paused => "continue".to_owned(),
        (Action::Rollback, None) => "roll back".to_owned(),
        (action, _) => format!("{action} here"),
    };
    let Some(at) = refusal.next_allowed else {
        let why = match next {
            Some(next) => format!("It cannot be promoted to {next}: {}", refusal.sentence()),
            None => refusal.sentence(),
        };
        return WhyNot { why, way: None };
    };
    let line = refusal.outside_window.first();
    let line = line.map(|line| format!(" ({}:{})", line.file, line.line));
    let why = format!(
        "You may {act} from {}{}.",
        format::day_and_time(&at),
        line.unwrap_or_default()
    );
    let form = next.map(|next| urls::deploy_form(project, next, one.commit.as_str(), "", "promotion"));
    let way = form.map(|form| ("Schedule it…".to_owned(), form));
    WhyNot { why, way }
}
