//! One deployment: its state, its steps, its log, and the acts it offers.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use super::App;
use super::activity::{self, Turn};
use super::deployments::{approval_obstacle, next_environments, open_servers, way_back};
use super::naming::{action_of_answer, place_of, resource_then};
use crate::domain::deployment::ServerPart;
use crate::domain::{
    Action, Actor, Answer, CommitId, Deployment, DeploymentId, DeploymentState, Environment, ErrorKind,
    Instant, Kind, LogLine, Phase, Plan, Resource, Result, ServerId, ServerRelease, Step, StepKind, Target,
};
use crate::store::log::{self, FoundLines, LogFilter, LogWindow};
use crate::store::{deployments, environments, releases, steps};

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
    /// When this was read.
    pub at: Instant,
}

/// What a later deployment has put on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    pub deployment: DeploymentId,
    pub kind: Kind,
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
}

/// The acts that a user may do on a deployment now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    pub cancel: bool,
    /// Redeploy.
    pub again: bool,
    /// Roll back to this commit.
    pub roll_back_to: Option<CommitId>,
    /// Pause after the current batch.
    pub pause: bool,
    /// Withdraw the pause.
    pub unpause: bool,
    /// Answers to the present pause.
    pub answers: Vec<Answer>,
    /// Retry so many failed servers.
    pub retry: usize,
    /// Resume so many unfinished servers, where they are more than the failed ones.
    pub resume: usize,
    /// Promote to these environments.
    pub promote_to: Vec<String>,
    pub approve: bool,
    /// Why the user, whom policy allows to approve, may not approve this one.
    pub approve_obstacle: Option<String>,
    pub reject: bool,
    /// Its position in the queue, while it is queued.
    pub turn: Option<Turn>,
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

/// The resource of acts on it, for policy.
fn resource_of(watched: &Watched) -> Resource {
    let (project, environment) = watched.names();
    Resource::Environment(project.to_owned(), environment.to_owned())
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

/// The deployment, for whoever may view it.
pub async fn see(app: &App, actor: &Actor, id: DeploymentId) -> Result<(Watched, Acts)> {
    let watched = now(app, id).await?;
    app.permit(actor, Action::View, &resource_then(&watched.deployment))
        .await?;
    let acts = acts(app, actor, &watched).await?;
    Ok((watched, acts))
}

async fn acts(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    if watched.deployment.state.is_final() {
        return afterwards(app, actor, watched).await;
    }
    let mut acts = meanwhile(app, actor, watched).await?;
    if watched.deployment.state == DeploymentState::Queued {
        acts.turn = activity::turn(app, actor, watched.deployment.id).await?;
    }
    Ok(acts)
}

/// The acts on a deployment that waits or runs. Asks only the policy in memory.
async fn meanwhile(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    use DeploymentState::{Awaiting, Paused, Running};
    let deployment = &watched.deployment;
    let resource = resource_of(watched);
    let may = |action| app.may(actor, action, &resource);
    let ending = deployment.cancelled_by.is_some();
    let cancel = may(Action::Cancel) && !ending;
    let runs = deployment.state == Running;
    let mut acts = Acts {
        cancel,
        pause: cancel && runs && deployment.pause_requested_by.is_none() && watched.may_pause(),
        unpause: cancel && runs && deployment.pause_requested_by.is_some(),
        ..Acts::default()
    };
    if let (Paused, Some(pause), false) = (deployment.state, &deployment.pause, ending) {
        let possible = pause.reason.answers().iter().copied();
        let mut begun = watched.servers.iter().filter(|part| part.is_begun());
        let can_go_back = begun.any(|part| part.previous_commit.is_some());
        acts.answers = possible
            .filter(|&answer| answer != Answer::RollBack || can_go_back)
            .filter(|&answer| may(action_of_answer(answer, deployment.kind)))
            .collect();
    }
    if deployment.state == Awaiting && may(Action::Approve) {
        acts.approve_obstacle = approval_obstacle(&app.store, deployment, actor, watched.at).await?;
        acts.approve = acts.approve_obstacle.is_none();
        acts.reject = true;
    }
    Ok(acts)
}

/// The acts on an ended deployment.
async fn afterwards(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    let deployment = &watched.deployment;
    let resource = resource_of(watched);
    let may = |action| app.may(actor, action, &resource);
    let mut acts = Acts::default();
    let (Some(_), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(acts);
    };
    acts.again = may(deployment.kind.action());
    let is_touch = |step: &Step| {
        let is_look = matches!(step.kind, StepKind::Inspect | StepKind::Check);
        !step.server_name.is_empty() && !is_look && step.started_at.is_some()
    };
    // What was imported has no steps.
    let was_touched = match watched.steps.is_empty() {
        true => watched.servers.iter().any(ServerPart::is_begun),
        false => watched.steps.iter().any(is_touch),
    };
    if was_touched && may(Action::Rollback) {
        acts.roll_back_to = match way_back(app, deployment, &watched.servers).await {
            Ok(commit) => Some(commit),
            Err(error) if error.kind() == ErrorKind::Conflict => None,
            Err(error) => return Err(error),
        };
    }
    if deployment.state == DeploymentState::Succeeded {
        if deployment.target == Target::Environment {
            let here = environments::by_id(&app.store, environment).await?;
            acts.promote_to = promote_to(app, actor, watched.names().0, &here).await?;
        }
    } else if acts.again {
        let open = open_servers(app, deployment, &watched.servers).await?;
        acts.retry = open.failed.len();
        if open.unfinished.len() > open.failed.len() {
            acts.resume = open.unfinished.len();
        }
    }
    Ok(acts)
}

async fn promote_to(app: &App, actor: &Actor, project: &str, here: &Environment) -> Result<Vec<String>> {
    let next = next_environments(app, here).await?.into_iter();
    let names = next.map(|one| one.name.to_string());
    let may = |name: &String| {
        let place = Resource::Environment(project.to_owned(), name.clone());
        app.may(actor, Action::Deploy, &place)
    };
    Ok(names.filter(may).collect())
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
        let since = Since {
            deployment,
            kind: later.get(&deployment)?.kind,
            commit: one.commit,
        };
        Some((one.server_id?, since))
    };
    Ok(current.into_iter().filter_map(of).collect())
}

/// How many lines one request searches for a text, a quarter of a second's work; a link continues.
pub const SEARCHED: usize = 100_000;

/// At most `limit` lines of a deployment's log from line `from` on, for a stream whose viewer was
/// judged when it was opened and is judged again while it lasts.
pub async fn lines(
    app: &App,
    id: DeploymentId,
    from: i64,
    limit: usize,
    filter: &LogFilter,
) -> Result<Vec<LogLine>> {
    log::read(&app.store, id, from, limit, filter).await
}

/// The same before line `before`.
pub async fn lines_before(
    app: &App,
    id: DeploymentId,
    before: i64,
    limit: usize,
    filter: &LogFilter,
) -> Result<Vec<LogLine>> {
    let window = LogWindow::Before(before);
    let found = log::search(&app.store, id, window, limit, filter, usize::MAX).await?;
    Ok(found.lines)
}

/// At most `limit` lines of a deployment's log, in order, for whoever may view it.
pub async fn log_window(
    app: &App,
    actor: &Actor,
    id: DeploymentId,
    window: LogWindow,
    limit: usize,
    filter: &LogFilter,
) -> Result<FoundLines> {
    let deployment = deployments::by_id(&app.store, id).await?;
    app.permit(actor, Action::View, &resource_then(&deployment))
        .await?;
    log::search(&app.store, id, window, limit, filter, SEARCHED).await
}
