//! What the store knows of a deployment that is to be closed.

use std::collections::{HashMap, HashSet};

use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::{
    CommitId, Deployment, DeploymentId, Environment, Plan, Project, Result, ServerId, Step, StepKind,
    SyncMethod, if_found,
};
use crate::engine::shared::Shared;
use crate::store::{deployments, environments, projects, steps};

/// A deployment with all that was stored about it.
pub(super) struct History {
    pub deployment: Deployment,
    pub project: Option<Project>,
    pub environment: Option<Environment>,
    pub plan: Option<Plan>,
    pub parts: Vec<ServerPart>,
    pub steps: Vec<Step>,
    /// Servers that an earlier deployment left out of service and this one has not touched.
    left_out: HashSet<ServerId>,
}

/// One server in it.
pub(super) struct ServerHistory<'a> {
    pub deployment: DeploymentId,
    pub commit: &'a CommitId,
    /// `None` once the project is deleted.
    pub method: Option<SyncMethod>,
    pub part: &'a ServerPart,
    pub steps: Vec<&'a Step>,
}

impl History {
    pub async fn read(engine: &Shared, deployment: &Deployment) -> Result<Self> {
        let store = &engine.parts.store;
        let id = deployment.id;
        // A project or environment may be deleted by now; the rest is reported without it.
        let project = match deployment.project_id {
            Some(id) => if_found(projects::by_id(store, id).await)?,
            None => None,
        };
        let environment = match deployment.environment_id {
            Some(id) => if_found(environments::by_id(store, id).await)?,
            None => None,
        };
        let parts = deployments::servers(store, id).await?;
        let untouched = parts.iter().filter(|part| part.service == Service::Untouched);
        let untouched: Vec<ServerId> = untouched.filter_map(|part| part.server_id).collect();
        let left_out = match deployment.environment_id {
            Some(id) => deployments::left_out_in(store, id, &untouched).await?,
            None => HashMap::new(),
        };
        Ok(Self {
            deployment: deployment.clone(),
            project,
            environment,
            plan: deployments::plan(store, id).await?,
            parts,
            steps: steps::list(store, id).await?,
            left_out: left_out.into_keys().collect(),
        })
    }

    /// Whether an earlier deployment left the server out of service, and this one did not move it.
    pub fn is_left_out(&self, part: &ServerPart) -> bool {
        part.server_id.is_some_and(|id| self.left_out.contains(&id))
    }

    pub fn server<'a>(&'a self, part: &'a ServerPart) -> ServerHistory<'a> {
        let own = self.steps.iter().filter(|step| step.server_id == part.server_id);
        ServerHistory {
            deployment: self.deployment.id,
            commit: &self.deployment.commit,
            method: self.project.as_ref().map(|project| project.method),
            part,
            steps: own.collect(),
        }
    }
}

impl ServerHistory<'_> {
    pub fn began(&self, kind: StepKind) -> bool {
        let mut own = self.steps.iter().filter(|step| step.kind == kind);
        own.any(|step| step.started_at.is_some())
    }

    /// Whether its final state is stored already.
    pub fn is_final(&self) -> bool {
        !matches!(self.part.state, ServerState::Waiting | ServerState::Running)
    }

    /// Whether the deployment was taking it out of service, had it out, or was putting it back.
    pub fn was_moved(&self) -> bool {
        matches!(
            self.part.service,
            Service::TakingOut | Service::Out | Service::PuttingBack
        )
    }

    /// Whether a step began that may have left `deploy.sh` on the server: a rollback writes it into the release
    /// before the script's own step begins, and in place it arrives with the other files.
    pub fn may_be_littered(&self) -> bool {
        self.has_unused_script() || self.began(StepKind::Deploy) || self.began(StepKind::Activate)
    }

    /// Whether `deploy.sh` may lie among files in place that were being sent: the tree is compared with it.
    pub fn has_unused_script(&self) -> bool {
        self.method == Some(SyncMethod::InPlace)
            && self.began(StepKind::Sync)
            && !self.began(StepKind::Deploy)
    }

    /// Whether the deployment may have changed the server or its place at the balancers.
    pub fn may_be_changed(&self) -> bool {
        self.was_moved()
            || self.part.state == ServerState::Running
            || self.began(StepKind::Sync) && !self.is_final()
    }
}
