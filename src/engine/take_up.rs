//! Takes up a paused deployment whose deployer has ended, at any time after it: it waits on as before.
//!
//! All that is needed is stored: the plan, how far each server came, the pause with its question. What is on
//! the servers is looked up, at once and again when somebody continues it; the tree is prepared anew and has
//! to be the same. Where something is not as the store says, the deployment stays paused and says so.
//! Nothing is guessed: what cannot be carried on is closed as interrupted.

use std::collections::HashMap;
use std::sync::Arc;

use super::ending::{Ending, Failure, StepResult};
use super::found::{Checked, Reached};
use super::output::StepName;
use super::pause;
use super::phases;
use super::planning::Prospect;
use super::rollout::{self, Goods, PausedRollout, Resumption};
use super::run::Run;
use super::shared::Shared;
use super::steps::{reuse, script};
use super::stop::{Stop, StopReason};
use super::turn::WorkTurn;
use crate::domain::{
    Answer, Answered, Chosen, DeploymentState, Error, ErrorKind, Pause, PauseReason, Plan, Result, ServerId,
    StepKind,
};
use crate::store::deployments;
use crate::store::queue::Claimed;

/// Whether an abandoned deployment can be taken up; otherwise it is closed. One whose answer nobody followed
/// yet is paused again.
pub(super) async fn may_be(engine: &Shared, claimed: &mut Claimed) -> bool {
    let is_running = claimed.deployment.state == DeploymentState::Running;
    if is_running
        && claimed.deployment.cancelled_by.is_none()
        && let Err(error) = pause::return_to(engine, claimed).await
    {
        tracing::warn!(
            deployment = claimed.deployment.id.0,
            "it is not paused again: {error}"
        );
        return false;
    }
    let deployment = &claimed.deployment;
    if deployment.state != DeploymentState::Paused
        || deployment.cancelled_by.is_some()
        || deployment.pause.is_none()
    {
        return false;
    }
    // What an earlier version began says too little of itself.
    let footing = deployments::footing(&engine.parts.store, deployment.id).await;
    footing.is_ok_and(|footing| footing.settings.is_some())
}

/// Waits on in the pause of a claimed deployment, and carries it on from there. The caller writes down how
/// it ended, unless it is still paused.
pub(super) async fn take_up(engine: Arc<Shared>, claimed: Claimed, stop: Stop, turn: WorkTurn) -> Ending {
    let id = claimed.deployment.id;
    match open(engine, claimed, stop, turn).await {
        Ok((mut run, past, pause)) => {
            tracing::info!(deployment = id.0, "a paused deployment is taken up");
            // Boxed: the future of a whole deployment is large.
            let carried = Box::pin(carry_on(&mut run, past, pause)).await;
            if let Err(error) = run.log.flush().await {
                tracing::warn!(deployment = id.0, "{error}");
            }
            match carried {
                Ok(ending) => ending,
                Err(failure) if failure.stays_paused => Ending::Paused,
                Err(_) if run.stop.reason().is_some() => Ending::Stopped,
                Err(failure) => interrupted(&run.log.masked(&failure.message)),
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
            interrupted(error.message())
        }
        Err(error) => {
            tracing::warn!(
                deployment = id.0,
                error = &error as &dyn std::error::Error,
                "a paused deployment cannot be taken up yet"
            );
            Ending::Paused
        }
    }
}

fn interrupted(why: &str) -> Ending {
    Ending::interrupted(format!(
        "Interrupted: it could not be carried on after a restart. {why}"
    ))
}

async fn open(
    engine: Arc<Shared>,
    claimed: Claimed,
    stop: Stop,
    turn: WorkTurn,
) -> Result<(Run, PausedRollout, Pause)> {
    let deployment = &claimed.deployment;
    let lost = |what| Error::conflict(format!("Its {what} is not stored."));
    let pause = deployment.pause.clone().ok_or_else(|| lost("pause"))?;
    let plan: Option<Plan> = deployments::plan(&engine.parts.store, deployment.id).await?;
    let plan = plan.ok_or_else(|| lost("plan"))?;
    let run = phases::open_again(engine, claimed, stop, turn, &plan).await?;
    let past = PausedRollout::read(&run, plan).await?;
    Ok((run, past, pause))
}

async fn carry_on(run: &mut Run, mut past: PausedRollout, pause: Pause) -> StepResult<Ending> {
    let question = pause.question().clone();
    say(
        run,
        "The deployer was started again; the deployment is still paused.",
    )
    .await;
    let seen = past.look(run).await;
    for silent in &seen.silent {
        say(run, silent).await;
    }
    let mut findings = settings(run, &past);
    findings.extend(seen.differences);
    let mut waited = Box::pin(past.guard(run, pause::wait_on(run, pause, findings))).await;
    loop {
        let answered = match waited {
            Ok(answered) => answered,
            Err(failure) if failure.stays_paused || run.stop.reason().is_none() => return Err(failure),
            // Whatever stopped it, the servers are left in order.
            Err(_) => return stop_here(run, past, question, nobody(run)).await,
        };
        if !answered.answer.goes_on() {
            return stop_here(run, past, question, answered).await;
        }
        let ready = match ready(run, &mut past).await {
            Ok(ready) => ready,
            // It is paused again before the deployer ends.
            Err(_) if run.stop.reason() == Some(StopReason::Shutdown) => Err(vec![
                "The deployer was stopped before it could continue.".to_owned(),
            ]),
            Err(_) if run.stop.reason().is_some() => {
                return stop_here(run, past, question, nobody(run)).await;
            }
            Err(failure) => return Err(failure),
        };
        waited = match ready {
            Ok(_) if is_unanswered(&question, &answered) => {
                Box::pin(past.guard(run, pause::hold(run, question.clone(), None))).await
            }
            Ok((goods, reached)) => {
                let resumption = Resumption { question, answered };
                let rolled = rollout::roll_on(run, goods, past, reached, resumption).await?;
                return phases::finish(run, rolled).await;
            }
            Err(findings) => {
                let chosen = Chosen {
                    question: question.clone(),
                    answer: answered.answer,
                };
                Box::pin(past.guard(run, pause::hold_for(run, chosen, findings))).await
            }
        };
    }
}

/// Ends the rollout where it is.
async fn stop_here(
    run: &Run,
    past: PausedRollout,
    question: PauseReason,
    answered: Answered,
) -> StepResult<Ending> {
    let goods = Goods::nothing(run).await?;
    let resumption = Resumption { question, answered };
    let rolled = rollout::roll_on(run, goods, past, HashMap::new(), resumption).await?;
    phases::finish(run, rolled).await
}

/// For a rollout that something else than an answer stops.
fn nobody(run: &Run) -> Answered {
    Answered::by_time(Answer::Stop, run.now())
}

/// Whether only what stood in the way is answered: what to do about failed servers is not.
fn is_unanswered(question: &PauseReason, answered: &Answered) -> bool {
    matches!(question, PauseReason::Failure { .. }) && answered.answer == Answer::Resume
}

/// What the servers get, and what was seen on them.
type Ready = (Goods, HashMap<ServerId, Arc<Reached>>);

/// Makes everything ready to go on, or finds what stands in the way, as sentences.
async fn ready(run: &mut Run, past: &mut PausedRollout) -> StepResult<Result<Ready, Vec<String>>> {
    phases::refresh(run).await?;
    let seen = past.look(run).await;
    let mut findings = settings(run, past);
    findings.extend(seen.differences);
    findings.extend(seen.silent);
    findings.extend(past.ask_balancers(run).await);
    if !findings.is_empty() {
        return Ok(Err(findings));
    }
    let reached = seen.reached;
    let goods = match prepare(run, past, &reached).await {
        Ok(goods) => goods,
        Err(failure) if run.stop.reason().is_none() => return Ok(Err(vec![failure.message])),
        Err(failure) => return Err(failure),
    };
    let package = goods.package();
    if let Some((package, before)) = package.zip(past.footing.contents.as_ref())
        && package.contents() != *before
    {
        return Ok(Err(vec![package.difference_to(before).await]));
    }
    Ok(Ok((goods, reached)))
}

/// Prepares the tree anew. Only the servers that wait have to have room and interpreters for it.
async fn prepare(
    run: &Run,
    past: &PausedRollout,
    reached: &HashMap<ServerId, Arc<Reached>>,
) -> StepResult<Goods> {
    let open = reached.iter().filter(|(id, _)| past.is_open(**id));
    let checked = Checked {
        prospect: Prospect::of(past.plan().clone()),
        servers: open.map(|(id, one)| (*id, Arc::clone(one))).collect(),
    };
    if past.is_kept {
        let Some(kept) = reuse::kept(run, &checked.servers) else {
            let commit = run.deployment.commit.short();
            return Err(Failure::new(format!(
                "Not every server has the release of {commit} any more."
            )));
        };
        let tree = reuse::prepare(run).await?;
        return Goods::pack(run, tree, &checked, Some(kept)).await;
    }
    let tree = phases::prepare(run).await?;
    script::check_servers(run, &tree, &checked).await?;
    Goods::pack(run, tree, &checked, None).await
}

fn settings(run: &Run, past: &PausedRollout) -> Vec<String> {
    match past.has_its_settings(run) {
        true => Vec::new(),
        false => vec![format!(
            "The settings of {} were changed since this deployment began. Change them back, or stop it and deploy again.",
            run.environment.name
        )],
    }
}

async fn say(run: &Run, what: &str) {
    let mut log = run.log.step(StepName {
        id: None,
        server: String::new(),
        kind: StepKind::Check,
    });
    log.say(what).await;
    log.finish().await;
}
