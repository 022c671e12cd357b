//! Looking at one deployment: its state, its steps, its log.

use chrono::TimeDelta;

use super::App;
use super::activity::{self, Turn};
use super::deployments::{
    action_for, action_of, approval_obstacle, next_environments, open_servers, place_of, resource,
};
use crate::domain::deployment::ServerPart;
use crate::domain::{
    Action, Actor, Answer, CommitId, Deployment, DeploymentId, DeploymentState, Environment, Instant, Kind,
    LogLine, Phase, Plan, Resource, Result, Step, StepKind, Target,
};
use crate::store::log::{self, Filter, Found};
use crate::store::{deployments, environments, steps};

/// How many earlier deployments say how long one takes: enough that one odd one does not count,
/// few enough that they are recent.
const COMPARED: u64 = 7;

/// A deployment with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Itself.
    pub deployment: Deployment,
    /// Its servers, in order.
    pub servers: Vec<ServerPart>,
    /// Its steps, in order; empty until a worker has taken it.
    pub steps: Vec<Step>,
    /// What is done in which order; `None` until it is planned.
    pub plan: Option<Plan>,
    /// How long such deployments usually take: the median of the last ones that succeeded.
    /// `None`: there is too little to go by, or it has ended.
    pub usual: Option<TimeDelta>,
    /// Its project and environment by the names of today; `None` when they are gone.
    pub place: Option<(String, String)>,
    /// When this was read.
    pub at: Instant,
}

impl Watched {
    /// Its project and environment by the names of today, or those it had where they are gone.
    pub fn names(&self) -> (&str, &str) {
        match &self.place {
            Some((project, environment)) => (project, environment),
            None => (&self.deployment.project, &self.deployment.environment),
        }
    }

    /// Whether a batch is to come before which it could pause.
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

/// What somebody may do with a deployment now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    /// End it.
    pub cancel: bool,
    /// Ask for the same once more.
    pub again: bool,
    /// Go back to what the environment had before it.
    pub roll_back_to: Option<CommitId>,
    /// Have it pause after the current batch.
    pub pause: bool,
    /// Take the wish for a pause back.
    pub unpause: bool,
    /// What may be said to the present pause.
    pub answers: Vec<Answer>,
    /// Do this many failed servers again.
    pub retry: usize,
    /// Go on with this many servers that it has left undone, where that is more than a retry.
    pub resume: usize,
    /// Bring its commit to these environments, which come next.
    pub promote_to: Vec<String>,
    /// Approve it.
    pub approve: bool,
    /// Why this reader, whom policy lets approve, may not approve this one.
    pub approve_obstacle: Option<String>,
    /// Reject it.
    pub reject: bool,
    /// Where it stands in the queue, while it does.
    pub turn: Option<Turn>,
}

/// The deployment as it is now, without asking who wants to know: for what is rendered once and
/// sent to viewers who were asked when they came.
///
/// # Errors
/// Not found.
pub async fn now(app: &App, id: DeploymentId) -> Result<Watched> {
    let deployment = deployments::by_id(&app.store, id).await?;
    let mut servers = deployments::servers(&app.store, id).await?;
    let steps = steps::list(&app.store, id).await?;
    let plan = deployments::plan(&app.store, id).await?;
    for part in &mut servers {
        part.left_alone = match &plan {
            Some(plan) => plan.left_alone.iter().any(|one| one.name == part.server),
            // Where all went well, nothing was left undone but what was to be.
            None => deployment.state == DeploymentState::Succeeded,
        };
    }
    Ok(Watched {
        plan,
        usual: usual(app, &deployment).await?,
        place: place(app, &deployment).await?,
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

/// What an act on it is about, for policy.
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

/// The deployment for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn see(app: &App, actor: &Actor, id: DeploymentId) -> Result<(Watched, Acts)> {
    let watched = now(app, id).await?;
    app.permit(actor, Action::View, &resource(&watched.deployment))
        .await?;
    let acts = acts(app, actor, &watched).await?;
    Ok((watched, acts))
}

async fn acts(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    if watched.deployment.state.is_final() {
        return afterwards(app, actor, watched).await;
    }
    let mut acts = meanwhile(app, actor, watched);
    if watched.deployment.state == DeploymentState::Queued {
        acts.turn = activity::turn(app, actor, watched.deployment.id).await?;
    }
    Ok(acts)
}

/// What may be done with a deployment that waits or runs. Asks nothing but the policy in memory.
fn meanwhile(app: &App, actor: &Actor, watched: &Watched) -> Acts {
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
            .filter(|&answer| may(action_of(answer, deployment.kind)))
            .collect();
    }
    if deployment.state == Awaiting && may(Action::Approve) {
        acts.approve_obstacle = approval_obstacle(deployment, actor, watched.at);
        acts.approve = acts.approve_obstacle.is_none();
        acts.reject = true;
    }
    acts
}

/// What may be done with what an ended deployment has left.
async fn afterwards(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    let deployment = &watched.deployment;
    let resource = resource_of(watched);
    let may = |action| app.may(actor, action, &resource);
    let mut acts = Acts::default();
    let (Some(_), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(acts);
    };
    acts.again = may(action_for(deployment.kind));
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
        acts.roll_back_to = before(app, deployment).await?;
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

/// The commit that the environment ran with success before this deployment, if it is another one.
///
/// # Errors
/// Of the store.
pub async fn before(app: &App, deployment: &Deployment) -> Result<Option<CommitId>> {
    let found = deployments::previous_succeeded(&app.store, deployment.id).await?;
    Ok(found.map(|deployment| deployment.commit))
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// From this line on.
    From(i64),
    /// What ends before this line.
    Before(i64),
    /// The last lines.
    Last,
}

/// How many lines one look searches for a text: a quarter of a second's work; further on there is a
/// link.
pub const SEARCHED: usize = 100_000;

/// At most `limit` lines of a deployment's log from line `from` on, for a stream whose viewer was
/// judged when it was opened and is judged again while it lasts.
///
/// # Errors
/// Of the store.
pub async fn lines(
    app: &App,
    id: DeploymentId,
    from: i64,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<LogLine>> {
    log::read(&app.store, id, from, limit, filter).await
}

/// At most `limit` lines of a deployment's log, in order, for somebody who may view it.
///
/// # Errors
/// Not found; forbidden.
pub async fn log_window(
    app: &App,
    actor: &Actor,
    id: DeploymentId,
    window: Window,
    limit: usize,
    filter: &Filter,
) -> Result<Found> {
    let deployment = deployments::by_id(&app.store, id).await?;
    app.permit(actor, Action::View, &resource(&deployment)).await?;
    let before = match window {
        Window::From(line) => return log::search(&app.store, id, line, limit, filter, SEARCHED).await,
        Window::Before(line) => line,
        Window::Last => i64::MAX,
    };
    log::search_before(&app.store, id, before, limit, filter, SEARCHED).await
}
