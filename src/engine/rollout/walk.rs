//! Walks the plan batch after batch: waits for the person or time that lets a batch begin, and stops
//! after failures or when a person says so.

use super::ahead::Ahead;
use super::batch;
use super::failure::{self, AfterRound, Halt};
use super::state::{Rollout, ServerRollout};
use crate::domain::rollout::{Batch, Hold};
use crate::domain::{Answer, PauseReason};
use crate::engine::ending::StepResult;
use crate::engine::pause;

/// Walks the plan to its end, or to where it has to stop.
pub(super) async fn walk(rollout: &Rollout<'_>, ahead: &Ahead) -> Option<Halt> {
    for (number, batch) in rollout.plan.batches.iter().enumerate() {
        match Box::pin(one(rollout, ahead, number, batch)).await {
            Ok(None) => {}
            Ok(Some(halt)) => return Some(halt),
            Err(failure) => {
                let why = format!("Stopped before {}: {}", batch.title, failure.message);
                return Some(failure::halt_of(rollout, Some(why)));
            }
        }
    }
    None
}

async fn one(rollout: &Rollout<'_>, ahead: &Ahead, number: usize, batch: &Batch) -> StepResult<Option<Halt>> {
    if rollout.run.stop.reason().is_some() {
        return Ok(Some(Halt::default()));
    }
    if let Some(halt) = hold(rollout, batch).await? {
        return Ok(Some(halt));
    }
    let mut todo: Vec<&ServerRollout<'_>> = batch
        .servers
        .iter()
        .filter_map(|one| rollout.server(one.server))
        .collect();
    while !todo.is_empty() {
        batch::make_room(rollout, number, &todo).await?;
        batch::work(rollout, ahead, &todo).await;
        match failure::next(rollout, &todo).await? {
            AfterRound::GoOn(rest) => todo = rest,
            AfterRound::Halt(halt) => return Ok(Some(halt)),
        }
    }
    Ok(None)
}

/// Waits for the person or the time that lets this batch begin.
async fn hold(rollout: &Rollout<'_>, batch: &Batch) -> StepResult<Option<Halt>> {
    let run = rollout.run;
    let wanted = match batch.hold {
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
    Ok(match answered.answer {
        Answer::Resume | Answer::Retry | Answer::Skip => None,
        Answer::RollBack => Some(Halt {
            why: Some(format!("Rolled back by {}.", answered.by)),
            undo: Some(format!("rolled back by {}", answered.by)),
            by_person: true,
        }),
        Answer::Stop => Some(Halt {
            why: Some(format!("Stopped by {}.", answered.by)),
            undo: None,
            by_person: true,
        }),
    })
}
