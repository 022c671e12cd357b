//! Servers whose files a deployment left half changed, as far as the store knows: the last ended deployment
//! of an environment that has said what is on the server counts.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use super::super::Reader;
use super::super::columns::instant;
use super::super::entities::{deployment_servers as parts, deployments};
use crate::domain::{EnvironmentId, Instant, OnServer, Result, ServerId};

/// A server's part in a deployment, as the store has it: deployment, server, environment, and the end of the
/// deployment.
type Row = (i64, Option<i64>, Option<i64>, Option<i64>);

/// Every server that is half changed in an environment, and when the deployment ended that said so last.
pub async fn half_changed(on: &impl Reader) -> Result<HashMap<(EnvironmentId, ServerId), Instant>> {
    let half = [OnServer::Mixed, OnServer::LeftMixed].map(|on| on.as_words().0);
    let rows: Vec<Row> = parts::Entity::find()
        .select_only()
        .columns([parts::Column::DeploymentId, parts::Column::ServerId])
        .column(deployments::Column::EnvironmentId)
        .column(deployments::Column::FinishedAt)
        .join(JoinType::InnerJoin, with_deployment())
        .filter(parts::Column::OnServer.is_in(half))
        .filter(parts::Column::ServerId.is_not_null())
        .filter(deployments::Column::EnvironmentId.is_not_null())
        .filter(deployments::Column::FinishedAt.is_not_null())
        .order_by_desc(parts::Column::DeploymentId)
        .into_tuple()
        .all(on.db())
        .await?;
    let (mut found, mut seen) = (HashMap::new(), Vec::new());
    for (deployment, server, environment, ended_at) in rows {
        let (Some(server), Some(environment)) = (server, environment) else {
            continue;
        };
        // Newest first.
        if seen.contains(&(server, environment)) {
            continue;
        }
        seen.push((server, environment));
        if last_word(on, server, environment).await? == Some(deployment) {
            let ended_at = instant(ended_at.unwrap_or_default());
            found.insert((EnvironmentId(environment), ServerId(server)), ended_at);
        }
    }
    Ok(found)
}

/// The last ended deployment to `environment` that has said what is on `server`.
async fn last_word(on: &impl Reader, server: i64, environment: i64) -> Result<Option<i64>> {
    let last: Option<Option<i64>> = parts::Entity::find()
        .select_only()
        .column_as(parts::Column::DeploymentId.max(), "last")
        .join(JoinType::InnerJoin, with_deployment())
        .filter(parts::Column::ServerId.eq(server))
        .filter(deployments::Column::EnvironmentId.eq(environment))
        .filter(deployments::Column::FinishedAt.is_not_null())
        .filter(parts::Column::OnServer.is_not_null())
        .filter(parts::Column::OnServer.ne(OnServer::LeftAlone.as_words().0))
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(last.flatten())
}

fn with_deployment() -> sea_orm::RelationDef {
    parts::Entity::belongs_to(deployments::Entity)
        .from(parts::Column::DeploymentId)
        .to(deployments::Column::Id)
        .into()
}
