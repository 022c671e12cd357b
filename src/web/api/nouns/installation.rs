//! The state of the deployer itself, and of what it deployed.

use poem_openapi::{Object, OpenApi};

use super::{Part, may_read};
use crate::app::activity::{self, Activity};
use crate::app::{drift, health, instances};
use crate::domain::{Action, Area, Resource};
use crate::web::api::reply::{JsonReply, List};
use crate::web::visitor::Visitor;

use super::deployments::DeploymentDto;

/// Whether the installation is healthy.
#[derive(Object)]
#[oai(rename = "Health")]
struct HealthDto {
    healthy: bool,
    /// Why it is not, as sentences.
    reasons: Vec<String>,
    /// What lacks on the deployer's host without making it unhealthy.
    notes: Vec<String>,
    version: String,
}

/// What is wrong in one environment.
#[derive(Object)]
#[oai(rename = "Drift")]
struct DriftDto {
    project: String,
    environment: String,
    sentences: Vec<String>,
}

/// The instances that serve.
#[derive(Object)]
#[oai(rename = "Instances")]
struct InstancesDto {
    /// The one that answers.
    own: String,
    /// Those that do the jobs which only one does.
    holders: Vec<String>,
}

/// What runs, waits, and ended recently.
#[derive(Object)]
#[oai(rename = "Activity")]
struct ActivityDto {
    running: Vec<DeploymentDto>,
    /// In the order in which they will begin.
    waiting: Vec<DeploymentDto>,
    /// Failed recently, newest first.
    failed: Vec<DeploymentDto>,
    /// Finished otherwise recently, newest first.
    ended: Vec<DeploymentDto>,
}

impl From<&Activity> for ActivityDto {
    fn from(activity: &Activity) -> Self {
        Self {
            running: activity
                .running
                .iter()
                .map(|one| (&one.deployment).into())
                .collect(),
            waiting: activity
                .waiting
                .iter()
                .map(|one| (&one.deployment).into())
                .collect(),
            failed: activity.failed.iter().map(DeploymentDto::from).collect(),
            ended: activity.ended.iter().map(DeploymentDto::from).collect(),
        }
    }
}

/// What monitors and status pages ask.
pub struct InstallationApi;

#[OpenApi(tag = "Part::Installation")]
impl InstallationApi {
    /// Show whether the installation is healthy
    ///
    /// Always 200; /health, which monitors ask, answers 500 when it is not.
    #[oai(path = "/health", method = "get", operation_id = "showHealth")]
    async fn health(&self, visitor: Visitor) -> poem::Result<JsonReply<HealthDto>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let reasons = health::reasons(app, actor).await?;
        Ok(JsonReply::new(HealthDto {
            healthy: reasons.is_empty(),
            reasons,
            notes: health::notes(app, actor).await,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    /// List the environments whose servers do not run what they should
    #[oai(path = "/drift", method = "get", operation_id = "listDrift")]
    async fn drift(&self, visitor: Visitor) -> poem::Result<JsonReply<List<DriftDto>>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let mut found = drift::report(app).await?;
        found.retain(|one| {
            let place = Resource::Environment(one.project.clone(), one.environment.clone());
            app.may(actor, Action::View, &place)
        });
        Ok(JsonReply::all(found.into_iter().map(|one| DriftDto {
            project: one.project,
            environment: one.environment,
            sentences: one.sentences,
        })))
    }

    /// List the instances that are known
    #[oai(path = "/instances", method = "get", operation_id = "listInstances")]
    async fn instances(&self, visitor: Visitor) -> poem::Result<JsonReply<InstancesDto>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let known = instances::known(visitor.app(), &permit).await?;
        Ok(JsonReply::new(InstancesDto {
            own: known.own,
            holders: known.holders,
        }))
    }

    /// Show what runs, waits, and ended recently
    #[oai(path = "/activity", method = "get", operation_id = "showActivity")]
    async fn activity(&self, visitor: Visitor) -> poem::Result<JsonReply<ActivityDto>> {
        let found = activity::now(visitor.app(), visitor.actor()).await?;
        Ok(JsonReply::new((&found).into()))
    }
}
