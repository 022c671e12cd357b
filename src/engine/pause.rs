//! A deployment that waits for a person or for a time.
//!
//! It keeps its servers and its lease, but lets another deployment work meanwhile. A restart of the deployer
//! does not end it: everything it needs is stored, and the next start waits on. The answer comes
//! through the store, so a person may answer at any instance; an answer at this one also rings. Before
//! the deployment continues, permission is checked again: a freeze may have begun during the pause. If
//! permission is refused, it keeps waiting instead of failing half done.

use std::time::Duration;

use chrono::TimeDelta;

use super::ending::{Failure, StepResult};
use super::permission::{self, Permission};
use super::run::Run;
use super::shared::{EngineParts, Shared};
use super::stop::StopReason;
use super::words;
use crate::domain::{
    Actor, Answer, Answered, Answerer, Chosen, DeploymentState, Event, EventKind, Instant, Pause,
    PauseReason, PolicyLine, Result,
};
use crate::store::queue::Claimed;
use crate::store::{Change, Leased, deployments};

/// How often the store is asked for an answer given at another instance: one small read, and a person
/// does not notice the wait.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Pauses the deployment until somebody answers or `until` has passed, which continues it.
///
/// # Errors
/// When the deployment has to end, or can no longer be stored. A failure that
/// [stays paused](Failure::stays_paused) leaves the pause to the next start.
pub(super) async fn hold(run: &Run, reason: PauseReason, until: Option<Instant>) -> StepResult<Answered> {
    hold_in(run, Pause::new(reason, run.now(), until)).await
}

/// Holds a deployment that runs again and cannot continue, as was found out on the way. Once nothing
/// stands in the way any more, it does what was chosen before.
///
/// # Errors
/// As [`hold`].
pub(super) async fn hold_for(run: &Run, chosen: Chosen, findings: Vec<String>) -> StepResult<Answered> {
    let pause = Pause {
        findings: masked(run, &findings),
        chosen: Some(chosen.clone()),
        ..Pause::new(chosen.question, run.now(), None)
    };
    hold_in(run, pause).await
}

/// What was found, without the secrets that a path or a program's words may hold.
fn masked(run: &Run, findings: &[String]) -> Vec<String> {
    findings.iter().map(|finding| run.log.masked(finding)).collect()
}

async fn hold_in(run: &Run, pause: Pause) -> StepResult<Answered> {
    begin(run, DeploymentState::Running, &pause).await?;
    run.turn.give_back();
    wait(run, pause).await
}

/// Waits on in a pause that began before this process did. What was found changed is told in it, and time
/// alone does not continue it then. An answer that was given meanwhile is followed.
///
/// # Errors
/// As [`hold`].
pub(super) async fn wait_on(run: &Run, mut pause: Pause, findings: Vec<String>) -> StepResult<Answered> {
    let findings = masked(run, &findings);
    if findings != pause.findings {
        pause.since = run.now();
        pause.until = pause.until.filter(|_| findings.is_empty());
        pause.findings = findings;
        let change = run.change().await?;
        deployments::change_pause(&change, &pause).await?;
        tell(run, change, &pause).await?;
    }
    wait(run, pause).await
}

/// Waits for an answer that is permitted, and stores that the deployment runs again.
async fn wait(run: &Run, mut pause: Pause) -> StepResult<Answered> {
    let mut taken_over = None;
    let answered = loop {
        let mut answered = answer(run, pause.until).await?;
        if let Some(chosen) = &pause.chosen
            && answered.answer == Answer::Resume
        {
            answered.answer = chosen.answer;
        }
        if !answered.answer.goes_on() {
            break answered;
        }
        let action = run.deployment.kind.action();
        // The pauses as they are by now say whose it is.
        let present = deployments::by_id(&run.parts().store, run.deployment.id).await;
        let present = present.as_ref().unwrap_or(&run.deployment);
        // On the heap: a rollout holds this future while it waits.
        let asked = Box::pin(permission::ask_on(run.parts(), present, action)).await;
        let why = match asked {
            Ok((Permission::Granted(line), heir)) => {
                taken_over = heir.map(|heir| Heir { heir, line });
                break answered;
            }
            Ok((Permission::Refused(why), _)) => why,
            Err(error) => error.message().to_owned(),
        };
        let chosen = Chosen {
            question: pause.question().clone(),
            answer: answered.answer,
        };
        pause = Pause {
            chosen: Some(chosen),
            ..Pause::new(PauseReason::Policy { why }, run.now(), None)
        };
        begin(run, DeploymentState::Paused, &pause).await?;
    };
    end(run, &answered, taken_over).await?;
    Ok(answered)
}

/// Who requested a pause after the present batch, if anybody.
pub(super) async fn requested(run: &Run) -> Option<String> {
    let present = deployments::by_id(&run.parts().store, run.deployment.id).await;
    match present {
        Ok(present) => present.pause_requested_by,
        Err(error) => {
            tracing::warn!(
                deployment = run.deployment.id.0,
                "whether to pause is not known: {error}"
            );
            None
        }
    }
}

/// Stores what the deployment waits for.
async fn begin(run: &Run, from: DeploymentState, pause: &Pause) -> StepResult<()> {
    let change = run.change().await?;
    if from != DeploymentState::Paused {
        let id = run.deployment.id;
        deployments::set_state(&change, id, from, DeploymentState::Paused, pause.since, "").await?;
    }
    deployments::set_pause(&change, Some(pause)).await?;
    tell(run, change, pause).await
}

/// Commits what was stored of a pause, with its event.
async fn tell(run: &Run, change: Leased<Change>, pause: &Pause) -> StepResult<()> {
    let sentence = words::paused(pause);
    let paused = Event::by_engine(EventKind::DeploymentPaused, &run.deployment, &sentence);
    change.commit(paused).await?;
    tracing::info!(deployment = run.deployment.id.0, reason = ?pause.reason, "deployment pauses");
    Ok(())
}

/// Who carries a deployment on in place of its requester, and the policy line that allows it.
struct Heir {
    heir: Actor,
    line: PolicyLine,
}

/// Takes a turn again and stores that the deployment runs again, to continue or to end.
async fn end(run: &Run, answered: &Answered, taken_over: Option<Heir>) -> StepResult<()> {
    tokio::select! {
        () = run.turn.take_again() => {}
        () = run.stop.token().cancelled() => return Err(stopped(run)),
    }
    let (id, now) = (run.deployment.id, run.now());
    let change = run.change().await?;
    deployments::set_state(
        &change,
        id,
        DeploymentState::Paused,
        DeploymentState::Running,
        now,
        "",
    )
    .await?;
    if answered.by == Answerer::Time {
        let paused = deployments::by_id(&change, id).await?;
        deployments::remember_answer(&change, &paused, answered).await?;
    }
    deployments::end_pause(&change, answered).await?;
    let kind = match answered.answer.goes_on() {
        true => EventKind::DeploymentResumed,
        false => EventKind::DeploymentStopped,
    };
    let event = match taken_over {
        None => Event::by_engine(kind, &run.deployment, &words::answered(answered)),
        Some(Heir { heir, line }) => {
            let paused = deployments::by_id(&change, id).await?;
            deployments::note_take_over(&change, &paused, &line).await?;
            let sentence = format!(
                "{} {} carries it on, as {} may not do so any more.",
                words::answered(answered),
                heir.name,
                run.deployment.actor
            );
            Event::taken_over(kind, &run.deployment, &sentence, (&heir, &line))
        }
    };
    change.commit(event).await?;
    tracing::info!(
        deployment = id.0,
        answer = answered.answer.as_str(),
        by = %answered.by,
        "a pause has ended"
    );
    Ok(())
}

/// Pauses a deployment again whose deployer ended right after its pause had been answered, before anything
/// came of that; the answer is followed as one that was given meanwhile. Nothing for any other one.
///
/// # Errors
/// When the lease was lost; of the store.
pub(super) async fn return_to(engine: &Shared, claimed: &mut Claimed) -> Result<()> {
    let EngineParts { store, clock, .. } = &engine.parts;
    let (id, lease, now) = (claimed.deployment.id, claimed.lease, clock.now());
    let Some(answered) = deployments::unfollowed_answer(store, id).await? else {
        return Ok(());
    };
    let change = store.change_leased(lease, now).await?;
    let (from, to) = (DeploymentState::Running, DeploymentState::Paused);
    deployments::set_state(&change, id, from, to, now, "").await?;
    let paused_again = deployments::by_id(&change, id).await?;
    let sentence = format!(
        "The deployer stopped before it followed this: {}",
        words::answered(&answered)
    );
    let paused = Event::by_engine(EventKind::DeploymentPaused, &paused_again, &sentence);
    change.commit(paused).await?;
    claimed.deployment = paused_again;
    Ok(())
}

/// Waits for an answer, at most until `until`.
async fn answer(run: &Run, until: Option<Instant>) -> StepResult<Answered> {
    loop {
        match deployments::answer_given(&run.parts().store, run.deployment.id).await {
            Ok(Some(answered)) => return Ok(answered),
            Ok(None) => {}
            // The lease says whether the store is away for too long.
            Err(error) => tracing::warn!(
                deployment = run.deployment.id.0,
                "whether it was answered is not known: {error}"
            ),
        }
        let now = run.now();
        if until.is_some_and(|until| until <= now) {
            return Ok(Answered::by_time(Answer::Resume, now));
        }
        let rest = until.map(|until| until.signed_duration_since(now).max(TimeDelta::zero()));
        let rest = rest.and_then(|rest| rest.to_std().ok()).unwrap_or(LOOK_AGAIN);
        tokio::select! {
            () = run.turn.rung() => {}
            () = tokio::time::sleep(rest.min(LOOK_AGAIN)) => {}
            () = run.stop.token().cancelled() => return Err(stopped(run)),
        }
    }
}

/// A pause outlives the process: all that is needed to continue is stored.
fn stopped(run: &Run) -> Failure {
    Failure {
        stays_paused: run.stop.reason() == Some(StopReason::Shutdown),
        ..Failure::new("Ended while it was paused.")
    }
}
