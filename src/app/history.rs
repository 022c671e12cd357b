//! The history: all deployments that a user may see, filtered, page by page.
//!
//! What a user may see is computed first, per project and environment (by the names they had), and
//! becomes part of the query. So every page is full for every reader, and the next one begins where
//! it ended. What was renamed since is judged by its present name: such rows of the query are left out where the
//! reader may not see that.

use std::collections::HashMap;

use super::App;
use super::audit::comparison::{Contradiction, correct};
use super::naming::resource;
use crate::domain::{Action, Actor, Deployment, DeploymentId, EnvironmentId, Resource, Result, if_found};
use crate::store::{Page, Paged, PastFilter, PlaceNames, deployments, environments, projects};

/// The projects and environments a user may see.
#[derive(Debug, Clone, Default)]
pub struct Visible {
    /// Those that exist or were ever deployed to, in order.
    pub places: Vec<PlaceNames>,
    /// Whether they are all there are.
    pub is_all: bool,
    /// Whether each environment that exists may be seen, by its present name.
    present: HashMap<EnvironmentId, bool>,
}

impl Visible {
    /// Whether a deployment may be seen: by the present name of its environment, or by the former one where that
    /// was deleted.
    pub fn shows(&self, deployment: &Deployment) -> bool {
        let present = deployment.environment_id.and_then(|id| self.present.get(&id));
        present.copied().unwrap_or_else(|| self.showed(deployment))
    }

    fn showed(&self, deployment: &Deployment) -> bool {
        self.is_all
            || self.places.iter().any(|(project, environment)| {
                *project == deployment.project && *environment == deployment.environment
            })
    }

    /// The names of the projects, each once.
    pub fn projects(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.places.iter().map(|(project, _)| project.as_str()).collect();
        names.dedup();
        names
    }

    /// The names of the environments, each once; only those of `project` if one is given.
    pub fn environments(&self, project: Option<&str>) -> Vec<&str> {
        let of = |place: &&PlaceNames| project.is_none_or(|wanted| place.0 == wanted);
        let mut names: Vec<&str> = self
            .places
            .iter()
            .filter(of)
            .map(|place| place.1.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// `filter`, narrowed to what the user may see.
    fn hold(&self, filter: &PastFilter) -> PastFilter {
        let is = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|one| one == name);
        let fits = |place: &&PlaceNames| is(&filter.project, &place.0) && is(&filter.environment, &place.1);
        let places = || self.places.iter().filter(fits).cloned().collect();
        PastFilter {
            places: (!self.is_all).then(places),
            ..filter.clone()
        }
    }
}

/// What `actor` may see now.
///
/// # Errors
/// Forbidden, when there are some and `actor` may see none.
pub async fn visible(app: &App, actor: &Actor) -> Result<Visible> {
    let visible = viewable(app, actor).await?;
    if visible.places.is_empty() && !visible.is_all {
        app.permit(actor, Action::View, &Resource::Everything).await?;
    }
    Ok(visible)
}

/// As [`visible`], also for somebody who may see nothing.
pub async fn viewable(app: &App, actor: &Actor) -> Result<Visible> {
    let mut places = deployments::places(&app.store).await?;
    let projects = projects::list(&app.store).await?;
    let may = |resource: Resource| app.may(actor, Action::View, &resource);
    let mut present = HashMap::new();
    for environment in environments::all(&app.store).await? {
        if let Some(project) = projects.iter().find(|one| one.id == environment.project_id) {
            present.insert(environment.id, may(resource(project, &environment)));
            places.push((project.name.to_string(), environment.name.to_string()));
        }
    }
    places.sort_unstable();
    places.dedup();
    let known = places.len();
    places.retain(|(project, environment)| may(Resource::Environment(project.clone(), environment.clone())));
    // One without environments may be closed as well.
    let mut projects = projects.iter().map(|project| project.name.to_string());
    let is_all = places.len() == known && projects.all(|name| may(Resource::Project(name)));
    Ok(Visible {
        places,
        is_all,
        present,
    })
}

/// That there is no such project or environment, as a sentence; the same of those that `actor` may not view.
///
/// # Errors
/// Of the store.
pub async fn unknown_place(
    app: &App,
    actor: &Actor,
    visible: &Visible,
    (project, environment): (Option<&str>, Option<&str>),
) -> Result<Option<String>> {
    if let Some(name) = project.filter(|name| !visible.projects().contains(name)) {
        // One without environments was never deployed.
        let found = if_found(projects::by_name(&app.store, name).await)?;
        let resource = Resource::Project(name.to_owned());
        if found.is_none() || !app.may(actor, Action::View, &resource) {
            return Ok(Some(format!("There is no project “{name}” that you may view.")));
        }
    }
    let is_seen = |name: &&str| visible.environments(project).contains(name);
    let unseen = environment.filter(|name| !is_seen(name));
    Ok(unseen.map(|name| match project {
        Some(project) => format!("There is no environment “{name}” of {project} that you may view."),
        None => format!("There is no environment “{name}” that you may view."),
    }))
}

/// One page of the history.
#[derive(Debug, Clone)]
pub struct PastDeployments {
    pub past: CorrectedPage,
    /// What the reader may see at all, to choose from.
    pub visible: Visible,
}

/// The deployments that match `filter` and that `actor` may see.
///
/// # Errors
/// Forbidden, when `actor` may see nothing at all.
pub async fn find(
    app: &App,
    actor: &Actor,
    filter: &PastFilter,
    page: Page,
    limit: u64,
) -> Result<PastDeployments> {
    let visible = visible(app, actor).await?;
    let past = within(app, &visible, filter, page, limit).await?;
    Ok(PastDeployments { past, visible })
}

/// The deployments that match `filter` among those that may be seen.
pub async fn within(
    app: &App,
    visible: &Visible,
    filter: &PastFilter,
    page: Page,
    limit: u64,
) -> Result<CorrectedPage> {
    let mut page = deployments::history(&app.store, &visible.hold(filter), page, limit).await?;
    page.items.retain(|one| visible.shows(one));
    let contradictions = correct(&app.store, &mut page.items).await?;
    Ok(CorrectedPage { page, contradictions })
}

/// Deployments as the audit log has them.
#[derive(Debug, Clone, Default)]
pub struct CorrectedPage {
    /// Newest first.
    pub page: Paged<Deployment>,
    /// What the database says otherwise of some of them.
    pub contradictions: HashMap<DeploymentId, Vec<Contradiction>>,
}
