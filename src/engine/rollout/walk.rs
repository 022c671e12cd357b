//! Walks the plan batch after batch: waits for the person or time that lets a batch begin, and stops
//! after failures or when a person says so.

use super::ahead::Ahead;
use super::batch;
use super::failure::{self, AfterRound, Halt};
use super::state::{Fate, Rollout, ServerRollout};
use crate::domain::rollout::{Batch, Hold};
use crate::domain::{Answer, Answered, PauseReason};
use crate::engine::ending::StepResult;
use crate::engine::pause;

/// What a rollout was paused for before it was taken up, and what was answered.
pub struct Resumption {
    pub question: PauseReason,
    pub answered: Answered,
}

/// Walks the plan to its end, or to where it has to stop. With a `resumption`, it goes on at the first batch
/// that is not through.
pub(super) async fn walk(
    rollout: &Rollout<'_>,
    ahead: &Ahead,
    mut resumption: Option<Resumption>,
) -> Option<Halt> {
    for (number, batch) in rollout.plan.batches.iter().enumerate() {
        match Box::pin(one(rollout, ahead, number, batch, &mut resumption)).await {
            Ok(None) => {}
            Ok(Some(halt)) => return Some(halt),
            Err(failure) if failure.stays_paused => {
                return Some(Halt {
                    stays_paused: true,
                    ..Halt::default()
                });
            }
            Err(failure) => {
                let why = format!("Stopped before {}: {}", batch.title, failure.message);
                return Some(failure::halt_of(rollout, Some(why)));
            }
        }
    }
    None
}

async fn one(
    rollout: &Rollout<'_>,
    ahead: &Ahead,
    number: usize,
    batch: &Batch,
    resumption: &mut Option<Resumption>,
) -> StepResult<Option<Halt>> {
    if rollout.run.stop.reason().is_some() {
        return Ok(Some(Halt::default()));
    }
    let own = || batch.servers.iter().filter_map(|one| rollout.server(one.server));
    let mut todo: Vec<&ServerRollout<'_>> = own().collect();
    match resumption.take_if(|resumption| is_here(&resumption.question, own())) {
        Some(Resumption { question, answered }) => {
            let waiting: Vec<_> = own().filter(|one| one.fate() == Fate::Waiting).collect();
            let after = match &question {
                PauseReason::Failure { servers } => {
                    let failed = own().filter(|one| is_asked_about(one, servers)).collect();
                    failure::decided(rollout, &answered, failed, waiting).await
                }
                _ => match halt_by(&answered) {
                    Some(halt) => AfterRound::Halt(halt),
                    None => AfterRound::GoOn(waiting),
                },
            };
            match after {
                AfterRound::GoOn(rest) => todo = rest,
                AfterRound::Halt(halt) => return Ok(Some(halt)),
            }
        }
        // It was through before the pause.
        None if resumption.is_some() => return Ok(None),
        None => {
            if let Some(halt) = hold(rollout, batch).await? {
                return Ok(Some(halt));
            }
        }
    }
    while !todo.is_empty() {
        let made = batch::make_room(rollout, number, &todo).await;
        if made.is_ok() {
            batch::work(rollout, ahead, &todo).await;
        }
        let run = rollout.run;
        run.engine.departures.forget(run.deployment.id);
        made?;
        match failure::next(rollout, &todo).await? {
            AfterRound::GoOn(rest) => todo = rest,
            AfterRound::Halt(halt) => return Ok(Some(halt)),
        }
    }
    Ok(None)
}

/// Whether a pause came before or in the batch with these servers.
fn is_here<'s, 'a: 's>(question: &PauseReason, mut own: impl Iterator<Item = &'s ServerRollout<'a>>) -> bool {
    match question {
        PauseReason::Failure { servers } => own.any(|one| is_asked_about(one, servers)),
        _ => own.any(|one| one.fate() == Fate::Waiting),
    }
}

/// Whether a question about failed servers is about this one.
fn is_asked_about(server: &ServerRollout<'_>, names: &[String]) -> bool {
    server.fate() == Fate::Failed && names.contains(&server.planned.name)
}

/// Waits for the person or the time that lets this batch begin.
async fn hold(rollout: &Rollout<'_>, batch: &Batch) -> StepResult<Option<Halt>> {
    let run = rollout.run;
    // Canaries that failed and were skipped leave nothing to judge: whoever skipped them chose to go on.
    let is_anything_new = rollout.servers().any(|server| server.fate() == Fate::Deployed);
    let wanted = match batch.hold.filter(|_| is_anything_new) {
        Some(Hold::Person) => Some((PauseReason::Canary, None)),
        Some(Hold::Seconds { seconds }) => {
            let length = i64::try_from(seconds)
                .ok()
                .and_then(chrono::TimeDelta::try_seconds);
            Some((
                PauseReason::Canary,
                length.and_then(|length| run.now().checked_add_signed(length)),
            ))
        }
        None => None,
    };
    let wanted = match wanted {
        Some(wanted) => Some(wanted),
        None => pause::requested(run)
            .await
            .map(|by| (PauseReason::Person { by }, None)),
    };
    let Some((reason, until)) = wanted else {
        return Ok(None);
    };
    // The wait may be long, so nothing stays out of service meanwhile.
    failure::put_back_idle(rollout).await;
    let answered = pause::hold(run, reason, until).await?;
    Ok(halt_by(&answered))
}

/// How the rollout stops by an answer; `None`: it goes on.
fn halt_by(answered: &Answered) -> Option<Halt> {
    let (why, undo) = match answered.answer {
        Answer::Resume | Answer::Retry | Answer::Skip => return None,
        Answer::RollBack => (
            format!("Rolled back by {}.", answered.by),
            Some(format!("rolled back by {}", answered.by)),
        ),
        Answer::Stop => (format!("Stopped by {}.", answered.by), None),
    };
    Some(Halt {
        why: Some(why),
        undo,
        by_person: true,
        ..Halt::default()
    })
}
