//! Environments as pages show them: servers, what they run, the last and the running deployments,
//! locks.
//!
//! Pages show many environments at once, so everything is read in a few queries ([`Known`]) and
//! combined here; there is no query per project or per server.

mod known;
mod place;

use std::collections::{HashMap, HashSet};

pub(super) use known::Known;
pub use place::{OpenDeployment, Place, PlaceServer, Runs};

use super::App;
use super::commits::viewed;
use super::naming::{place as find, resource};
use crate::domain::deployment::ServerState;
use crate::domain::{
    Action, Actor, AutoProgress, Deployment, DeploymentId, Environment, Project, Refusal, Resource, Result,
    ServerId,
};
use crate::store::{auto_progress, deployments, environments, locks};

/// How many past deployments a project's page lists.
const LAST_DEPLOYMENTS: u64 = 10;

/// A project with its environments, as somebody may see them.
#[derive(Debug, Clone)]
pub struct ProjectView {
    pub project: Project,
    /// The environments that may be seen, in the order of the promotion chain.
    pub places: Vec<Place>,
    /// The last deployments to them, newest first.
    pub deployments: Vec<Deployment>,
    /// Whether the user may deploy to any environment, and so may fetch.
    pub may_fetch: bool,
    /// Whether the user may change the project.
    pub may_configure: bool,
}

/// A project for somebody who may view it.
pub async fn project(app: &App, actor: &Actor, name: &str) -> Result<ProjectView> {
    let project = viewed(app, actor, name).await?;
    let (mut seen, mut names) = (Vec::new(), HashSet::new());
    for environment in environments::list(&app.store, project.id).await? {
        if app.may(actor, Action::View, &resource(&project, &environment)) {
            names.insert(environment.name.to_string());
            seen.push(environment);
        }
    }
    let may_fetch = seen
        .iter()
        .any(|environment| app.may(actor, Action::Deploy, &resource(&project, environment)));
    let mut known = Known::of(app, &seen).await?;
    let mut last = deployments::last_for_project(&app.store, project.id, LAST_DEPLOYMENTS).await?;
    last.retain(|deployment| names.contains(&deployment.environment));
    let whole = Resource::Project(project.name.to_string());
    Ok(ProjectView {
        places: seen
            .into_iter()
            .map(|environment| known.place(environment))
            .collect(),
        deployments: last,
        may_fetch,
        may_configure: app.may(actor, Action::Configure, &whole),
        project,
    })
}

/// An environment, as somebody may see it.
#[derive(Debug, Clone)]
pub struct EnvironmentView {
    pub project: Project,
    pub place: Place,
    /// The environment that comes before it in the chain of its branch, if there is one.
    pub before: Option<Place>,
    /// The last deployments to it, newest first.
    pub deployments: Vec<Deployment>,
    /// How far running deployments are on its servers.
    pub work: HashMap<ServerId, (DeploymentId, ServerState)>,
    /// Whether the user may deploy to it now.
    pub deploy: Leave,
    /// Whether they may roll back.
    pub roll_back: Leave,
    /// Whether they may lock it.
    pub may_lock: bool,
    /// Whether they may lift what locks it, and so override that with a reason.
    pub may_override: bool,
    /// Whether they may choose another strategy for one deployment.
    pub may_configure: bool,
    /// The automatic deployments here, where pushes are deployed.
    pub automatic: Option<AutoProgress>,
}

/// An environment for somebody who may view it.
pub async fn environment(app: &App, actor: &Actor, project: &str, name: &str) -> Result<EnvironmentView> {
    let (project, environment) = find(app, project, name).await?;
    let here = resource(&project, &environment);
    app.permit(actor, Action::View, &here).await?;
    let before = super::deployments::promotion_source(app, &environment).await?;
    let before = before.filter(|before| app.may(actor, Action::View, &resource(&project, before)));
    let last = deployments::last_for_environment(&app.store, environment.id, LAST_DEPLOYMENTS).await?;
    let both: Vec<Environment> = before.iter().chain([&environment]).cloned().collect();
    let mut known = Known::of(app, &both).await?;
    let stopping = locks::stopping(&app.store, project.id, environment.id, app.now()).await?;
    let place = known.place(environment);
    Ok(EnvironmentView {
        project,
        work: work(app, &place).await?,
        automatic: auto_progress::of_environment(&app.store, place.environment.id).await?,
        place,
        before: before.map(|before| known.place(before)),
        deployments: last,
        deploy: leave(app, actor, Action::Deploy, &here),
        roll_back: leave(app, actor, Action::Rollback, &here),
        may_lock: app.may(actor, Action::Lock, &here),
        may_override: super::locks::may_override(app, actor, &here, &stopping),
        may_configure: app.may(actor, Action::Configure, &here),
    })
}

async fn work(app: &App, place: &Place) -> Result<HashMap<ServerId, (DeploymentId, ServerState)>> {
    let mut work = HashMap::new();
    let open = place.open.iter().map(|coming| &coming.deployment);
    for deployment in open.filter(|deployment| deployment.started_at.is_some()) {
        for part in deployments::servers(&app.store, deployment.id).await? {
            if let Some(server) = part.server_id.filter(|_| part.state != ServerState::Skipped) {
                work.insert(server, (deployment.id, part.state));
            }
        }
    }
    Ok(work)
}

/// Whether policy lets somebody act on an environment.
#[derive(Debug, Clone)]
pub enum Leave {
    /// Policy allows it, together with a second person who is one of these; empty: it takes nobody else.
    Given(Vec<String>),
    /// Policy refuses, now or at all times.
    Refused(Box<Refusal>),
}

impl Leave {
    /// Whether policy allows it.
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }
}

/// What policy would answer now, for a page that shows it before anybody presses the button. Records
/// nothing, because nothing was tried.
pub fn leave(app: &App, actor: &Actor, action: Action, resource: &Resource) -> Leave {
    match app.access.permit(actor, action, resource, app.now()) {
        Ok(permit) => Leave::Given(permit.second().to_vec()),
        Err(refusal) => Leave::Refused(refusal),
    }
}
