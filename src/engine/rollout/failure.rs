//! What follows when servers fail: whether others go on, who is asked, and what is put right before
//! the rollout ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::gate::IfDown;
use super::server::{self, Progress};
use super::{Fate, Hand, Rollout};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::{Answer, Kind, OnFailure, PauseReason, SyncMethod};
use crate::engine::journal::Note;
use crate::engine::pause;
use crate::engine::recovery::before_words;
use crate::engine::run::Run;
use crate::engine::steps::{Failure, StepResult, check, transfer};
use crate::engine::stop::StopReason;

/// Why the walk goes no further.
#[derive(Debug, Default)]
pub(super) struct Halt {
    /// A sentence, where the failed servers do not say it all.
    pub why: Option<String>,
    /// What was done is to be undone, for this reason.
    pub undo: Option<String>,
    /// Nothing failed: a person chose it.
    pub by_person: bool,
}

/// What follows a round of work.
pub(super) enum Next<'a, 'r> {
    /// These are still to be done in this batch.
    GoOn(Vec<&'r Hand<'a>>),
    Halt(Halt),
}

/// What an environment does about failures. What undoes a deployment is not undone itself, or two
/// commits that both fail would chase each other for ever.
fn on_failure(run: &Run) -> OnFailure {
    match run.environment.options.rollout.on_failure {
        OnFailure::RollBack if run.deployment.kind == Kind::Rollback => OnFailure::Stop,
        wish => wish,
    }
}

/// How many servers may have failed while another is begun.
pub(super) fn allowed(run: &Run) -> usize {
    match on_failure(run) {
        OnFailure::Continue { up_to } => usize::try_from(up_to).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// The halt that the environment wants when something has failed.
pub(super) fn halt_of(rollout: &Rollout<'_>, why: Option<String>) -> Halt {
    let undo = on_failure(rollout.run) == OnFailure::RollBack;
    Halt {
        why,
        undo: undo.then(|| "it failed".to_owned()),
        by_person: false,
    }
}

/// Decides after a round of work on `todo`.
pub(super) async fn next<'a, 'r>(
    rollout: &'r Rollout<'a>,
    todo: &[&'r Hand<'a>],
) -> StepResult<Next<'a, 'r>> {
    let run = rollout.run;
    if run.stop.reason().is_some() {
        return Ok(Next::Halt(Halt::default()));
    }
    let left = |fate: Fate| -> Vec<&'r Hand<'a>> {
        todo.iter().copied().filter(|hand| hand.fate() == fate).collect()
    };
    let (failed, waiting) = (left(Fate::Failed), left(Fate::Waiting));
    if rollout.may_begin() {
        return Ok(Next::GoOn(waiting));
    }
    if on_failure(run) != OnFailure::Ask {
        return Ok(Next::Halt(halt_of(rollout, None)));
    }
    put_back_idle(rollout).await;
    let mut servers: Vec<String> = failed.iter().map(|hand| hand.name().to_owned()).collect();
    servers.sort_unstable();
    let answered = pause::hold(run, PauseReason::Failure { servers }, None).await?;
    let halt = |undo: Option<String>| Halt {
        why: Some(format!("Stopped by {}.", answered.by)),
        undo,
        by_person: false,
    };
    Ok(match answered.answer {
        Answer::Retry | Answer::Resume => {
            rollout.failures.store(0, Ordering::SeqCst);
            for hand in &failed {
                begin_anew(rollout, hand).await;
            }
            Next::GoOn(failed.into_iter().chain(waiting).collect())
        }
        Answer::Skip => {
            rollout.failures.store(0, Ordering::SeqCst);
            Next::GoOn(waiting)
        }
        Answer::RollBack => Next::Halt(halt(Some(format!("rolled back by {}", answered.by)))),
        Answer::Stop => Next::Halt(halt(None)),
    })
}

/// Makes a server that failed ready for another attempt. What cannot be done here fails the attempt.
async fn begin_anew(rollout: &Rollout<'_>, hand: &Hand<'_>) {
    let run = rollout.run;
    let was_touched = hand.is_touched();
    let looked = async {
        run.forget_outcomes(hand.member).await?;
        let reached = hand.reached();
        // A release in use cannot be built again: the one before is put in its place.
        if run.project.method == SyncMethod::Symlink && was_touched {
            match &hand.before_dir {
                Some(before) => transfer::switch_back(run, &reached, before).await?,
                None => {
                    transfer::withdraw(run, &reached).await?;
                    hand.withdrawn.store(true, Ordering::SeqCst);
                }
            }
        }
        check::look_once_more(run, hand.member).await
    };
    match looked.await {
        Ok(reached) => hand.set_reached(Arc::new(reached)),
        Err(failure) => tracing::warn!(server = hand.name(), "{}", failure.message),
    }
    if was_touched {
        hand.tainted.store(true, Ordering::SeqCst);
    }
    hand.set_progress(Progress::Untouched);
    hand.set_fate(Fate::Waiting);
}

/// Puts back whatever is out and was not begun: it runs what it ran before. What an earlier attempt
/// has touched stays out.
pub(super) async fn put_back_idle(rollout: &Rollout<'_>) {
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
    let waiting = rollout.hands().filter(|hand| hand.fate() == Fate::Waiting);
    for hand in waiting.filter(|hand| !hand.is_touched()) {
        if rollout.gate.was_taken(hand.id()) {
            jobs.push(Box::pin(async move {
                put_back_whole(rollout, hand).await;
            }));
        }
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.parallel())
        .for_each(async |()| {})
        .await;
}

/// Puts a server back that runs what it ran before; returns what is to be said of it, after a blank.
pub(super) async fn put_back_whole(rollout: &Rollout<'_>, hand: &Hand<'_>) -> String {
    let (gate, slots) = (rollout.gate, hand.slots());
    if slots.is_empty() || !gate.was_taken(hand.id()) {
        return String::new();
    }
    // What it ran before was not whole: an earlier deployment left it out for that.
    if hand.planned.left_out {
        let out = [Note::Service(Service::Out)];
        if let Err(error) = rollout.run.note(hand.member, &out).await {
            tracing::warn!(server = hand.name(), "{error}");
        }
        return " It stays out of service, as an earlier deployment left it.".to_owned();
    }
    match gate
        .put_back(rollout.run, hand.member, &slots, IfDown::Leave, None)
        .await
    {
        Ok(()) => " It is back in service.".to_owned(),
        Err(failure) => format!(
            " It was to be put back into service, but: {} Look at the balancer, and put it back by hand.",
            failure.message
        ),
    }
}

/// At the end of a rollout that halted: what is whole serves, and what was not begun says so.
pub(super) async fn leave_whole(rollout: &Rollout<'_>, halt: Option<&Halt>) {
    let run = rollout.run;
    if run.stop.reason() == Some(StopReason::LeaseLost) {
        return;
    }
    let because = match halt.and_then(|halt| halt.why.as_deref()) {
        _ if run.stop.reason().is_some() => "as the deployment was ended",
        Some(_) => "as the rollout was stopped",
        None => "because another server failed",
    };
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
    for hand in rollout.hands().filter(|hand| hand.fate() == Fate::Waiting) {
        jobs.push(Box::pin(async move {
            if hand.is_touched() {
                let why = format!("It was to be tried again, but was not, {because}.");
                return server::give_up(rollout, hand, &Failure::new(why)).await;
            }
            let service = put_back_whole(rollout, hand).await;
            let before = before_words(hand.before.as_deref());
            let detail = format!("Not touched, {because}: it runs {before}.{service}");
            run.set_part(hand.member, ServerState::Skipped, &detail).await;
        }));
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.parallel())
        .for_each(async |()| {})
        .await;
}
