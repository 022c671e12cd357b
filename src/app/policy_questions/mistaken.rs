//! Places that are hardly meant: the name of an environment alone, which reads as that of a project.

use crate::access::PolicyAnswers;
use crate::app::{App, history};
use crate::domain::{Action, Actor, Error, Resource, Result, if_found};
use crate::store::{environments, projects};

/// Places that a complaint suggests.
const SUGGESTED: usize = 5;

/// Complains about a project that there is not, where it is called like an environment. Whoever does not read
/// the policy learns only of places that they may view.
pub(super) async fn demand_project(
    app: &App,
    (actor, is_reader): (&Actor, bool),
    answers: &PolicyAnswers,
    resource: &Resource,
) -> Result<()> {
    let Resource::Project(name) = resource else {
        return Ok(());
    };
    let is_known = if_found(projects::by_name(&app.store, name).await)?.is_some();
    let is_seen = is_reader || app.may(actor, Action::View, resource);
    if is_known && is_seen || is_reader && answers.knows_project(resource) {
        return Ok(());
    }
    let visible = history::viewable(app, actor).await?;
    let places = visible
        .places
        .iter()
        .filter(|(_, environment)| environment == name);
    let places: Vec<String> = places
        .map(|(project, environment)| format!("{project}/{environment}"))
        .collect();
    if places.is_empty() && !(is_reader && answers.knows_environment(name)) {
        return Ok(());
    }
    Err(Error::field("place", complaint(name, &places)))
}

fn complaint(name: &str, places: &[String]) -> String {
    let mistake =
        format!("“{name}” is an environment, and no project is called so: write PROJECT/ENVIRONMENT");
    let shown = places.iter().take(SUGGESTED).cloned().collect::<Vec<_>>();
    let further = match places.len() > SUGGESTED {
        true => ", and others.",
        false => ".",
    };
    match shown.as_slice() {
        [] => format!("{mistake}."),
        [one] => format!("{mistake}, as {one}."),
        many => format!("{mistake}: {}{further}", many.join(", ")),
    }
}

/// That there is no such place, for whoever may know it; `None` where there is.
pub(super) async fn unknown_place(app: &App, resource: &Resource) -> Result<Option<String>> {
    let (name, environment) = match resource {
        Resource::Project(project) => (project, None),
        Resource::Environment(project, environment) => (project, Some(environment)),
        Resource::Everything | Resource::Area(_) => return Ok(None),
    };
    let found = if_found(projects::by_name(&app.store, name).await)?;
    let is_there = match (&found, environment) {
        (Some(project), Some(name)) => {
            if_found(environments::by_name(&app.store, project.id, name).await)?.is_some()
        }
        (found, _) => found.is_some(),
    };
    Ok((!is_there).then(|| format!("There is no {resource} here: the answer is for a place of that name.")))
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn a_complaint_suggests_some_of_the_places() {
        let places =
            |count: usize| -> Vec<String> { (0..count).map(|number| format!("p{number}/prod")).collect() };
        assert!(complaint("prod", &[]).ends_with("write PROJECT/ENVIRONMENT."));
        assert!(complaint("prod", &places(1)).ends_with(", as p0/prod."));
        assert!(complaint("prod", &places(2)).ends_with(": p0/prod, p1/prod."));
        assert!(complaint("prod", &places(9)).ends_with("p4/prod, and others."));
    }
}
