//! API tokens. Only a hash of the secret is stored; who has the table has no token.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::columns::{from_json, instant, micros, to_json};
use super::entities::tokens::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, Write};
use crate::domain::{Error, Instant, Result, Token, TokenId, UserId};

/// Those of a user, newest first, ended ones too.
pub async fn list(on: &impl Reader, user: UserId) -> Result<Vec<Token>> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user.0))
        .order_by_desc(Column::Id)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// The one whose secret has this hash; whether it still works is for the caller to ask.
pub async fn by_hash(on: &impl Reader, hash: &str) -> Result<Option<Token>> {
    let row = Entity::find().filter(Column::Hash.eq(hash)).one(on.db()).await?;
    row.map(from_row).transpose()
}

/// Adds one; its `id` is given here, whatever it says.
pub async fn insert(change: &Change, token: &Token, hash: &str) -> Result<Token> {
    let row = ActiveModel {
        id: NotSet,
        user_id: Set(token.user_id.0),
        name: Set(token.name.clone()),
        hash: Set(hash.into()),
        scopes: Set(to_json(&token.scopes)?),
        created_at: Set(micros(token.created_at)),
        expires_at: Set(token.expires_at.map(micros)),
        last_used_at: Set(None),
        revoked_at: Set(None),
    };
    from_row(row.insert(change.connection()).await?)
}

/// Ends one of `user`'s for good.
pub async fn revoke(change: &Change, user: UserId, id: TokenId, now: Instant) -> Result<()> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .filter(Column::UserId.eq(user.0))
        .filter(Column::RevokedAt.is_null())
        .exec(change.connection())
        .await?;
    match done.rows_affected {
        0 => Err(Error::not_found("such token that still works")),
        _ => Ok(()),
    }
}

/// Notes that one was used.
pub async fn used(tx: &impl Write, id: TokenId, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<Token> {
    Ok(Token {
        id: TokenId(row.id),
        user_id: UserId(row.user_id),
        name: row.name,
        scopes: from_json("scopes", &row.scopes)?,
        created_at: instant(row.created_at),
        expires_at: row.expires_at.map(instant),
        last_used_at: row.last_used_at.map(instant),
        revoked_at: row.revoked_at.map(instant),
    })
}
