//! One deployment with its servers, its steps, and what may be done with it.

use poem_openapi::Object;

use super::shape::DeploymentDto;
use crate::app::watch::{self, Acts, Watched};
use crate::domain::{
    Answer, DeploymentId, Instant, Pause, PauseReason, Result, ServerPart, ServerState, Step, StepKind,
    StepState,
};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// A deployment with its servers and steps.
#[derive(Object)]
#[oai(rename = "DeploymentView", skip_serializing_if_is_none)]
pub struct DeploymentViewDto {
    deployment: DeploymentDto,
    servers: Vec<DeploymentServerDto>,
    steps: Vec<StepDto>,
    /// What it waits for.
    pause: Option<PauseDto>,
    /// Its position in the queue, from 1.
    position: Option<usize>,
    /// Deployments that have to end first.
    behind: Vec<i64>,
    offers: OffersDto,
    /// Why some acts are not offered now, as sentences.
    obstacles: Vec<String>,
    /// The retry or resumption of it that runs now.
    continued_by: Option<i64>,
    /// What the database and the audit log tell differently.
    contradictions: Vec<String>,
}

/// A server's part in a deployment.
#[derive(Object)]
#[oai(rename = "DeploymentServer", skip_serializing_if_is_none)]
struct DeploymentServerDto {
    server: String,
    cluster: String,
    state: Word<ServerState>,
    /// Its batch, from 0.
    batch: Option<i32>,
    /// How it stands and what to do, as a sentence; empty while it is worked on.
    standing: String,
    /// Whether it is in service at its balancers, as a word.
    service: String,
    previous_commit: Option<String>,
}

/// A named unit of a deployment's work.
#[derive(Object)]
#[oai(rename = "Step", skip_serializing_if_is_none)]
struct StepDto {
    kind: Word<StepKind>,
    /// Absent: on the deployer's host.
    server: Option<String>,
    state: Word<StepState>,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    /// Of the script that ran.
    exit_code: Option<i32>,
    /// How it went, as a sentence.
    detail: Option<String>,
}

/// What a deployment waits for, and the answers to it.
#[derive(Object)]
#[oai(rename = "Pause", skip_serializing_if_is_none)]
struct PauseDto {
    /// `person`, `canary`, `failure` or `policy`.
    reason: String,
    /// What it is about, as a sentence.
    question: String,
    since: Instant,
    /// When it continues by itself.
    until: Option<Instant>,
    /// The answers that there are.
    answers: Vec<Word<Answer>>,
    /// What was found changed meanwhile, as sentences.
    findings: Vec<String>,
}

/// What you may do with the deployment now.
#[derive(Object)]
#[oai(rename = "Offers", skip_serializing_if_is_none)]
struct OffersDto {
    /// Names of acts: each is an address below the deployment's.
    acts: Vec<String>,
    /// Answers to its pause.
    answers: Vec<Word<Answer>>,
    /// Environments that its commit may be promoted to.
    promote_to: Vec<String>,
    /// The commit that a rollback brings.
    rollback_to: Option<String>,
}

impl DeploymentServerDto {
    fn new(watched: &Watched, part: &ServerPart) -> Self {
        let standing = [part.told(&watched.deployment.commit), part.remains_told()].join(" ");
        Self {
            server: part.server.clone(),
            cluster: part.cluster.clone(),
            state: Word(part.state),
            batch: part.batch,
            standing: standing.trim().to_owned(),
            service: part.service.as_str().to_owned(),
            previous_commit: part.previous_commit.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&Step> for StepDto {
    fn from(step: &Step) -> Self {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            kind: Word(step.kind),
            server: some(&step.server_name),
            state: Word(step.state),
            started_at: step.started_at,
            finished_at: step.finished_at,
            exit_code: step.exit_code,
            detail: some(&step.detail),
        }
    }
}

impl From<&Pause> for PauseDto {
    fn from(pause: &Pause) -> Self {
        let (reason, question) = match &pause.reason {
            PauseReason::Person { by } => ("person", format!("{by} asked for a pause. Continue?")),
            PauseReason::Canary => ("canary", "Canary deployed. Is it healthy?".to_owned()),
            PauseReason::Failure { servers } => {
                ("failure", format!("Failed: {}. What next?", servers.join(", ")))
            }
            PauseReason::Policy { why } => ("policy", why.clone()),
        };
        Self {
            reason: reason.to_owned(),
            question,
            since: pause.since,
            until: pause.until,
            answers: pause.answers().iter().copied().map(Word).collect(),
            findings: pause.findings.clone(),
        }
    }
}

impl From<&Acts> for OffersDto {
    fn from(acts: &Acts) -> Self {
        let offered = [
            ("cancel", acts.cancel),
            ("pause", acts.pause),
            ("unpause", acts.unpause),
            ("answer", !acts.answers.is_empty()),
            ("approve", acts.approve),
            ("reject", acts.reject),
            ("retry", acts.retry > 0),
            ("resume", acts.resume > 0),
            ("again", acts.again),
            ("promote", !acts.promote_to.is_empty()),
            ("rollback", acts.roll_back_to.is_some()),
        ];
        let offered = offered.into_iter().filter(|(_, is_offered)| *is_offered);
        Self {
            acts: offered.map(|(name, _)| name.to_owned()).collect(),
            answers: acts.answers.iter().copied().map(Word).collect(),
            promote_to: acts
                .promote_to
                .iter()
                .map(|one| one.environment.clone())
                .collect(),
            rollback_to: acts.roll_back_to.as_ref().map(ToString::to_string),
        }
    }
}

/// The deployment `id`, for whoever may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn view(visitor: &Visitor, id: DeploymentId) -> Result<DeploymentViewDto> {
    let (watched, acts) = watch::see(visitor.app(), visitor.actor(), id).await?;
    let refusals = acts.refusals.iter().map(|refusal| refusal.sentence());
    let obstacles = acts.obstacles.iter().map(|one| one.why.clone());
    Ok(DeploymentViewDto {
        deployment: (&watched.deployment).into(),
        servers: watched
            .servers
            .iter()
            .map(|part| DeploymentServerDto::new(&watched, part))
            .collect(),
        steps: watched.steps.iter().map(StepDto::from).collect(),
        pause: watched.deployment.pause.as_ref().map(PauseDto::from),
        position: acts.turn.as_ref().map(|turn| turn.position),
        behind: acts
            .turn
            .iter()
            .flat_map(|turn| &turn.behind)
            .map(|one| one.id.0)
            .collect(),
        offers: (&acts).into(),
        obstacles: obstacles
            .chain(acts.approve_obstacle.clone())
            .chain(refusals)
            .collect(),
        continued_by: acts.continued_by.map(|id| id.0),
        contradictions: watched.contradictions.iter().map(|one| one.sentence()).collect(),
    })
}
