//! Acts on a deployment that exists: what the buttons of its page do.

use poem::Request;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::Part;
use super::details::{self, DeploymentViewDto};
use super::requests::{self, RequestedDto};
use crate::app::deployments::{self, Earlier};
use crate::domain::{Answer, DeploymentId};
use crate::web::api::repeated::request_key;
use crate::web::api::reply::{Accepted, JsonReply};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// The answer to a pause.
#[derive(Object)]
#[oai(rename = "AnswerToPause", deny_unknown_fields)]
struct AnswerDto {
    answer: Word<Answer>,
}

/// Why, in one's own words.
#[derive(Object)]
#[oai(rename = "Reason", deny_unknown_fields)]
struct ReasonDto {
    reason: Option<String>,
}

/// Where a commit is promoted to.
#[derive(Object)]
#[oai(rename = "Promotion", deny_unknown_fields)]
struct PromotionDto {
    /// The next environment of the promotion chain.
    environment: String,
    reason: Option<String>,
}

fn earlier(visitor: &Visitor, request: &Request, id: i64, reason: Option<String>) -> Earlier {
    Earlier {
        id: DeploymentId(id),
        request_key: request_key(visitor, request),
        reason: reason.unwrap_or_default(),
    }
}

async fn shown(visitor: &Visitor, id: i64) -> poem::Result<JsonReply<DeploymentViewDto>> {
    Ok(JsonReply::new(details::view(visitor, DeploymentId(id)).await?))
}

/// One operation for each button.
pub struct ActsApi;

#[OpenApi(tag = "Part::Deployments")]
impl ActsApi {
    /// Cancel a deployment that waits or runs
    #[oai(
        path = "/deployments/:deployment/cancel",
        method = "post",
        operation_id = "cancelDeployment"
    )]
    async fn cancel(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        deployments::cancel(visitor.app(), visitor.actor(), id).await?;
        shown(&visitor, deployment.0).await
    }

    /// Pause a running deployment after its current batch
    #[oai(
        path = "/deployments/:deployment/pause",
        method = "post",
        operation_id = "pauseDeployment"
    )]
    async fn pause(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        deployments::pause(visitor.app(), visitor.actor(), id).await?;
        shown(&visitor, deployment.0).await
    }

    /// Withdraw a pause that has not begun
    #[oai(
        path = "/deployments/:deployment/unpause",
        method = "post",
        operation_id = "unpauseDeployment"
    )]
    async fn unpause(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        deployments::withdraw_pause(visitor.app(), visitor.actor(), id).await?;
        shown(&visitor, deployment.0).await
    }

    /// Answer a paused deployment: continue, retry, skip, roll back or stop
    #[oai(
        path = "/deployments/:deployment/answer",
        method = "post",
        operation_id = "answerDeployment"
    )]
    async fn answer(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
        answer: Json<AnswerDto>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        deployments::answer(visitor.app(), visitor.actor(), id, answer.answer.0).await?;
        shown(&visitor, deployment.0).await
    }

    /// Approve a deployment that somebody else requested
    #[oai(
        path = "/deployments/:deployment/approve",
        method = "post",
        operation_id = "approveDeployment"
    )]
    async fn approve(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        deployments::approve(visitor.app(), visitor.actor(), id).await?;
        shown(&visitor, deployment.0).await
    }

    /// Reject a deployment that awaits approval
    #[oai(
        path = "/deployments/:deployment/reject",
        method = "post",
        operation_id = "rejectDeployment"
    )]
    async fn reject(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
        why: Json<ReasonDto>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let (id, reason) = (DeploymentId(deployment.0), why.0.reason.unwrap_or_default());
        deployments::reject(visitor.app(), visitor.actor(), id, &reason).await?;
        shown(&visitor, deployment.0).await
    }

    /// Deploy again to the servers that failed
    #[oai(
        path = "/deployments/:deployment/retry",
        method = "post",
        operation_id = "retryDeployment"
    )]
    async fn retry(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        why: Json<ReasonDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let earlier = earlier(&visitor, request, deployment.0, why.0.reason);
        let requested = deployments::retry(visitor.app(), visitor.actor(), earlier).await?;
        requests::answer(&visitor, requested, wait.0).await
    }

    /// Deploy to the servers that were left undone
    #[oai(
        path = "/deployments/:deployment/resume",
        method = "post",
        operation_id = "resumeDeployment"
    )]
    async fn resume(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        why: Json<ReasonDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let earlier = earlier(&visitor, request, deployment.0, why.0.reason);
        let requested = deployments::resume(visitor.app(), visitor.actor(), earlier).await?;
        requests::answer(&visitor, requested, wait.0).await
    }

    /// Deploy the same commit to the same servers again
    #[oai(
        path = "/deployments/:deployment/again",
        method = "post",
        operation_id = "redeploy"
    )]
    async fn again(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        why: Json<ReasonDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let earlier = earlier(&visitor, request, deployment.0, why.0.reason);
        let requested = deployments::again(visitor.app(), visitor.actor(), earlier).await?;
        requests::answer(&visitor, requested, wait.0).await
    }

    /// Roll back to what ran before a deployment
    #[oai(
        path = "/deployments/:deployment/rollback",
        method = "post",
        operation_id = "rollBackDeployment"
    )]
    async fn roll_back(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        why: Json<ReasonDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let earlier = earlier(&visitor, request, deployment.0, why.0.reason);
        let requested = deployments::roll_back(visitor.app(), visitor.actor(), earlier).await?;
        requests::answer(&visitor, requested, wait.0).await
    }

    /// Promote a commit that succeeded to the next environment
    #[oai(
        path = "/deployments/:deployment/promote",
        method = "post",
        operation_id = "promoteDeployment"
    )]
    async fn promote(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        promotion: Json<PromotionDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let PromotionDto { environment, reason } = promotion.0;
        let earlier = earlier(&visitor, request, deployment.0, reason);
        let requested = deployments::promote(visitor.app(), visitor.actor(), earlier, &environment).await?;
        requests::answer(&visitor, requested, wait.0).await
    }
}
