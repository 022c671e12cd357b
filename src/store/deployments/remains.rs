//! What ended deployments have left on servers: programs that still run there, and files such as `deploy.sh`.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::columns::{from_json, to_json};
use super::super::entities::deployment_servers as parts;
use super::super::{Reader, Write};
use crate::domain::{DeploymentId, Result, ServerId};

/// A server on which a deployment left something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftThere {
    pub deployment: DeploymentId,
    pub position: i32,
    /// `None` once the server is deleted.
    pub server: Option<ServerId>,
}

/// Keeps what a deployment has left on the server at `position`; an empty list: nobody could look. `None`:
/// nothing is left.
pub async fn set_remains(
    tx: &impl Write,
    deployment: DeploymentId,
    position: i32,
    remains: Option<&[String]>,
) -> Result<()> {
    let text = remains.map(|remains| to_json(&remains)).transpose()?;
    let count = remains.and_then(|remains| i64::try_from(remains.len()).ok());
    parts::Entity::update_many()
        .col_expr(parts::Column::RemainsCount, Expr::value(count))
        .col_expr(parts::Column::Remains, Expr::value(text))
        .filter(parts::Column::DeploymentId.eq(deployment.0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The servers where something is left.
pub async fn left_there(on: &impl Reader) -> Result<Vec<LeftThere>> {
    let rows: Vec<(i64, i32, Option<i64>)> = parts::Entity::find()
        .select_only()
        .columns([
            parts::Column::DeploymentId,
            parts::Column::Position,
            parts::Column::ServerId,
        ])
        .filter(parts::Column::RemainsCount.is_not_null())
        .order_by_asc(parts::Column::DeploymentId)
        .into_tuple()
        .all(on.db())
        .await?;
    let left = |(deployment, position, server): (i64, i32, Option<i64>)| LeftThere {
        deployment: DeploymentId(deployment),
        position,
        server: server.map(ServerId),
    };
    Ok(rows.into_iter().map(left).collect())
}

pub(super) fn read(text: Option<&str>) -> Result<Option<Vec<String>>> {
    text.map(|text| from_json("what is left on a server", text))
        .transpose()
}
