//! Answers to requests that carry a key of their sender: the same request sent again gets the same answer.
//!
//! A row is written before the request is carried out, and completed after it. A row without an answer is that of
//! a request under way, or of a deployer that was killed meanwhile.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, SqlErr};

use super::Record;
use super::columns::{from_json, micros, to_json};
use super::entities::kept_answers::{ActiveModel, Column, Entity, Model};
use crate::domain::{Error, Instant, Result};

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The digest of the request.
    pub request: String,
    /// `None`: the request is under way.
    pub answer: Option<AnswerParts>,
}

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerParts {
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// `None`: it held a secret, and was not kept.
    pub body: Option<String>,
}

/// Begins the request with the digest `request` under the key `key`, or gives what is kept under it. Forgets what
/// was kept before `oldest`, and what was begun before `dead` and never answered.
///
/// # Errors
/// A conflict, when the same key arrives twice at this moment.
pub async fn begin(
    record: &Record,
    key: &str,
    request: &str,
    (now, oldest, dead): (Instant, Instant, Instant),
) -> Result<Option<KeptAnswer>> {
    Entity::delete_many()
        .filter(
            Column::MadeAt
                .lt(micros(oldest))
                .or(Column::Status.is_null().and(Column::MadeAt.lt(micros(dead)))),
        )
        .exec(record.connection())
        .await?;
    let known = Entity::find()
        .filter(Column::RequestKey.eq(key))
        .one(record.connection())
        .await?;
    if let Some(known) = known {
        return from_row(known).map(Some);
    }
    let row = ActiveModel {
        id: NotSet,
        request_key: Set(key.to_owned()),
        request: Set(request.to_owned()),
        status: Set(None),
        headers: Set(None),
        body: Set(None),
        made_at: Set(micros(now)),
    };
    let written = row.insert(record.connection()).await;
    written.map_err(|cause| match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => under_way().because(cause),
        _ => cause.into(),
    })?;
    Ok(None)
}

/// The error for a request whose first sending has no answer yet.
pub fn under_way() -> Error {
    Error::conflict("A request with this key is under way. Ask what became of it before you send it again.")
}

/// Keeps the answer to what was begun under `key`.
pub async fn complete(record: &Record, key: &str, answer: &AnswerParts) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(i32::from(answer.status)))
        .col_expr(Column::Headers, Expr::value(to_json(&answer.headers)?))
        .col_expr(Column::Body, Expr::value(answer.body.clone()))
        .filter(Column::RequestKey.eq(key))
        .exec(record.connection())
        .await?;
    Ok(())
}

/// Forgets what was begun under `key`: nothing was done.
pub async fn forget(record: &Record, key: &str) -> Result<()> {
    Entity::delete_many()
        .filter(Column::RequestKey.eq(key))
        .exec(record.connection())
        .await?;
    Ok(())
}

fn from_row(row: Model) -> Result<KeptAnswer> {
    let answer = match row.status {
        None => None,
        Some(status) => Some(AnswerParts {
            status: u16::try_from(status).map_err(Error::internal)?,
            headers: from_json("the headers of an answer", row.headers.as_deref().unwrap_or("[]"))?,
            body: row.body,
        }),
    };
    Ok(KeptAnswer {
        request: row.request,
        answer,
    })
}
