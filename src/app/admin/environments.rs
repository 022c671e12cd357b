//! Environments of a project: added, changed, moved along the chain, deleted.

mod automatic;
mod kept_paths;
mod told;

use serde_json::json;

use self::automatic::Beginning;
pub use self::kept_paths::left_behind;
use self::told::{changed_secrets, told};
use super::inventory::Inventory;
use super::values::{Excluded, RemoteUser, ServerGroup, SharedPaths, Within, WordLines};
use super::variables::VariablesSpec;
use super::{demand_other_name, demand_project, grounds, keys, renames};
use crate::access::Permit;
use crate::app::{App, strategies};
use crate::domain::{
    Action, AutoOptions, BranchName, ClusterId, Environment, EnvironmentId, EnvironmentOptions, Error,
    ErrorKind, Event, EventKind, HealthCheck, KeyName, Name, OnFailure, Project, ProjectId, Resource, Result,
    RolloutOptions, Strategy, TargetPath, WhenRefused,
};
use crate::store::{clusters, environments, projects};

/// The time limit of a script in seconds, up to a day: a script that takes longer hangs.
pub type Timeout = Within<1, 86_400>;
/// Servers worked on at once: more would exhaust this host before they save time.
pub type Parallel = Within<1, 200>;
/// Old releases kept: each costs disk on every server.
pub type KeptReleases = Within<0, 100>;
/// Days that old releases stay at least, up to ten years.
pub type KeptDays = Within<0, 3650>;
/// A position in the promotion chain.
pub type Position = Within<1, 1000>;
/// Seconds of draining, up to an hour: sessions that last longer do not end by waiting.
pub type DrainLimit = Within<0, 3600>;
/// Seconds to come up, up to an hour: a server that is not up by then stays down.
pub type UpLimit = Within<1, 3600>;
/// Servers that may fail: no fleet has more.
pub type MostFailed = Within<1, 10_000>;
/// Hours to approve a deployment, up to a fortnight: by then nobody remembers the request.
pub type ApprovalHours = Within<1, 336>;

/// The part of the command about pushes. Its fields are those of [`AutoOptions`].
#[derive(Debug, Clone)]
pub struct AutoSpec {
    pub only_if: WordLines,
    pub not_if: WordLines,
    pub paths: Excluded,
    pub when_refused: WhenRefused,
}

/// The command to add or change an environment. Its fields are those of [`Environment`] and [`EnvironmentOptions`].
#[derive(Debug, Clone)]
pub struct EnvironmentSpec {
    pub name: Name,
    pub branch: BranchName,
    pub auto_deploy: bool,
    pub auto: AutoSpec,
    pub target_path: TargetPath,
    pub remote_user: RemoteUser,
    pub position: Position,
    pub fail_on_failed_tests: bool,
    pub clusters: Vec<ClusterId>,
    pub excluded: Excluded,
    pub shared: SharedPaths,
    pub readers: Option<ServerGroup>,
    pub variables: VariablesSpec,
    pub local_timeout: Timeout,
    pub remote_timeout: Timeout,
    pub parallel: Parallel,
    pub keep_releases: KeptReleases,
    pub keep_days: KeptDays,
    pub health: Option<HealthCheck>,
    pub strategy: Strategy,
    pub on_failure: OnFailure,
    pub drain_limit: DrainLimit,
    pub up_limit: UpLimit,
    pub approval_hours: Option<ApprovalHours>,
    pub watch_drift: bool,
    pub key: Option<KeyName>,
}

impl EnvironmentSpec {
    /// The environment, if it passes the rules that involve several fields.
    fn check(self, before: Environment) -> Result<Environment> {
        demand_other_name(&self.name, "diff", "the comparison of commits")?;
        if let Some(health) = &self.health {
            health.validate()?;
        }
        strategies::check(self.strategy)?;
        if let OnFailure::Continue { up_to } = self.on_failure {
            let checked = MostFailed::try_from(up_to);
            checked.map_err(|message| Error::field("up_to", message))?;
        }
        kept_paths::demand_sides(&before.options, &self.excluded.0, &self.shared.0)?;
        let options = EnvironmentOptions {
            excluded: self.excluded.0,
            shared: self.shared.0,
            readers: self.readers.map(Into::into),
            variables: self.variables.over(&before.options)?,
            local_timeout: self.local_timeout.get(),
            remote_timeout: self.remote_timeout.get(),
            parallel: self.parallel.get(),
            keep_releases: self.keep_releases.get(),
            keep_days: self.keep_days.get(),
            health: self.health,
            rollout: RolloutOptions {
                strategy: self.strategy,
                on_failure: self.on_failure,
                drain_limit: self.drain_limit.get(),
                up_limit: self.up_limit.get(),
            },
            approval_hours: self.approval_hours.map(Within::get),
            watch_drift: self.watch_drift,
            key: self.key,
            auto: AutoOptions {
                only_if: self.auto.only_if.0,
                not_if: self.auto.not_if.0,
                paths: self.auto.paths.0,
                when_refused: self.auto.when_refused,
            },
        };
        Ok(Environment {
            name: self.name,
            branch: self.branch,
            target_path: self.target_path,
            remote_user: self.remote_user.into(),
            position: self.position.get(),
            auto_deploy: self.auto_deploy,
            fail_on_failed_tests: self.fail_on_failed_tests,
            clusters: self.clusters,
            options,
            ..before
        })
    }

    /// A new environment of `project`.
    fn new_in(self, project: ProjectId) -> Result<Environment> {
        let blank = Environment {
            id: EnvironmentId(0),
            project_id: project,
            name: self.name.clone(),
            branch: self.branch.clone(),
            target_path: self.target_path.clone(),
            remote_user: String::new(),
            position: 1,
            auto_deploy: false,
            fail_on_failed_tests: true,
            clusters: Vec::new(),
            options: EnvironmentOptions::default(),
        };
        self.check(blank)
    }
}

/// The environments of a project, in order.
pub async fn list(app: &App, permit: &Permit, project: &Project) -> Result<Vec<Environment>> {
    demand_project(permit, &project.name)?;
    environments::list(&app.store, project.id).await
}

/// An environment of a project by its name.
pub async fn by_name(app: &App, permit: &Permit, project: &Project, name: &str) -> Result<Environment> {
    demand_project(permit, &project.name)?;
    environments::by_name(&app.store, project.id, name).await
}

/// Refuses a new health check in `after` that runs a command on the deployer's host, unless the user
/// administers everything: the command can do whatever the deployer can.
async fn allow_command(
    app: &App,
    permit: &Permit,
    before: Option<&HealthCheck>,
    after: Option<&HealthCheck>,
) -> Result<()> {
    let Some(check) = after.filter(|check| check.runs_on_deployer()) else {
        return Ok(());
    };
    if before == Some(check) {
        return Ok(());
    }
    let all = Resource::Everything;
    app.permit(permit.actor(), Action::Administer, &all)
        .await
        .map(drop)
}

/// Refuses clusters that are new in `after` and not open to the project, except to whoever configures
/// everything: whoever may change one project must not reach the servers of another one.
async fn allow_clusters(
    app: &App,
    permit: &Permit,
    project: ProjectId,
    before: &[ClusterId],
    after: &[ClusterId],
) -> Result<()> {
    let all = clusters::list(&app.store).await?;
    let is_closed = |id: &&ClusterId| {
        let cluster = all.iter().find(|one| one.id == **id);
        !before.contains(id) && cluster.is_some_and(|cluster| !cluster.projects.contains(&project))
    };
    if after.iter().find(is_closed).is_none() {
        return Ok(());
    }
    let everything = Resource::Everything;
    match app.permit(permit.actor(), Action::Configure, &everything).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Forbidden => Err(Error::field(
            "clusters",
            "One of these clusters is not open to this project. Somebody who may configure everything can open it, on the page of the cluster.",
        )),
        Err(error) => Err(error),
    }
}

/// Adds an environment to a project.
///
/// # Errors
/// A complaint about a field; forbidden for a command on the deployer's host without the right to
/// administer everything.
pub async fn add(
    app: &App,
    permit: &Permit,
    project: ProjectId,
    spec: EnvironmentSpec,
) -> Result<Environment> {
    let environment = spec.new_in(project)?;
    allow_command(app, permit, None, environment.options.health.as_ref()).await?;
    allow_clusters(app, permit, project, &[], &environment.clusters).await?;
    let named = [None, environment.options.key.as_ref()];
    keys::allow(app, permit, &keys::of_servers(app), named).await?;
    let begins = Beginning::of(app, project, None, &environment).await?;
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, project).await?;
    demand_project(permit, &project.name)?;
    let inventory = Inventory::load(&change).await?;
    grounds::demand_apart((app, permit), &inventory, &environment, "target_path")?;
    let environment = environments::insert(&change, &environment).await?;
    begins.store(&change, environment.id).await?;
    let told = told(&inventory, &environment);
    let resource = format!("{}/{}", project.name, environment.name);
    change
        .commit(Event::new(EventKind::EnvironmentAdded, told).about(resource))
        .await?;
    Ok(environment)
}

/// Changes an environment; the same command again changes nothing.
///
/// # Errors
/// A complaint about a field; forbidden, or a complaint about `name`, for a rename that would escape
/// the rights, deny lines, freezes or locks of the old name.
pub async fn edit(
    app: &App,
    permit: &Permit,
    id: EnvironmentId,
    spec: EnvironmentSpec,
) -> Result<Environment> {
    let known = environments::by_id(&app.store, id).await?;
    let project = projects::by_id(&app.store, known.project_id).await?;
    renames::allow_environment(app, permit, &project, &known, &spec.name).await?;
    allow_command(app, permit, known.options.health.as_ref(), spec.health.as_ref()).await?;
    allow_clusters(app, permit, project.id, &known.clusters, &spec.clusters).await?;
    let named = [known.options.key.as_ref(), spec.key.as_ref()];
    keys::allow(app, permit, &keys::of_servers(app), named).await?;
    let wanted = Environment {
        branch: spec.branch.clone(),
        auto_deploy: spec.auto_deploy,
        ..known.clone()
    };
    let begins = Beginning::of(app, project.id, Some(&known), &wanted).await?;
    let change = app.store.change(permit, app.now()).await?;
    let before = environments::by_id(&change, id).await?;
    renames::demand_same(&known.name, &before.name)?;
    let project = projects::by_id(&change, before.project_id).await?;
    demand_project(permit, &project.name)?;
    let changed = spec.check(before.clone())?;
    if before != changed {
        let inventory = Inventory::load(&change).await?;
        grounds::demand_apart((app, permit), &inventory, &changed, "target_path")?;
        environments::update(&change, &changed).await?;
        begins.store(&change, id).await?;
        let mut detail = super::changes(&told(&inventory, &before), &told(&inventory, &changed));
        let secrets = changed_secrets(&before.options, &changed.options);
        if !secrets.is_empty() {
            detail["secrets"] = json!(secrets);
        }
        let resource = format!("{}/{}", project.name, before.name);
        change
            .commit(Event::new(EventKind::EnvironmentChanged, detail).about(resource))
            .await?;
    }
    Ok(changed)
}

/// Moves an environment one place earlier or later in the chain, and numbers the chain anew.
pub async fn shift(app: &App, permit: &Permit, id: EnvironmentId, later: bool) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    let moved = environments::by_id(&change, id).await?;
    let project = projects::by_id(&change, moved.project_id).await?;
    demand_project(permit, &project.name)?;
    let mut chain = environments::list(&change, project.id).await?;
    let Some(place) = chain.iter().position(|one| one.id == id) else {
        return Ok(());
    };
    let other = if later {
        place.checked_add(1)
    } else {
        place.checked_sub(1)
    };
    let Some(other) = other.filter(|&other| other < chain.len()) else {
        return Ok(());
    };
    chain.swap(place, other);
    for (environment, position) in chain.iter_mut().zip(1..) {
        if environment.position != position {
            environment.position = position;
            environments::update(&change, environment).await?;
        }
    }
    let order: Vec<&str> = chain.iter().map(|one| one.name.as_str()).collect();
    let resource = format!("{}/{}", project.name, moved.name);
    change
        .commit(Event::new(EventKind::EnvironmentMoved, json!({ "order": order })).about(resource))
        .await
}

/// Deletes an environment. Its history stays, and so does what is on the servers.
///
/// # Errors
/// A conflict while one of its deployments runs or a lock is in force; forbidden where deploying is
/// denied now; not found.
pub async fn delete(app: &App, permit: &Permit, id: EnvironmentId) -> Result<()> {
    let environment = environments::by_id(&app.store, id).await?;
    let project = projects::by_id(&app.store, environment.project_id).await?;
    renames::allow_deletion(app, permit, &project, &[environment]).await?;
    let change = app.store.change(permit, app.now()).await?;
    let environment = environments::by_id(&change, id).await?;
    let project = projects::by_id(&change, environment.project_id).await?;
    demand_project(permit, &project.name)?;
    renames::demand_in_service(&change, |one| one.environment == id).await?;
    let told = told(&Inventory::load(&change).await?, &environment);
    environments::delete(&change, id).await?;
    let resource = format!("{}/{}", project.name, environment.name);
    change
        .commit(Event::new(EventKind::EnvironmentDeleted, told).about(resource))
        .await
}
