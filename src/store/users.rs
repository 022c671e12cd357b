//! Users. Hashing and checking passwords is left to the caller.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::columns::{checked, instant, key, micros};
use super::entities::retired_names;
use super::entities::users::{ActiveModel, Column, Entity, Model};
use super::error::unless_taken;
use super::{Change, Reader};
use crate::domain::user::GivenPassword;
use crate::domain::{Error, Instant, Name, Result, User, UserId};

/// All users, by name.
pub async fn list(on: &impl Reader) -> Result<Vec<User>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// The user called `name`; case does not matter.
pub async fn by_name(on: &impl Reader, name: &str) -> Result<User> {
    from_row(row_by_name(on, name).await?)
}

/// Whether there is any that somebody can log in to.
pub async fn exist(on: &impl Reader) -> Result<bool> {
    let first: Option<i64> = Entity::find()
        .filter(Column::PasswordHash.is_not_null())
        .select_only()
        .column(Column::Id)
        .limit(1)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(first.is_some())
}

/// The user with this id.
pub async fn by_id(on: &impl Reader, id: UserId) -> Result<User> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map_or_else(|| Err(Error::not_found(format!("user number {id}"))), from_row)
}

/// The user called `name` and the hash of their password; no hash: there is no password.
pub async fn with_password_hash(on: &impl Reader, name: &str) -> Result<(User, Option<String>)> {
    let row = row_by_name(on, name).await?;
    let hash = row.password_hash.clone();
    Ok((from_row(row)?, hash))
}

/// All users, each with the hash of their password; no hash: there is no password.
pub async fn with_password_hashes(on: &impl Reader) -> Result<Vec<(User, Option<String>)>> {
    let rows = Entity::find().order_by_asc(Column::NameKey).all(on.db()).await?;
    let both = |row: Model| {
        let hash = row.password_hash.clone();
        Ok((from_row(row)?, hash))
    };
    rows.into_iter().map(both).collect()
}

/// Adds a user. The `id` is assigned here; the given one is ignored.
///
/// # Errors
/// A complaint about the field `name` when it is taken.
pub async fn insert(change: &Change, user: &User, password_hash: Option<&str>) -> Result<User> {
    let row = ActiveModel {
        id: NotSet,
        password_hash: Set(password_hash.map(str::to_owned)),
        ..to_row(user)
    };
    let written = row.insert(change.connection()).await;
    from_row(unless_taken(written, "user", &user.name)?)
}

/// Updates an existing user; the id and the password stay.
///
/// # Errors
/// A complaint about the field `name` when another has it; not found.
pub async fn update(change: &Change, user: &User) -> Result<()> {
    by_id(change, user.id).await?;
    let written = to_row(user).update(change.connection()).await;
    unless_taken(written, "user", &user.name).map(drop)
}

/// Replaces the password by one that the account chose.
pub async fn set_password_hash(change: &Change, id: UserId, hash: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(hash))
        .col_expr(Column::MustChangePassword, Expr::value(false))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Replaces the password by one that somebody else gave.
pub async fn give_password(change: &Change, id: UserId, hash: &str, given: &GivenPassword) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(hash))
        .col_expr(Column::PasswordGivenBy, Expr::value(given.by.as_str()))
        .col_expr(Column::PasswordGivenAt, Expr::value(micros(given.at)))
        .col_expr(Column::MustChangePassword, Expr::value(given.must_change))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes a login.
pub async fn logged_in(change: &Change, id: UserId, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastLoginAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Deletes a user, and remembers the name. What they did stays in the history under their name.
pub async fn delete(change: &Change, id: UserId) -> Result<()> {
    let user = by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    if !is_retired(change, &user.name).await? {
        let row = retired_names::ActiveModel {
            id: NotSet,
            name_key: Set(key(user.name.as_str())),
        };
        row.insert(change.connection()).await?;
    }
    Ok(())
}

/// Whether an account had the name that was deleted.
pub async fn is_retired(on: &impl Reader, name: &Name) -> Result<bool> {
    let found = retired_names::Entity::find()
        .filter(retired_names::Column::NameKey.eq(key(name.as_str())))
        .one(on.db())
        .await?;
    Ok(found.is_some())
}

async fn row_by_name(on: &impl Reader, name: &str) -> Result<Model> {
    let row = Entity::find()
        .filter(Column::NameKey.eq(key(name)))
        .one(on.db())
        .await?;
    row.ok_or_else(|| Error::not_found(format!("user “{name}”")))
}

fn to_row(user: &User) -> ActiveModel {
    let given = user.given_password.as_ref();
    ActiveModel {
        id: Set(user.id.0),
        name: Set(user.name.to_string()),
        name_key: Set(key(user.name.as_str())),
        display_name: Set(user.display_name.clone()),
        email: Set(user.email.clone()),
        password_hash: NotSet,
        disabled: Set(user.disabled),
        created_at: Set(micros(user.created_at)),
        last_login_at: Set(user.last_login_at.map(micros)),
        password_given_by: Set(given.map(|given| given.by.clone())),
        password_given_at: Set(given.map(|given| micros(given.at))),
        must_change_password: Set(given.map(|given| given.must_change)),
    }
}

fn from_row(row: Model) -> Result<User> {
    Ok(User {
        id: UserId(row.id),
        name: checked("a user's name", &row.name)?,
        display_name: row.display_name,
        email: row.email,
        disabled: row.disabled,
        has_password: row.password_hash.is_some(),
        created_at: instant(row.created_at),
        last_login_at: row.last_login_at.map(instant),
        given_password: match (row.password_given_by, row.password_given_at) {
            (Some(by), Some(at)) => Some(GivenPassword {
                by,
                at: instant(at),
                must_change: row.must_change_password == Some(true),
            }),
            _ => None,
        },
    })
}
