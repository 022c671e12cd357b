//! The steps of one server, and what is said of it when they don't get to their end.

use std::sync::atomic::Ordering;

use super::ahead::{self, Ahead, Brought};
use super::gate::IfDown;
use super::{Fate, Hand, Rollout, Supply, by_hand, failure};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::rollout::Restore;
use crate::domain::{StepKind, SyncMethod};
use crate::engine::journal::Note;
use crate::engine::recovery::before_words;
use crate::engine::run::Run;
use crate::engine::steps::script::{self, Place};
use crate::engine::steps::{Failure, StepResult, health, reuse, transfer};
use crate::engine::stop::StopReason;

/// How far a server has come; decides what is said of it, and whether it may serve, when it goes no
/// further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Untouched,
    /// The files are on their way. The release in use is still the old one, entirely.
    Syncing,
    /// Files in use may be of two releases.
    Half,
    /// The switch was asked for, and the server could not be asked what became of it.
    Switching,
    /// The files in use are the new ones; scripts and checks are not done.
    Active,
    /// Everything is done; it is put back into service.
    Done,
}

impl Progress {
    /// Whether it runs what it ran before, entirely.
    pub fn is_old(self) -> bool {
        matches!(self, Self::Untouched | Self::Syncing)
    }
}

/// Carries a server through its steps. Where servers go back together, it is left out of service
/// in the end, [`Fate::AtWork`].
pub(super) async fn work(rollout: &Rollout<'_>, ahead: &Ahead, hand: &Hand<'_>) {
    // A server that failed before is begun anew by whoever decided so.
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

/// Puts a server whose steps are done back into service, and says that it is deployed.
pub(super) async fn bring_back(rollout: &Rollout<'_>, hand: &Hand<'_>) {
    let (run, slots) = (rollout.run, hand.slots());
    let detail = by_hand_words(hand);
    if slots.is_empty() {
        if hand.member.balanced {
            let why = "Taken out of service by hand, so it stays out.";
            // The part says so too.
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

/// The new release in use, where releases are switched.
async fn switched(rollout: &Rollout<'_>, ahead: &Ahead, hand: &Hand<'_>) -> StepResult<(Brought, String)> {
    hand.set_progress(Progress::Syncing);
    let brought = ahead.take(rollout, hand).await?;
    by_hand::take_out(rollout, hand).await?;
    let Brought { reached, directory } = &brought;
    let switched = transfer::activate(rollout.run, hand.member, reached, directory).await;
    let dir = match switched {
        Ok(dir) => dir,
        Err(failure) => {
            // The switch may have been made all the same, when only the answer was lost.
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

/// A server goes no further: it serves again if it is whole, and its row says how it is.
pub(super) async fn give_up(rollout: &Rollout<'_>, hand: &Hand<'_>, failure: &Failure) {
    let run = rollout.run;
    let progress = hand.progress();
    let lost = run.stop.reason() == Some(StopReason::LeaseLost);
    let whole = !hand.is_touched() && !hand.slots().is_empty() && !lost;
    let service = match whole {
        true => failure::put_back_whole(rollout, hand).await,
        false => service_words(rollout, hand).await,
    };
    let detail = format!("{}{service}", truth(run, hand, progress, failure));
    rollout.failures.fetch_add(1, Ordering::SeqCst);
    hand.set_fate(Fate::Failed);
    run.set_part(hand.member, end_state(run), &detail).await;
}

/// The state of a server that goes no further.
fn end_state(run: &Run) -> ServerState {
    match run.stop.reason() {
        None => ServerState::Failed,
        Some(StopReason::Cancelled) => ServerState::Cancelled,
        Some(_) => ServerState::Interrupted,
    }
}

/// Whether a server that is not whole gets traffic.
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
        true => " It is out of service until then.".to_owned(),
        false => " Whether it is out of service is not known: look at the balancer.".to_owned(),
    }
}

/// What is said of places where somebody took the server out by hand.
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

/// What is on a server that did not get through, and what to do.
fn truth(run: &Run, hand: &Hand<'_>, progress: Progress, failure: &Failure) -> String {
    let (why, commit) = (&failure.message, run.deployment.commit.short());
    let before = before_words(hand.before.as_deref());
    let what_now = match hand.before {
        Some(_) => "Deploy again, or roll back.",
        None => "Deploy again.",
    };
    match progress {
        _ if progress.is_old() && hand.withdrawn.load(Ordering::SeqCst) => format!(
            "{why} Nothing is in use there: an attempt before this one had put {commit} on it, and was taken back. Deploy again."
        ),
        _ if progress.is_old() && hand.is_tainted() => {
            format!("{why} An attempt before this one had put {commit} on it. {what_now}")
        }
        Progress::Untouched => format!("{why} Not touched: it runs {before}."),
        // In place, the sync says itself which files it had changed.
        Progress::Syncing if run.project.method == SyncMethod::InPlace => {
            format!("{why} It runs {before}.")
        }
        Progress::Half => why.clone(),
        Progress::Syncing => format!("{why} It still runs {before}."),
        Progress::Switching => format!(
            "{why} The switch to {commit} was being made: it runs either that or {before}. Deploy again to be sure."
        ),
        Progress::Active => {
            format!("{why} The files of {commit} are in use there. {what_now}")
        }
        Progress::Done => format!(
            "{why} All steps of {commit} are done there. Find out what is wrong between it and the balancer, then deploy again or put it back by hand."
        ),
    }
}
