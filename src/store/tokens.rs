//! API tokens. Their secrets are not here, only digests of them.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::columns::{checked, from_json, instant, micros, to_json};
use super::entities::tokens::{ActiveModel, Column, Entity, Model};
use super::{Change, Reader, Record};
use crate::domain::{ApiToken, Error, Instant, Result, TokenId, UserId};

/// Adds a token whose secret has the digest `hash`. The `id` is assigned here; the given one is ignored.
pub async fn insert(change: &Change, token: &ApiToken, hash: &str) -> Result<ApiToken> {
    let row = ActiveModel {
        id: NotSet,
        user_id: Set(token.user.0),
        name: Set(token.name.to_string()),
        hash: Set(hash.to_owned()),
        scopes: Set(to_json(&token.scope)?),
        created_at: Set(micros(token.created_at)),
        expires_at: Set(token.expires_at.map(micros)),
        last_used_at: Set(None),
        revoked_at: Set(None),
        account: Set(token.account.clone()),
        hint: Set(Some(token.hint.clone())),
        made_by: Set(Some(token.made_by.clone())),
        last_used_from: Set(None),
    };
    from_row(row.insert(change.connection()).await?)
}

/// The token whose secret has the digest `hash`.
pub async fn by_hash(on: &impl Reader, hash: &str) -> Result<Option<ApiToken>> {
    let row = Entity::find().filter(Column::Hash.eq(hash)).one(on.db()).await?;
    row.map(from_row).transpose()
}

/// The token with this id.
pub async fn by_id(on: &impl Reader, id: TokenId) -> Result<ApiToken> {
    let row = Entity::find_by_id(id.0).one(on.db()).await?;
    row.map_or_else(
        || Err(Error::not_found(format!("API token number {id}"))),
        from_row,
    )
}

/// All tokens, oldest first, each with the digest of its secret.
pub async fn with_digests(on: &impl Reader) -> Result<Vec<(ApiToken, String)>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    let both = |row: Model| {
        let digest = row.hash.clone();
        Ok((from_row(row)?, digest))
    };
    rows.into_iter().map(both).collect()
}

/// The newest `limit` tokens of an account, those that can no longer be used too.
pub async fn of_user(on: &impl Reader, user: UserId, limit: u64) -> Result<Vec<ApiToken>> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user.0))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Tokens that can be used at `now`: those of one account, or of all, that expire before an instant, or whenever.
pub async fn usable(
    on: &impl Reader,
    (user, until): (Option<UserId>, Option<Instant>),
    now: Instant,
) -> Result<Vec<ApiToken>> {
    let lasts = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(micros(now)));
    let mut rows = Entity::find()
        .filter(Column::RevokedAt.is_null())
        .filter(lasts)
        .order_by_asc(Column::Id);
    if let Some(user) = user {
        rows = rows.filter(Column::UserId.eq(user.0));
    }
    if let Some(until) = until {
        rows = rows.filter(Column::ExpiresAt.lte(micros(until)));
    }
    rows.all(on.db()).await?.into_iter().map(from_row).collect()
}

/// Ends the use of a token.
pub async fn revoke(change: &Change, id: TokenId, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(micros(now)))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes that a token was used from `address`.
pub async fn used(record: &Record, id: TokenId, address: &str, now: Instant) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(micros(now)))
        .col_expr(Column::LastUsedFrom, Expr::value(address))
        .filter(Column::Id.eq(id.0))
        .exec(record.connection())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<ApiToken> {
    Ok(ApiToken {
        id: TokenId(row.id),
        user: UserId(row.user_id),
        account: row.account,
        name: checked("a token's name", &row.name)?,
        scope: from_json("the scope of a token", &row.scopes)?,
        hint: row.hint.unwrap_or_default(),
        made_by: row.made_by.unwrap_or_default(),
        created_at: instant(row.created_at),
        expires_at: row.expires_at.map(instant),
        last_used_at: row.last_used_at.map(instant),
        last_used_from: row.last_used_from.unwrap_or_default(),
        revoked_at: row.revoked_at.map(instant),
    })
}
