//! The steps of one server, and what is reported when they fail.

use std::sync::atomic::Ordering;

use super::ahead::{self, Ahead, Brought};
use super::by_hand;
use super::gate::IfDown;
use super::hand::{Fate, Hand, Progress, Rollout, Supply};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::rollout::Restore;
use crate::domain::{StepKind, SyncMethod};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::journal::Note;
use crate::engine::run::Run;
use crate::engine::steps::script::{self, Place};
use crate::engine::steps::{health, reuse, transfer};
use crate::engine::stop::StopReason;
use crate::engine::words::{self, OnServer};

/// Carries a server through its steps. Where servers of a batch go back together, it stays out of
/// service at the end, as [`Fate::AtWork`].
pub(super) async fn work(rollout: &Rollout<'_>, ahead: &Ahead, hand: &Hand<'_>) {
    // `failure` resets the count when a person decides to go on.
    if !rollout.may_begin() {
        return;
    }
    hand.set_fate(Fate::AtWork);
    let by_hand = hand.slots().is_empty() && !hand.by_hand().is_empty();
    let notes = [
        Note::State(ServerState::Running, ""),
        Note::Service(Service::ByHand),
    ];
    let notes = if by_hand { &notes[..] } else { &notes[..1] };
    if let Err(error) = rollout.run.note(hand.member, notes).await {
        return give_up(rollout, hand, &error.into()).await;
    }
    if let Err(failure) = pipeline(rollout, ahead, hand).await {
        return give_up(rollout, hand, &failure).await;
    }
    hand.set_progress(Progress::Done);
    if rollout.plan.restore == Restore::Each {
        bring_back(rollout, hand).await;
    }
}

/// Puts a server back into service after its last step, and records that it is deployed.
pub(super) async fn bring_back(rollout: &Rollout<'_>, hand: &Hand<'_>) {
    let (run, slots) = (rollout.run, hand.slots());
    let detail = by_hand_words(hand);
    if slots.is_empty() {
        if hand.member.balanced {
            let why = "Taken out of service by hand, so it stays out.";
            // Losing this line is harmless: the server's row has it too.
            let _ = run.nothing(StepKind::Restore, hand.member, why).await;
        }
        run.set_part(hand.member, ServerState::Succeeded, &detail).await;
        return hand.set_fate(Fate::Deployed);
    }
    let done = (ServerState::Succeeded, detail.as_str());
    match rollout
        .gate
        .put_back(run, hand.member, &slots, IfDown::TakeOut, Some(done))
        .await
    {
        Ok(()) => hand.set_fate(Fate::Deployed),
        Err(failure) => give_up(rollout, hand, &failure).await,
    }
}

async fn pipeline(rollout: &Rollout<'_>, ahead: &Ahead, hand: &Hand<'_>) -> StepResult<()> {
    let run = rollout.run;
    let (brought, dir) = match run.project.method {
        SyncMethod::Symlink => switched(rollout, ahead, hand).await?,
        SyncMethod::InPlace => {
            by_hand::take_out(rollout, hand).await?;
            hand.set_progress(Progress::Syncing);
            let brought = ahead::bring(rollout, hand).await.inspect_err(|failure| {
                if failure.half {
                    hand.set_progress(Progress::Half);
                }
            })?;
            let dir = brought.directory.clone();
            (brought, dir)
        }
    };
    hand.set_progress(Progress::Active);
    transfer::record(run, hand.member, &dir).await?;
    let there = Place {
        session: &brought.reached.session,
        dir: &dir,
        previous: hand.before.as_deref(),
    };
    if let Supply::Kept(_) = rollout.supply {
        reuse::bring_deploy_script(rollout.tree, &there).await?;
    }
    script::deploy(run, rollout.tree, hand.member, &there).await?;
    script::remote_tests(run, rollout.tree, hand.member, &there).await?;
    health::check(run, hand.member, &there, Some(rollout.tree.dir())).await?;
    Ok(())
}

/// Puts the new release in use, where releases are switched; returns its directory.
async fn switched(rollout: &Rollout<'_>, ahead: &Ahead, hand: &Hand<'_>) -> StepResult<(Brought, String)> {
    hand.set_progress(Progress::Syncing);
    let brought = ahead.take(rollout, hand).await?;
    by_hand::take_out(rollout, hand).await?;
    let Brought { reached, directory } = &brought;
    let switched = transfer::activate(rollout.run, hand.member, reached, directory).await;
    let dir = match switched {
        Ok(dir) => dir,
        Err(failure) => {
            // If only the answer was lost, the switch was made.
            hand.set_progress(match transfer::is_in_use(reached, directory).await {
                Some(true) => Progress::Active,
                Some(false) => Progress::Syncing,
                None => Progress::Switching,
            });
            return Err(failure);
        }
    };
    Ok((brought, dir))
}

/// Ends the work on a server that failed: it goes back into service if its release is complete, and its
/// row says what is on it.
pub(super) async fn give_up(rollout: &Rollout<'_>, hand: &Hand<'_>, failure: &Failure) {
    let run = rollout.run;
    let lost = run.stop.reason() == Some(StopReason::LeaseLost);
    let whole = !hand.is_touched() && !hand.slots().is_empty() && !lost;
    let service = match whole {
        true => put_back_whole(rollout, hand).await,
        false => service_words(rollout, hand).await,
    };
    let detail = format!("{}{service}", truth(run, hand, failure));
    rollout.failures.fetch_add(1, Ordering::SeqCst);
    hand.set_fate(Fate::Failed);
    run.set_part(hand.member, end_state(run), &detail).await;
}

/// Puts a server back that still runs the old release; returns a sentence about it, after a blank.
pub(super) async fn put_back_whole(rollout: &Rollout<'_>, hand: &Hand<'_>) -> String {
    let (gate, slots) = (rollout.gate, hand.slots());
    if slots.is_empty() || !gate.was_taken(hand.id()) {
        return String::new();
    }
    // An earlier deployment left it out, because what it ran before is not complete.
    if hand.planned.left_out {
        let out = [Note::Service(Service::Out)];
        if let Err(error) = rollout.run.note(hand.member, &out).await {
            tracing::warn!(server = hand.name(), "{error}");
        }
        return format!(" {}", words::STAYS_LEFT_OUT);
    }
    match gate
        .put_back(rollout.run, hand.member, &slots, IfDown::Leave, None)
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
async fn service_words(rollout: &Rollout<'_>, hand: &Hand<'_>) -> String {
    if hand.slots().is_empty() {
        let words = by_hand_words(hand);
        return if words.is_empty() {
            words
        } else {
            format!(" {words}")
        };
    }
    match rollout.gate.is_out(hand.id()).await {
        true => format!(" {}", words::OUT_UNTIL_THEN),
        false => " Whether it is out of service is not known: look at the balancer.".to_owned(),
    }
}

/// A sentence about the places where somebody took the server out by hand; may be empty.
fn by_hand_words(hand: &Hand<'_>) -> String {
    let places: Vec<String> = hand.by_hand().iter().map(ToString::to_string).collect();
    match places.as_slice() {
        [] => String::new(),
        places => format!(
            "It stays out of {}, as somebody had taken it out by hand.",
            places.join(", ")
        ),
    }
}

/// What is on a server that failed, and what to do.
fn truth(run: &Run, hand: &Hand<'_>, failure: &Failure) -> String {
    let (why, progress) = (&failure.message, hand.progress());
    let there = OnServer::new(&run.deployment.commit, hand.before.as_deref());
    let there = match progress {
        _ if progress.is_old() && hand.withdrawn.load(Ordering::SeqCst) => there.withdrawn(),
        _ if progress.is_old() && hand.is_tainted() => there.tried_before(),
        Progress::Untouched => there.untouched(),
        // In place, the failure of the sync itself names the files that it had changed.
        Progress::Syncing if run.project.method == SyncMethod::InPlace => there.runs_old(),
        Progress::Syncing => there.still_runs_old(),
        Progress::Half => return why.clone(),
        Progress::Switching => there.switching(),
        Progress::Active => there.in_use(),
        Progress::Done => there.all_done(),
    };
    format!("{why} {there}")
}
