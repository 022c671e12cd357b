//! A deployment, as lists and answers have it.

use poem_openapi::Object;

use crate::domain::{Answered, Approval, Deployment, DeploymentState, Instant, Kind, Phase, Target};
use crate::web::api::shapes::StrategyDto;
use crate::web::api::words::Word;

/// One request to bring a target to one commit.
#[derive(Object)]
#[oai(rename = "Deployment", skip_serializing_if_is_none)]
pub struct DeploymentDto {
    id: i64,
    /// Its name at the time.
    project: String,
    /// Its name at the time.
    environment: String,
    target: TargetDto,
    branch: String,
    commit: String,
    commit_title: String,
    /// What most servers had before, where known.
    previous_commit: Option<String>,
    kind: Word<Kind>,
    state: Word<DeploymentState>,
    /// Whether nothing more will happen.
    is_final: bool,
    phase: Word<Phase>,
    requested_by: String,
    /// The account that acted in their name.
    through: Option<String>,
    /// The API token by which it was requested.
    token: Option<String>,
    /// Why, in the words of who requested it.
    reason: String,
    /// The line of policy that allowed it.
    permit: Option<String>,
    requested_at: Instant,
    scheduled_at: Option<Instant>,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    cancelled_by: Option<String>,
    /// How it ended, as a sentence.
    outcome: Option<String>,
    /// The deployment that it follows.
    origin: Option<i64>,
    /// The strategy, where it is not the environment's.
    strategy: Option<StrategyDto>,
    /// The reason given for overriding a lock.
    lock_override: Option<String>,
    approval: Option<ApprovalDto>,
    /// Who has taken it over from its requester.
    taken_over_by: Option<String>,
    /// The number of the last line of its log.
    last_line: i64,
}

/// Which servers get the commit.
#[derive(Object)]
#[oai(rename = "Target", skip_serializing_if_is_none)]
struct TargetDto {
    /// In words: `all servers`, `cluster web`.
    words: String,
    cluster: Option<String>,
    /// Absent: all servers of the environment or cluster.
    servers: Option<Vec<String>>,
}

/// The approval of a deployment by a second person.
#[derive(Object)]
#[oai(rename = "Approval", skip_serializing_if_is_none)]
struct ApprovalDto {
    /// Until when it has to be given.
    expires_at: Instant,
    given_by: Option<String>,
    given_at: Option<Instant>,
    /// Of which roles, groups or users the second person has to be.
    approval_by: Vec<String>,
}

impl From<&Target> for TargetDto {
    fn from(target: &Target) -> Self {
        let (cluster, servers) = match target {
            Target::Environment => (None, None),
            Target::Cluster { name, .. } => (Some(name.clone()), None),
            Target::Server { name, .. } => (None, Some(vec![name.clone()])),
            Target::Servers { names, .. } => (None, Some(names.clone())),
        };
        Self {
            words: target.to_string(),
            cluster,
            servers,
        }
    }
}

impl From<&Approval> for ApprovalDto {
    fn from(approval: &Approval) -> Self {
        Self {
            expires_at: approval.expires_at,
            given_by: approval.who(),
            given_at: approval.given.as_ref().map(|(_, at)| *at),
            approval_by: approval.by.clone(),
        }
    }
}

impl From<&Deployment> for DeploymentDto {
    fn from(one: &Deployment) -> Self {
        Self {
            id: one.id.0,
            project: one.project.clone(),
            environment: one.environment.clone(),
            target: (&one.target).into(),
            branch: one.branch.clone(),
            commit: one.commit.to_string(),
            commit_title: one.commit_title.clone(),
            previous_commit: one.previous_commit.as_ref().map(ToString::to_string),
            kind: Word(one.kind),
            state: Word(one.state),
            is_final: one.state.is_final(),
            phase: Word(one.phase),
            requested_by: one.actor.clone(),
            through: one.impersonator.clone(),
            token: one.token.as_ref().map(|token| token.name.clone()),
            reason: one.reason.clone(),
            permit: one.permit.as_ref().map(ToString::to_string),
            requested_at: one.queued_at,
            scheduled_at: one.scheduled_at,
            started_at: one.started_at,
            finished_at: one.finished_at,
            cancelled_by: one.cancelled_by.clone(),
            outcome: Some(one.outcome.clone()).filter(|outcome| !outcome.is_empty()),
            origin: one.origin.map(|id| id.0),
            strategy: one.strategy.map(StrategyDto::from),
            lock_override: one.lock_override.clone(),
            approval: one.approval.as_ref().map(ApprovalDto::from),
            taken_over_by: one.taken_over().map(Answered::who),
            last_line: one.last_line,
        }
    }
}
