//! What somebody takes out of service by hand while a rollout goes on: hours may lie between the plan
//! and a server's turn. There it stays out, as it would have had it been so before the plan was made.

use super::{Hand, Rollout};
use crate::domain::StepKind;
use crate::domain::deployment::Service;
use crate::domain::rollout::Slot;
use crate::engine::journal::Note;
use crate::engine::output::StepName;
use crate::engine::steps::StepResult;
use crate::store::deployments;

/// Takes a server out where it serves, or makes sure that it still is out.
pub(super) async fn take_out(rollout: &Rollout<'_>, hand: &Hand<'_>) -> StepResult<()> {
    let (run, gate) = (rollout.run, rollout.gate);
    // What we or an earlier deployment took out stands there as if a hand had done it.
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

/// Leaves places to whoever took the server out there. The plan says so from now on, for whoever
/// has to put right what a killed deployer left.
async fn leave(rollout: &Rollout<'_>, hand: &Hand<'_>, out: Vec<Slot>) -> StepResult<()> {
    let run = rollout.run;
    let places: Vec<String> = out
        .iter()
        .map(|slot| format!("{} of balancer {}", slot.backend, slot.balancer_name))
        .collect();
    let tx = run.begin_tx().await?;
    deployments::leave_by_hand(&tx, hand.id(), &out).await?;
    tx.commit().await?;
    hand.leave_by_hand(out);
    if hand.slots().is_empty() {
        run.note(hand.member, &[Note::Service(Service::ByHand)]).await?;
    }
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
