//! What an earlier process left behind when it was killed.

use std::time::Duration;

use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentId, DeploymentState, StepKind, StepState};
use deployer::store::steps::NewStep;
use deployer::store::{deployments, queue, steps};

use crate::support::world::World;

/// A process that claims a deployment, comes as far as `last` on its server, and is gone.
async fn die_at(world: &World, last: StepKind) -> DeploymentId {
    let store = &world.store;
    let lease = Duration::from_secs(600);
    let claimed = queue::claim(store, "dead/0", world.app.now(), lease)
        .await
        .unwrap()
        .unwrap();
    let server = deployer::store::servers::by_name(store, "web1").await.unwrap();
    let kinds = [
        StepKind::Inspect,
        StepKind::Sync,
        StepKind::Activate,
        StepKind::Deploy,
    ];
    let plan = kinds.map(|kind| NewStep {
        server_id: Some(server.id),
        server_name: "web1".into(),
        kind,
    });
    let tx = store.record_leased(claimed.lease).await.unwrap();
    let rows = steps::insert(&tx, &plan).await.unwrap();
    for step in rows.iter().filter(|step| step.kind <= last) {
        steps::start(&tx, step.id, world.app.now()).await.unwrap();
        if step.kind < last {
            steps::finish(&tx, step.id, StepState::Succeeded, None, "", world.app.now())
                .await
                .unwrap();
        }
    }
    deployments::set_server(&tx, 0, ServerState::Running)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    claimed.deployment.id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_deployment_is_closed_at_the_next_start_with_the_truth_per_server() {
    let truths = [
        (StepKind::Inspect, "Not touched: it runs what it ran before."),
        (StepKind::Sync, "It still runs what it ran before."),
        (StepKind::Activate, "It still runs what it ran before."),
        (
            StepKind::Deploy,
            "It runs nothing, as the release in use was deleted. Deploy again.",
        ),
    ];
    for (last, truth) in truths {
        let mut world = World::project().workers(0).start().await;
        world.repository.write("a", "1");
        let commit = world.commit("First").await;
        let id = world.ask(World::request(&commit)).await;
        assert_eq!(die_at(&world, last).await, id);

        world.app.start().await.unwrap();

        let deployment = world.end(id).await;
        assert_eq!(deployment.state, DeploymentState::Interrupted);
        assert!(
            deployment
                .outcome
                .starts_with("Interrupted: the deployer stopped"),
            "{}",
            deployment.outcome
        );
        let parts = world.parts(id).await;
        assert_eq!(parts[0].state, ServerState::Interrupted);
        assert!(parts[0].detail.contains(truth), "{last}: {}", parts[0].detail);
        let states: Vec<StepState> = world.steps(id).await.iter().map(|step| step.state).collect();
        assert_eq!(
            states
                .iter()
                .filter(|state| **state == StepState::Interrupted)
                .count(),
            1,
            "{states:?}"
        );
        assert!(
            queue::holders(&world.store).await.unwrap().is_empty(),
            "its servers are not free"
        );
    }
}
