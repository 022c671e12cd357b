//! Environments of a project: added, edited, moved along the chain, deleted.

pub mod health;
pub mod rollout;
mod told;

use serde_json::json;

use self::health::HealthForm;
use self::rollout::RolloutForm;
use self::told::{changed_secrets, told};
use super::inventory::Inventory;
use super::servers::remote_user;
use super::variables::{self, SecretField};
use super::{Wrongs, demand_project, lines, name_but};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{
    BranchName, ClusterId, Environment, EnvironmentId, EnvironmentOptions, Error, Event, EventKind, Project,
    ProjectId, Result, SyncMethod, TargetPath,
};
use crate::store::{environments, projects};
use crate::sync::{Ground, Rules};

/// A day: what takes longer hangs.
const LONGEST_TIMEOUT: u64 = 24 * 3600;
/// More at once than this exhausts this host before it saves time.
const MOST_PARALLEL: u64 = 200;
/// Old releases cost disk on every server.
const MOST_RELEASES: u64 = 100;
/// A chain of promotion nobody would walk.
const LAST_POSITION: u64 = 1000;

/// The form of an environment, as typed.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentForm {
    /// See [`Environment::name`].
    pub name: String,
    /// See [`Environment::branch`].
    pub branch: String,
    /// See [`Environment::target_path`].
    pub target_path: String,
    /// See [`Environment::remote_user`].
    pub remote_user: String,
    /// See [`Environment::position`].
    pub position: String,
    /// See [`Environment::auto_deploy`].
    pub auto_deploy: bool,
    /// See [`Environment::fail_on_failed_tests`].
    pub fail_on_failed_tests: bool,
    /// The clusters chosen, in the order wanted.
    pub clusters: Vec<ClusterId>,
    /// One per line.
    pub excluded: String,
    /// One per line.
    pub shared: String,
    /// `NAME=value`, one per line.
    pub variables: String,
    /// The secret ones.
    pub secrets: Vec<SecretField>,
    /// Seconds.
    pub local_timeout: String,
    /// Seconds.
    pub remote_timeout: String,
    /// See [`EnvironmentOptions::parallel`].
    pub parallel: String,
    /// See [`EnvironmentOptions::keep_releases`].
    pub keep_releases: String,
    /// See [`EnvironmentOptions::health`].
    pub health: HealthForm,
    /// See [`EnvironmentOptions::rollout`] and what belongs to it.
    pub rollout: RolloutForm,
}

impl EnvironmentForm {
    /// The form of a new environment of a project that has `existing` ones.
    pub fn new(existing: &[Environment]) -> Self {
        let last = existing.iter().max_by_key(|one| one.position);
        let plain = EnvironmentOptions::default();
        Self {
            branch: last.map_or("main", |one| one.branch.as_str()).to_owned(),
            remote_user: last.map(|one| one.remote_user.clone()).unwrap_or_default(),
            position: last.map_or(1, |one| one.position.saturating_add(1)).to_string(),
            fail_on_failed_tests: true,
            ..Self::of_options(&plain)
        }
    }

    /// The form of an environment as it is; without the values of secrets.
    pub fn of(environment: &Environment) -> Self {
        Self {
            name: environment.name.to_string(),
            branch: environment.branch.to_string(),
            target_path: environment.target_path.to_string(),
            remote_user: environment.remote_user.clone(),
            position: environment.position.to_string(),
            auto_deploy: environment.auto_deploy,
            fail_on_failed_tests: environment.fail_on_failed_tests,
            clusters: environment.clusters.clone(),
            ..Self::of_options(&environment.options)
        }
    }

    fn of_options(options: &EnvironmentOptions) -> Self {
        Self {
            excluded: options.excluded.join("\n"),
            shared: options.shared.join("\n"),
            variables: variables::plain_lines(options),
            secrets: variables::secret_fields(options),
            local_timeout: options.local_timeout.to_string(),
            remote_timeout: options.remote_timeout.to_string(),
            parallel: options.parallel.to_string(),
            keep_releases: options.keep_releases.to_string(),
            health: HealthForm::of(options.health.as_ref()),
            rollout: RolloutForm::of(options),
            ..Self::default()
        }
    }

    fn check(
        &self,
        id: EnvironmentId,
        project_id: ProjectId,
        before: &EnvironmentOptions,
    ) -> Result<Environment> {
        let mut wrong = Wrongs::default();
        let name = name_but(&self.name, "diff", "the comparison of commits");
        let name = wrong.take("name", name);
        let branch = wrong.take("branch", self.branch.trim().parse::<BranchName>());
        let target_path = wrong.take("target_path", self.target_path.trim().parse::<TargetPath>());
        let remote_user = wrong.take("remote_user", remote_user(&self.remote_user));
        let position = wrong.number("position", &self.position, 1..=LAST_POSITION);
        let position = position.and_then(|number| i32::try_from(number).ok());
        let options = self.options(before, &mut wrong);
        match (name, branch, target_path, remote_user, position, options) {
            (
                Some(name),
                Some(branch),
                Some(target_path),
                Some(remote_user),
                Some(position),
                Some(options),
            ) => Ok(Environment {
                id,
                project_id,
                name,
                branch,
                target_path,
                remote_user,
                position,
                auto_deploy: self.auto_deploy,
                fail_on_failed_tests: self.fail_on_failed_tests,
                clusters: self.clusters.clone(),
                options,
            }),
            _ => Err(wrong.into_error()),
        }
    }

    fn options(&self, before: &EnvironmentOptions, wrong: &mut Wrongs) -> Option<EnvironmentOptions> {
        let excluded = wrong.take("excluded", excluded(&self.excluded));
        let shared = wrong.take("shared", shared(&self.shared));
        let variables = variables::read(&self.variables, &self.secrets, before, wrong);
        let local_timeout = wrong.number("local_timeout", &self.local_timeout, 1..=LONGEST_TIMEOUT);
        let remote_timeout = wrong.number("remote_timeout", &self.remote_timeout, 1..=LONGEST_TIMEOUT);
        let small = |number: u64| u32::try_from(number).ok();
        let parallel = wrong
            .number("parallel", &self.parallel, 1..=MOST_PARALLEL)
            .and_then(small);
        let keep = wrong
            .number("keep_releases", &self.keep_releases, 0..=MOST_RELEASES)
            .and_then(small);
        let health = self.health.read(wrong);
        let rest = self.rollout.fill(before.clone(), wrong);
        Some(EnvironmentOptions {
            excluded: excluded?,
            shared: shared?,
            variables: variables?,
            local_timeout: local_timeout?,
            remote_timeout: remote_timeout?,
            parallel: parallel?,
            keep_releases: keep?,
            health: health?,
            ..rest?
        })
    }
}

fn excluded(text: &str) -> Result<Vec<String>, String> {
    let options = EnvironmentOptions {
        excluded: lines(text),
        ..EnvironmentOptions::default()
    };
    Rules::new(&options, SyncMethod::InPlace).map_err(|error| error.to_string())?;
    Ok(options.excluded)
}

fn shared(text: &str) -> Result<Vec<String>, String> {
    let options = EnvironmentOptions {
        shared: lines(text),
        ..EnvironmentOptions::default()
    };
    Rules::new(&options, SyncMethod::Symlink).map_err(|error| error.to_string())?;
    Ok(options.shared)
}

/// The environments of a project, in order.
pub async fn list(app: &App, permit: &Permit, project: &Project) -> Result<Vec<Environment>> {
    demand_project(permit, &project.name)?;
    environments::list(&app.store, project.id).await
}

/// One of a project by its name.
///
/// # Errors
/// Not found.
pub async fn by_name(app: &App, permit: &Permit, project: &Project, name: &str) -> Result<Environment> {
    demand_project(permit, &project.name)?;
    environments::by_name(&app.store, project.id, name).await
}

/// Adds an environment to a project.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn add(
    app: &App,
    permit: &Permit,
    project: ProjectId,
    form: &EnvironmentForm,
) -> Result<Environment> {
    let environment = form.check(EnvironmentId(0), project, &EnvironmentOptions::default())?;
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, project).await?;
    demand_project(permit, &project.name)?;
    let inventory = Inventory::load(&change).await?;
    not_on_top_of_another(&inventory, &environment)?;
    let environment = environments::insert(&change, &environment).await?;
    let told = told(&inventory, &environment);
    let resource = format!("{}/{}", project.name, environment.name);
    change
        .commit(Event::new(EventKind::EnvironmentAdded, told).about(resource))
        .await?;
    Ok(environment)
}

/// Changes an environment. A form sent twice changes nothing the second time.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(
    app: &App,
    permit: &Permit,
    id: EnvironmentId,
    form: &EnvironmentForm,
) -> Result<Environment> {
    let change = app.store.change(permit, app.now()).await?;
    let before = environments::by_id(&change, id).await?;
    let project = projects::by_id(&change, before.project_id).await?;
    demand_project(permit, &project.name)?;
    let changed = form.check(id, before.project_id, &before.options)?;
    if before != changed {
        let inventory = Inventory::load(&change).await?;
        not_on_top_of_another(&inventory, &changed)?;
        environments::update(&change, &changed).await?;
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
///
/// # Errors
/// Not found.
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
/// A conflict while one of its deployments is at work; not found.
pub async fn delete(app: &App, permit: &Permit, id: EnvironmentId) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    let environment = environments::by_id(&change, id).await?;
    let project = projects::by_id(&change, environment.project_id).await?;
    demand_project(permit, &project.name)?;
    let told = told(&Inventory::load(&change).await?, &environment);
    environments::delete(&change, id).await?;
    let resource = format!("{}/{}", project.name, environment.name);
    change
        .commit(Event::new(EventKind::EnvironmentDeleted, told).about(resource))
        .await
}

/// Two environments that change the same directories of one server would overwrite each other.
fn not_on_top_of_another(inventory: &Inventory, environment: &Environment) -> Result<()> {
    let own = inventory.servers_of(environment);
    let ground = |of: &Environment| Some(Ground::of(inventory.project(of.project_id)?, of));
    let Some(mine) = ground(environment).transpose()? else {
        return Ok(());
    };
    for other in inventory
        .environments
        .iter()
        .filter(|one| one.id != environment.id)
    {
        // One whose options make no sense any more is deployed nowhere.
        let Some(overlap) = ground(other)
            .and_then(Result::ok)
            .and_then(|other| mine.overlap(&other))
        else {
            continue;
        };
        let theirs = inventory.servers_of(other);
        let both = theirs
            .iter()
            .find(|server| own.iter().any(|mine| mine.id == server.id));
        if let Some(server) = both {
            let project = inventory.project(other.project_id);
            return Err(Error::field(
                "target_path",
                format!(
                    "On server “{}”, {}/{} {}",
                    server.name,
                    project.map(|one| one.name.as_str()).unwrap_or_default(),
                    other.name,
                    overlap.sentence()
                ),
            ));
        }
    }
    Ok(())
}
