//! Real servers with a web server each, behind a real HAProxy that tries nothing twice.

use std::fs;
use std::time::Duration;

use deployer::app::deployments::DeployRequest;
use deployer::balancer::{BackendSlot, BalancerClient, Options};
use deployer::domain::{Deployment, Plan, Strategy, SyncMethod};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::haproxy::{self, Haproxy, free_ports};
use crate::support::world::World;

/// What nothing here should take, on a busy machine.
const LONG: Duration = Duration::from_secs(30);
/// How often the balancer is asked who serves.
const SAMPLE: Duration = Duration::from_millis(15);

/// The web server of the repository.
const APP: &str = include_str!("app.pl");
/// Ends the old process for good and starts the new one, and does not wait until that listens.
const RESTART: &str = r#"if old=$(cat ~/app.pid 2>/dev/null); then
  kill -9 "$old" 2>/dev/null
  while kill -0 "$old" 2>/dev/null; do sleep 0.02; done
fi
setsid perl app.pl "$(cat ~/port)" "$3" ~/app.pid </dev/null >/dev/null 2>&1 &
echo $! > ~/app.pid"#;

/// Servers in clusters, each running the release it got first.
pub struct Fleet {
    pub world: World,
    pub haproxy: Haproxy,
    /// A view of our own on the balancer.
    pub balancer: BalancerClient,
    kind: &'static str,
    /// The backend of each server, in their order.
    backends: Vec<String>,
    ports: Vec<u16>,
}

impl Fleet {
    /// Clusters of so many servers, behind the balancer backend named beside each. The first commit
    /// is deployed and served; the balancer is not known to the deployer yet.
    pub async fn start(clusters: &[(usize, &str)], kind: &'static str, method: SyncMethod) -> Self {
        let backends: Vec<String> = clusters
            .iter()
            .flat_map(|(size, backend)| vec![(*backend).to_owned(); *size])
            .collect();
        let ports = free_ports(backends.len());
        let names: Vec<String> = (1..=ports.len()).map(|number| format!("web{number}")).collect();
        let mut builder = Haproxy::builder().honest();
        let mut known: Vec<&String> = backends.iter().collect();
        known.dedup();
        for backend in known {
            let own = names
                .iter()
                .zip(&ports)
                .zip(&backends)
                .filter(|(_, of)| *of == backend);
            let own: Vec<(&str, u16)> = own.map(|((name, port), _)| (name.as_str(), *port)).collect();
            builder = builder.backend(backend, &own);
        }
        let haproxy = builder.start().await;
        let sizes: Vec<usize> = clusters.iter().map(|(size, _)| *size).collect();
        let project = World::project().method(method).clusters(&sizes);
        let project = project.strategy(Strategy::AllAtOnce).drain_limit(10).up_limit(20);
        let balancers = Options {
            credentials: Some(haproxy.credentials()),
            ..Options::default()
        };
        let mut world = project.balancers(balancers).start().await;
        for (number, port) in (1..).zip(&ports) {
            fs::write(world.home(number, "port"), port.to_string()).unwrap();
        }
        world.repository.write("app.pl", APP);
        world.script("deploy.sh", RESTART);
        let first = world.commit("First").await;
        let balancer = haproxy.balancer("runtime");
        let fleet = Self {
            world,
            haproxy,
            balancer,
            kind,
            backends,
            ports,
        };
        let deployment = fleet.world.deploy(&first).await;
        fleet.world.assert_succeeded(&deployment).await;
        let calm = CancellationToken::new();
        fleet.balancer.wait_up(&fleet.slots(), LONG, &calm).await.unwrap();
        fleet
    }

    /// Tells the deployer that its clusters stand behind the balancer.
    pub async fn stand_behind(&self) {
        use deployer::store::{balancers, clusters};
        let store = &self.world.store;
        let row = haproxy::row(self.kind, &[self.haproxy.endpoint(self.kind)]);
        let mut backends = self.backends.iter();
        let all = clusters::list(store).await.unwrap();
        let tx = crate::support::store::change(store).await;
        let row = balancers::insert(&tx, &row).await.unwrap();
        for mut cluster in all {
            cluster.balancer = Some(row.id);
            cluster.backends = backends
                .by_ref()
                .take(cluster.members.len())
                .take(1)
                .cloned()
                .collect();
            backends.by_ref().take(cluster.members.len() - 1).for_each(drop);
            clusters::update(&tx, &cluster).await.unwrap();
        }
        crate::support::store::bring_in(tx).await;
    }

    /// Where users knock.
    pub fn addresses(&self) -> Vec<String> {
        let mut backends = self.backends.clone();
        backends.dedup();
        let address = |backend: &String| self.haproxy.url(backend).trim_start_matches("http://").to_owned();
        backends.iter().map(address).collect()
    }

    /// The place of each server.
    pub fn slots(&self) -> Vec<BackendSlot> {
        let slot =
            |(number, backend): (usize, &String)| BackendSlot::new(backend, format!("web{number}")).unwrap();
        (1..).zip(&self.backends).map(slot).collect()
    }

    /// Counts who serves until the watch is [ended](Watch::end).
    pub fn watch(&self) -> Watch {
        let done = CancellationToken::new();
        let (balancer, token) = (self.balancer.clone(), done.clone());
        let watching = tokio::spawn(async move {
            let mut fewest = usize::MAX;
            while token
                .run_until_cancelled(tokio::time::sleep(SAMPLE))
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
        Watch { done, watching }
    }

    /// A new commit; the servers are restarted for it.
    pub async fn next_commit(&mut self) -> String {
        self.world.repository.write("news", "of today\n");
        self.world.commit("Second").await
    }

    /// Deploys a commit to everything by a strategy.
    pub async fn deploy(&self, commit: &str, strategy: Strategy) -> Deployment {
        let request = DeployRequest {
            strategy: Some(strategy),
            ..World::request(commit)
        };
        let id = self.world.ask(request).await;
        let deployment = self.world.end(id).await;
        self.world.assert_succeeded(&deployment).await;
        deployment
    }

    /// What each server serves, asked past the balancer.
    pub async fn served(&self) -> Vec<String> {
        let mut served = Vec::new();
        for port in &self.ports {
            let answer = reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap();
            served.push(answer.text().await.unwrap());
        }
        served
    }

    /// The plan that a deployment went by.
    pub async fn plan(&self, deployment: &Deployment) -> Plan {
        let store = &self.world.store;
        let plan = deployer::store::deployments::plan(store, deployment.id).await;
        plan.unwrap().unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for number in 1..=self.ports.len() {
            if let Ok(pid) = self.world.read(number, "app.pid").trim().parse() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

/// A look at the balancer that goes on.
pub struct Watch {
    done: CancellationToken,
    watching: JoinHandle<usize>,
}

impl Watch {
    /// The fewest servers that were in service at any moment.
    pub async fn end(self) -> usize {
        self.done.cancel();
        self.watching.await.unwrap()
    }
}
