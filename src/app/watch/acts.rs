//! The acts that a deployment's page offers. What would be refused now, or fail in its check, is not
//! offered, and why is said instead.

use std::collections::HashSet;

use futures_util::future::{BoxFuture, try_join_all};

use super::watched::Watched;
use crate::app::App;
use crate::app::activity::{self, Turn};
use crate::app::deployments::{
    FollowUpAct, act_obstacle, approval_obstacle, next_environments, open_servers, way_back,
};
use crate::app::naming::action_of_answer;
use crate::domain::deployment::ServerPart;
use crate::domain::{
    Action, Actor, Answer, CommitId, DeploymentId, DeploymentState, Environment, ErrorKind, PauseReason,
    Resource, Result, ServerId, ServerState, Service, Step, StepKind, Target,
};
use crate::engine;
use crate::store::{deployments, environments, sealing};

/// What becomes of servers whose balancer does not answer everywhere, and what helps if that lasts.
const MOVES_ON: &str = "Servers that are being put back or taken out go on by themselves once every endpoint of their balancer answers. An endpoint that is gone for good has to be removed from the balancer (Admin → Balancers): the servers then go back at the others.";

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
    /// The deployment that retries or resumes this one now.
    pub continued_by: Option<DeploymentId>,
    /// Why acts that policy allows are not offered now, as sentences.
    pub obstacles: Vec<String>,
}

/// What `actor` may do on it now.
pub(super) async fn acts(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    if watched.deployment.state.is_final() {
        return afterwards(app, actor, watched).await;
    }
    let mut acts = meanwhile(app, actor, watched).await?;
    if watched.deployment.state == DeploymentState::Queued {
        acts.turn = activity::turn(app, actor, watched.deployment.id).await?;
    }
    Ok(acts)
}

/// The resource of acts on it, for policy.
fn resource_of(watched: &Watched) -> Resource {
    let (project, environment) = watched.names();
    Resource::Environment(project.to_owned(), environment.to_owned())
}

/// The acts on a deployment that waits or runs.
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
        let possible = pause.answers().iter().copied();
        let allowed: Vec<Answer> = possible
            .filter(|&answer| may(action_of_answer(answer, deployment.kind)))
            .collect();
        let can_go_back = allowed.contains(&Answer::RollBack) && has_way_back(app, watched).await?;
        acts.answers = allowed;
        acts.answers
            .retain(|&answer| answer != Answer::RollBack || can_go_back);
        // Asked to continue, it would pause again at once.
        if acts.answers.iter().any(|answer| answer.goes_on())
            && let Some(why) = app.engine.refusal(deployment).await?
        {
            acts.answers.retain(|answer| !answer.goes_on());
            let is_said = matches!(&pause.reason, PauseReason::Policy { why: said } if *said == why);
            acts.obstacles.extend((!is_said).then_some(why));
        }
    }
    if deployment.state == Awaiting && may(Action::Approve) {
        acts.approve_obstacle = match approval_obstacle(app, &app.store, deployment, actor).await? {
            None => plan_obstacle(app, watched).await?,
            own => own,
        };
        acts.approve = acts.approve_obstacle.is_none();
        acts.reject = true;
    }
    Ok(acts)
}

/// Whether a server that was touched has something to go back to: another commit than this one, which was
/// once deployed there with success.
async fn has_way_back(app: &App, watched: &Watched) -> Result<bool> {
    let deployment = &watched.deployment;
    let Some(environment) = deployment.environment_id else {
        return Ok(false);
    };
    for part in watched.servers.iter().filter(|part| watched.is_touched(part)) {
        let before = part
            .previous_commit
            .as_ref()
            .filter(|before| **before != deployment.commit);
        let (Some(before), Some(id)) = (before, part.server_id) else {
            continue;
        };
        let name = part.server.clone();
        let reaching = [
            Target::Environment,
            deployment.target.clone(),
            Target::Server { id, name },
        ];
        let (store, commits) = (&app.store, std::slice::from_ref(before));
        let found = deployments::succeeded_commits(store, environment, None, commits, &reaching).await?;
        if found.contains(before) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a deployment that awaits its approval would fail in its check once it is approved.
async fn plan_obstacle(app: &App, watched: &Watched) -> Result<Option<String>> {
    let deployment = &watched.deployment;
    let (Some(environment), Some(asked)) = (deployment.environment_id, &watched.plan) else {
        return Ok(None);
    };
    let is_due = deployment.scheduled_at.is_none_or(|at| at <= watched.at);
    if is_due && let Some(why) = app.engine.refusal(deployment).await? {
        return Ok(Some(why));
    }
    let environment = environments::by_id(&app.store, environment).await?;
    let terms = deployment.approval.as_ref().map(|approval| &approval.terms);
    let is_same = |terms: &String| sealing::is_digest(&app.store, terms, &environment.terms());
    let same_terms = terms.is_none_or(|terms| terms.is_empty() || is_same(terms));
    let (parts, strategy) = (&watched.servers, deployment.strategy);
    let waiting = parts.iter().filter(|part| part.state == ServerState::Waiting);
    let to_do: HashSet<ServerId> = waiting.filter_map(|part| part.server_id).collect();
    let attempt = async {
        app.engine.rehearse(&environment, strategy, &to_do).await?;
        app.engine.preview(&environment, strategy, &to_do).await
    };
    match attempt.await {
        Ok(plan) if same_terms && asked.does_the_same_as(&plan) => Ok(None),
        Ok(_) => {
            let changed = engine::planning::changed_since_approval();
            Ok(Some(changed.message().to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
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
        acts.leave_to_its_continuation(app, watched).await?;
    }
    acts.keep_what_works(app, actor, deployment.id).await?;
    let is_moving = |part: &ServerPart| matches!(part.service, Service::TakingOut | Service::PuttingBack);
    if !acts.obstacles.is_empty() && watched.servers.iter().any(is_moving) {
        acts.obstacles.push(MOVES_ON.to_owned());
    }
    Ok(acts)
}

impl Acts {
    /// While another deployment retries or resumes this one, nothing of it is offered a second time.
    async fn leave_to_its_continuation(&mut self, app: &App, watched: &Watched) -> Result<()> {
        let own = &watched.deployment;
        let open = deployments::active(&app.store).await?;
        let mut open = open.iter().filter(|one| one.origin == Some(own.id));
        self.continued_by = open.find(|one| one.commit == own.commit).map(|one| one.id);
        if self.continued_by.is_some() {
            (self.again, self.retry, self.resume) = (false, 0, 0);
        }
        Ok(())
    }

    /// Takes out what would be refused now or fail in its check, and says why.
    async fn keep_what_works(&mut self, app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
        let promotions = std::mem::take(&mut self.promote_to);
        let mut offered: Vec<FollowUpAct<'_>> =
            promotions.iter().map(|name| FollowUpAct::Promote(name)).collect();
        let own = [
            (self.retry > 0, FollowUpAct::Retry),
            (self.resume > 0, FollowUpAct::Resume),
            (self.roll_back_to.is_some(), FollowUpAct::RollBack),
            (self.again, FollowUpAct::Again),
        ];
        offered.extend(
            own.into_iter()
                .filter(|(is_offered, _)| *is_offered)
                .map(|(_, act)| act),
        );
        // Boxed, as the compiler cannot see that the bare futures may move between threads.
        let mut questions: Vec<BoxFuture<'_, Result<Option<String>>>> = Vec::with_capacity(offered.len());
        for &act in &offered {
            questions.push(Box::pin(act_obstacle(app, actor, id, act)));
        }
        for (act, obstacle) in offered.iter().zip(try_join_all(questions).await?) {
            let Some(why) = obstacle else {
                if let FollowUpAct::Promote(name) = act {
                    self.promote_to.push((*name).to_owned());
                }
                continue;
            };
            match act {
                FollowUpAct::Retry => self.retry = 0,
                FollowUpAct::Resume => self.resume = 0,
                FollowUpAct::RollBack => self.roll_back_to = None,
                FollowUpAct::Again => self.again = false,
                FollowUpAct::Promote(_) => {}
            }
            if !self.obstacles.contains(&why) {
                self.obstacles.push(why);
            }
        }
        Ok(())
    }
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
