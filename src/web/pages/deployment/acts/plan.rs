//! Where the plan of an act is shown before anybody presses its button.

use crate::app::deployments::Choice;
use crate::app::watch::Watched;
use crate::domain::{CommitId, Kind, Target};
use crate::web::pages::environment::form;
use crate::web::urls;

/// The address of the plan of deploying `commit` to `environment`, where a form could choose it.
pub fn plan_url(watched: &Watched, environment: &str, commit: &CommitId, kind: Kind) -> String {
    let (project, own) = watched.names();
    let target = match &watched.deployment.target {
        Target::Cluster { id, .. } if environment == own => form::target(Choice::Cluster(*id)),
        Target::Server { id, .. } if environment == own => form::target(Choice::Server(*id)),
        Target::Servers { .. } if environment == own => return String::new(),
        _ => String::new(),
    };
    let query = [
        ("commit", commit.as_str()),
        ("target", &target),
        ("kind", kind.as_str()),
    ];
    urls::with_query(&urls::deploy_plan(project, environment), &query)
}
