//! Projects: added, changed, deleted; and whether their repository can be reached.

use std::time::Duration;

use serde_json::{Value, json};

use super::inventory::Inventory;
use super::values::{Description, GitUrl};
use super::{demand_everything, demand_other_name, demand_project, grounds, keys, renames};
use crate::access::Permit;
use crate::app::{App, commits, start};
use crate::domain::{
    Action, Actor, Area, Error, Event, EventKind, Extras, KeyName, Name, Project, ProjectId, Resource,
    Result, SyncMethod,
};
use crate::git;
use crate::store::deployments::LeftOut;
use crate::store::{Change, environments, projects};

/// How long a person waits for the list of branches; a fetch may take longer.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// The command to add or change a project. Its fields are those of [`Project`].
#[derive(Debug, Clone)]
pub struct ProjectSpec {
    pub name: Name,
    pub description: Description,
    pub git_url: GitUrl,
    pub method: SyncMethod,
    pub extras: Extras,
    pub key: Option<KeyName>,
}

impl ProjectSpec {
    /// The project; `notify`, which no command changes, is passed along.
    fn project(self, id: ProjectId, notify: Vec<String>) -> Project {
        Project {
            id,
            name: self.name,
            description: self.description.into(),
            git_url: self.git_url.into(),
            method: self.method,
            extras: self.extras,
            key: self.key,
            notify,
        }
    }
}

/// A project by its name, with the permit of `actor` to change it and its environments.
pub async fn open(app: &App, actor: &Actor, name: &str) -> Result<(Project, Permit)> {
    let project = projects::by_name(&app.store, name).await?;
    let resource = Resource::Project(project.name.to_string());
    let permit = app.permit(actor, Action::Configure, &resource).await?;
    Ok((project, permit))
}

/// Adds a project.
pub async fn add(app: &App, permit: &Permit, spec: ProjectSpec) -> Result<Project> {
    demand_everything(permit)?;
    demand_no_area(&spec.name)?;
    let project = spec.project(ProjectId(0), Vec::new());
    check_address(app, &project.git_url)?;
    keys::allow(app, permit, &keys::of_git(app), [None, project.key.as_ref()]).await?;
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::insert(&change, &project).await?;
    let resource = resource(&project.name);
    change
        .commit(Event::new(EventKind::ProjectAdded, told(&project)).about(resource))
        .await?;
    // People deploy at once, so the first fetch begins at once.
    commits::refresh(app, &project);
    Ok(project)
}

/// Changes a project; the same command again changes nothing.
///
/// # Errors
/// A complaint about a field; forbidden, or a complaint about `name`, for a rename that would escape
/// the rights, deny lines, freezes or locks of the old name.
pub async fn edit(app: &App, permit: &Permit, id: ProjectId, spec: ProjectSpec) -> Result<Project> {
    let known = projects::by_id(&app.store, id).await?;
    renames::allow_project(app, permit, &known, &spec.name).await?;
    let named = [known.key.as_ref(), spec.key.as_ref()];
    keys::allow(app, permit, &keys::of_git(app), named).await?;
    let change = app.store.change(permit, app.now()).await?;
    let before = projects::by_id(&change, id).await?;
    renames::demand_same(&known.name, &before.name)?;
    demand_project(permit, &before.name)?;
    let changed = spec.project(id, before.notify.clone());
    if before.git_url != changed.git_url {
        check_address(app, &changed.git_url)?;
    }
    if before.name != changed.name {
        demand_no_area(&changed.name)?;
    }
    if before != changed {
        demand_name(&change, &before, &changed).await?;
        projects::update(&change, &changed).await?;
        // Directories of releases and shared paths are called as the project.
        for (field, is_new) in [
            ("name", before.name != changed.name),
            ("method", before.method != changed.method),
        ] {
            if is_new {
                let inventory = Inventory::load(&change).await?;
                let mut own = inventory.environments_of(id);
                own.try_for_each(|one| grounds::demand_apart((app, permit), &inventory, one, field))?;
            }
        }
        let detail = super::changes(&told(&before), &told(&changed));
        change
            .commit(Event::new(EventKind::ProjectChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(changed)
}

/// Refuses a name by which policy lines mean something else than a project.
fn demand_no_area(name: &Name) -> Result<()> {
    Area::ALL.iter().try_for_each(|area| {
        demand_other_name(name, area.as_str(), &format!("{} in policy lines", area.title()))
    })
}

/// A repository on this host must be below a configured directory.
fn check_address(app: &App, url: &str) -> Result<()> {
    let complaint = |message: String| Error::field("git_url", message);
    let url = git::check_url(url).map_err(complaint)?;
    app.mirrors
        .may_name(&url)
        .map_err(|error| complaint(error.to_string()))
}

/// Shared paths are stored on the servers in a directory named after the project: after a rename
/// they would be empty.
async fn demand_name(change: &Change, before: &Project, changed: &Project) -> Result<()> {
    if before.name == changed.name || before.method != SyncMethod::Symlink {
        return Ok(());
    }
    let environments = environments::list(change, before.id).await?;
    let shares = environments.iter().find(|one| !one.options.shared.is_empty());
    match shares {
        None => Ok(()),
        Some(one) => Err(Error::field(
            "name",
            format!(
                "The shared paths of {} are on its servers in “{}_shared”, so the project cannot be renamed. \
                 Remove the shared paths first, and move the files by hand.",
                one.name, before.name
            ),
        )),
    }
}

/// Deletes a project with its environments. Its history stays, and so does what is on the servers.
///
/// # Errors
/// A conflict while one of its deployments is at work or a lock is in force; forbidden where
/// deploying is denied now; not found.
pub async fn delete(app: &App, permit: &Permit, id: ProjectId) -> Result<()> {
    let project = projects::by_id(&app.store, id).await?;
    let environments = environments::list(&app.store, id).await?;
    renames::allow_deletion(app, permit, &project, &environments).await?;
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, id).await?;
    demand_project(permit, &project.name)?;
    let is_own = |one: &LeftOut| environments.iter().any(|own| own.id == one.environment);
    renames::demand_in_service(&change, is_own).await?;
    projects::delete(&change, id).await?;
    change
        .commit(Event::new(EventKind::ProjectDeleted, told(&project)).about(resource(&project.name)))
        .await
}

/// Asks the repository at `url` for its branches, with `key` or else the keys that deployments use.
/// `known` is the project as it is.
///
/// # Errors
/// A complaint about the field `git_url` that says why the repository cannot be reached; forbidden, or a
/// complaint about `key`, for a key that may not be named.
pub async fn probe(
    app: &App,
    permit: &Permit,
    known: Option<&Project>,
    (url, key): (GitUrl, Option<KeyName>),
) -> Result<Vec<String>> {
    let complaint = |message: String| Error::field("git_url", message);
    let before = known.and_then(|project| project.key.as_ref());
    keys::allow(app, permit, &keys::of_git(app), [before, key.as_ref()]).await?;
    let remote = git::check_url(url.as_str()).map_err(complaint)?.with_key(key);
    let mut options = start::git_options(&app.config);
    options.fetch_timeout = options.fetch_timeout.min(PROBE_LIMIT);
    let branches = git::probe(&remote, &options).await;
    let branches = branches.map_err(|error| complaint(error.to_string()).because(error))?;
    if branches.is_empty() {
        let message = "The repository can be reached but has no branch: push one first.";
        return Err(complaint(message.to_owned()));
    }
    Ok(branches.into_iter().map(|(name, _)| name.to_string()).collect())
}

fn resource(name: &Name) -> String {
    format!("project {name}")
}

fn told(project: &Project) -> Value {
    json!({
        "name": project.name,
        "description": project.description,
        "git_url": project.git_url,
        "key": project.key,
        "method": project.method,
        "fetch_lfs": project.extras.lfs,
        "fetch_submodules": project.extras.submodules,
        "notify": project.notify,
    })
}
