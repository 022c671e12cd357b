//! Environments, their servers and what runs there.

mod automatic;
mod health;
mod options;
pub mod settings;

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Part;
use super::locks::LockDto;
use super::projects::EnvironmentSummaryDto;
use crate::app::live_release;
use crate::app::places::{self, EnvironmentView, PlaceServer, Runs};
use crate::app::plans;
use crate::domain::rollout::Hold;
use crate::domain::{Instant, Lock, Plan, Release, Resource, ServerState};
use crate::web::api::reply::{JsonReply, List};
use crate::web::api::shapes::{PermissionDto, StrategyDto, TargetChoiceDto};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// An environment, what runs there, and what you may do there.
#[derive(Object)]
#[oai(rename = "Environment", skip_serializing_if_is_none)]
struct EnvironmentDto {
    project: String,
    name: String,
    branch: String,
    target_path: String,
    remote_user: String,
    /// Position in the promotion chain.
    position: i32,
    auto_deploy: bool,
    fail_on_failed_tests: bool,
    strategy: StrategyDto,
    /// Hours within which a second person has to approve each deployment.
    approval_hours: Option<u32>,
    /// What its servers run, most servers first.
    runs: Vec<RunsDto>,
    servers: Vec<EnvironmentServerDto>,
    /// The environment before it in the promotion chain.
    before: Option<EnvironmentSummaryDto>,
    /// What locks it.
    lock: Option<LockDto>,
    /// Whether its servers run different commits although no deployment is at work.
    drifts: bool,
    /// Deployments that run or wait, running ones first.
    open: Vec<i64>,
    /// The last deployments, newest first.
    deployments: Vec<i64>,
    deploy: PermissionDto,
    rollback: PermissionDto,
    may_lock: bool,
    /// Whether you may override its lock with a reason.
    may_override: bool,
    may_configure: bool,
}

/// A commit that runs on some servers.
#[derive(Object)]
#[oai(rename = "Runs")]
struct RunsDto {
    commit: String,
    title: String,
    /// Who deployed it; empty if unknown.
    by: String,
    servers: usize,
    /// When it came to the last of them.
    since: Instant,
}

impl From<&Runs> for RunsDto {
    fn from(runs: &Runs) -> Self {
        Self {
            commit: runs.commit.to_string(),
            title: runs.title.clone(),
            by: runs.actor.clone(),
            servers: runs.servers,
            since: runs.at,
        }
    }
}

/// A server, as one environment sees it.
#[derive(Object)]
#[oai(rename = "EnvironmentServer", skip_serializing_if_is_none)]
struct EnvironmentServerDto {
    name: String,
    active: bool,
    clusters: Vec<String>,
    /// The commit that it runs, as it reported last, or else as it was deployed.
    runs: Option<String>,
    since: Option<Instant>,
    /// The deployment that brought it there.
    deployment: Option<i64>,
    /// Why it could not be asked.
    trouble: Option<String>,
    /// How its report differs from what was deployed.
    differs: Option<String>,
    /// Whether its files are of two releases.
    half_changed: bool,
    /// The deployment that left it out of service.
    left_out_by: Option<i64>,
    /// The deployment that works on it now, and how far it is there.
    working: Option<i64>,
    working_state: Option<Word<ServerState>>,
}

impl EnvironmentServerDto {
    fn new(view: &EnvironmentView, one: &PlaceServer) -> Self {
        let (runs, since) = one.runs().unzip();
        let work = view.work.get(&one.server.id);
        Self {
            name: one.server.name.to_string(),
            active: one.server.active,
            clusters: one.clusters.iter().map(|(_, name)| name.to_string()).collect(),
            runs,
            since,
            deployment: one
                .release
                .as_ref()
                .and_then(|release| release.deployment_id)
                .map(|id| id.0),
            trouble: one.trouble().map(str::to_owned),
            differs: one.differs(),
            half_changed: one.is_half_changed(),
            left_out_by: one.left_out.map(|id| id.0),
            working: work.map(|(id, _)| id.0),
            working_state: work.map(|(_, state)| Word(*state)),
        }
    }
}

impl From<&EnvironmentView> for EnvironmentDto {
    fn from(view: &EnvironmentView) -> Self {
        let (place, own) = (&view.place, &view.place.environment);
        let here = Resource::Environment(view.project.name.to_string(), own.name.to_string());
        let lock = |lock: &Lock| LockDto::new(lock, lock.lifted_over(&here), view.may_override);
        Self {
            project: view.project.name.to_string(),
            name: own.name.to_string(),
            branch: own.branch.to_string(),
            target_path: own.target_path.to_string(),
            remote_user: own.remote_user.clone(),
            position: own.position,
            auto_deploy: own.auto_deploy,
            fail_on_failed_tests: own.fail_on_failed_tests,
            strategy: own.options.rollout.strategy.into(),
            approval_hours: own.options.approval_hours,
            runs: place.runs.iter().map(RunsDto::from).collect(),
            servers: place
                .servers
                .iter()
                .map(|one| EnvironmentServerDto::new(view, one))
                .collect(),
            before: view.before.as_ref().map(EnvironmentSummaryDto::from),
            lock: place.lock.as_ref().map(lock),
            drifts: place.drifts(),
            open: place.open.iter().map(|one| one.deployment.id.0).collect(),
            deployments: view.deployments.iter().map(|one| one.id.0).collect(),
            deploy: (&view.deploy).into(),
            rollback: (&view.roll_back).into(),
            may_lock: view.may_lock,
            may_override: view.may_override,
            may_configure: view.may_configure,
        }
    }
}

/// What a server says itself.
#[derive(Object)]
#[oai(rename = "LiveRelease", skip_serializing_if_is_none)]
struct LiveReleaseDto {
    /// What its marker says; absent: nothing was deployed there.
    release: Option<ReleaseDto>,
    /// What would stop a deployment there.
    obstacle: Option<String>,
}

/// A release, as the marker on the server describes it.
#[derive(Object)]
#[oai(rename = "Release")]
struct ReleaseDto {
    branch: String,
    commit: String,
    at: Instant,
    path: String,
    /// Whether its files were still being changed.
    in_progress: bool,
}

impl From<Release> for ReleaseDto {
    fn from(release: Release) -> Self {
        Self {
            branch: release.branch,
            commit: release.commit,
            at: release.at,
            path: release.path,
            in_progress: release.in_progress,
        }
    }
}

/// What is to be planned.
#[derive(Object)]
#[oai(rename = "PlanRequest", deny_unknown_fields)]
struct PlanRequestDto {
    target: Option<TargetChoiceDto>,
    /// Another strategy than the environment's.
    strategy: Option<StrategyDto>,
}

/// What a deployment would do, or why it cannot be done so.
#[derive(Object)]
#[oai(rename = "Plan", skip_serializing_if_is_none)]
pub struct PlanDto {
    pub obstacle: Option<String>,
    pub strategy: Option<StrategyDto>,
    pub batches: Vec<BatchDto>,
    /// Servers that are left alone, each with the reason.
    pub left_alone: Vec<LeftAloneDto>,
}

/// Servers that are deployed to together.
#[derive(Object)]
#[oai(rename = "Batch", skip_serializing_if_is_none)]
pub struct BatchDto {
    title: String,
    servers: Vec<String>,
    /// What it waits for before it begins: `a person`, or `60 s`.
    waits_for: Option<String>,
}

/// A server that a deployment leaves alone.
#[derive(Object)]
#[oai(rename = "LeftAlone")]
pub struct LeftAloneDto {
    server: String,
    reason: String,
}

impl From<&Plan> for PlanDto {
    fn from(plan: &Plan) -> Self {
        let hold = |hold: &Hold| match hold {
            Hold::Person => "a person".to_owned(),
            Hold::Seconds { seconds } => format!("{seconds} s"),
        };
        Self {
            obstacle: None,
            strategy: Some(plan.strategy.into()),
            batches: plan
                .batches
                .iter()
                .map(|batch| BatchDto {
                    title: batch.title.clone(),
                    servers: batch.servers.iter().map(|one| one.name.clone()).collect(),
                    waits_for: batch.hold.as_ref().map(hold),
                })
                .collect(),
            left_alone: plan
                .left_alone
                .iter()
                .map(|one| LeftAloneDto {
                    server: one.name.clone(),
                    reason: one.why.clone(),
                })
                .collect(),
        }
    }
}

/// Reading what runs where.
pub struct EnvironmentsApi;

#[OpenApi(tag = "Part::Environments")]
impl EnvironmentsApi {
    /// List the environments of a project that you may see
    #[oai(
        path = "/projects/:project/environments",
        method = "get",
        operation_id = "listEnvironments"
    )]
    async fn list(
        &self,
        visitor: Visitor,
        project: Path<String>,
    ) -> poem::Result<JsonReply<List<EnvironmentSummaryDto>>> {
        let view = places::project(visitor.app(), visitor.actor(), &project).await?;
        Ok(JsonReply::all(
            view.places.iter().map(EnvironmentSummaryDto::from),
        ))
    }

    /// Show an environment, its servers and what they run
    #[oai(
        path = "/projects/:project/environments/:environment",
        method = "get",
        operation_id = "showEnvironment"
    )]
    async fn show(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
    ) -> poem::Result<JsonReply<EnvironmentDto>> {
        let view = places::environment(visitor.app(), visitor.actor(), &project, &environment).await?;
        Ok(JsonReply::new((&view).into()))
    }

    /// Ask a server of the environment what it runs now
    #[oai(
        path = "/projects/:project/environments/:environment/servers/:server",
        method = "get",
        operation_id = "askServer"
    )]
    async fn ask(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
        server: Path<String>,
    ) -> poem::Result<JsonReply<LiveReleaseDto>> {
        let _turn = visitor.site().question().await?;
        let (app, actor) = (visitor.app(), visitor.actor());
        let found = live_release::ask(app, actor, &project, &environment, &server).await?;
        Ok(JsonReply::new(LiveReleaseDto {
            release: found.release.map(ReleaseDto::from),
            obstacle: found.obstacle,
        }))
    }

    /// Plan a deployment without doing it
    ///
    /// Tells which servers would be deployed to, in which order, or why it cannot be done so.
    #[oai(
        path = "/projects/:project/environments/:environment/plan",
        method = "post",
        operation_id = "planDeployment"
    )]
    async fn plan(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
        wanted: Json<PlanRequestDto>,
    ) -> poem::Result<JsonReply<PlanDto>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let view = places::environment(app, actor, &project, &environment).await?;
        let choice = TargetChoiceDto::read(wanted.target.as_ref(), &view.place)?;
        let strategy = wanted.strategy.as_ref().map(StrategyDto::read).transpose()?;
        let place = (project.0.as_str(), environment.0.as_str());
        let plan = plans::preview(app, actor, place, choice, strategy).await?;
        Ok(JsonReply::new(match plan {
            Ok(plan) => (&plan).into(),
            Err(obstacle) => PlanDto {
                obstacle: Some(obstacle),
                strategy: None,
                batches: Vec::new(),
                left_alone: Vec::new(),
            },
        }))
    }
}
