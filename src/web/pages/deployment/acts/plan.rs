//! Where the plan of an act is shown before anybody presses its button, and where it is chosen anew.

use crate::app::deployments::Choice;
use crate::app::watch::Watched;
use crate::domain::{CommitId, Kind, Strategy, Target};
use crate::web::forms::FormData;
use crate::web::pages::environment::form;
use crate::web::{strategy_form, urls};

/// The deployment's target as the deploy form of `environment` names it; `None` where the form cannot choose it.
fn target(watched: &Watched, environment: &str) -> Option<String> {
    let (_, own) = watched.names();
    match &watched.deployment.target {
        Target::Cluster { id, .. } if environment == own => Some(form::target(Choice::Cluster(*id))),
        Target::Server { id, .. } if environment == own => Some(form::target(Choice::Server(*id))),
        Target::Servers { .. } if environment == own => None,
        _ => Some(String::new()),
    }
}

/// The address of the plan of deploying `commit` to `environment`, by `strategy` or the environment's own;
/// empty where a form could not choose the servers.
pub fn plan_url(
    watched: &Watched,
    environment: &str,
    commit: &CommitId,
    kind: Kind,
    strategy: Option<Strategy>,
) -> String {
    let Some(target) = target(watched, environment) else {
        return String::new();
    };
    let mut query = vec![
        ("commit", commit.as_str()),
        ("target", &target),
        ("kind", kind.as_str()),
    ];
    let fields = strategy.map(|strategy| strategy_form::fill(FormData::default(), strategy));
    if let Some(fields) = &fields {
        let names = std::iter::once("strategy").chain(strategy_form::FIELDS.iter().copied());
        query.extend(names.map(|name| (name, fields.text(name))));
    }
    urls::with_query(&urls::deploy_plan(watched.names().0, environment), &query)
}

/// The deploy form that would deploy its commit again; to all servers where it cannot choose the same.
pub fn form_url(watched: &Watched) -> String {
    let (project, environment) = watched.names();
    let kind = match watched.deployment.kind {
        kind @ (Kind::Rollback | Kind::Promotion) => kind.as_str(),
        Kind::Regular | Kind::Automatic | Kind::Scheduled => "",
    };
    let target = target(watched, environment).unwrap_or_default();
    urls::deploy_form(
        project,
        environment,
        watched.deployment.commit.as_str(),
        &target,
        kind,
    )
}
