//! Second factors. Their secrets are sealed, of their recovery codes there are digests.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{from_json, instant, micros, to_json};
use super::entities::second_factors::{ActiveModel, Column, Entity, Model};
use super::seal::Seal;
use super::tx::sealed::Connected as _;
use super::{Change, Reader};
use crate::domain::{Error, Instant, Result, SecondFactor, UserId};

/// The second factor of an account, confirmed or not.
///
/// # Errors
/// Unavailable, when its secret does not open with the key here.
pub async fn of_user(on: &impl Reader, user: UserId) -> Result<Option<SecondFactor>> {
    let row = row_of(on, user).await?;
    row.map(|row| from_row(on.seal(), row)).transpose()
}

/// Since when the account has a second factor that counts.
pub async fn confirmed_at(on: &impl Reader, user: UserId) -> Result<Option<Instant>> {
    let row = row_of(on, user).await?;
    Ok(row.and_then(|row| row.confirmed_at).map(instant))
}

/// The accounts whose second factor counts, each with the time since when.
pub async fn confirmed(on: &impl Reader) -> Result<Vec<(UserId, Instant)>> {
    let rows = Entity::find()
        .filter(Column::ConfirmedAt.is_not_null())
        .order_by_asc(Column::UserId)
        .all(on.db())
        .await?;
    let since = |row: Model| Some((UserId(row.user_id), instant(row.confirmed_at?)));
    Ok(rows.into_iter().filter_map(since).collect())
}

/// Replaces the second factor of an account by one that has to be confirmed.
pub async fn begin(change: &Change, user: UserId, secret: &str) -> Result<()> {
    delete(change, user).await?;
    let row = ActiveModel {
        id: NotSet,
        user_id: Set(user.0),
        secret: Set(change.seal().seal(&place(user), secret)?),
        confirmed_at: Set(None),
        last_step: Set(0),
        recovery: Set(to_json(&Vec::<String>::new())?),
    };
    row.insert(change.connection()).await?;
    Ok(())
}

/// Lets the second factor of an account count from now on.
pub async fn confirm(change: &Change, user: UserId, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::ConfirmedAt, Expr::value(micros(now)))
        .filter(Column::UserId.eq(user.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Spends the code of an interval. False: it was spent before, maybe a moment ago.
pub async fn spend_step(change: &Change, user: UserId, step: u64) -> Result<bool> {
    let step = i64::try_from(step).map_err(Error::internal)?;
    let done = Entity::update_many()
        .col_expr(Column::LastStep, Expr::value(step))
        .filter(Column::UserId.eq(user.0))
        .filter(Column::LastStep.lt(step))
        .exec(change.connection())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Replaces the recovery codes of `known`. False: they are others by now.
pub async fn set_recovery(change: &Change, known: &SecondFactor, digests: &[String]) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::Recovery, Expr::value(to_json(&digests)?))
        .filter(Column::UserId.eq(known.user.0))
        .filter(Column::Recovery.eq(to_json(&known.recovery)?))
        .exec(change.connection())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Takes the second factor of an account away.
pub async fn delete(change: &Change, user: UserId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Seals every secret with the key of now that is sealed with another one. Whose they are.
pub async fn seal_anew(change: &Change) -> Result<Vec<UserId>> {
    let mut done = Vec::new();
    for row in all(change).await? {
        let (seal, user) = (change.seal(), UserId(row.user_id));
        if seal.is_current(&row.secret) {
            continue;
        }
        let secret = seal.open(&place(user), &row.secret)?;
        let anew = ActiveModel {
            id: Set(row.id),
            secret: Set(seal.seal(&place(user), &secret)?),
            ..Default::default()
        };
        anew.update(change.connection()).await?;
        done.push(user);
    }
    Ok(done)
}

/// Deletes every second factor whose secret does not open with the keys of now. Whose they were.
pub async fn forget(change: &Change) -> Result<Vec<UserId>> {
    let mut done = Vec::new();
    for row in all(change).await? {
        let user = UserId(row.user_id);
        if change.seal().open(&place(user), &row.secret).is_err() {
            delete(change, user).await?;
            done.push(user);
        }
    }
    Ok(done)
}

async fn all(change: &Change) -> Result<Vec<Model>> {
    let rows = Entity::find().order_by_asc(Column::Id);
    Ok(rows.all(change.connection()).await?)
}

async fn row_of(on: &impl Reader, user: UserId) -> Result<Option<Model>> {
    let row = Entity::find().filter(Column::UserId.eq(user.0));
    Ok(row.one(on.db()).await?)
}

/// What a secret is sealed for.
fn place(user: UserId) -> String {
    format!("second factor of user {user}")
}

fn from_row(seal: &Seal, row: Model) -> Result<SecondFactor> {
    let user = UserId(row.user_id);
    Ok(SecondFactor {
        user,
        secret: seal.open(&place(user), &row.secret)?,
        confirmed_at: row.confirmed_at.map(instant),
        last_step: u64::try_from(row.last_step).unwrap_or_default(),
        recovery: from_json("recovery codes", &row.recovery)?,
    })
}
