//! Servers that somebody takes out of service by hand during a rollout: hours may pass between the plan
//! and a server's turn. They stay out, as they would if it had happened before the plan.

use super::state::{Rollout, ServerRollout};
use crate::domain::StepKind;
use crate::domain::deployment::Service;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::engine::ending::StepResult;
use crate::engine::journal::Note;
use crate::engine::output::StepName;
use crate::store::deployments;

/// Takes a server out where it is in service, or makes sure that it is still out.
pub(super) async fn take_out(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> StepResult<()> {
    let (run, rotation) = (rollout.run, rollout.rotation);
    // The balancer cannot tell what we or an earlier deployment took out from what a person did.
    if !rotation.was_taken(server.id()) && !server.planned.left_out {
        let out = out_by_hand(rollout, server).await?;
        if !out.is_empty() {
            leave(rollout, server, out).await?;
        }
    }
    let slots = server.slots();
    if slots.is_empty() {
        if server.member.balanced {
            let why = "Taken out of service by hand earlier; left out.";
            run.nothing(StepKind::Drain, server.member, why).await?;
        }
        return Ok(());
    }
    let is_ours = rotation.was_taken(server.id()) && rotation.is_out(server.id()).await;
    match is_ours {
        true => rotation.keep_out(run, server.member, &slots).await,
        false => rotation.take_out(run, server.member, &slots).await,
    }
}

/// Where a person has taken a server out: not where it is only still out because of an earlier deployment.
async fn out_by_hand(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> StepResult<Vec<Slot>> {
    let out = rollout.rotation.already_out(&server.slots()).await?;
    if out.is_empty() {
        return Ok(Vec::new());
    }
    let held = deployments::held_out(&rollout.run.parts().store).await?;
    let is_ours = |place: &EndpointPlace| held.iter().any(|one| one.place == *place);
    let by_hand = out.into_iter().filter(|(_, places)| !places.iter().all(is_ours));
    Ok(by_hand.map(|(slot, _)| slot).collect())
}

/// Leaves the server out at these places, where a person took it out. The stored plan says so from now
/// on, for the recovery after a killed deployer.
async fn leave(rollout: &Rollout<'_>, server: &ServerRollout<'_>, out: Vec<Slot>) -> StepResult<()> {
    let run = rollout.run;
    let places: Vec<String> = out.iter().map(ToString::to_string).collect();
    let is_all = server.slots().iter().all(|slot| out.contains(slot));
    let notes = [
        Note::LeftByHand(server.id(), &out),
        Note::Service(Service::ByHand),
    ];
    let told = if is_all { &notes[..] } else { &notes[..1] };
    run.note(server.member, told).await?;
    server.leave_by_hand(out);
    let mut log = run.log.step(StepName {
        id: None,
        server: server.name().to_owned(),
        kind: StepKind::Drain,
    });
    log.say(format!(
        "Somebody has taken it out of {} meanwhile: it stays out there.",
        places.join(", ")
    ))
    .await;
    Ok(())
}
