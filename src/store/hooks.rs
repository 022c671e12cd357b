//! Hooks: at most one per project. Their secrets are sealed.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{instant, micros};
use super::entities::hooks::{ActiveModel, Column, Entity, Model};
use super::tx::sealed::Connected as _;
use super::{Change, Reader, Seal};
use crate::domain::{Hook, ProjectId, Result};

/// The hook of a project, if it has one.
pub async fn of_project(on: &impl Reader, project: ProjectId) -> Result<Option<Hook>> {
    let row = Entity::find().filter(Column::ProjectId.eq(project.0));
    let row = row.one(on.db()).await?;
    row.map(|row| from_row(on.seal(), row)).transpose()
}

/// The hook whose address ends in `token`.
pub async fn by_token(on: &impl Reader, token: &str) -> Result<Option<Hook>> {
    let row = Entity::find().filter(Column::Token.eq(token));
    let row = row.one(on.db()).await?;
    row.map(|row| from_row(on.seal(), row)).transpose()
}

/// Stores the hook of a project in place of the one before.
pub async fn put(change: &Change, hook: &Hook) -> Result<()> {
    delete(change, hook.project).await?;
    let row = ActiveModel {
        id: NotSet,
        project_id: Set(hook.project.0),
        token: Set(hook.token.clone()),
        secret: Set(change.seal().seal(&place(hook.project), &hook.secret)?),
        created_at: Set(micros(hook.created_at)),
    };
    row.insert(change.connection()).await?;
    Ok(())
}

/// Removes the hook of a project; does nothing where there is none.
pub async fn delete(change: &Change, project: ProjectId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ProjectId.eq(project.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Seals every secret with the key of now. The projects whose secrets were sealed with another one.
pub async fn seal_anew(change: &Change) -> Result<Vec<ProjectId>> {
    let mut done = Vec::new();
    for row in all(change).await? {
        let (seal, project) = (change.seal(), ProjectId(row.project_id));
        if seal.is_current(&row.secret) {
            continue;
        }
        let secret = seal.open(&place(project), &row.secret)?;
        let anew = ActiveModel {
            id: Set(row.id),
            secret: Set(seal.seal(&place(project), &secret)?),
            ..Default::default()
        };
        anew.update(change.connection()).await?;
        done.push(project);
    }
    Ok(done)
}

/// Removes every hook whose secret does not open with the keys of now. Of which projects they were.
pub async fn forget(change: &Change) -> Result<Vec<ProjectId>> {
    let mut done = Vec::new();
    for row in all(change).await? {
        let project = ProjectId(row.project_id);
        if change.seal().open(&place(project), &row.secret).is_err() {
            delete(change, project).await?;
            done.push(project);
        }
    }
    Ok(done)
}

async fn all(change: &Change) -> Result<Vec<Model>> {
    let rows = Entity::find().order_by_asc(Column::Id);
    Ok(rows.all(change.connection()).await?)
}

/// What a secret is sealed for.
fn place(project: ProjectId) -> String {
    format!("hook of project {project}")
}

fn from_row(seal: &Seal, row: Model) -> Result<Hook> {
    let project = ProjectId(row.project_id);
    Ok(Hook {
        project,
        secret: seal.open(&place(project), &row.secret)?,
        token: row.token,
        created_at: instant(row.created_at),
    })
}
