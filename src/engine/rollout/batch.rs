//! One batch after the other: what is waited for, what goes out of service beforehand, the servers
//! several at once, and back into service.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::ahead::Ahead;
use super::failure::{self, Halt, Next};
use super::{Fate, Hand, Rollout, by_hand, server};
use crate::domain::rollout::{Batch, Hold, Restore};
use crate::domain::{Answer, PauseReason, ServerId, Strategy};
use crate::engine::pause;
use crate::engine::steps::{Failure, StepResult};

/// How often it is asked whether enough serve again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Walks the plan to its end, or to where it had to halt.
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
    let mut todo: Vec<&Hand<'_>> = batch
        .servers
        .iter()
        .filter_map(|one| rollout.hand(one.server))
        .collect();
    while !todo.is_empty() {
        make_room(rollout, number, &todo).await?;
        work(rollout, ahead, &todo).await;
        match failure::next(rollout, &todo).await? {
            Next::GoOn(rest) => todo = rest,
            Next::Halt(halt) => return Ok(Some(halt)),
        }
    }
    Ok(None)
}

/// Waits for whoever or whatever has to let this batch begin.
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
    // However long it takes, nobody is missed meanwhile.
    failure::put_back_idle(rollout).await;
    let answered = pause::hold(run, reason, until).await?;
    Ok(match answered.answer {
        Answer::Resume | Answer::Retry | Answer::Skip => None,
        Answer::RollBack => Some(Halt {
            why: Some(format!("{} had it rolled back.", answered.by)),
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

/// Takes out what still has the old release where the strategy wants that, once enough serves.
async fn make_room(rollout: &Rollout<'_>, number: usize, todo: &[&Hand<'_>]) -> StepResult<()> {
    if rollout.plan.pools.is_empty() {
        return Ok(());
    }
    if rollout.plan.strategy == Strategy::ClusterByCluster {
        let updated = rollout.hands().filter(|hand| hand.fate() == Fate::Deployed);
        let slots: Vec<_> = updated.flat_map(Hand::slots).collect();
        rollout.gate.wait_up(rollout.run, &slots).await?;
    }
    let own: HashSet<ServerId> = todo.iter().map(|hand| hand.id()).collect();
    let so_far = &rollout.plan.batches[..=number];
    let mut old: Vec<&Hand<'_>> = Vec::new();
    for id in so_far.iter().flat_map(|batch| &batch.take_out) {
        let hand = rollout
            .hand(*id)
            .filter(|hand| hand.fate() == Fate::Waiting && !own.contains(id));
        if let Some(hand) = hand
            && !hand.slots().is_empty()
            && !rollout.gate.is_out(*id).await
        {
            old.push(hand);
        }
    }
    let going: Vec<ServerId> = old.iter().map(|hand| hand.id()).chain(own).collect();
    enough_stay(rollout, &going).await?;
    let mut jobs: Vec<BoxFuture<'_, StepResult<()>>> = Vec::with_capacity(old.len());
    for hand in old {
        jobs.push(Box::pin(by_hand::take_out(rollout, hand)));
    }
    let taken: Vec<StepResult<()>> = stream::iter(jobs)
        .buffer_unordered(rollout.parallel())
        .collect()
        .await;
    taken.into_iter().collect()
}

/// Waits until so many serve that `going` may go out; not for ever.
async fn enough_stay(rollout: &Rollout<'_>, going: &[ServerId]) -> StepResult<()> {
    let begun = Instant::now();
    loop {
        let out = rollout.gate.out_now(rollout.plan).await?;
        let more: Vec<ServerId> = going.iter().copied().filter(|id| !out.contains(id)).collect();
        let Some(pool) = rollout.plan.too_few(&out, &more).next() else {
            return Ok(());
        };
        let serving = pool.serving.iter().filter(|id| !out.contains(id)).count();
        let leaving = pool.serving.iter().filter(|id| more.contains(id)).count();
        if begun.elapsed() >= rollout.gate.up_limit() {
            return Err(Failure::new(format!(
                "{} of balancer {} has {serving} of {} in service; with {leaving} more out, fewer than {} would stay.",
                pool.backend,
                pool.balancer_name,
                pool.serving.len(),
                pool.keep,
            )));
        }
        // What we hold out does not come back by itself.
        let pause = tokio::time::sleep(ASK_AGAIN);
        if rollout
            .run
            .stop
            .token()
            .run_until_cancelled(pause)
            .await
            .is_none()
        {
            return Err(Failure::new("Ended while too few were in service."));
        }
    }
}

/// Works on servers, several at once, and puts them back: each when it is done, or all together.
async fn work(rollout: &Rollout<'_>, ahead: &Ahead, todo: &[&Hand<'_>]) {
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(todo.len());
    for hand in todo {
        jobs.push(Box::pin(server::work(rollout, ahead, hand)));
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.parallel())
        .for_each(async |()| {})
        .await;
    if rollout.plan.restore == Restore::Together {
        let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
        let ready = todo.iter().filter(|hand| hand.fate() == Fate::AtWork);
        for hand in ready {
            jobs.push(Box::pin(server::bring_back(rollout, hand)));
        }
        stream::iter(jobs)
            .buffer_unordered(rollout.parallel())
            .for_each(async |()| {})
            .await;
    }
}
