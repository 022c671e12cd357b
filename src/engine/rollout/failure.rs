//! What happens when servers fail: whether the rollout continues, pauses for a person or stops, and in
//! what state it leaves the servers that it did not reach.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::server;
use super::state::{Fate, Rollout, ServerRollout, Stage};
use crate::domain::deployment::ServerState;
use crate::domain::{Answer, Answered, OnFailure, OnServer, PauseReason, SyncMethod};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::pause;
use crate::engine::steps::{check, transfer};
use crate::engine::stop::StopReason;
use crate::engine::words;

/// How long to wait for servers that did not report whether the switch was made.
const DOUBT_LIMIT: Duration = Duration::from_secs(15);

/// Why the walk stops.
#[derive(Debug, Default)]
pub(super) struct Halt {
    /// A sentence, unless the failed servers are the whole reason.
    pub why: Option<String>,
    /// The reason for undoing what was done.
    pub undo: Option<String>,
    /// A person chose it; nothing failed.
    pub by_person: bool,
    /// The rollout is paused and stays so: nothing is changed any more.
    pub stays_paused: bool,
}

/// What happens after a round of work on a batch.
pub(super) enum AfterRound<'a, 'r> {
    /// These servers of the batch are left to do.
    GoOn(Vec<&'r ServerRollout<'a>>),
    Halt(Halt),
}

/// The halt that the environment wants when something has failed.
pub(super) fn halt_of(rollout: &Rollout<'_>, why: Option<String>) -> Halt {
    let undo = rollout.on_failure() == OnFailure::RollBack;
    Halt {
        why,
        undo: undo.then(|| "it failed".to_owned()),
        ..Halt::default()
    }
}

/// Decides after a round of work on `todo`.
pub(super) async fn next<'a, 'r>(
    rollout: &'r Rollout<'a>,
    todo: &[&'r ServerRollout<'a>],
) -> StepResult<AfterRound<'a, 'r>> {
    let run = rollout.run;
    if run.stop.reason().is_some() {
        return Ok(AfterRound::Halt(Halt::default()));
    }
    let left = |fate: Fate| -> Vec<&'r ServerRollout<'a>> {
        todo.iter()
            .copied()
            .filter(|server| server.fate() == fate)
            .collect()
    };
    let (failed, waiting) = (left(Fate::Failed), left(Fate::Waiting));
    if rollout.may_begin() {
        return Ok(AfterRound::GoOn(waiting));
    }
    if rollout.on_failure() != OnFailure::Ask {
        return Ok(AfterRound::Halt(halt_of(rollout, None)));
    }
    put_back_idle(rollout).await;
    let mut servers: Vec<String> = failed.iter().map(|server| server.name().to_owned()).collect();
    servers.sort_unstable();
    let answered = pause::hold(run, PauseReason::Failure { servers }, None).await?;
    Ok(decided(rollout, &answered, failed, waiting).await)
}

/// What a person's decision about `failed` servers means for them and those that still wait in the batch.
pub(super) async fn decided<'a, 'r>(
    rollout: &'r Rollout<'a>,
    answered: &Answered,
    failed: Vec<&'r ServerRollout<'a>>,
    waiting: Vec<&'r ServerRollout<'a>>,
) -> AfterRound<'a, 'r> {
    let halt = |undo: Option<String>| Halt {
        why: Some(format!("Stopped by {}.", answered.by)),
        undo,
        ..Halt::default()
    };
    match answered.answer {
        Answer::Retry | Answer::Resume => {
            rollout.failures.store(0, Ordering::SeqCst);
            for server in &failed {
                begin_anew(rollout, server).await;
            }
            AfterRound::GoOn(failed.into_iter().chain(waiting).collect())
        }
        Answer::Skip => {
            rollout.failures.store(0, Ordering::SeqCst);
            AfterRound::GoOn(waiting)
        }
        Answer::RollBack => AfterRound::Halt(halt(Some(format!("rolled back by {}", answered.by)))),
        Answer::Stop => AfterRound::Halt(halt(None)),
    }
}

/// Makes a server that failed ready for another attempt. If that does not work, the attempt will fail.
async fn begin_anew(rollout: &Rollout<'_>, server: &ServerRollout<'_>) {
    let run = rollout.run;
    let was = server.is_touched().then(|| server.on_server(true));
    let looked = async {
        run.forget_outcomes(server.member).await?;
        if let Some(was) = was {
            server.leave(was);
        }
        // A release in use cannot be built again, so the one before is put in use.
        if run.project.method == SyncMethod::Symlink && was.is_some() {
            let reached = match server.reached() {
                Some(reached) => reached,
                None => Arc::new(check::look_again(run, server.member).await?),
            };
            match &server.before_dir {
                Some(before) => {
                    transfer::switch_back(run, &reached, before).await?;
                    server.leave(OnServer::Returned);
                }
                None if server.before.is_some() => {
                    return Err(Failure::new(
                        "The release that was in use before is not there any more.",
                    ));
                }
                None => {
                    transfer::withdraw(run, &reached).await?;
                    server.leave(OnServer::Withdrawn);
                }
            }
        }
        check::look_once_more(run, server.member).await
    };
    match looked.await {
        Ok(reached) => server.set_reached(Arc::new(reached)),
        Err(failure) => tracing::warn!(server = server.name(), "{}", failure.message),
    }
    server.set_stage(Stage::Untouched);
    server.set_fate(Fate::Waiting);
}

/// Puts servers back that were taken out and not begun: they run the old release. Those that an
/// earlier attempt has touched stay out.
pub(super) async fn put_back_idle(rollout: &Rollout<'_>) {
    let run = rollout.run;
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
    let waiting = rollout.servers().filter(|server| server.fate() == Fate::Waiting);
    for server in waiting.filter(|server| !server.is_touched()) {
        if rollout.rotation.was_taken(server.id()) {
            jobs.push(Box::pin(async move {
                server::put_back_whole(rollout, server).await;
            }));
        }
    }
    stream::iter(jobs)
        .buffer_unordered(run.parallel())
        .for_each(async |()| {})
        .await;
}

/// At the end of a rollout, asks once more the servers that did not report whether the switch was made.
pub(super) async fn settle_doubts(rollout: &Rollout<'_>) {
    if rollout.run.stop.reason() == Some(StopReason::LeaseLost) {
        return;
    }
    let end = Instant::now() + DOUBT_LIMIT;
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
    for server in rollout.servers() {
        jobs.push(Box::pin(server::ask_again(rollout, server, end)));
    }
    join_all(jobs).await;
}

/// At the end of a rollout that stopped: servers with a complete release go back into service, and
/// those that were not begun say so.
pub(super) async fn leave_whole(rollout: &Rollout<'_>, halt: Option<&Halt>) {
    let run = rollout.run;
    if run.stop.reason() == Some(StopReason::LeaseLost) {
        return;
    }
    let because = match halt.and_then(|halt| halt.why.as_deref()) {
        _ if run.stop.reason().is_some() => "The deployment was ended before its turn.",
        Some(_) => "The rollout was stopped before its turn.",
        None => "Another server failed before its turn.",
    };
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
    for server in rollout.servers().filter(|server| server.fate() == Fate::Waiting) {
        jobs.push(Box::pin(async move {
            if server.on_server(true) == OnServer::LeftMixed {
                let (state, on) = (ServerState::Skipped, OnServer::LeftMixed);
                return run.set_part(server.member, state, on, because).await;
            }
            if server.is_touched() {
                return server::give_up(rollout, server, &Failure::new(because)).await;
            }
            let trouble = server::put_back_whole(rollout, server).await;
            let cause = words::joined([because, &trouble]);
            run.set_part(server.member, ServerState::Skipped, OnServer::Untouched, &cause)
                .await;
        }));
    }
    stream::iter(jobs)
        .buffer_unordered(run.parallel())
        .for_each(async |()| {})
        .await;
}
