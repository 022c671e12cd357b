//! The same with an engine at work, on real servers behind a real HAProxy: what is offered after a failure is
//! pressed and carried out.

use std::collections::BTreeSet;

use deployer::domain::{Answer, Deployment, DeploymentId, DeploymentState, OnFailure, PauseReason, Strategy};
use deployer::store::deployments as rows;

use super::cases::{policies, strategies};
use super::{Offer, offered, press};
use crate::engine::fleet::Fleet;
use crate::support::rounds::is_long;
use crate::support::world::{World, admin};

/// Each strategy with one policy for failures; in a long run, with each.
fn pairs() -> Vec<(Strategy, OnFailure)> {
    let (strategies, policies) = (strategies(), policies());
    if !is_long() {
        return strategies.into_iter().zip(policies).collect();
    }
    let all = strategies
        .iter()
        .flat_map(|strategy| policies.iter().map(move |policy| (*strategy, *policy)));
    all.collect()
}

async fn offers(world: &World, id: DeploymentId) -> Vec<Offer> {
    let seen = deployer::app::watch::see(&world.app, &admin(), id).await;
    offered(&seen.unwrap().1)
}

/// Waits until a deployment has ended, or asks what to do about failures. Canaries are continued.
async fn through(world: &World, id: DeploymentId) -> Deployment {
    loop {
        let halts = |one: &Deployment| one.state.is_final() || one.state == DeploymentState::Paused;
        let halted = world.until(id, "it ends or pauses", halts).await;
        match halted.pause.as_ref().map(|pause| &pause.reason) {
            Some(PauseReason::Canary) => {
                press(world, id, &Offer::Answer(Answer::Resume)).await.unwrap();
                let goes_on = |one: &Deployment| one.state != DeploymentState::Paused;
                world.until(id, "it continues", goes_on).await;
            }
            _ => return halted,
        }
    }
}

/// Waits until nothing is open any more, rollbacks of its own included.
async fn until_quiet(world: &World) {
    while let Some(open) = rows::active(&world.store).await.unwrap().first() {
        through(world, open.id).await;
    }
}

async fn after_a_failure((strategy, on_failure): (Strategy, OnFailure)) {
    let mut fleet = Fleet::with(&[3], strategy, |project| project.on_failure(on_failure)).await;
    fleet.world.script("deploy.sh", "exit 0");
    let first = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&first)).await;
    let done = through(&fleet.world, id).await;
    fleet.world.assert_succeeded(&done).await;
    fleet.world.script("deploy.sh", "test ! -e ~/broken");
    let second = fleet.world.commit("Second").await;
    std::fs::write(fleet.world.home(2, "broken"), "").unwrap();
    let id = fleet.world.ask(World::request(&second)).await;
    let halted = through(&fleet.world, id).await;
    if halted.state == DeploymentState::Paused {
        let stop = Offer::Answer(Answer::Stop);
        assert!(offers(&fleet.world, id).await.contains(&stop));
        press(&fleet.world, id, &stop).await.unwrap();
    }
    assert_eq!(fleet.world.end(id).await.state, DeploymentState::Failed);
    until_quiet(&fleet.world).await;
    std::fs::remove_file(fleet.world.home(2, "broken")).unwrap();

    let mut pressed = BTreeSet::new();
    while let Some(offer) = {
        let mut open = offers(&fleet.world, id).await.into_iter();
        open.find(|offer| !pressed.contains(offer))
    } {
        let requested = press(&fleet.world, id, &offer).await.unwrap().unwrap();
        let ended = through(&fleet.world, requested.id()).await;
        fleet.world.assert_succeeded(&ended).await;
        pressed.insert(offer);
    }
    assert!(
        pressed.contains(&Offer::RollBack) && pressed.contains(&Offer::Again),
        "{pressed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_after_a_failure_succeeds_once_the_cause_is_gone() {
    for pair in pairs() {
        after_a_failure(pair).await;
    }
}
