//! Projects, each with its repository.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{checked, from_json, key, to_json, word};
use super::entities::projects::{ActiveModel, Column, Entity, Model};
use super::error::unless_taken;
use super::{Change, Reader};
use crate::domain::{Error, Extras, Project, ProjectId, Result, SyncMethod};

/// All projects, by name.
pub async fn list(on: &impl Reader) -> Result<Vec<Project>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// The project called `name`; case does not matter.
pub async fn by_name(on: &impl Reader, name: &str) -> Result<Project> {
    let row = Entity::find()
        .filter(Column::NameKey.eq(key(name)))
        .one(on.db())
        .await?;
    from_row(row.ok_or_else(Error::no_such_place)?)
}

/// The project with this id.
pub async fn by_id(on: &impl Reader, id: ProjectId) -> Result<Project> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    from_row(row.ok_or_else(Error::no_such_place)?)
}

/// Adds a project. Its `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when it is taken.
pub async fn insert(change: &Change, project: &Project) -> Result<Project> {
    let row = ActiveModel {
        id: NotSet,
        ..to_row(project)?
    };
    let written = row.insert(change.connection()).await;
    from_row(unless_taken(written, "project", &project.name)?)
}

/// Updates an existing project; its id stays.
///
/// # Errors
/// A complaint about the field `name` when another has it; not found.
pub async fn update(change: &Change, project: &Project) -> Result<()> {
    by_id(change, project.id).await?;
    let written = to_row(project)?.update(change.connection()).await;
    unless_taken(written, "project", &project.name).map(drop)
}

/// Deletes a project with its environments. What was deployed stays in the history under its name.
///
/// # Errors
/// A conflict while one of its deployments is at work.
pub async fn delete(change: &Change, id: ProjectId) -> Result<()> {
    let project = by_id(change, id).await?;
    super::deployments::none_at_work(change, super::deployments::Scope::Project(id), &project.name).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

fn to_row(project: &Project) -> Result<ActiveModel> {
    Ok(ActiveModel {
        id: Set(project.id.0),
        name: Set(project.name.to_string()),
        name_key: Set(key(project.name.as_str())),
        description: Set(project.description.clone()),
        git_url: Set(project.git_url.clone()),
        method: Set(project.method.as_str().into()),
        notify: Set(to_json(&project.notify)?),
        fetch_lfs: Set(Some(project.extras.lfs)),
        fetch_submodules: Set(Some(project.extras.submodules)),
        git_key: Set(project.key.as_ref().map(ToString::to_string)),
    })
}

fn from_row(row: Model) -> Result<Project> {
    // A version that knew of neither has written none.
    let usual = Extras::default();
    Ok(Project {
        extras: Extras {
            lfs: row.fetch_lfs.unwrap_or(usual.lfs),
            submodules: row.fetch_submodules.unwrap_or(usual.submodules),
        },
        id: ProjectId(row.id),
        name: checked("a project's name", &row.name)?,
        description: row.description,
        git_url: row.git_url,
        key: row
            .git_key
            .map(|name| checked("a key's name", &name))
            .transpose()?,
        method: word("a sync method", &row.method, SyncMethod::parse)?,
        notify: from_json("addresses", &row.notify)?,
    })
}
