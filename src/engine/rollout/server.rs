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
use crate::domain::{StepKind, SyncMethod};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::journal::Note;
use crate::engine::run::Run;
use crate::engine::steps::remote_script::WorkingDir;
use crate::engine::steps::{health, in_use, reuse, script, transfer};
use crate::engine::stop::StopReason;
use crate::engine::words::{self, OnServer};

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
    let notes = [
        Note::State(ServerState::Running, ""),
        Note::Service(Service::ByHand),
    ];
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
    let detail = by_hand_words(server);
    if slots.is_empty() {
        if server.member.balanced {
            let why = "Taken out of service by hand, so it stays out.";
            // Losing this line is harmless: the server's row has it too.
            let _ = run.nothing(StepKind::Restore, server.member, why).await;
        }
        run.set_part(server.member, ServerState::Succeeded, &detail).await;
        return server.set_fate(Fate::Deployed);
    }
    let done = (ServerState::Succeeded, detail.as_str());
    match rollout
        .rotation
        .put_back(run, server.member, &slots, IfDown::TakeOut, Some(done))
        .await
    {
        Ok(()) => server.set_fate(Fate::Deployed),
        Err(failure) => give_up(rollout, server, &failure).await,
    }
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
    transfer::record(run, server.member, &dir).await?;
    let there = WorkingDir {
        session: &brought.reached.session,
        dir: &dir,
        previous: server.before.as_deref(),
    };
    if let Supply::Kept(_) = rollout.supply {
        reuse::bring_deploy_script(rollout.tree, &there).await?;
    }
    script::deploy(run, rollout.tree, server.member, &there).await?;
    script::remote_tests(run, rollout.tree, server.member, &there).await?;
    health::check(run, server.member, &there, Some(rollout.tree.dir())).await?;
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

/// How far a switch came that was not seen to end, if the new release is in use or not.
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
    let Some(Doubt { directory, failure }) = server.doubted() else {
        return;
    };
    loop {
        let stage = stage_of(in_use::settle_switch(rollout.run, &server.reached(), &directory).await);
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
    let whole = !server.is_touched() && !server.slots().is_empty() && !lost;
    let service = match whole {
        true => put_back_whole(rollout, server).await,
        false => service_words(rollout, server).await,
    };
    let detail = format!("{}{service}", truth(run, server, failure));
    run.set_part(server.member, end_state(run), &detail).await;
}

/// Puts a server back that still runs the old release; returns a sentence about it, after a blank.
pub(super) async fn put_back_whole(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> String {
    let (rotation, slots) = (rollout.rotation, server.slots());
    if slots.is_empty() || !rotation.was_taken(server.id()) {
        return String::new();
    }
    // An earlier deployment left it out, because what it ran before is not complete.
    if server.planned.left_out {
        let out = [Note::Service(Service::Out)];
        if let Err(error) = rollout.run.note(server.member, &out).await {
            tracing::warn!(server = server.name(), "{error}");
        }
        return format!(" {}", words::STAYS_LEFT_OUT);
    }
    match rotation
        .put_back(rollout.run, server.member, &slots, IfDown::Leave, None)
        .await
    {
        Ok(()) => format!(" {}", words::BACK),
        Err(failure) => format!(
            " It was to be put back into service, but: {} Look at the balancer, and put it back by hand.",
            failure.message
        ),
    }
}

/// The final state of a server that failed.
fn end_state(run: &Run) -> ServerState {
    match run.stop.reason() {
        None => ServerState::Failed,
        Some(StopReason::Cancelled) => ServerState::Cancelled,
        Some(_) => ServerState::Interrupted,
    }
}

/// Whether a server with an incomplete release gets traffic.
async fn service_words(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> String {
    if server.slots().is_empty() {
        let words = by_hand_words(server);
        return if words.is_empty() {
            words
        } else {
            format!(" {words}")
        };
    }
    match rollout.rotation.is_out(server.id()).await {
        true => format!(" {}", words::OUT_UNTIL_THEN),
        false => " Whether it is out of service is not known: look at the balancer.".to_owned(),
    }
}

/// A sentence about the places where somebody took the server out by hand; may be empty.
fn by_hand_words(server: &ServerRollout<'_>) -> String {
    let places: Vec<String> = server.by_hand().iter().map(ToString::to_string).collect();
    match places.as_slice() {
        [] => String::new(),
        places => format!(
            "It stays out of {}, as somebody had taken it out by hand.",
            places.join(", ")
        ),
    }
}

/// What is on a server that failed, and what to do.
fn truth(run: &Run, server: &ServerRollout<'_>, failure: &Failure) -> String {
    let (why, stage) = (&failure.message, server.stage());
    let there = OnServer::new(&run.deployment.commit, server.before.as_deref());
    let there = match stage {
        _ if stage.is_old() && server.withdrawn.load(Ordering::SeqCst) => there.withdrawn(),
        _ if stage.is_old() && server.is_tainted() => there.tried_before(),
        Stage::Untouched => there.untouched(),
        // In place, the failure of the sync itself names the files that it had changed.
        Stage::Syncing if run.project.method == SyncMethod::InPlace => there.runs_old(),
        Stage::Syncing => there.still_runs_old(),
        Stage::Half => return why.clone(),
        Stage::Switching => there.switching(),
        Stage::Active => there.in_use(),
        Stage::Done => there.all_done(),
    };
    format!("{why} {there}")
}
