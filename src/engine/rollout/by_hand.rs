//! Servers that somebody takes out of service by hand during a rollout: hours may pass between the plan
//! and a server's turn. They stay out there, as they would if it had happened before the plan.

use super::hand::{Hand, Rollout};
use crate::domain::StepKind;
use crate::domain::deployment::Service;
use crate::domain::rollout::Slot;
use crate::engine::ending::StepResult;
use crate::engine::journal::Note;
use crate::engine::output::StepName;

/// Takes a server out where it is in service, or makes sure that it is still out.
pub(super) async fn take_out(rollout: &Rollout<'_>, hand: &Hand<'_>) -> StepResult<()> {
    let (run, gate) = (rollout.run, rollout.gate);
    // What we or an earlier deployment took out looks at the balancer as if done by hand.
    if !gate.was_taken(hand.id()) && !hand.planned.left_out {
        let out = gate.out_by_hand(&hand.slots()).await?;
        if !out.is_empty() {
            leave(rollout, hand, out).await?;
        }
    }
    let slots = hand.slots();
    if slots.is_empty() {
        if hand.member.balanced {
            let why = "Taken out of service by hand before; left so.";
            run.nothing(StepKind::Drain, hand.member, why).await?;
        }
        return Ok(());
    }
    match gate.is_out(hand.id()).await {
        true => gate.keep_out(run, hand.member, &slots).await,
        false => gate.take_out(run, hand.member, &slots).await,
    }
}

/// Leaves places to whoever took the server out there. The stored plan says so from now on, for the
/// recovery after a killed deployer.
async fn leave(rollout: &Rollout<'_>, hand: &Hand<'_>, out: Vec<Slot>) -> StepResult<()> {
    let run = rollout.run;
    let places: Vec<String> = out.iter().map(ToString::to_string).collect();
    let is_all = hand.slots().iter().all(|slot| out.contains(slot));
    let notes = [Note::LeftByHand(hand.id(), &out), Note::Service(Service::ByHand)];
    let told = if is_all { &notes[..] } else { &notes[..1] };
    run.note(hand.member, told).await?;
    hand.leave_by_hand(out);
    let mut log = run.log.step(StepName {
        id: None,
        server: hand.name().to_owned(),
        kind: StepKind::Drain,
    });
    log.say(format!(
        "Somebody has taken it out of {} meanwhile: it stays out there.",
        places.join(", ")
    ))
    .await;
    Ok(())
}
