//! A deployment as it is read for its page.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::app::App;
use crate::app::audit::comparison::Contradiction;
use crate::app::naming::place_of;
use crate::domain::deployment::ServerPart;
use crate::domain::{
    CommitId, Deployment, DeploymentId, DeploymentState, Instant, Kind, Phase, Plan, Result, ServerId,
    ServerRelease, Step, StepKind,
};
use crate::store::{deployments, releases, steps};

/// Earlier deployments that give the usual duration: enough to ignore an outlier, few enough to be
/// recent.
const COMPARED: u64 = 7;

/// A deployment with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Watched {
    pub deployment: Deployment,
    /// Its servers, in order.
    pub servers: Vec<ServerPart>,
    /// Its steps, in order; empty until a worker starts it.
    pub steps: Vec<Step>,
    /// Its plan; `None` until there is one.
    pub plan: Option<Plan>,
    /// What later deployments have put on its servers; empty until it has ended.
    pub since: HashMap<ServerId, Since>,
    /// The usual duration: the median of the last ones that succeeded. `None`: there are none, or it
    /// has ended.
    pub usual: Option<TimeDelta>,
    /// Its project and environment by their present names; `None` when they were deleted.
    pub place: Option<(String, String)>,
    /// What the database says of it, and the audit log does not; empty where that was not compared.
    pub contradictions: Vec<Contradiction>,
    /// When this was read.
    pub at: Instant,
}

/// What a later deployment has put on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    pub deployment: DeploymentId,
    /// Whether it is a rollback that has ended well.
    pub is_return: bool,
    pub commit: CommitId,
}

impl Watched {
    /// Its project and environment by their present names, or by the former ones when deleted.
    pub fn names(&self) -> (&str, &str) {
        match &self.place {
            Some((project, environment)) => (project, environment),
            None => (&self.deployment.project, &self.deployment.environment),
        }
    }

    /// Whether another batch follows before which it could pause.
    pub fn may_pause(&self) -> bool {
        let parts = || self.servers.iter();
        let begun = parts().filter(|part| part.is_begun());
        let begun = begun.filter_map(|part| part.batch).max();
        match self.deployment.phase {
            Phase::Check | Phase::Prepare => true,
            Phase::RollOut => parts().any(|part| part.is_untouched() && part.batch > begun),
            Phase::Finish => false,
        }
    }

    /// Whether the release in use on a server was changed, or may have been.
    pub(super) fn is_touched(&self, part: &ServerPart) -> bool {
        let began = |kind| {
            let mut own = self.steps.iter().filter(|step| step.server_id == part.server_id);
            own.any(|step| step.kind == kind && step.started_at.is_some())
        };
        let switches = self.steps.iter().any(|step| step.kind == StepKind::Activate);
        let changing = match switches {
            true => StepKind::Activate,
            false => StepKind::Sync,
        };
        began(changing) || began(StepKind::Deploy)
    }
}

/// The present deployment, without a permission check: for what is rendered once and sent to viewers
/// who were checked when they connected.
pub async fn now(app: &App, id: DeploymentId) -> Result<Watched> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let mut servers = deployments::servers(&app.store, id).await?;
    let steps = steps::list(&app.store, id).await?;
    let plan = deployments::plan(&app.store, id).await?;
    for part in &mut servers {
        // A row of an earlier version does not say how it stood.
        let mut planned = plan.iter().flat_map(Plan::servers);
        if part.service_before.is_none()
            && let Some(planned) = planned.find(|one| Some(one.server) == part.server_id)
        {
            part.service_before = Some(planned.service_before());
        }
        part.left_alone = match &plan {
            Some(plan) => plan.left_alone.iter().any(|one| one.name == part.server),
            // After a success, only servers that were to be skipped are unfinished.
            None => deployment.state == DeploymentState::Succeeded,
        };
    }
    Ok(Watched {
        plan,
        usual: usual(app, &deployment).await?,
        place: place(app, &deployment).await?,
        since: since(app, &deployment).await?,
        deployment,
        servers,
        steps,
        contradictions: Vec::new(),
        at: app.now(),
    })
}

async fn place(app: &App, deployment: &Deployment) -> Result<Option<(String, String)>> {
    if deployment.project_id.is_none() || deployment.environment_id.is_none() {
        return Ok(None);
    }
    let (project, environment) = place_of(app, deployment).await?;
    Ok(Some((project.name.to_string(), environment.name.to_string())))
}

/// The median of how long the last such deployments took.
async fn usual(app: &App, deployment: &Deployment) -> Result<Option<TimeDelta>> {
    let Some(environment) = deployment.environment_id.filter(|_| !deployment.state.is_final()) else {
        return Ok(None);
    };
    let is_rollback = deployment.kind == Kind::Rollback;
    let target = &deployment.target;
    let mut took = deployments::durations(&app.store, environment, target, is_rollback, COMPARED).await?;
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied())
}

/// What later deployments have put on the servers of one that has ended.
async fn since(app: &App, deployment: &Deployment) -> Result<HashMap<ServerId, Since>> {
    let (Some(environment), true) = (deployment.environment_id, deployment.state.is_final()) else {
        return Ok(HashMap::new());
    };
    let mut current = releases::current(&app.store, environment).await?;
    current.retain(|one| one.deployment_id > Some(deployment.id));
    let ids: HashSet<DeploymentId> = current.iter().filter_map(|one| one.deployment_id).collect();
    let later = deployments::by_ids(&app.store, &ids).await?;
    let of = |one: ServerRelease| {
        let deployment = one.deployment_id?;
        let later = later.get(&deployment)?;
        let since = Since {
            deployment,
            is_return: later.kind == Kind::Rollback && later.state == DeploymentState::Succeeded,
            commit: one.commit,
        };
        Some((one.server_id?, since))
    };
    Ok(current.into_iter().filter_map(of).collect())
}
