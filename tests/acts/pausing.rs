//! Telling a deployment that runs or is paused what to do.

use deployer::app::deployments;
use deployer::app::watch;
use deployer::domain::{
    Action, Answer, Answerer, DeploymentId, DeploymentState, EnvironmentOptions, ErrorKind, Pause,
    PauseReason, ServerState, StepKind,
};
use deployer::store::deployments as rows;
use deployer::store::steps::NewStep;
use deployer::store::{Lease, steps};

use super::{ask, audited, begin, commit, done, hash, person, seen, still, wanted};
use crate::support::store::noon;
use crate::support::world::World;

/// A deployment that a worker has begun, and nothing more.
async fn running(world: &mut World) -> (DeploymentId, Lease) {
    let commit = commit(world, "1").await;
    ask(world, "dora", wanted(&commit)).await.unwrap();
    begin(world, noon()).await.unwrap()
}

async fn pause(world: &World, lease: Lease, reason: PauseReason) {
    let tx = world.store.change_leased(lease, noon()).await.unwrap();
    let pause = Pause::new(reason, noon(), None);
    rows::set_pause(&tx, Some(&pause)).await.unwrap();
    let (from, to) = (DeploymentState::Running, DeploymentState::Paused);
    rows::set_state(&tx, lease.deployment, from, to, noon(), "")
        .await
        .unwrap();
    tx.commit(crate::support::store::reached(lease.deployment, to))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_can_be_requested_and_withdrawn() {
    let mut world = still(EnvironmentOptions::default()).await;
    let (id, _) = running(&mut world).await;
    let refused = deployments::pause(&world.app, &person("lena"), id).await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Cancel);

    deployments::pause(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!(seen(&world, id).await.pause_requested_by.as_deref(), Some("dora"));
    let again = deployments::pause(&world.app, &person("admin"), id).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert!(acts.cancel && acts.unpause && !acts.pause);

    deployments::withdraw_pause(&world.app, &person("admin"), id)
        .await
        .unwrap();
    assert_eq!(seen(&world, id).await.pause_requested_by, None);
    let told = audited(&world).await;
    assert!(told.ends_with(&[
        "lena cancel.refused refused".to_owned(),
        "dora deployment.pause_requested allowed".to_owned(),
        "admin deployment.pause_withdrawn allowed".to_owned(),
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_running_deployment_can_be_paused() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    let early = deployments::pause(&world.app, &person("dora"), id)
        .await
        .unwrap_err();
    assert!(early.message().contains("is not running yet"), "{early}");
    deployments::cancel(&world.app, &person("dora"), id)
        .await
        .unwrap();
    let late = deployments::pause(&world.app, &person("dora"), id)
        .await
        .unwrap_err();
    assert_eq!(
        late.message(),
        format!("Deployment {id} has ended already: it was cancelled.")
    );
}

/// web1 fails in its switch; what it ran before was deployed by nobody here.
async fn fail_in_the_switch(world: &World, id: DeploymentId, lease: Lease) {
    let tx = world.store.record_leased(lease).await.unwrap();
    rows::set_server(&tx, 0, ServerState::Failed).await.unwrap();
    let server = rows::servers(&tx, id).await.unwrap()[0].server_id;
    let switch = NewStep {
        server_id: server,
        server_name: "web1".to_owned(),
        kind: StepKind::Activate,
    };
    let made = steps::insert(&tx, &[switch]).await.unwrap();
    steps::start(&tx, made[0].id, noon()).await.unwrap();
    let never = "1".repeat(40).parse().unwrap();
    rows::set_previous_commit(&tx, 0, Some(&never)).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_deploy_can_answer_a_pause_once() {
    let mut world = still(EnvironmentOptions::default()).await;
    let before = commit(&mut world, "0").await;
    done(&world, &before).await;
    let (id, lease) = running(&mut world).await;
    let servers = vec!["web1".to_owned()];
    pause(&world, lease, PauseReason::Failure { servers }).await;
    let (_, acts) = watch::see(&world.app, &person("lena"), id).await.unwrap();
    assert_eq!(acts, watch::Acts::default());
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    use Answer::{Retry, RollBack, Skip, Stop};
    assert_eq!(
        acts.answers,
        [Retry, Skip, Stop],
        "there is nothing to go back to"
    );
    fail_in_the_switch(&world, id, lease).await;
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!(
        acts.answers,
        [Retry, Skip, Stop],
        "what it ran was never deployed here with success"
    );
    let tx = world.store.record_leased(lease).await.unwrap();
    rows::set_previous_commit(&tx, 0, Some(&hash(&before)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!(acts.answers, [Retry, Skip, RollBack, Stop]);

    for (answer, asked) in [
        (Answer::Retry, Action::Deploy),
        (Answer::RollBack, Action::Rollback),
        (Answer::Stop, Action::Cancel),
    ] {
        let refused = deployments::answer(&world.app, &person("lena"), id, answer).await;
        assert_eq!(refused.unwrap_err().refusal().unwrap().action, asked);
    }
    let unfit = deployments::answer(&world.app, &person("dora"), id, Answer::Resume).await;
    assert_eq!(unfit.unwrap_err().kind(), ErrorKind::Conflict);
    deployments::answer(&world.app, &person("dora"), id, Answer::Skip)
        .await
        .unwrap();

    let stored = rows::answer_given(&world.store, id).await.unwrap().unwrap();
    let dora = Answerer::Person("dora".to_owned());
    assert_eq!((stored.answer, stored.by), (Answer::Skip, dora));
    let twice = deployments::answer(&world.app, &person("admin"), id, Answer::Stop).await;
    assert!(twice.unwrap_err().message().contains("answered already"));
    assert_eq!(
        audited(&world).await.last().unwrap(),
        "dora deployment.answered allowed"
    );
}
