//! Unfinished releases that keep a server out of service for other environments too.

use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use super::super::Reader;
use super::super::entities::{deployment_servers as parts, deployments};
use crate::domain::{DeploymentId, EnvironmentId, OnServer, Result, ServerId, Service};

/// Rows that are looked through: every environment that a server has is among the newest.
const NEWEST: u64 = 500;

/// What deployments say that changed nothing.
const UNCHANGED: [OnServer; 2] = [OnServer::LeftAlone, OnServer::Untouched];

/// Environment, deployment, service, what is on the server and the step that belongs to it.
type Row = (i64, i64, Option<String>, Option<String>, Option<String>);

/// The last deployment to another environment than `environment` that left `server` out of service with an
/// unfinished release, if there is one: whatever else is well there, that would be served too.
pub async fn unfinished_elsewhere(
    on: &impl Reader,
    server: ServerId,
    environment: EnvironmentId,
) -> Result<Option<DeploymentId>> {
    let relation = parts::Entity::belongs_to(deployments::Entity)
        .from(parts::Column::DeploymentId)
        .to(deployments::Column::Id)
        .into();
    let rows: Vec<Row> = parts::Entity::find()
        .join(JoinType::InnerJoin, relation)
        .select_only()
        .column(deployments::Column::EnvironmentId)
        .columns([
            parts::Column::DeploymentId,
            parts::Column::Service,
            parts::Column::OnServer,
            parts::Column::OnServerStep,
        ])
        .filter(parts::Column::ServerId.eq(server.0))
        .filter(deployments::Column::EnvironmentId.is_not_null())
        .filter(deployments::Column::EnvironmentId.ne(environment.0))
        .filter(parts::Column::OnServer.is_not_null())
        .filter(parts::Column::OnServer.is_not_in(UNCHANGED.map(|on| on.as_words().0)))
        .order_by_desc(parts::Column::DeploymentId)
        .limit(NEWEST)
        .into_tuple()
        .all(on.db())
        .await?;
    let mut seen = Vec::new();
    for (environment, deployment, service, word, step) in rows {
        // Newest first: what an older deployment left is not there any more.
        if seen.contains(&environment) {
            continue;
        }
        seen.push(environment);
        let service = service.as_deref().and_then(Service::parse);
        let on = word.and_then(|word| OnServer::parse(&word, step.as_deref()));
        let is_whole = |on: OnServer| on.is_old() || matches!(on, OnServer::New | OnServer::Returned);
        let is_out = !matches!(service, None | Some(Service::Untouched | Service::Back));
        if is_out && on.is_some_and(|on| !is_whole(on)) {
            return Ok(Some(DeploymentId(deployment)));
        }
    }
    Ok(None)
}
