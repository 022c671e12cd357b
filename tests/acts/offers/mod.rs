//! Every act that a page offers works: a deployment is put into each state, each button that its page then
//! shows is pressed, and none is refused, nor would what it requests fail at once in its check.

mod cases;
mod ground;
mod pressed;
mod progress;
mod real;
mod stage;

use std::collections::{BTreeMap, HashSet};

use deployer::app::deployments::{self, Requested};
use deployer::app::watch::Acts;
use deployer::domain::{Answer, DeploymentId, DeploymentState, Result, ServerId, ServerState, Strategy};
use deployer::engine::planning::{Asking, Roster, prospect};
use deployer::store::{deployments as rows, environments};

use self::cases::{Case, Edge};
use self::stage::Stage;
use crate::support::rounds::is_long;
use crate::support::world::{World, admin, bring_in, change};

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Offer {
    Cancel,
    Pause,
    Unpause,
    Answer(Answer),
    Approve,
    Reject,
    Retry,
    Resume,
    Again,
    RollBack,
    Promote(String),
}

impl Offer {
    /// Its kind: the last part of its address, or the answer.
    fn word(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Answer(answer) => answer.as_str(),
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Retry => "retry",
            Self::Resume => "resume-rest",
            Self::Again => "again",
            Self::RollBack => "rollback",
            Self::Promote(_) => "promote",
        }
    }
}

/// What is offered. A further act does not compile here until it is listed, and tried.
fn offered(acts: &Acts) -> Vec<Offer> {
    let Acts {
        cancel,
        again,
        roll_back_to,
        pause,
        unpause,
        answers,
        takes_over: _,
        retry,
        resume,
        promote_to,
        approve,
        approve_obstacle: _,
        reject,
        turn: _,
        continued_by: _,
        superseded: _,
        again_by_form: _,
        runs_now: _,
        obstacles: _,
        refusals: _,
        may_unlock: _,
    } = acts;
    let single = [
        (*cancel, Offer::Cancel),
        (*pause, Offer::Pause),
        (*unpause, Offer::Unpause),
        (*approve, Offer::Approve),
        (*reject, Offer::Reject),
        (*retry > 0, Offer::Retry),
        (*resume > 0, Offer::Resume),
        (*again, Offer::Again),
        (roll_back_to.is_some(), Offer::RollBack),
    ];
    let mut all: Vec<Offer> = single
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, one)| one)
        .collect();
    all.extend(answers.iter().map(|&answer| Offer::Answer(answer)));
    let next = promote_to.iter().map(|one| one.environment.clone());
    all.extend(next.map(Offer::Promote));
    all
}

/// Presses a button; the deployment that it requested, where it does.
async fn press(world: &World, id: DeploymentId, offer: &Offer) -> Result<Option<Requested>> {
    let (app, who) = (&world.app, &admin());
    Ok(match offer {
        Offer::Cancel => deployments::cancel(app, who, id).await.map(|()| None)?,
        Offer::Pause => deployments::pause(app, who, id).await.map(|()| None)?,
        Offer::Unpause => deployments::withdraw_pause(app, who, id).await.map(|()| None)?,
        Offer::Answer(answer) => deployments::answer(app, who, id, *answer).await.map(|()| None)?,
        Offer::Approve => deployments::approve(app, who, id).await.map(|()| None)?,
        Offer::Reject => deployments::reject(app, who, id, "").await.map(|()| None)?,
        Offer::Retry => Some(deployments::retry(app, who, id).await?),
        Offer::Resume => Some(deployments::resume(app, who, id).await?),
        Offer::Again => Some(deployments::again(app, who, id).await?),
        Offer::RollBack => Some(deployments::roll_back(app, who, id).await?),
        Offer::Promote(to) => Some(deployments::promote(app, who, id, to).await?),
    })
}

/// What the check of a deployment would refuse of its plan now.
async fn refusal(world: &World, id: DeploymentId) -> Option<String> {
    let deployment = rows::by_id(&world.store, id).await.unwrap();
    let environment = environments::by_id(&world.store, deployment.environment_id.unwrap())
        .await
        .unwrap();
    let roster = Roster::load(&world.store, &environment).await.unwrap();
    let strategy = deployment.strategy_in(&environment);
    let parts = world.parts(id).await;
    let to_do = parts.iter().filter(|part| part.state == ServerState::Waiting);
    let to_do: HashSet<ServerId> = to_do.filter_map(|part| part.server_id).collect();
    let options = ground::balancer_options();
    let made = prospect(&world.store, &options, &roster, strategy, &to_do, Asking::Rollout).await;
    let approved = deployment.approval.is_some();
    match made {
        Err(error) => Some(error.message().to_owned()),
        Ok(made) if approved => {
            let asked = rows::plan(&world.store, id).await.unwrap();
            let same = asked.is_none_or(|asked| asked.does_the_same_as(&made.plan));
            (!same).then(|| "what would be done has changed".to_owned())
        }
        Ok(_) => None,
    }
}

/// How often each kind of button was pressed.
type Tally = BTreeMap<&'static str, usize>;

/// Tries each button of one state.
async fn try_all(world: &World, stage: &Stage, case: &Case, tally: &mut Tally) {
    let mut id = stage.set(world, case).await;
    let acts = stage.offers(world, id).await;
    if case.continued && case.state.is_final() && case.state != DeploymentState::Succeeded {
        assert!(
            !acts.again && acts.retry == 0 && acts.resume == 0,
            "{case:?}: {acts:?}"
        );
    }
    let mut is_fresh = true;
    for offer in offered(&acts) {
        if !is_fresh {
            id = stage.set(world, case).await;
        }
        *tally.entry(offer.word()).or_default() += 1;
        let done = press(world, id, &offer).await;
        let done = done.unwrap_or_else(|error| panic!("{case:?}: {offer:?} is refused: {error}"));
        let new = match (done, &offer) {
            (Some(Requested::New(new)), _) => Some(new),
            (Some(other), _) => panic!("{case:?}: {offer:?} did nothing new: {other:?}"),
            (None, Offer::Approve) => Some(id),
            (None, _) => None,
        };
        if let Some(new) = new
            && let Some(why) = refusal(world, new).await
        {
            panic!("{case:?}: {offer:?} would fail in its check: {why}");
        }
        if offer == Offer::Pause {
            let after = stage.offers(world, id).await;
            assert!(after.unpause && !after.pause, "{case:?}: {after:?}");
            *tally.entry(Offer::Unpause.word()).or_default() += 1;
            press(world, id, &Offer::Unpause).await.unwrap();
        }
        // What was requested is over, and what has ended is as it was.
        is_fresh = case.state.is_final() && !case.continued;
        if let (Some(new), true) = (new, is_fresh) {
            let tx = change(&world.store).await;
            let (from, to) = (DeploymentState::Queued, DeploymentState::Cancelled);
            rows::set_state(&tx, new, from, to, world.clock.now(), "Over.")
                .await
                .unwrap();
            bring_in(tx).await;
        }
    }
}

async fn try_cases(cases: &[Case]) -> Tally {
    let mut world = ground::setup().start().await;
    let stage = Stage::new(&mut world).await;
    let mut tally = Tally::new();
    for case in cases {
        try_all(&world, &stage, case, &mut tally).await;
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_that_is_offered_works_in_every_state() {
    let cases = match is_long() {
        true => cases::all(),
        false => cases::pairwise(),
    };
    let tally = try_cases(&cases).await;
    let single = [
        Offer::Cancel,
        Offer::Pause,
        Offer::Unpause,
        Offer::Approve,
        Offer::Reject,
        Offer::Retry,
        Offer::Resume,
        Offer::Again,
        Offer::RollBack,
        Offer::Promote(String::new()),
    ];
    let all = single.iter().cloned();
    let all = all.chain(Answer::ALL.iter().map(|&answer| Offer::Answer(answer)));
    let never: Vec<&str> = all
        .map(|offer| offer.word())
        .filter(|word| !tally.contains_key(word))
        .collect();
    assert!(never.is_empty(), "never offered: {never:?} of {tally:?}");
}

/// After a failure, with one strategy: every policy for failures, every step, every balancer.
async fn failures_with(is_it: fn(&Strategy) -> bool) {
    let cases: Vec<Case> = cases::failures()
        .into_iter()
        .filter(|case| is_it(&case.strategy))
        .collect();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let tally = try_cases(&cases).await;
    for word in ["retry", "resume-rest", "again", "rollback"] {
        assert!(tally.contains_key(word), "never offered: {word} of {tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_after_a_failure_cluster_by_cluster_works() {
    failures_with(|strategy| matches!(strategy, Strategy::ClusterByCluster)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_after_a_failure_of_a_rolling_rollout_works() {
    failures_with(|strategy| matches!(strategy, Strategy::Rolling { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_after_a_failure_of_a_canary_works() {
    failures_with(|strategy| matches!(strategy, Strategy::Canary { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_after_a_failure_everywhere_at_once_works() {
    failures_with(|strategy| matches!(strategy, Strategy::AllAtOnce)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_is_away_is_why_nothing_is_offered() {
    let mut world = ground::setup().start().await;
    let stage = Stage::new(&mut world).await;
    let failed = cases::failures();
    let away = failed.iter().find(|case| case.edge == Edge::Away).unwrap();
    let id = stage.set(&world, away).await;
    let acts = stage.offers(&world, id).await;
    assert_eq!(offered(&acts), []);
    assert!(
        acts.obstacles
            .iter()
            .any(|one| one.why.contains("cannot be reached")),
        "{acts:?}"
    );
}
