//! Environments on the same servers, in the same backends.

use std::time::{Duration, Instant};

use deployer::app::deployments::DeployRequest;
use deployer::balancer::Admin;
use deployer::domain::deployment::Service;
use deployer::domain::{Deployment, DeploymentState, Environment, Share, Strategy};
use deployer::store::{clusters, environments, projects};

use super::fleet::{Fleet, ONE};
use crate::support::world::World;

const PATIENCE: Duration = Duration::from_secs(40);

async fn deploy(fleet: &Fleet, environment: &str, commit: &str) -> Deployment {
    let request = DeployRequest {
        environment: environment.to_owned(),
        ..World::request(commit)
    };
    let id = fleet.world.ask(request).await;
    fleet.world.end(id).await
}

/// Lets both environments have a commit first; `changed` changes each.
async fn side_by_side(fleet: &Fleet, changed: impl Fn(&mut Environment)) {
    let store = &fleet.world.store;
    let project = projects::by_name(store, "shop").await.unwrap();
    for mut environment in environments::list(store, project.id).await.unwrap() {
        environment.position = 1;
        changed(&mut environment);
        let tx = crate::support::store::change(store).await;
        environments::update(&tx, &environment).await.unwrap();
        crate::support::store::bring_in(tx).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_back_only_when_no_environment_has_an_unfinished_release_there() {
    let mut fleet = Fleet::with(&[3], ONE, |project| project.environments(&["dev", "beta"])).await;
    side_by_side(&fleet, |_| {}).await;
    let script = "[ \"$2\" != web1 ] || [ -e ~/mended-$1 ]";
    fleet.world.script("deploy.sh", script);
    let commit = fleet.world.commit("First").await;
    for environment in ["dev", "beta"] {
        let failed = deploy(&fleet, environment, &commit).await;
        assert_eq!(failed.state, DeploymentState::Failed, "{environment}");
        assert_eq!(fleet.admins().await[0], Admin::Maint, "{environment}");
    }

    std::fs::write(fleet.world.home(1, "mended-dev"), "").unwrap();
    let mended = deploy(&fleet, "dev", &commit).await;

    assert_eq!(mended.state, DeploymentState::Succeeded, "{}", mended.outcome);
    assert_eq!(fleet.admins().await[0], Admin::Maint);
    assert_eq!(fleet.services(mended.id).await[0], Service::Out);
    let told = &fleet.world.parts(mended.id).await[0].detail;
    assert!(
        told.contains("another environment left an unfinished release"),
        "{told}"
    );

    std::fs::write(fleet.world.home(1, "mended-beta"), "").unwrap();
    let all = deploy(&fleet, "beta", &commit).await;
    assert_eq!(all.state, DeploymentState::Succeeded, "{}", all.outcome);
    let start = Instant::now();
    while fleet.admins().await != [Admin::Ready; 3] {
        assert!(start.elapsed() < PATIENCE, "it is never put back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = &fleet.world.parts(mended.id).await[0].detail;
    assert!(!told.contains("another environment"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_with_a_server_each_in_one_backend_never_take_both_out() {
    let strategy = Strategy::Rolling {
        batch: Share::Count(1),
        keep: Some(Share::Count(1)),
    };
    let special = |project: crate::support::setup::Setup| project.environments(&["dev", "beta"]);
    let mut fleet = Fleet::with(&[1, 1], strategy, special).await;
    let all = clusters::list(&fleet.world.store).await.unwrap();
    side_by_side(&fleet, |environment| {
        let own = usize::from(environment.name.as_str() == "beta");
        environment.clusters = vec![all[own].id];
    })
    .await;
    fleet.world.script("deploy.sh", "sleep 0.5");
    let commit = fleet.world.commit("First").await;
    let beta = DeployRequest {
        environment: "beta".to_owned(),
        ..World::request(&commit)
    };
    let other = fleet.world.ask(beta).await;

    let (one, fewest) = fleet.deploy(&commit).await;

    let two = fleet.world.end(other).await;
    assert_eq!(one.state, DeploymentState::Succeeded, "{}", one.outcome);
    assert_eq!(two.state, DeploymentState::Succeeded, "{}", two.outcome);
    assert_eq!(fewest, 1, "one of them always serves");
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Ready]);
}
