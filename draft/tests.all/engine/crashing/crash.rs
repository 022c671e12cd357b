//! A world in which the deployer is killed, and everything that has to hold after its next start.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use deployer::balancer::{Admin, BackendSlot};
use deployer::domain::deployment::{ServerPart, ServerState, Service};
use deployer::domain::{
    Deployment, DeploymentId, DeploymentState, EnvironmentOptions, RolloutOptions, Step, StepKind, StepState,
    Strategy, SyncMethod,
};
use deployer::store::{balancers, clusters, queue};

use super::super::killed::{Served, log_file};
use crate::support::backend::Backend;
use crate::support::haproxy::{Haproxy, row};
use crate::support::world::World;

/// Within this after the start everything is closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// A rollout that is not killed may take so long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the store is looked at for the instant of a kill.
const GLANCE: Duration = Duration::from_millis(3);
const SERVERS: usize = 4;

/// When the deployer is killed.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// As soon as this step of this server has begun.
    Begun(usize, StepKind),
    /// As soon as it has ended.
    Ended(usize, StepKind),
    /// So long after the rollout has begun.
    After(Duration),
}

/// How a server was when a deployment began.
#[derive(Debug, Clone, Copy)]
struct Before {
    whole: Option<DeploymentId>,
    out: bool,
}

/// A world whose deployer is killed again and again.
pub struct Crash {
    world: World,
    haproxy: Haproxy,
    _backends: Vec<Backend>,
    /// What each deployment has put into the file `version`.
    versions: HashMap<DeploymentId, String>,
}

impl Crash {
    pub async fn new(method: SyncMethod, strategy: Strategy) -> Self {
        let rollout = RolloutOptions {
            strategy,
            drain_limit: 1,
            up_limit: 10,
            ..RolloutOptions::default()
        };
        let options = EnvironmentOptions {
            rollout,
            ..EnvironmentOptions::default()
        };
        let world = World::project()
            .method(method)
            .clusters(&[2, 2])
            .options(options)
            .workers(0)
            .start()
            .await;
        // The world's own engine would look after what the killed one left.
        world.app.stop_engine().await;
        let mut backends = Vec::new();
        for number in 1..=SERVERS {
            backends.push(Backend::start(&format!("web{number}")).await);
        }
        let port = |number: usize| backends[number - 1].port;
        let haproxy = Haproxy::builder()
            .backend("cluster1", &[("web1", port(1)), ("web2", port(2))])
            .backend("cluster2", &[("web3", port(3)), ("web4", port(4))])
            .start()
            .await;
        let tx = crate::support::store::change(&world.store).await;
        let edge = row("runtime", &[haproxy.endpoint("runtime")]);
        let edge = balancers::insert(&tx, &edge).await.unwrap();
        for mut cluster in clusters::list(&tx).await.unwrap() {
            cluster.balancer = Some(edge.id);
            cluster.backends = vec![cluster.name.to_string()];
            clusters::update(&tx, &cluster).await.unwrap();
        }
        crate::support::store::bring_in(tx).await;
        world.script(
            "deploy.sh",
            "echo \"begun $DEPLOYER_DEPLOYMENT_ID\" >> ~/story; sleep 0.04; echo \"ended $DEPLOYER_DEPLOYMENT_ID\" >> ~/story",
        );
        world.script("tests/run_tests.sh", "sleep 0.03");
        let all_up = Crash {
            world,
            haproxy,
            _backends: backends,
            versions: HashMap::new(),
        };
        all_up.until_up().await;
        all_up
    }

    async fn until_up(&self) {
        let start = Instant::now();
        while self.out().await.contains(&true) {
            assert!(start.elapsed() < PATIENCE, "HAProxy never calls all servers up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Which servers get no traffic, by the balancer's word.
    async fn out(&self) -> Vec<bool> {
        let state = self.haproxy.balancer("runtime").state().await.unwrap();
        let is_out = |number: usize| {
            let backend = if number <= 2 { "cluster1" } else { "cluster2" };
            let slot = BackendSlot::new(backend, format!("web{number}")).unwrap();
            state.of(&slot).unwrap().admin != Admin::Ready
        };
        (1..=SERVERS).map(is_out).collect()
    }

    /// Asks for the next commit.
    async fn ask(&mut self) -> DeploymentId {
        let version = format!("version {}", self.versions.len());
        self.world.repository.write("version", &version);
        let commit = self.world.commit(&version).await;
        let id = self.world.ask(World::request(&commit)).await;
        self.versions.insert(id, version);
        id
    }

    /// The directory in use on a server.
    fn live(&self, server: usize) -> Option<PathBuf> {
        std::fs::canonicalize(self.world.home(server, "dev/shop")).ok()
    }

    /// The deployment whose release is in use on a server and whole, its `deploy.sh` included.
    fn whole(&self, server: usize) -> Option<DeploymentId> {
        let live = self.live(server)?;
        let marker = std::fs::read_to_string(live.join(".git_release")).ok()?;
        if marker.lines().count() > 4 {
            return None;
        }
        let version = std::fs::read_to_string(live.join("version")).ok()?;
        let found = self.versions.iter().find(|(_, other)| **other == version);
        let (id, _) = found?;
        let story = self.world.read(server, "story");
        (story.lines().last() == Some(&format!("ended {id}"))).then_some(*id)
    }

    async fn kill_at(&self, served: Served, id: DeploymentId, when: When) {
        let start = Instant::now();
        let mut began: Option<Instant> = None;
        loop {
            let deployment = deployer::store::deployments::by_id(&self.world.store, id)
                .await
                .unwrap();
            let steps = self.world.steps(id).await;
            let of = |server: usize, kind: StepKind| {
                let name = format!("web{server}");
                let mut all = steps.iter();
                all.find(|step| step.kind == kind && step.server_name == name)
                    .map(|step| step.state)
                    .unwrap_or(StepState::Waiting)
            };
            if deployment.phase.as_str() == "roll_out" && began.is_none() {
                began = Some(Instant::now());
            }
            let now = match when {
                When::Begun(server, kind) => of(server, kind) != StepState::Waiting,
                When::Ended(server, kind) => of(server, kind).is_final(),
                When::After(time) => began.is_some_and(|began| began.elapsed() >= time),
            };
            if now || deployment.state.is_final() {
                break;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "never {when:?}: {deployment:#?} {steps:#?}\n{}",
                self.said()
            );
            tokio::time::sleep(GLANCE).await;
        }
        served.kill();
    }

    fn said(&self) -> String {
        std::fs::read_to_string(log_file(&self.world)).unwrap_or_default()
    }

    /// Everything that has to hold once a deployment is closed. `before`: how each server
    /// was when it began.
    async fn look(&self, id: DeploymentId, before: &[Before], when: When) {
        let deployment = deployer::store::deployments::by_id(&self.world.store, id)
            .await
            .unwrap();
        let parts = self.world.parts(id).await;
        let steps = self.world.steps(id).await;
        let out = self.out().await;
        let tell = || {
            let lines = |n: usize| {
                let part = &parts[n - 1];
                let own = steps.iter().filter(|step| step.server_id == part.server_id);
                let own: Vec<String> = own.map(|step| format!("{} {}", step.kind, step.state)).collect();
                format!(
                    "{} {} {:?} “{}” out: {} live: {:?} whole: {:?} before: {:?} story: {:?}\n    {}",
                    part.server,
                    part.state,
                    part.service,
                    part.detail,
                    out[n - 1],
                    self.live(n),
                    self.whole(n),
                    before[n - 1],
                    self.world.read(n, "story"),
                    own.join(", ")
                )
            };
            let servers: Vec<String> = (1..=SERVERS).map(lines).collect();
            let (state, outcome) = (deployment.state, &deployment.outcome);
            format!(
                "{when:?}: {state} {outcome}\n{}\n{}",
                servers.join("\n"),
                self.said()
            )
        };
        let ends = [DeploymentState::Interrupted, DeploymentState::Succeeded];
        assert!(ends.contains(&deployment.state), "{}", tell());
        assert!(
            steps.iter().all(|step| step.state.is_final()),
            "a step is open: {}",
            tell()
        );
        assert!(
            queue::holders(&self.world.store).await.unwrap().is_empty(),
            "servers are held: {}",
            tell()
        );
        assert_eq!(parts.len(), SERVERS, "{}", tell());
        for (number, part) in (1..).zip(&parts) {
            let is_out = out[number - 1];
            self.look_at(number, part, &steps, is_out, id, before[number - 1])
                .unwrap_or_else(|wrong| panic!("web{number}: {wrong}: {}", tell()));
        }
    }

    fn look_at(
        &self,
        number: usize,
        part: &ServerPart,
        steps: &[Step],
        is_out: bool,
        id: DeploymentId,
        before: Before,
    ) -> Result<(), &'static str> {
        let whole = self.whole(number);
        let own = || steps.iter().filter(|step| step.server_id == part.server_id);
        let all_done = own().filter(|step| step.kind != StepKind::Restore).all(|step| {
            matches!(
                step.state,
                StepState::Succeeded | StepState::Warned | StepState::Skipped
            ) && step.started_at.is_some()
        });
        let scripts_ran = self.world.read(number, "story").contains(&format!(" {id}"));
        let is_old = whole.is_some() && whole == before.whole && !scripts_ran;
        // What an earlier crash has left out, with reason, stays so until it has the new release.
        let must_serve = all_done && whole == Some(id) || is_old && !before.out;
        if is_out && must_serve {
            return Err("it serves correct code and is left out");
        }
        if !is_out && whole.is_none() {
            return Err("it is half done and in service");
        }
        if !is_out && whole == Some(id) && !all_done {
            return Err("its checks were not seen to end and it is in service");
        }
        let said = matches!(part.service, Service::Out);
        if is_out != said && (is_out || said) && part.service != Service::Untouched {
            return Err("the store says otherwise of its service than the balancer");
        }
        if part.state == ServerState::Succeeded && whole != Some(id) {
            return Err("it is called deployed and is not");
        }
        let over = !matches!(part.state, ServerState::Waiting | ServerState::Running);
        if !over || part.detail.is_empty() && part.state != ServerState::Succeeded {
            return Err("nothing is said of it");
        }
        if is_out && !part.detail.contains("out of service") {
            return Err("it is not said that it is out of service");
        }
        self.clean(number)
    }

    /// Nothing half done lies about.
    fn clean(&self, number: usize) -> Result<(), &'static str> {
        let names = |dir: PathBuf| -> Vec<String> {
            let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
            files
                .map(|file| file.file_name().to_string_lossy().into_owned())
                .collect()
        };
        if names(self.world.home(number, "dev"))
            .iter()
            .any(|name| name.starts_with(".deployer-link"))
        {
            return Err("a link is left behind");
        }
        let mut roots = vec![self.world.home(number, "dev/shop")];
        let releases = self.world.home(number, "dev/shop_releases");
        for name in names(releases.clone()) {
            let release = releases.join(name);
            let marker = std::fs::read_to_string(release.join(".git_release")).unwrap_or_default();
            if marker.lines().count() != 4 {
                return Err("an unfinished release is left behind");
            }
            roots.push(release);
        }
        let staged = |root: PathBuf| {
            names(root)
                .iter()
                .any(|name| name.starts_with(".deployer-staging"))
        };
        if roots.into_iter().any(staged) {
            return Err("a staging directory is left behind");
        }
        Ok(())
    }

    async fn closed(&self, id: DeploymentId) -> Deployment {
        let start = Instant::now();
        loop {
            let deployment = deployer::store::deployments::by_id(&self.world.store, id)
                .await
                .unwrap();
            if deployment.state.is_final() {
                return deployment;
            }
            assert!(
                start.elapsed() < CLOSE_LIMIT,
                "not closed within {CLOSE_LIMIT:?}: {deployment:#?}\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn deploy_all(&mut self) {
        let id = self.ask().await;
        let served = Served::start(&self.world);
        let deployment = self.world.end(id).await;
        served.kill();
        assert_eq!(
            deployment.state,
            DeploymentState::Succeeded,
            "{}\n{}",
            deployment.outcome,
            self.world.log(id).await
        );
        assert_eq!(self.out().await, [false; SERVERS], "{}", self.world.log(id).await);
        for number in 1..=SERVERS {
            assert_eq!(self.whole(number), Some(id), "web{number}");
        }
    }

    /// A deployment for each instant, killed then; what holds is looked at after each.
    pub async fn run(mut self, instants: Vec<When>) {
        let kills = instants.len();
        let mut interrupted = 0;
        self.deploy_all().await;
        for when in instants {
            let out = self.out().await;
            let before = |number| Before {
                whole: self.whole(number),
                out: out[number - 1],
            };
            let before: Vec<Before> = (1..=SERVERS).map(before).collect();
            let id = self.ask().await;
            let served = Served::start(&self.world);
            self.kill_at(served, id, when).await;
            let again = Served::start(&self.world);
            let closed = self.closed(id).await;
            interrupted += usize::from(closed.state == DeploymentState::Interrupted);
            self.look(id, &before, when).await;
            again.kill();
        }
        self.deploy_all().await;
        assert!(
            interrupted * 2 >= kills,
            "only {interrupted} of {kills} kills came while a deployment ran"
        );
    }
}
