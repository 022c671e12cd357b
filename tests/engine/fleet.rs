//! Servers behind a real HAProxy, for the tests of rollouts.

use std::time::Duration;

use deployer::balancer::{Admin, BackendSlot, BalancerClient};
use deployer::domain::deployment::Service;
use deployer::domain::{Deployment, DeploymentId, OnFailure, Share, Step, StepKind, Strategy};
use tokio_util::sync::CancellationToken;

use crate::support::backend::Backend;
use crate::support::haproxy::{Builder, Haproxy};
use crate::support::setup::Setup;
use crate::support::world::World;

/// What nothing here should take, on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// One server after the other.
pub const ONE: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: None,
};

/// Servers behind an HAProxy, in one backend called `web`.
pub struct Fleet {
    pub world: World,
    pub haproxy: Haproxy,
    pub balancer: BalancerClient,
    pub backends: Vec<Backend>,
}

impl Fleet {
    /// Clusters of so many servers, all of them up.
    pub async fn start(clusters: &[usize], strategy: Strategy) -> Self {
        Self::with(clusters, strategy, |project| project).await
    }

    /// The same with more that is special.
    pub async fn with(clusters: &[usize], strategy: Strategy, special: impl FnOnce(Setup) -> Setup) -> Self {
        Self::behind(Haproxy::builder(), clusters, strategy, special).await
    }

    /// The same behind an HAProxy of its own kind.
    pub async fn behind(
        haproxy: Builder,
        clusters: &[usize],
        strategy: Strategy,
        special: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let project = World::project().clusters(clusters).strategy(strategy);
        let project = project.on_failure(OnFailure::Stop).drain_limit(2).up_limit(10);
        let world = special(project).start().await;
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
        let haproxy = haproxy.backend("web", &servers).start().await;
        let fleet = Self {
            balancer: haproxy.balancer("runtime"),
            world,
            haproxy,
            backends,
        };
        fleet.stand_behind().await;
        let all: Vec<BackendSlot> = servers.iter().map(|(name, _)| slot(name)).collect();
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
        let store = &self.world.store;
        let row = crate::support::haproxy::row("runtime", &[self.haproxy.endpoint("runtime")]);
        let tx = crate::support::store::change(store).await;
        let row = balancers::insert(&tx, &row).await.unwrap();
        for mut cluster in clusters::list(store).await.unwrap() {
            cluster.balancer = Some(row.id);
            cluster.backends = vec!["web".into()];
            clusters::update(&tx, &cluster).await.unwrap();
        }
        crate::support::store::bring_in(tx).await;
    }

    /// What was decided about each server, in order.
    pub async fn admins(&self) -> Vec<Admin> {
        let state = self.balancer.state().await.unwrap();
        state.servers.iter().map(|merged| merged.admin).collect()
    }

    /// Asks for a deployment and waits until `deploy.sh` has begun on web1, where it takes a second.
    pub async fn begin_on_web1(&mut self) -> (String, DeploymentId) {
        let world = &mut self.world;
        world.script("deploy.sh", "[ \"$2\" != web1 ] || { echo begun; sleep 1; }");
        let commit = world.commit("First").await;
        let id = world.ask(World::request(&commit)).await;
        world.until_it_says(id, "begun").await;
        (commit, id)
    }

    pub async fn services(&self, id: DeploymentId) -> Vec<Service> {
        self.world
            .parts(id)
            .await
            .iter()
            .map(|part| part.service)
            .collect()
    }

    /// Deploys, watching how few servers are in service at any time.
    pub async fn deploy(&self, commit: &str) -> (Deployment, usize) {
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
            assert_ne!(fewest, usize::MAX, "the balancer was never asked");
            fewest
        });
        let deployment = self.world.deploy(commit).await;
        done.cancel();
        (deployment, watch.await.unwrap())
    }

    pub async fn step(&self, id: DeploymentId, server: &str, kind: StepKind) -> Step {
        let steps = self.world.steps(id).await;
        let step = steps
            .into_iter()
            .find(|step| step.server_name == server && step.kind == kind);
        step.unwrap()
    }
}

/// A place in the backend.
pub fn slot(server: &str) -> BackendSlot {
    BackendSlot::new("web", server).unwrap()
}
