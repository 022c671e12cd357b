//! Rollouts behind a real HAProxy: who is out of service when, and who is left so.

use std::collections::HashMap;
use std::time::Duration;

use deployer::app::deployments::cancel;
use deployer::balancer::{Admin, Balancer, Slot};
use deployer::domain::deployment::{ServerState, Service};
use deployer::domain::{
    Deployment, DeploymentId, DeploymentState, EnvironmentOptions, OnFailure, RolloutOptions, Share, Step,
    StepKind, StepState, Strategy, SyncMethod,
};
use tokio_util::sync::CancellationToken;

use crate::support::backend::Backend;
use crate::support::haproxy::Haproxy;
use crate::support::world::{Wishes, World, admin};

/// What nothing here should take, on a busy machine.
const LONG: Duration = Duration::from_secs(30);

const ONE: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: None,
};

/// Servers behind an HAProxy, in one backend called `web`.
struct Fleet {
    world: World,
    haproxy: Haproxy,
    balancer: Balancer,
    _backends: Vec<Backend>,
}

impl Fleet {
    async fn start(clusters: &[usize], strategy: Strategy, wish: impl FnOnce(&mut Wishes)) -> Self {
        let mut wishes = Wishes {
            clusters: clusters.to_vec(),
            options: EnvironmentOptions {
                rollout: RolloutOptions {
                    strategy,
                    on_failure: OnFailure::Stop,
                    drain_limit: 2,
                    up_limit: 10,
                },
                ..EnvironmentOptions::default()
            },
            ..Wishes::default()
        };
        wish(&mut wishes);
        let world = World::with(wishes).await;
        let (mut backends, mut servers) = (Vec::new(), Vec::new());
        for number in 1..=clusters.iter().sum() {
            let name = format!("web{number}");
            let backend = Backend::start(&name).await;
            servers.push((name, backend.port));
            backends.push(backend);
        }
        let servers: Vec<(&str, u16)> = servers
            .iter()
            .map(|(name, port)| (name.as_str(), *port))
            .collect();
        let haproxy = Haproxy::builder().backend("web", &servers).start().await;
        let fleet = Self {
            balancer: haproxy.balancer("runtime"),
            world,
            haproxy,
            _backends: backends,
        };
        fleet.stand_behind().await;
        let all: Vec<Slot> = servers.iter().map(|(name, _)| slot(name)).collect();
        fleet
            .balancer
            .wait_up(&all, LONG, &CancellationToken::new())
            .await
            .unwrap();
        fleet
    }

    /// Puts every cluster behind the balancer.
    async fn stand_behind(&self) {
        use deployer::store::{balancers, clusters};
        let store = &self.world.app.store;
        let row = crate::support::haproxy::row("runtime", &[self.haproxy.endpoint("runtime")]);
        let tx = store.begin().await.unwrap();
        let row = balancers::insert(&tx, &row).await.unwrap();
        for mut cluster in clusters::list(store).await.unwrap() {
            cluster.balancer = Some(row.id);
            cluster.backends = vec!["web".into()];
            clusters::update(&tx, &cluster).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// What was decided about each server, in order.
    async fn admins(&self) -> Vec<Admin> {
        let state = self.balancer.state().await.unwrap();
        state.servers.iter().map(|merged| merged.admin).collect()
    }

    async fn services(&self, id: DeploymentId) -> Vec<Service> {
        self.world
            .parts(id)
            .await
            .iter()
            .map(|part| part.service)
            .collect()
    }

    /// Deploys, watching how few servers are in service at any time.
    async fn deploy(&self, commit: &str) -> (Deployment, usize) {
        let (balancer, done) = (self.balancer.clone(), CancellationToken::new());
        let token = done.clone();
        let watch = tokio::spawn(async move {
            let mut fewest = usize::MAX;
            while token
                .run_until_cancelled(tokio::time::sleep(Duration::from_millis(5)))
                .await
                .is_some()
            {
                if let Ok(state) = balancer.state().await {
                    fewest = fewest.min(state.servers.iter().filter(|one| one.up).count());
                }
            }
            fewest
        });
        let deployment = self.world.deploy(commit).await;
        done.cancel();
        (deployment, watch.await.unwrap())
    }

    async fn step(&self, id: DeploymentId, server: &str, kind: StepKind) -> Step {
        let steps = self.world.steps(id).await;
        let step = steps
            .into_iter()
            .find(|step| step.server_name == server && step.kind == kind);
        step.unwrap()
    }
}

fn slot(server: &str) -> Slot {
    Slot::new("web", server).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_out_from_the_switch_to_the_last_test_and_no_longer() {
    let mut fleet = Fleet::start(&[3], ONE, |_| {}).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    let id = deployment.id;
    assert_eq!(
        deployment.outcome,
        "3 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert_eq!(fewest, 2, "one at a time");
    assert_eq!(fleet.services(id).await, [Service::Back; 3]);
    assert_eq!(fleet.admins().await, [Admin::Ready; 3]);
    let kinds = [
        StepKind::Sync,
        StepKind::Drain,
        StepKind::Activate,
        StepKind::Deploy,
        StepKind::Tests,
        StepKind::Restore,
    ];
    let mut begins = Vec::new();
    for kind in kinds {
        begins.push(fleet.step(id, "web2", kind).await.started_at.unwrap());
    }
    assert!(begins.is_sorted(), "{begins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_by_cluster_takes_the_old_ones_out_before_the_second() {
    let mut fleet = Fleet::start(&[2, 2, 1], Strategy::ClusterByCluster, |wishes| {
        wishes.method = SyncMethod::InPlace;
    })
    .await;
    fleet.world.script("deploy.sh", "sleep 0.3");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    let id = deployment.id;
    assert_eq!(
        deployment.outcome,
        "5 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert!(fewest >= 1, "somebody always serves");
    assert_eq!(fleet.admins().await, [Admin::Ready; 5]);
    let back = fleet.step(id, "web2", StepKind::Restore).await.finished_at;
    let out = fleet.step(id, "web5", StepKind::Drain).await;
    assert!(
        out.started_at >= back,
        "the first cluster serves again before the others go"
    );
    assert!(out.finished_at <= fleet.step(id, "web3", StepKind::Deploy).await.started_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failed_one_stays_out_and_the_others_serve_the_old_release() {
    let mut fleet = Fleet::start(&[2, 2], Strategy::ClusterByCluster, |_| {}).await;
    fleet.world.repository.write("a", "1");
    let first = fleet.world.commit("First").await;
    assert_eq!(fleet.world.deploy(&first).await.state, DeploymentState::Succeeded);
    fleet.world.script("deploy.sh", "[ \"$2\" != web3 ]");
    let second = fleet.world.commit("Second").await;

    let (deployment, _) = fleet.deploy(&second).await;

    let id = deployment.id;
    let log = fleet.world.log(id).await;
    assert_eq!(
        deployment.outcome, "Failed on web3. Deployed to 3 servers.",
        "{log}"
    );
    assert_eq!(
        fleet.admins().await,
        [Admin::Ready, Admin::Ready, Admin::Maint, Admin::Ready]
    );
    use Service::{Back, Out};
    assert_eq!(fleet.services(id).await, [Back, Back, Out, Back]);
    let detail = &fleet.world.parts(id).await[2].detail;
    assert!(
        detail.ends_with("Deploy again, or roll back. It is out of service until then."),
        "{detail}"
    );

    // The next one knows that nobody took it out by hand.
    fleet.world.script("deploy.sh", "exit 0");
    let third = fleet.world.commit("Third").await;
    let (deployment, _) = fleet.deploy(&third).await;
    assert_eq!(
        deployment.outcome,
        "4 servers deployed.",
        "{}",
        fleet.world.log(deployment.id).await
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_took_out_by_hand_stays_out() {
    let mut fleet = Fleet::start(&[2], ONE, |_| {}).await;
    fleet.balancer.maint(&[slot("web1")]).await.unwrap();
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, _) = fleet.deploy(&commit).await;

    let id = deployment.id;
    assert_eq!(
        deployment.outcome,
        "2 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    assert_eq!(fleet.services(id).await, [Service::ByHand, Service::Back]);
    let detail = &fleet.world.parts(id).await[0].detail;
    assert_eq!(
        detail,
        "It stays out of web of balancer edge, as somebody had taken it out by hand."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_puts_back_whatever_is_whole() {
    let mut fleet = Fleet::start(&[1, 1, 1], Strategy::ClusterByCluster, |_| {}).await;
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web2 ] || { echo begun; sleep 30; }");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Maint]);

    cancel(&fleet.world.app, &admin(), id).await.unwrap();

    let deployment = fleet.world.end(id).await;
    assert_eq!(deployment.outcome, "Cancelled by admin.");
    assert_eq!(fleet.admins().await, [Admin::Ready, Admin::Maint, Admin::Ready]);
    let parts = fleet.world.parts(id).await;
    let states: Vec<_> = parts.iter().map(|part| (part.state, part.service)).collect();
    let expected = [
        (ServerState::Succeeded, Service::Back),
        (ServerState::Cancelled, Service::Out),
        (ServerState::Skipped, Service::Back),
    ];
    assert_eq!(states, expected);
    assert!(
        parts[2].detail.ends_with("It is back in service."),
        "{}",
        parts[2].detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_up_goes_out_again_and_has_failed() {
    let mut fleet = Fleet::start(&[2], ONE, |wishes| wishes.options.rollout.up_limit = 1).await;
    fleet._backends[0].fail(false);
    fleet.world.script("deploy.sh", "echo begun; sleep 1");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet._backends[0].fail(true);

    let deployment = fleet.world.end(id).await;

    assert_eq!(deployment.outcome, "Failed on web1. Left 1 server untouched.");
    assert_eq!(fleet.admins().await, [Admin::Maint, Admin::Ready]);
    let part = &fleet.world.parts(id).await[0];
    assert_eq!((part.state, part.service), (ServerState::Failed, Service::Out));
    assert!(
        part.detail.contains("did not call web/web1 UP"),
        "{}",
        part.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_knows_no_such_server_ends_it_before_anything_is_touched() {
    let mut fleet = Fleet::start(&[2], ONE, |_| {}).await;
    let store = &fleet.world.app.store.clone();
    let mut cluster = deployer::store::clusters::by_name(store, "cluster1")
        .await
        .unwrap();
    cluster.members[1].balancer_name = Some("other".into());
    let tx = store.begin().await.unwrap();
    deployer::store::clusters::update(&tx, &cluster).await.unwrap();
    tx.commit().await.unwrap();
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment.outcome.contains("has no server “other”"),
        "{}",
        deployment.outcome
    );
    assert_eq!(fewest, 2);
    assert!(!fleet.world.home(1, "dev/shop").exists());

    // By the name the balancer has, it goes.
    cluster.members.swap(0, 1);
    cluster.members[0].balancer_name = Some("web2".into());
    let tx = store.begin().await.unwrap();
    deployer::store::clusters::update(&tx, &cluster).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        fleet.world.deploy(&commit).await.state,
        DeploymentState::Succeeded
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_is_away_ends_it_before_anything_is_touched() {
    let mut fleet = Fleet::start(&[1], ONE, |_| {}).await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;
    fleet.haproxy.stop();

    let deployment = fleet.world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment.outcome.contains("cannot be reached"),
        "{}",
        deployment.outcome
    );
    assert!(!fleet.world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_balancer_does_not_send_users_to_a_server_being_worked_on() {
    let mut fleet = Fleet::start(&[2], ONE, |_| {}).await;
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web1 ] || { echo begun; sleep 6; }");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;

    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        fleet.admins().await,
        [Admin::Maint, Admin::Ready],
        "it was taken out again"
    );
    let deployment = fleet.world.end(id).await;
    assert_eq!(
        deployment.outcome,
        "2 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert!(fleet.world.log(id).await.contains("as after a restart"));
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_go_out_than_the_strategy_allows_once_a_failed_one_stays_out() {
    let strategy = Strategy::Rolling {
        batch: Share::Count(1),
        keep: Some(Share::Count(2)),
    };
    let mut fleet = Fleet::start(&[3], strategy, |wishes| {
        wishes.options.rollout.on_failure = OnFailure::Continue { up_to: 3 };
        wishes.options.rollout.up_limit = 2;
    })
    .await;
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("First").await;

    let (deployment, fewest) = fleet.deploy(&commit).await;

    assert_eq!(fewest, 2);
    assert!(
        deployment
            .outcome
            .starts_with("Stopped before Batch 2: web of balancer edge has 2 of 3 in service"),
        "{}",
        deployment.outcome
    );
    let states: HashMap<_, _> = fleet
        .world
        .parts(deployment.id)
        .await
        .into_iter()
        .map(|part| (part.server, part.state))
        .collect();
    assert_eq!(states["web1"], ServerState::Failed);
    assert_eq!(states["web3"], ServerState::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_two_clusters_is_worked_on_once_and_a_cluster_without_active_servers_is_no_obstacle() {
    let mut fleet = Fleet::start(&[2, 1], ONE, |_| {}).await;
    let store = &fleet.world.app.store.clone();
    let first = deployer::store::clusters::by_name(store, "cluster1")
        .await
        .unwrap();
    let mut second = deployer::store::clusters::by_name(store, "cluster2")
        .await
        .unwrap();
    let mut lonely = deployer::store::servers::by_name(store, "web3").await.unwrap();
    lonely.active = false;
    let tx = store.begin().await.unwrap();
    deployer::store::servers::update(&tx, &lonely).await.unwrap();
    second.members.push(first.members[1].clone());
    deployer::store::clusters::update(&tx, &second).await.unwrap();
    tx.commit().await.unwrap();
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;

    let (deployment, _) = fleet.deploy(&commit).await;

    let id = deployment.id;
    assert_eq!(
        deployment.outcome,
        "2 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 3]);
    let drains = fleet.world.steps(id).await;
    let drains = drains
        .iter()
        .filter(|step| step.kind == StepKind::Drain && step.state == StepState::Succeeded);
    assert_eq!(drains.count(), 2);
    assert!(
        fleet
            .world
            .log(id)
            .await
            .contains("web3 in cluster cluster2: Inactive")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_is_away_when_a_server_is_done_is_waited_for() {
    let mut fleet = Fleet::start(&[2], ONE, |wishes| wishes.options.rollout.up_limit = 30).await;
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web1 ] || { echo begun; sleep 1; }");
    let commit = fleet.world.commit("First").await;
    let id = fleet.world.ask(World::request(&commit)).await;
    while !fleet.world.log(id).await.contains("begun") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.haproxy.stop();
    tokio::time::sleep(Duration::from_secs(7)).await;
    fleet.haproxy.start_again().await;

    let deployment = fleet.world.end(id).await;

    assert_eq!(
        deployment.outcome,
        "2 servers deployed.",
        "{}",
        fleet.world.log(id).await
    );
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}
