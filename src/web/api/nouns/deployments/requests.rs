//! Requesting deployments.

use poem::Request;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::Part;
use super::details::{self, DeploymentViewDto};
use super::waiting;
use crate::app::deployments::{self, DeployRequest, Requested};
use crate::app::places;
use crate::domain::{Error, Instant, Kind, Result};
use crate::web::api::repeated::request_key;
use crate::web::api::reply::{Accepted, api_path};
use crate::web::api::shapes::{StrategyDto, TargetChoiceDto};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// What is to be deployed, and how.
#[derive(Object)]
#[oai(rename = "DeployRequest", deny_unknown_fields)]
struct DeployRequestDto {
    /// A hash, its first digits, a branch or a tag; absent: the newest commit of `branch`.
    commit: Option<String>,
    /// Absent: the environment's.
    branch: Option<String>,
    /// Absent: all servers.
    target: Option<TargetChoiceDto>,
    /// Why, for the history.
    reason: Option<String>,
    /// When to begin; absent: as soon as possible.
    at: Option<Instant>,
    /// Another strategy than the environment's; needs the right to configure.
    strategy: Option<StrategyDto>,
    /// `regular` where it is absent; `promotion` and `rollback` are the others.
    kind: Option<Word<Kind>>,
    /// Why the lock in force does not stop this; needs the right to lift it.
    lock_override: Option<String>,
}

impl DeployRequestDto {
    /// The kind of request: a push or a calendar does not ask here.
    fn kind(&self) -> Result<Kind> {
        match self.kind.map(|word| word.0) {
            None => Ok(Kind::Regular),
            Some(kind @ (Kind::Regular | Kind::Promotion | Kind::Rollback)) => Ok(kind),
            Some(_) => Err(Error::field("kind", "Write regular, promotion or rollback.")),
        }
    }
}

/// A deployment that was requested.
#[derive(Object)]
#[oai(rename = "Requested")]
pub struct RequestedDto {
    /// Whether it is new: the same may have been requested before.
    is_new: bool,
    /// The number of the deployment.
    id: i64,
    view: DeploymentViewDto,
}

/// The answer to a request: the deployment, when it rests or after `wait` seconds.
pub async fn answer(
    visitor: &Visitor,
    requested: Requested,
    wait: Option<u32>,
) -> poem::Result<Accepted<RequestedDto>> {
    let id = requested.id();
    waiting::until_it_rests(visitor, id, wait).await?;
    let reply = Accepted::new(RequestedDto {
        is_new: matches!(requested, Requested::New(_)),
        id: id.0,
        view: details::view(visitor, id).await?,
    });
    Ok(reply.at(api_path(&["deployments", &id.to_string()])))
}

/// How deployments come about.
pub struct RequestsApi;

#[OpenApi(tag = "Part::Deployments")]
impl RequestsApi {
    /// Deploy a commit to an environment
    ///
    /// Answers as soon as the deployment is stored, or with `wait` when it has ended, waits for a person, or the
    /// seconds are over. The answer is 202: what became of it is in its state.
    #[oai(
        path = "/projects/:project/environments/:environment/deployments",
        method = "post",
        operation_id = "deploy"
    )]
    async fn deploy(
        &self,
        visitor: Visitor,
        request: &Request,
        project: Path<String>,
        environment: Path<String>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
        wanted: Json<DeployRequestDto>,
    ) -> poem::Result<Accepted<RequestedDto>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let view = places::environment(app, actor, &project, &environment).await?;
        let choice = TargetChoiceDto::read(wanted.target.as_ref(), &view.place)?;
        let kind = wanted.kind()?;
        let strategy = wanted.strategy.as_ref().map(StrategyDto::read).transpose()?;
        let DeployRequestDto {
            commit,
            branch,
            reason,
            at,
            lock_override,
            ..
        } = wanted.0;
        if commit.is_some() && branch.is_some() {
            return Err(Error::field("branch", "Name a commit or a branch, not both.").into());
        }
        let commit = commit.or(branch);
        let commit = commit.unwrap_or_else(|| view.place.environment.branch.to_string());
        let requested = deployments::request(
            app,
            actor,
            DeployRequest {
                choice,
                reason: reason.unwrap_or_default(),
                kind,
                request_key: request_key(&visitor, request),
                strategy,
                at,
                lock_override,
                ..DeployRequest::new(project.0.as_str(), environment.0.as_str(), commit)
            },
        );
        answer(&visitor, requested.await?, wait.0).await
    }
}
