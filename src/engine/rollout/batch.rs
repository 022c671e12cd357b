//! One batch: takes servers out of service beforehand where the strategy wants that, works on several
//! at the same time, and puts them back.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::ahead::Ahead;
use super::state::{Fate, Rollout, ServerRollout};
use super::{by_hand, server};
use crate::domain::rollout::{Restore, Slot};
use crate::domain::{ServerId, StepKind, Strategy};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::output::StepName;

/// How often the balancers are asked whether enough servers are in service again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Takes servers with the old release out where the strategy wants that, once enough others serve.
pub(super) async fn make_room(
    rollout: &Rollout<'_>,
    number: usize,
    todo: &[&ServerRollout<'_>],
) -> StepResult<()> {
    if rollout.plan.pools.is_empty() {
        return Ok(());
    }
    if rollout.plan.strategy == Strategy::ClusterByCluster {
        let updated = rollout.servers().filter(|server| server.fate() == Fate::Deployed);
        let slots: Vec<_> = updated.flat_map(ServerRollout::slots).collect();
        rollout.rotation.wait_up(rollout.run, &slots).await?;
    }
    wait_full(rollout).await?;
    let own: HashSet<ServerId> = todo.iter().map(|server| server.id()).collect();
    let so_far = &rollout.plan.batches[..=number];
    let mut old: Vec<&ServerRollout<'_>> = Vec::new();
    for id in so_far.iter().flat_map(|batch| &batch.take_out) {
        let server = rollout
            .server(*id)
            .filter(|server| server.fate() == Fate::Waiting && !own.contains(id));
        if let Some(server) = server
            && !server.slots().is_empty()
            && !rollout.rotation.is_out(*id).await
        {
            old.push(server);
        }
    }
    let going = old.iter().map(|server| server.id()).chain(own).collect();
    enough_stay(rollout, &going).await?;
    let mut jobs: Vec<BoxFuture<'_, StepResult<()>>> = Vec::with_capacity(old.len());
    for server in old {
        jobs.push(Box::pin(by_hand::take_out(rollout, server)));
    }
    let taken: Vec<StepResult<()>> = stream::iter(jobs)
        .buffer_unordered(rollout.run.parallel())
        .collect()
        .await;
    taken.into_iter().collect()
}

/// Waits until servers that were put back have their full weight at the balancers, so that those which go out next
/// are really replaced. Gives that up after a limit, and says so.
async fn wait_full(rollout: &Rollout<'_>) -> StepResult<()> {
    let (run, rotation) = (rollout.run, rollout.rotation);
    let slots: Vec<_> = rollout.servers().flat_map(ServerRollout::slots).collect();
    for (balancer, growth) in rotation.wait_full(run, &slots).await? {
        let mut log = run.log.step(StepName {
            id: None,
            server: String::new(),
            kind: StepKind::Restore,
        });
        log.say(format!(
            "After {} s, balancer {balancer} still gives a server only {growth} % of its weight (slowstart); continuing.",
            rotation.up_limit().as_secs(),
        ))
        .await;
        log.finish().await;
    }
    Ok(())
}

/// Waits until enough servers are in service for `going` to go out, also beside what other deployments are about
/// to take out; gives up after a limit.
async fn enough_stay(rollout: &Rollout<'_>, going: &HashSet<ServerId>) -> StepResult<()> {
    let (begun, run, rotation) = (Instant::now(), rollout.run, rollout.rotation);
    let slots = || {
        let own = rollout.servers().filter(|server| going.contains(&server.id()));
        own.flat_map(ServerRollout::slots).collect()
    };
    loop {
        let (there, mut short) = (rotation.look().await?, None);
        let enough = |leaving: &[Slot]| {
            short = rollout.plan.pools.iter().find_map(|pool| {
                let (up, beside) = rotation.up_in(pool, &there, leaving);
                (!pool.allows(&up, beside, going)).then_some((pool, up, beside))
            });
            short.is_none()
        };
        if run.engine.departures.leave(run.deployment.id, slots(), enough) {
            return Ok(());
        }
        let Some((pool, up, beside)) = short else {
            return Ok(());
        };
        let (serving, leaving) = (up.len() + beside, up.intersection(going).count());
        if begun.elapsed() >= rotation.up_limit() {
            return Err(Failure::new(format!(
                "{} of balancer {} has {serving} of {} in service; with {leaving} more out, fewer than {} would stay.",
                pool.backend, pool.balancer_name, pool.size, pool.keep,
            )));
        }
        // Others may come back meanwhile: their checks may pass again.
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

/// Works on several servers at the same time and puts them back: each when it is done, or all together.
pub(super) async fn work(rollout: &Rollout<'_>, ahead: &Ahead, todo: &[&ServerRollout<'_>]) {
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(todo.len());
    for server in todo {
        jobs.push(Box::pin(server::work(rollout, ahead, server)));
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.run.parallel())
        .for_each(async |()| {})
        .await;
    if rollout.plan.restore == Restore::Together {
        let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
        let ready = todo.iter().filter(|server| server.fate() == Fate::AtWork);
        for server in ready {
            jobs.push(Box::pin(server::bring_back(rollout, server)));
        }
        stream::iter(jobs)
            .buffer_unordered(rollout.run.parallel())
            .for_each(async |()| {})
            .await;
    }
}
