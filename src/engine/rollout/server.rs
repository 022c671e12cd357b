//! The steps of one server, and what is reported when they fail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ahead::{self, Ahead, Brought};
use super::by_hand;
use super::rotation::IfDown;
use super::state::{Doubt, Fate, Rollout, ServerRollout, Stage, Supply};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::rollout::Restore;
use crate::domain::standing::Trial;
use crate::domain::{OnServer, StepKind, SyncMethod};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::journal::Note;
use crate::engine::run::Run;
use crate::engine::steps::remote_script::WorkingDir;
use crate::engine::steps::{health, in_use, reuse, script, transfer};
use crate::engine::stop::StopReason;
use crate::engine::words;
use crate::store::deployments;

/// The pause before a server that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Carries a server through its steps. Where servers of a batch go back together, it stays out of
/// service at the end, as [`Fate::AtWork`].
pub(super) async fn work(rollout: &Rollout<'_>, ahead: &Ahead, server: &ServerRollout<'_>) {
    // `failure` resets the count when a person decides to go on.
    if !rollout.may_begin() {
        return;
    }
    server.set_fate(Fate::AtWork);
    let by_hand = server.slots().is_empty() && !server.by_hand().is_empty();
    let notes = [Note::State(ServerState::Running), Note::Service(Service::ByHand)];
    let notes = if by_hand { &notes[..] } else { &notes[..1] };
    if let Err(error) = rollout.run.note(server.member, notes).await {
        return give_up(rollout, server, &error.into()).await;
    }
    if let Err(failure) = pipeline(rollout, ahead, server).await {
        return give_up(rollout, server, &failure).await;
    }
    server.set_stage(Stage::Done);
    if rollout.plan.restore == Restore::Each {
        bring_back(rollout, server).await;
    }
}

/// Puts a server back into service after its last step, and records that it is deployed.
pub(super) async fn bring_back(rollout: &Rollout<'_>, server: &ServerRollout<'_>) {
    let (run, slots) = (rollout.run, server.slots());
    if slots.is_empty() {
        if server.member.balanced {
            let why = "Taken out of service by hand, so it stays out.";
            // Losing this line is harmless: the server's row has it too.
            let _ = run.nothing(StepKind::Restore, server.member, why).await;
        }
        run.set_part(server.member, ServerState::Succeeded, OnServer::New, "")
            .await;
        return server.set_fate(Fate::Deployed);
    }
    if is_held_elsewhere(rollout, server).await {
        let _ = run
            .nothing(StepKind::Restore, server.member, words::ELSEWHERE)
            .await;
        let notes = [
            Note::State(ServerState::Succeeded),
            Note::OnServer(OnServer::New, words::ELSEWHERE),
            Note::Service(Service::Out),
        ];
        if let Err(error) = run.note(server.member, &notes).await {
            return give_up(rollout, server, &error.into()).await;
        }
        return server.set_fate(Fate::Deployed);
    }
    let done = [
        Note::State(ServerState::Succeeded),
        Note::OnServer(OnServer::New, ""),
    ];
    match rollout
        .rotation
        .put_back(run, server.member, &slots, IfDown::TakeOut, &done)
        .await
    {
        Ok(()) => {
            run.engine.departures.back(run.deployment.id, &slots);
            server.set_fate(Fate::Deployed);
        }
        Err(failure) => give_up(rollout, server, &failure).await,
    }
}

/// Whether another environment has an unfinished release on the server, which would be served as well. What is
/// not known keeps nobody out.
async fn is_held_elsewhere(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> bool {
    let run = rollout.run;
    let found = deployments::unfinished_elsewhere(&run.parts().store, server.id(), run.environment.id);
    found.await.is_ok_and(|found| found.is_some())
}

async fn pipeline(rollout: &Rollout<'_>, ahead: &Ahead, server: &ServerRollout<'_>) -> StepResult<()> {
    let run = rollout.run;
    let (brought, dir) = match run.project.method {
        SyncMethod::Symlink => switched(rollout, ahead, server).await?,
        SyncMethod::InPlace => {
            by_hand::take_out(rollout, server).await?;
            server.set_stage(Stage::Syncing);
            let brought = ahead::bring(rollout, server).await.inspect_err(|failure| {
                if failure.half {
                    server.set_stage(Stage::Half);
                }
            })?;
            let dir = brought.directory.clone();
            (brought, dir)
        }
    };
    server.set_stage(Stage::Active);
    transfer::record(run, server.member, &brought.directory).await?;
    let there = WorkingDir {
        session: &brought.reached.session,
        dir: &dir,
        previous: server.before.as_deref(),
    };
    if let Supply::Kept(_) = rollout.supply {
        reuse::bring_deploy_script(rollout.tree, &there).await?;
    }
    let tried = try_release(rollout, server, &there).await;
    if tried.as_ref().is_err_and(|failure| failure.gone) {
        server.set_stage(Stage::Gone);
        transfer::forget(run, server.member).await?;
    }
    tried
}

/// What a new release has to pass once it is in use.
async fn try_release(
    rollout: &Rollout<'_>,
    server: &ServerRollout<'_>,
    there: &WorkingDir<'_>,
) -> StepResult<()> {
    let run = rollout.run;
    server.set_stage(Stage::Tried(Trial::Deploy));
    script::deploy(run, rollout.tree, server.member, there).await?;
    server.set_stage(Stage::Tried(Trial::Tests));
    script::remote_tests(run, rollout.tree, server.member, there).await?;
    server.set_stage(Stage::Tried(Trial::Health));
    health::check(run, server.member, there, Some(rollout.tree.dir())).await?;
    Ok(())
}

/// Puts the new release in use, where releases are switched; returns its directory.
async fn switched(
    rollout: &Rollout<'_>,
    ahead: &Ahead,
    server: &ServerRollout<'_>,
) -> StepResult<(Brought, String)> {
    server.set_stage(Stage::Syncing);
    let brought = ahead.take(rollout, server).await?;
    by_hand::take_out(rollout, server).await?;
    let Brought { reached, directory } = &brought;
    let switched = transfer::activate(rollout.run, server.member, reached, directory).await;
    let dir = match switched {
        Ok(dir) => dir,
        Err(failure) => {
            // If only the answer was lost, the switch was made.
            if !failure.never_began {
                server.set_stage(stage_of(in_use::is_in_use(reached, directory).await));
            }
            if server.stage() == Stage::Switching {
                server.doubt(directory, &failure);
            }
            return Err(failure);
        }
    };
    Ok((brought, dir))
}

/// The stage of a switch whose end was not seen, judged by whether the new release is in use;
/// `None`: unknown.
fn stage_of(in_use: Option<bool>) -> Stage {
    match in_use {
        Some(true) => Stage::Active,
        Some(false) => Stage::Syncing,
        None => Stage::Switching,
    }
}

/// Asks a server that failed in the switch which release is in use, until `end` or until it answers. One
/// that still runs the old release goes back into service.
pub(super) async fn ask_again(rollout: &Rollout<'_>, server: &ServerRollout<'_>, end: Instant) {
    let (Some(Doubt { directory, failure }), Some(reached)) = (server.doubted(), server.reached()) else {
        return;
    };
    loop {
        let stage = stage_of(in_use::settle_switch(rollout.run, &reached, &directory).await);
        if stage != Stage::Switching {
            server.set_stage(stage);
            return report(rollout, server, &failure).await;
        }
        if Instant::now() >= end || rollout.run.stop.reason().is_some() {
            return;
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Ends the work on a server that failed: it goes back into service if its release is complete, and its
/// row says what is on it.
pub(super) async fn give_up(rollout: &Rollout<'_>, server: &ServerRollout<'_>, failure: &Failure) {
    report(rollout, server, failure).await;
    rollout.failures.fetch_add(1, Ordering::SeqCst);
    server.set_fate(Fate::Failed);
}

/// Puts a server that failed back into service if its release is complete, and stores what is on it.
async fn report(rollout: &Rollout<'_>, server: &ServerRollout<'_>, failure: &Failure) {
    let run = rollout.run;
    let lost = run.stop.reason() == Some(StopReason::LeaseLost);
    let trouble = match server.is_touched() || lost {
        true => String::new(),
        false => put_back_whole(rollout, server).await,
    };
    let on = server.on_server(run.stop.reason().is_none());
    let cause = words::joined([&failure.message, trouble.as_str()]);
    run.set_part(server.member, end_state(run), on, &cause).await;
}

/// Puts a server back that still runs the old release; returns what went wrong with that, as a sentence.
pub(super) async fn put_back_whole(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> String {
    let (rotation, slots) = (rollout.rotation, server.slots());
    if slots.is_empty() || !rotation.was_taken(server.id()) {
        return String::new();
    }
    let elsewhere = is_held_elsewhere(rollout, server).await;
    // An earlier deployment left it out, because what it ran before is not complete.
    if server.planned.left_out || elsewhere {
        let out = [Note::Service(Service::Out)];
        if let Err(error) = rollout.run.note(server.member, &out).await {
            tracing::warn!(server = server.name(), "{error}");
        }
        return if elsewhere {
            words::ELSEWHERE.to_owned()
        } else {
            String::new()
        };
    }
    let back = rotation.put_back(rollout.run, server.member, &slots, IfDown::Leave, &[]);
    back.await
        .err()
        .map(|failure| failure.message)
        .unwrap_or_default()
}

/// The final state of a server that failed.
fn end_state(run: &Run) -> ServerState {
    match run.stop.reason() {
        None => ServerState::Failed,
        Some(StopReason::Cancelled) => ServerState::Cancelled,
        Some(_) => ServerState::Interrupted,
    }
}
