//! The acts that the page of an ended deployment offers: requests that follow from it.

use futures_util::future::{BoxFuture, try_join_all};

use super::acts::{Acts, Hindrance, Promotion, may_unlock, refusals, resource_of, runs_now};
use super::watched::Watched;
use crate::app::App;
use crate::app::deployments::{
    FollowUpAct, act_obstacle, next_environments, open_servers, superseded, way_back,
};
use crate::app::distance::newer_than;
use crate::app::places::Known;
use crate::domain::deployment::ServerPart;
use crate::domain::{
    Action, Actor, DeploymentId, DeploymentState, EnvironmentId, ErrorKind, Resource, Result, Service, Step,
    StepKind, Target,
};
use crate::store::{deployments, environments, projects};

/// What becomes of servers whose balancer does not answer everywhere, and what helps if that lasts.
const MOVES_ON: &str = "Servers that are being put back or taken out go on by themselves once every endpoint of their balancer answers. An endpoint that is gone for good has to be removed from the balancer (Admin → Balancers): the servers then go back at the others.";

/// The acts on an ended deployment.
pub(super) async fn afterwards(app: &App, actor: &Actor, watched: &Watched) -> Result<Acts> {
    let deployment = &watched.deployment;
    let resource = resource_of(watched);
    let may = |action| app.may(actor, action, &resource);
    let mut acts = Acts::default();
    let (Some(_), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(acts);
    };
    let again = deployment.kind.action();
    acts.again = may(again);
    acts.superseded = superseded(app, deployment, &watched.servers).await?;
    acts.again_by_form = acts.again && acts.superseded.is_some();
    let is_touch = |step: &Step| {
        let is_look = matches!(step.kind, StepKind::Inspect | StepKind::Check);
        !step.server_name.is_empty() && !is_look && step.started_at.is_some()
    };
    // What was imported has no steps.
    let was_touched = match watched.steps.is_empty() {
        true => watched.servers.iter().any(ServerPart::is_begun),
        false => watched.steps.iter().any(is_touch),
    };
    if (was_touched || crate::sabotage::on("o9")) && may(Action::Rollback) {
        acts.roll_back_to = match way_back(app, deployment, &watched.servers).await {
            Ok(commit) => Some(commit),
            Err(error) if error.kind() == ErrorKind::Conflict => None,
            Err(error) => return Err(error),
        };
    }
    let refused = [again, Action::Rollback]
        .into_iter()
        .filter(|&action| !may(action));
    acts.refusals = refusals(app, actor, refused, &resource, false);
    if acts.roll_back_to.is_some() {
        acts.runs_now = runs_now(app, environment, &watched.servers).await?;
    }
    if deployment.state == DeploymentState::Succeeded {
        if deployment.target == Target::Environment {
            acts.add_promotions(app, actor, watched, environment).await?;
        }
    } else if acts.again {
        let open = open_servers(app, deployment, &watched.servers).await?;
        acts.retry = open.failed.len();
        if open.unfinished.len() > open.failed.len() {
            acts.resume = open.unfinished.len();
        }
        acts.leave_to_its_continuation(app, watched).await?;
    }
    acts.again &= acts.superseded.is_none() || crate::sabotage::on("n11");
    acts.keep_what_works(app, actor, deployment.id).await?;
    let is_moving = |part: &ServerPart| matches!(part.service, Service::TakingOut | Service::PuttingBack);
    if !acts.obstacles.is_empty() && watched.servers.iter().any(is_moving) {
        acts.obstacles.push(Hindrance::here(MOVES_ON.to_owned()));
    }
    acts.may_unlock = !acts.obstacles.is_empty() && may_unlock(app, actor, watched).await?;
    Ok(acts)
}

impl Acts {
    /// While another deployment retries or resumes this one, nothing of it is offered a second time.
    async fn leave_to_its_continuation(&mut self, app: &App, watched: &Watched) -> Result<()> {
        let own = &watched.deployment;
        let open = deployments::active(&app.store).await?;
        let mut open = open.iter().filter(|one| one.origin == Some(own.id));
        self.continued_by = open.find(|one| one.commit == own.commit).map(|one| one.id);
        if self.continued_by.is_some() && !crate::sabotage::on("o1") {
            (self.again, self.again_by_form) = (false, false);
            (self.retry, self.resume) = (0, 0);
        }
        Ok(())
    }

    /// Takes out what would be refused now or fail in its check, and says why.
    async fn keep_what_works(&mut self, app: &App, actor: &Actor, id: DeploymentId) -> Result<()> {
        let promotions = std::mem::take(&mut self.promote_to);
        let mut offered: Vec<FollowUpAct<'_>> = promotions
            .iter()
            .map(|one| FollowUpAct::Promote(&one.environment))
            .collect();
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
            let Some(why) = obstacle.filter(|_| !crate::sabotage::on("o2")) else {
                if let FollowUpAct::Promote(name) = act {
                    let kept = promotions.iter().filter(|one| one.environment == *name);
                    self.promote_to.extend(kept.cloned());
                }
                continue;
            };
            let mut hindrance = Hindrance::here(why);
            match act {
                FollowUpAct::Retry => self.retry = 0,
                FollowUpAct::Resume => self.resume = 0,
                FollowUpAct::RollBack => self.roll_back_to = None,
                FollowUpAct::Again => self.again = false,
                FollowUpAct::Promote(name) => hindrance.environment = Some((*name).to_owned()),
            }
            if !self.obstacles.contains(&hindrance) {
                self.obstacles.push(hindrance);
            }
        }
        Ok(())
    }

    /// Adds the environments that come next, and why its commit may not go there.
    async fn add_promotions(
        &mut self,
        app: &App,
        actor: &Actor,
        watched: &Watched,
        here: EnvironmentId,
    ) -> Result<()> {
        let here = environments::by_id(&app.store, here).await?;
        let project = projects::by_id(&app.store, here.project_id).await?;
        let next = next_environments(app, &here).await?;
        let mut known = Known::of(app, &next).await?;
        let commit = &watched.deployment.commit;
        for environment in next {
            let name = environment.name.to_string();
            let place = Resource::Environment(project.name.to_string(), name.clone());
            if !app.may(actor, Action::Deploy, &place) && !crate::sabotage::on("o6") {
                let is_seen = app.may(actor, Action::View, &place);
                let asked = is_seen.then_some(Action::Deploy);
                let refusals = refusals(app, actor, asked, &place, self.again);
                self.refusals.extend(refusals);
                continue;
            }
            let place = known.place(environment);
            let (back, of) = (newer_than(app, &project, &place, commit).await, place.active());
            if back > 0 && back == of && !crate::sabotage::on("n10") {
                self.obstacles.push(Hindrance {
                    why: format!("{name} runs a newer commit than {} already.", commit.short()),
                    environment: Some(name),
                });
                continue;
            }
            self.promote_to.push(Promotion {
                environment: name,
                back,
                of,
            });
        }
        Ok(())
    }
}
