//! By which logins from outside accounts are known, and which groups the last login told.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, SqlErr};

use super::columns::{from_json, instant, micros, to_json, word};
use super::entities::identities::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, Record};
use crate::domain::{Error, Identity, IdentityId, Instant, LoginProvider, Result, UserId};

/// The account that `provider` calls `subject`, if it is known.
pub async fn by_subject(
    on: &impl Reader,
    provider: &LoginProvider,
    subject: &str,
) -> Result<Option<Identity>> {
    let row = Entity::find()
        .filter(Column::Provider.eq(provider.as_str()))
        .filter(Column::Subject.eq(subject))
        .one(on.db())
        .await?;
    row.map(from_row).transpose()
}

/// All of an account, oldest first.
pub async fn of_user(on: &impl Reader, user: UserId) -> Result<Vec<Identity>> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user.0))
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Those of all accounts.
pub async fn list(on: &impl Reader) -> Result<Vec<Identity>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Adds one. The `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `subject` when an account is known by it already.
pub async fn insert(change: &Change, identity: &Identity) -> Result<Identity> {
    let row = ActiveModel {
        id: NotSet,
        user_id: Set(identity.user.0),
        provider: Set(identity.provider.as_str().to_owned()),
        subject: Set(identity.subject.clone()),
        created_at: Set(micros(identity.created_at)),
        told_groups: Set(Some(to_json(&identity.groups)?)),
        groups_at: Set(identity.groups_at.map(micros)),
    };
    let written = row.insert(change.connection()).await;
    let written = written.map_err(|cause| match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::field("subject", "An account is known by this already.").because(cause)
        }
        _ => cause.into(),
    });
    from_row(written?)
}

/// Takes one away.
pub async fn delete(change: &Change, id: IdentityId) -> Result<()> {
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}

/// Notes the groups that a login or a request told.
pub async fn note_groups(record: &Record, id: IdentityId, groups: &[String], now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::ToldGroups, Expr::value(to_json(&groups)?))
        .col_expr(Column::GroupsAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .exec(record.connection())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<Identity> {
    let groups = row.told_groups.as_deref();
    let groups = groups.map(|text| from_json("groups", text)).transpose()?;
    Ok(Identity {
        id: IdentityId(row.id),
        user: UserId(row.user_id),
        provider: word("a login provider", &row.provider, LoginProvider::parse)?,
        subject: row.subject,
        created_at: instant(row.created_at),
        groups: groups.unwrap_or_default(),
        groups_at: row.groups_at.map(instant),
    })
}
