//! The acts that the page of a deployment which waits or runs offers. What would be refused now, or fail in
//! its check, is not offered, and why is said instead.

use std::collections::HashSet;

use super::watched::Watched;
use crate::app::App;
use crate::app::activity::{self, Turn};
use crate::app::deployments::{Superseded, approval_obstacle};
use crate::app::locks::may_override;
use crate::app::naming::action_of_answer;
use crate::app::places::{Leave, leave};
use crate::domain::{
    Action, Actor, Answer, CommitId, DeploymentId, DeploymentState, EnvironmentId, ErrorKind, PauseReason,
    Refusal, Resource, Result, ServerId, ServerPart, ServerState, Target,
};
use crate::engine;
use crate::store::{deployments, environments, locks, releases, sealing};

/// The acts that a user may do on a deployment now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    pub cancel: bool,
    /// Redeploy.
    pub again: bool,
    /// The later deployment that has replaced it.
    pub superseded: Option<Superseded>,
    /// Deploy its commit again by the deploy form, which shows what that removes: it was superseded.
    pub again_by_form: bool,
    /// The commits that its servers run now, on most servers first.
    pub runs_now: Vec<CommitId>,
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
    pub promote_to: Vec<Promotion>,
    pub approve: bool,
    /// Why the user, whom policy allows to approve, may not approve this one.
    pub approve_obstacle: Option<String>,
    pub reject: bool,
    /// Its position in the queue, while it is queued.
    pub turn: Option<Turn>,
    /// The deployment that retries or resumes this one now.
    pub continued_by: Option<DeploymentId>,
    /// Why acts that policy allows are not offered now.
    pub obstacles: Vec<Hindrance>,
    /// What policy refuses of the acts that others could do now, where the reason helps: it will be allowed
    /// later, or the user may do others of them.
    pub refusals: Vec<Refusal>,
    /// Whether its environment is locked and the user may lift or override that.
    pub may_unlock: bool,
}

/// An environment that its commit may be promoted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    pub environment: String,
    /// How many of its active servers run a newer commit, which it would remove.
    pub back: usize,
    /// How many active servers it has.
    pub of: usize,
}

/// Why an act is not offered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// A sentence.
    pub why: String,
    /// The environment it is about, where that is another one than the deployment's.
    pub environment: Option<String>,
}

impl Hindrance {
    pub(super) fn here(why: String) -> Self {
        Self {
            why,
            environment: None,
        }
    }
}

/// The resource of acts on it, for policy.
pub(super) fn resource_of(watched: &Watched) -> Resource {
    let (project, environment) = watched.names();
    Resource::Environment(project.to_owned(), environment.to_owned())
}

/// The acts on a deployment that waits or runs.
pub(super) async fn meanwhile(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    use DeploymentState::{Awaiting, Paused, Running};
    let deployment = &watched.deployment;
    let resource = resource_of(watched);
    let may = |action| app.may(actor, action, &resource);
    let ending = deployment.cancelled_by.is_some();
    let cancel = may(Action::Cancel) && !ending;
    let runs = deployment.state == Running;
    let mut acts = Acts {
        cancel,
        pause: cancel && runs && deployment.pause_requested_by.is_none() && (watched.may_pause() || crate::sabotage::on("o7")),
        unpause: cancel && runs && deployment.pause_requested_by.is_some(),
        ..Acts::default()
    };
    if let (Paused, Some(pause), false) = (deployment.state, &deployment.pause, ending) {
        let possible = pause.answers().iter().copied();
        let action = |answer| action_of_answer(answer, deployment.kind);
        let (allowed, refused): (Vec<Answer>, Vec<Answer>) =
            possible.partition(|&answer| may(action(answer)) || crate::sabotage::on("o11"));
        let refused = refused.into_iter().map(action);
        acts.refusals = refusals(app, actor, refused, &resource, !allowed.is_empty());
        let can_go_back = allowed.contains(&Answer::RollBack) && (has_way_back(app, watched).await? || crate::sabotage::on("o5"));
        acts.answers = allowed;
        acts.answers
            .retain(|&answer| answer != Answer::RollBack || can_go_back);
        // Asked to continue, it would pause again at once.
        if acts.answers.iter().any(|answer| answer.goes_on())
            && let Some(why) = app.engine.refusal(deployment).await?
            && !crate::sabotage::on("o3")
        {
            acts.answers.retain(|answer| !answer.goes_on());
            let is_said = matches!(&pause.reason, PauseReason::Policy { why: said } if *said == why);
            acts.obstacles.extend((!is_said).then(|| Hindrance::here(why)));
            acts.may_unlock = may_unlock(app, actor, watched).await?;
        }
    }
    if deployment.state == Awaiting && !may(Action::Approve) {
        acts.refusals = refusals(app, actor, [Action::Approve], &resource, false);
    } else if deployment.state == Awaiting {
        acts.approve_obstacle = match approval_obstacle(app, &app.store, deployment, actor).await? {
            None => plan_obstacle(app, watched).await?,
            own => own,
        };
        acts.approve = acts.approve_obstacle.is_none();
        acts.reject = true;
    }
    if deployment.state == DeploymentState::Queued {
        acts.turn = activity::turn(app, actor, deployment.id).await?;
    }
    if deployment.state.is_waiting()
        && let Some(environment) = deployment.environment_id
    {
        acts.runs_now = runs_now(app, environment, &watched.servers).await?;
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
        Ok(_) if crate::sabotage::on("o4") => Ok(None),
        Ok(plan) if (same_terms || crate::sabotage::on("o10")) && asked.does_the_same_as(&plan) => Ok(None),
        Ok(_) => {
            let changed = engine::planning::changed_since_approval();
            Ok(Some(changed.message().to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
}

/// The refusals of `actions` that are worth a sentence: those that end at a known time; all of them for
/// somebody who `acts` here otherwise, and so is not only looking on.
pub(super) fn refusals(
    app: &App,
    actor: &Actor,
    actions: impl IntoIterator<Item = Action>,
    resource: &Resource,
    acts: bool,
) -> Vec<Refusal> {
    let mut found: Vec<Refusal> = Vec::new();
    for action in actions {
        if let Leave::Refused(refusal) = leave(app, actor, action, resource)
            && (acts || refusal.next_allowed.is_some())
            && found.iter().all(|known| known.action != action)
        {
            found.push(*refusal);
        }
    }
    found
}

/// Whether a lock stops deployments to its environment now, and the user may lift or override it.
pub(super) async fn may_unlock(app: &App, actor: &Actor, watched: &Watched) -> Result<bool> {
    let deployment = &watched.deployment;
    let (Some(project), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(false);
    };
    let in_force = locks::stopping(&app.store, project, environment, watched.at).await?;
    Ok(!in_force.is_empty() && may_override(app, actor, &resource_of(watched), &in_force))
}

/// The commits that the servers of `parts` run now, on most servers first.
pub(super) async fn runs_now(
    app: &App,
    environment: EnvironmentId,
    parts: &[ServerPart],
) -> Result<Vec<CommitId>> {
    let own: HashSet<ServerId> = parts.iter().filter_map(|part| part.server_id).collect();
    let mut counts: Vec<(CommitId, usize)> = Vec::new();
    for release in releases::current(&app.store, environment).await? {
        if release.server_id.is_none_or(|id| !own.contains(&id)) {
            continue;
        }
        match counts.iter_mut().find(|(commit, _)| *commit == release.commit) {
            Some((_, servers)) => *servers += 1,
            None => counts.push((release.commit, 1)),
        }
    }
    counts.sort_by_key(|(_, servers)| std::cmp::Reverse(*servers));
    Ok(counts.into_iter().map(|(commit, _)| commit).collect())
}
