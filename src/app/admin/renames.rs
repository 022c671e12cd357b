//! Renames. Policy, calendar and people refer to a place by its name, so a rename must not escape
//! what they decided about the old name.

use crate::access::Permit;
use crate::app::{App, locks};
use crate::domain::{Action, Environment, Error, ErrorKind, Name, Project, Resource, Result};
use crate::store::deployments::{self, LeftOut};
use crate::store::{Change, environments};

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
    app.permit(permit.actor(), Action::Configure, &whole(&before.name))
        .await?;
    demand_as_renamed(app, permit, Action::Configure, &whole(new)).await?;
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
        app.permit(permit.actor(), Action::Deploy, &place).await?;
    }
    locks::demand_none(&app.store, project, environments, app.now()).await
}

/// Refuses to delete what keeps a server out of service: nobody would know any more that it must stay out.
pub(super) async fn demand_in_service(change: &Change, is_meant: impl Fn(&LeftOut) -> bool) -> Result<()> {
    let left = deployments::left_out(change).await?;
    match left.iter().find(|one| is_meant(one)) {
        None => Ok(()),
        Some(one) => Err(Error::conflict(format!(
            "{} is out of service since deployment {}, and would stay so without anybody knowing why. Deploy again, or put it back by hand on its balancer's page, first.",
            one.name, one.deployment
        ))),
    }
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
        app.permit(permit.actor(), action, old).await?;
        demand_as_renamed(app, permit, action, new).await?;
    }
    match app.access.protects_only(old, new, app.now()) {
        Some(why) => Err(Error::field("name", why)),
        None => Ok(()),
    }
}

/// Demands a right under a new name. Where nothing of that name may be known, the form still is.
async fn demand_as_renamed(app: &App, permit: &Permit, action: Action, new: &Resource) -> Result<()> {
    match app.permit(permit.actor(), action, new).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::field(
            "name",
            format!("You may not {action} {new}, which this would be then. Choose another name."),
        )),
        Err(error) => Err(error),
    }
}

fn about_name(error: Error) -> Error {
    Error::field("name", error.message().to_owned())
}
