//! What is where: an environment with its servers, what they run, what was last deployed there,
//! what is on its way and what stands in its way.
//!
//! Pages show many environments at once, so everything is read in a handful of queries ([`Known`])
//! and put together here; no query is asked per project or per server.

use std::collections::{HashMap, HashSet};

use super::App;
use super::deployments::Choice;
use crate::domain::{
    Action, Actor, Cluster, ClusterId, CommitId, Deployment, DeploymentId, Environment, EnvironmentId,
    Instant, Lock, Name, Project, Refusal, Resource, Result, Server, ServerId, ServerRelease,
};
use crate::store::{clusters, deployments, environments, locks, projects, releases, servers};

/// How many past deployments a project's page lists.
const LAST_DEPLOYMENTS: u64 = 10;

/// An environment as it is now.
#[derive(Debug, Clone)]
pub struct Place {
    /// Itself.
    pub environment: Environment,
    /// Its servers in the order they are deployed to, each once.
    pub servers: Vec<PlaceServer>,
    /// What its active servers run, most servers first. More than one entry is drift.
    pub runs: Vec<Runs>,
    /// Active servers that nothing was deployed to yet.
    pub empty: usize,
    /// The last deployment, however it ended.
    pub last: Option<Deployment>,
    /// What runs or waits, what runs first.
    pub open: Vec<Coming>,
    /// What stops deployments to it.
    pub lock: Option<Lock>,
}

/// A server of an environment.
#[derive(Debug, Clone)]
pub struct PlaceServer {
    /// Itself.
    pub server: Server,
    /// The cluster it is reached through.
    pub cluster: Name,
    /// That cluster's row.
    pub cluster_id: ClusterId,
    /// What was put there last, as far as we know.
    pub release: Option<ServerRelease>,
}

/// A commit that runs on some servers of an environment.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The commit.
    pub commit: CommitId,
    /// The first line of its message; empty when nobody remembers.
    pub title: String,
    /// Who deployed it; empty when nobody remembers.
    pub actor: String,
    /// How many servers run it.
    pub servers: usize,
    /// When it came to the last of them.
    pub at: Instant,
}

/// A deployment that runs or waits.
#[derive(Debug, Clone)]
pub struct Coming {
    /// Itself.
    pub deployment: Deployment,
    /// How many servers it is through with.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

impl Place {
    /// What most of its servers run.
    pub fn current(&self) -> Option<&Runs> {
        self.runs.first()
    }

    /// How many of its servers are deployed to at all.
    pub fn active(&self) -> usize {
        self.servers.iter().filter(|one| one.server.active).count()
    }

    /// Whether its servers run different commits.
    pub fn drifts(&self) -> bool {
        self.runs.len() > 1
    }

    /// Its server of this name.
    pub fn server(&self, name: &str) -> Option<&PlaceServer> {
        self.servers.iter().find(|one| one.server.name.as_str() == name)
    }
}

impl PlaceServer {
    /// Whether a choice of servers means it.
    pub fn is_meant(&self, choice: Choice) -> bool {
        match choice {
            Choice::All => true,
            Choice::Cluster(id) => self.cluster_id == id,
            Choice::Server(id) => self.server.id == id,
        }
    }
}

/// A project with its environments, as somebody may see them.
#[derive(Debug, Clone)]
pub struct ProjectView {
    /// Itself.
    pub project: Project,
    /// The environments that may be seen, in the order of the promotion chain.
    pub places: Vec<Place>,
    /// The last deployments to them, newest first.
    pub deployments: Vec<Deployment>,
    /// Whether anything may be deployed by whoever asked: then fetching is theirs, too.
    pub may_fetch: bool,
    /// Whether whoever asked may change the project.
    pub may_configure: bool,
}

/// A project for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn project(app: &App, actor: &Actor, name: &str) -> Result<ProjectView> {
    let project = projects::by_name(&app.store, name).await?;
    let whole = Resource::Project(project.name.to_string());
    app.permit(actor, Action::View, &whole).await?;
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
    /// Its project.
    pub project: Project,
    /// Itself.
    pub place: Place,
    /// The environment that comes before it in the chain of its branch, if there is one.
    pub before: Option<Place>,
    /// The last deployments to it, newest first.
    pub deployments: Vec<Deployment>,
    /// Whether whoever asked may deploy to it now.
    pub deploy: Leave,
    /// Whether they may roll back.
    pub roll_back: Leave,
    /// Whether they may lock it, lift what locks it, and override that with a reason.
    pub may_lock: bool,
    /// Whether they may choose another strategy for one deployment.
    pub may_configure: bool,
}

/// An environment for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn environment(app: &App, actor: &Actor, project: &str, name: &str) -> Result<EnvironmentView> {
    let (project, environment) = super::deployments::place(app, project, name).await?;
    let here = resource(&project, &environment);
    app.permit(actor, Action::View, &here).await?;
    let before = super::deployments::promotion_source(app, &environment).await?;
    let before = before.filter(|before| app.may(actor, Action::View, &resource(&project, before)));
    let last = deployments::last_for_environment(&app.store, environment.id, LAST_DEPLOYMENTS).await?;
    let both: Vec<Environment> = before.iter().chain([&environment]).cloned().collect();
    let mut known = Known::of(app, &both).await?;
    Ok(EnvironmentView {
        project,
        place: known.place(environment),
        before: before.map(|before| known.place(before)),
        deployments: last,
        deploy: leave(app, actor, Action::Deploy, &here),
        roll_back: leave(app, actor, Action::Rollback, &here),
        may_lock: app.may(actor, Action::Lock, &here),
        may_configure: app.may(actor, Action::Configure, &here),
    })
}

/// What stands between somebody and an act on an environment.
#[derive(Debug, Clone)]
pub enum Leave {
    /// Nothing.
    Given,
    /// Policy, now or for ever.
    Refused(Box<Refusal>),
}

impl Leave {
    /// Whether nothing stands in the way.
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Given)
    }
}

/// What policy would say now, with its reasons, for a page that tells before anybody presses.
/// Nothing is recorded, as nothing was tried.
pub fn leave(app: &App, actor: &Actor, action: Action, resource: &Resource) -> Leave {
    match app.access.permit(actor, action, resource, app.now()) {
        Ok(_) => Leave::Given,
        Err(refusal) => Leave::Refused(refusal),
    }
}

/// An environment, for policy.
pub fn resource(project: &Project, environment: &Environment) -> Resource {
    Resource::Environment(project.name.to_string(), environment.name.to_string())
}

/// What environments are put together from.
pub(super) struct Known {
    clusters: HashMap<ClusterId, Cluster>,
    servers: HashMap<ServerId, Server>,
    releases: HashMap<EnvironmentId, Vec<ServerRelease>>,
    placed: HashMap<DeploymentId, Deployment>,
    last: HashMap<EnvironmentId, Deployment>,
    open: HashMap<EnvironmentId, Vec<Coming>>,
    locks: Vec<Lock>,
}

impl Known {
    /// About all environments of all projects.
    pub(super) async fn of_all(app: &App) -> Result<Self> {
        let releases = releases::all_current(&app.store).await?;
        let last = deployments::latest(&app.store).await?;
        Self::with(app, releases, last).await
    }

    /// About some environments.
    pub(super) async fn of(app: &App, environments: &[Environment]) -> Result<Self> {
        let (mut current, mut last) = (Vec::new(), HashMap::new());
        for environment in environments {
            current.extend(releases::current(&app.store, environment.id).await?);
            let newest = deployments::last_for_environment(&app.store, environment.id, 1).await?;
            last.extend(newest.into_iter().map(|one| (environment.id, one)));
        }
        Self::with(app, current, last).await
    }

    async fn with(
        app: &App,
        current: Vec<ServerRelease>,
        last: HashMap<EnvironmentId, Deployment>,
    ) -> Result<Self> {
        let store = &app.store;
        let clusters = clusters::list(store).await?;
        let servers = servers::list(store).await?;
        let placed: HashSet<DeploymentId> = current.iter().filter_map(|one| one.deployment_id).collect();
        let active = deployments::active(store).await?;
        let at_work: Vec<DeploymentId> = active.iter().map(|one| one.id).collect();
        let progress = deployments::progress(store, &at_work).await?;
        let mut releases: HashMap<EnvironmentId, Vec<ServerRelease>> = HashMap::new();
        for release in current {
            if let Some(environment) = release.environment_id {
                releases.entry(environment).or_default().push(release);
            }
        }
        let mut open: HashMap<EnvironmentId, Vec<Coming>> = HashMap::new();
        for deployment in active {
            let Some(environment) = deployment.environment_id else {
                continue;
            };
            let (done, total) = progress.get(&deployment.id).copied().unwrap_or_default();
            open.entry(environment).or_default().push(Coming {
                deployment,
                done,
                total,
            });
        }
        Ok(Self {
            clusters: clusters.into_iter().map(|one| (one.id, one)).collect(),
            servers: servers.into_iter().map(|one| (one.id, one)).collect(),
            releases,
            placed: deployments::by_ids(store, &placed).await?,
            last,
            open,
            locks: locks::in_force(store, app.now()).await?,
        })
    }

    /// Puts one environment together.
    pub(super) fn place(&mut self, environment: Environment) -> Place {
        let servers = self.servers_of(&environment);
        let (mut runs, mut empty) = (Vec::new(), 0);
        for one in servers.iter().filter(|one| one.server.active) {
            match &one.release {
                Some(release) => self.count(&mut runs, release),
                None => empty += 1,
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse((run.servers, run.at)));
        let covers = |lock: &&Lock| lock.covers(environment.project_id, environment.id);
        Place {
            servers,
            runs,
            empty,
            last: self.last.remove(&environment.id),
            open: self.open.remove(&environment.id).unwrap_or_default(),
            lock: self.locks.iter().find(covers).cloned(),
            environment,
        }
    }

    fn servers_of(&self, environment: &Environment) -> Vec<PlaceServer> {
        let releases = self.releases.get(&environment.id).map(Vec::as_slice);
        let mut found: Vec<PlaceServer> = Vec::new();
        for cluster in environment.clusters.iter().filter_map(|id| self.clusters.get(id)) {
            for member in &cluster.members {
                let Some(server) = self.servers.get(&member.server) else {
                    continue;
                };
                // A server in two clusters of one environment is deployed to once.
                if found.iter().any(|one| one.server.id == server.id) {
                    continue;
                }
                let is_here = |release: &&ServerRelease| release.server_id == Some(server.id);
                found.push(PlaceServer {
                    release: releases.unwrap_or_default().iter().find(is_here).cloned(),
                    server: server.clone(),
                    cluster: cluster.name.clone(),
                    cluster_id: cluster.id,
                });
            }
        }
        found
    }

    fn count(&self, runs: &mut Vec<Runs>, release: &ServerRelease) {
        if let Some(run) = runs.iter_mut().find(|run| run.commit == release.commit) {
            run.servers += 1;
            run.at = run.at.max(release.at);
            return;
        }
        let by = release.deployment_id.and_then(|id| self.placed.get(&id));
        runs.push(Runs {
            commit: release.commit.clone(),
            title: by.map(|by| by.commit_title.clone()).unwrap_or_default(),
            actor: by.map(|by| by.actor.clone()).unwrap_or_default(),
            servers: 1,
            at: release.at,
        });
    }
}
