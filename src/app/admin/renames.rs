//! Renames. Policy, calendar and people refer to a place by its name, so a rename must not escape
//! what they decided about the old name.

use crate::access::Permit;
use crate::app::{App, locks};
use crate::domain::{Action, Environment, Error, Name, Project, Resource, Result};
use crate::store::environments;

/// Refuses to rename an environment of `project` from `old` to `new` without the rights under both
/// names, and while a deny line, a freeze or a lock protects the old one.
pub(super) async fn allow_environment(
    app: &App,
    permit: &Permit,
    project: &Project,
    before: &Environment,
    new: &Name,
) -> Result<()> {
    if before.name == *new {
        return Ok(());
    }
    let place = |name: &Name| Resource::Environment(project.name.to_string(), name.to_string());
    allow(app, permit, &place(&before.name), &place(new)).await?;
    let locked = locks::demand_none(&app.store, project, std::slice::from_ref(before), app.now()).await;
    locked.map_err(about_name)
}

/// As [`allow_environment`], for a project with all its environments.
pub(super) async fn allow_project(app: &App, permit: &Permit, before: &Project, new: &Name) -> Result<()> {
    if before.name == *new {
        return Ok(());
    }
    let whole = |name: &Name| Resource::Project(name.to_string());
    demand_both(app, permit, Action::Configure, &whole(&before.name), &whole(new)).await?;
    if let Some(why) = app
        .access
        .protects_only(&whole(&before.name), &whole(new), app.now())
    {
        return Err(Error::field("name", why));
    }
    let environments = environments::list(&app.store, before.id).await?;
    for one in &environments {
        let place = |name: &Name| Resource::Environment(name.to_string(), one.name.to_string());
        allow(app, permit, &place(&before.name), &place(new)).await?;
    }
    let locked = locks::demand_none(&app.store, before, &environments, app.now()).await;
    locked.map_err(about_name)
}

/// Refuses to delete `environments` of `project` while a lock or a freeze stops changes there:
/// deleted and added again, they would escape it.
pub(super) async fn allow_deletion(
    app: &App,
    permit: &Permit,
    project: &Project,
    environments: &[Environment],
) -> Result<()> {
    for one in environments {
        let place = Resource::Environment(project.name.to_string(), one.name.to_string());
        demand_both(app, permit, Action::Deploy, &place, &place).await?;
    }
    locks::demand_none(&app.store, project, environments, app.now()).await
}

/// Refuses when the name that `change` sees is no longer the one that the rename was allowed for.
pub(super) fn demand_same(allowed: &Name, present: &Name) -> Result<()> {
    if allowed == present {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "“{allowed}” has just been renamed to “{present}”. Try again under the new name."
    )))
}

async fn allow(app: &App, permit: &Permit, old: &Resource, new: &Resource) -> Result<()> {
    for action in [Action::Configure, Action::Deploy] {
        demand_both(app, permit, action, old, new).await?;
    }
    match app.access.protects_only(old, new, app.now()) {
        Some(why) => Err(Error::field("name", why)),
        None => Ok(()),
    }
}

async fn demand_both(
    app: &App,
    permit: &Permit,
    action: Action,
    old: &Resource,
    new: &Resource,
) -> Result<()> {
    for place in [old, new] {
        app.permit(permit.actor(), action, place).await?;
    }
    Ok(())
}

fn about_name(error: Error) -> Error {
    Error::field("name", error.message().to_owned())
}
