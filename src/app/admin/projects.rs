//! Projects: added, edited, deleted; and whether their repository can be reached.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wrongs, demand_everything, demand_project, description, lines, mail_address, name};
use crate::access::Permit;
use crate::app::{App, start};
use crate::domain::{
    Action, Actor, Error, Event, EventKind, Name, Project, ProjectId, Resource, Result, SyncMethod,
};
use crate::git;
use crate::store::{Change, environments, projects};

/// How long a person waits for a repository to tell its branches; a fetch may take longer.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// The form of a project, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProjectForm {
    /// See [`Project::name`].
    pub name: String,
    /// See [`Project::description`].
    pub description: String,
    /// See [`Project::git_url`].
    pub git_url: String,
    /// [`SyncMethod::as_str`].
    pub method: String,
    /// Mail addresses, one per line.
    pub notify: String,
}

impl ProjectForm {
    /// The form of a project as it is.
    pub fn of(project: &Project) -> Self {
        Self {
            name: project.name.to_string(),
            description: project.description.clone(),
            git_url: project.git_url.clone(),
            method: project.method.as_str().to_owned(),
            notify: project.notify.join("\n"),
        }
    }

    fn check(&self, id: ProjectId) -> Result<Project> {
        let mut wrong = Wrongs::default();
        let name = wrong.take("name", name(&self.name));
        let description = wrong.take("description", description(&self.description));
        let url = git::check_url(self.git_url.trim()).map(|url| url.to_string());
        let git_url = wrong.take("git_url", url);
        let method =
            SyncMethod::parse(&self.method).ok_or_else(|| "Choose how a release is put in place.".to_owned());
        let method = wrong.take("method", method);
        let notify: Result<Vec<String>, String> = lines(&self.notify)
            .iter()
            .map(|line| mail_address(line))
            .collect();
        let notify = wrong.take("notify", notify);
        match (name, description, git_url, method, notify) {
            (Some(name), Some(description), Some(git_url), Some(method), Some(notify)) => Ok(Project {
                id,
                name,
                description,
                git_url,
                method,
                notify,
            }),
            _ => Err(wrong.into_error()),
        }
    }
}

/// One by its name, with the permit of `actor` to change it and its environments.
///
/// # Errors
/// Not found; forbidden.
pub async fn open(app: &App, actor: &Actor, name: &str) -> Result<(Project, Permit)> {
    let project = projects::by_name(&app.store, name).await?;
    let resource = Resource::Project(project.name.to_string());
    let permit = app.permit(actor, Action::Configure, &resource).await?;
    Ok((project, permit))
}

/// Adds a project.
///
/// # Errors
/// Complaints about fields.
pub async fn add(app: &App, permit: &Permit, form: &ProjectForm) -> Result<Project> {
    demand_everything(permit)?;
    let project = form.check(ProjectId(0))?;
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::insert(&change, &project).await?;
    let resource = resource(&project.name);
    change
        .commit(Event::new(EventKind::ProjectAdded, told(&project)).about(resource))
        .await?;
    Ok(project)
}

/// Changes a project. A form sent twice changes nothing the second time.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(app: &App, permit: &Permit, id: ProjectId, form: &ProjectForm) -> Result<Project> {
    let changed = form.check(id)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = projects::by_id(&change, id).await?;
    demand_project(permit, &before.name)?;
    if before != changed {
        demand_name(&change, &before, &changed).await?;
        projects::update(&change, &changed).await?;
        let detail = super::changes(&told(&before), &told(&changed));
        change
            .commit(Event::new(EventKind::ProjectChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(changed)
}

/// What is shared between releases lies on the servers in a directory that bears the project's name:
/// under another name it would be looked for in vain, and be begun anew.
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
                "What {} shares between its releases lies on its servers in “{}_shared”, so the project keeps its name. \
                 Take out the shared paths first, and move the files yourself.",
                one.name, before.name
            ),
        )),
    }
}

/// Deletes a project with its environments. Its history stays, and so does what is on the servers.
///
/// # Errors
/// A conflict while one of its deployments is at work; not found.
pub async fn delete(app: &App, permit: &Permit, id: ProjectId) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, id).await?;
    demand_project(permit, &project.name)?;
    projects::delete(&change, id).await?;
    change
        .commit(Event::new(EventKind::ProjectDeleted, told(&project)).about(resource(&project.name)))
        .await
}

/// Asks the repository at `url` for its branches, with the keys that deployments use.
///
/// # Errors
/// A complaint about the field `git_url`: what is wrong with the address, or why it cannot be
/// reached.
pub async fn probe(app: &App, _permit: &Permit, url: &str) -> Result<Vec<String>> {
    let complaint = |message: String| Error::field("git_url", message);
    let remote = git::check_url(url.trim()).map_err(complaint)?;
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
        "method": project.method,
        "notify": project.notify,
    })
}
