//! A whole installation for one test: real sshd targets with homes of their own, a real Git
//! repository, a store, policy files, and the engine at work.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::access::Access;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::{self, App};
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::deployment::ServerPart;
use deployer::domain::{
    Actor, Cluster, ClusterId, Deployment, DeploymentId, Environment, EnvironmentId, EnvironmentOptions,
    Event, EventKind, LogLine, Project, ProjectId, Server, ServerId, Step, SyncMethod, server::Member,
};
use deployer::engine::{Engine, Parts, Settings};
use deployer::git::{GitOptions, Mirrors};
use deployer::ssh::Pool;
use deployer::store::{Change, Store, StoreOptions, log};
use tempfile::TempDir;

use super::sshd::Sshd;
use crate::git::support::Origin;

/// How long a deployment of a test may take on a busy machine.
const END_LIMIT: Duration = Duration::from_secs(60);

/// An installation with one project, `shop`, in one or more environments on some servers.
pub struct World {
    pub app: App,
    pub store: Store,
    pub ssh: Pool,
    pub clock: Clock,
    /// What `app` was made of.
    pub parts: app::Parts,
    pub repository: Origin,
    pub servers: Vec<Sshd>,
    pub dir: TempDir,
}

/// What a test wants.
pub struct Wishes {
    pub method: SyncMethod,
    /// Servers per cluster.
    pub clusters: Vec<usize>,
    pub environments: Vec<&'static str>,
    pub options: EnvironmentOptions,
    pub fail_on_failed_tests: bool,
    pub policy: Option<&'static str>,
    /// How many deployments run at once; with none the queue stands still.
    pub workers: usize,
    /// How balancers are spoken to.
    pub balancers: deployer::balancer::Options,
    /// How long a silent server is left alone before it is asked whether it is there.
    pub keepalive: Duration,
    pub clock: Clock,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            method: SyncMethod::Symlink,
            clusters: vec![1],
            environments: vec!["dev"],
            options: EnvironmentOptions::default(),
            fail_on_failed_tests: true,
            policy: None,
            workers: 4,
            balancers: Default::default(),
            keepalive: deployer::ssh::Options::default().keepalive,
            clock: Clock::System,
        }
    }
}

impl World {
    /// One server, one environment, symlink releases.
    pub async fn simple() -> Self {
        Self::with(Wishes::default()).await
    }

    pub async fn with(wishes: Wishes) -> Self {
        let dir = TempDir::new().unwrap();
        let key = super::sshd::keygen(dir.path(), "deployer", "ed25519");
        let mut servers = Vec::new();
        // Each has a home of its own, so that `~/shop` is another place on each.
        for _ in 0..wishes.clusters.iter().sum() {
            servers.push(Sshd::builder().accept(&key).start().await);
        }
        let repository = Origin::new();
        let (app, parts) = app(dir.path(), &key, &wishes).await;
        let world = Self {
            app,
            store: parts.store.clone(),
            ssh: parts.ssh.clone(),
            clock: parts.clock.clone(),
            parts,
            repository,
            servers,
            dir,
        };
        world.fill(wishes).await;
        world
    }

    async fn fill(&self, wishes: Wishes) {
        use deployer::store::{clusters, environments, projects, servers};
        let tx = change(&self.store).await;
        let project = Project {
            id: ProjectId(0),
            name: "shop".parse().unwrap(),
            description: String::new(),
            git_url: self.repository.url(),
            method: wishes.method,
            notify: Vec::new(),
        };
        let project = projects::insert(&tx, &project).await.unwrap();
        let (mut ids, mut next) = (Vec::new(), 0);
        for (number, &size) in wishes.clusters.iter().enumerate() {
            let mut members = Vec::new();
            for _ in 0..size {
                let sshd = &self.servers[next];
                next += 1;
                let server = Server {
                    id: ServerId(0),
                    name: format!("web{next}").parse().unwrap(),
                    address: "127.0.0.1".into(),
                    port: sshd.port,
                    active: true,
                    host_key: None,
                };
                let server = servers::insert(&tx, &server).await.unwrap();
                servers::pin_host_key(&tx, server.id, &sshd.host_key)
                    .await
                    .unwrap();
                members.push(Member {
                    server: server.id,
                    balancer_name: None,
                });
            }
            let name = format!("cluster{}", number + 1).parse().unwrap();
            let cluster = Cluster {
                id: ClusterId(0),
                name,
                balancer: None,
                backends: Vec::new(),
                members,
            };
            ids.push(clusters::insert(&tx, &cluster).await.unwrap().id);
        }
        for (name, position) in wishes.environments.iter().zip(1..) {
            let environment = self.environment(&wishes, project.id, &ids, name, position);
            environments::insert(&tx, &environment).await.unwrap();
        }
        bring_in(tx).await;
    }

    fn environment(
        &self,
        wishes: &Wishes,
        project_id: ProjectId,
        clusters: &[ClusterId],
        name: &str,
        position: i32,
    ) -> Environment {
        Environment {
            id: EnvironmentId(0),
            project_id,
            name: name.parse().unwrap(),
            branch: "main".parse().unwrap(),
            target_path: format!("~/{name}/shop").parse().unwrap(),
            remote_user: self.servers[0].user.clone(),
            position,
            auto_deploy: false,
            fail_on_failed_tests: wishes.fail_on_failed_tests,
            clusters: clusters.to_vec(),
            options: wishes.options.clone(),
        }
    }

    /// Commits what lies in the repository's work tree and brings the mirror up to date.
    pub async fn commit(&mut self, message: &str) -> String {
        let commit = self.repository.commit(message);
        let project = deployer::store::projects::by_name(&self.store, "shop")
            .await
            .unwrap();
        let mirror = self.app.mirror(&project).unwrap();
        mirror
            .fetch(&tokio_util::sync::CancellationToken::new())
            .await
            .unwrap();
        commit
    }

    /// A script of the repository.
    pub fn script(&self, path: &str, lines: &str) {
        self.repository.write(path, format!("#!/bin/sh\n{lines}\n"));
    }

    pub fn request(commit: &str) -> DeployRequest {
        DeployRequest {
            reason: "a test".into(),
            ..DeployRequest::new("shop", "dev", commit)
        }
    }

    /// Asks for a deployment as `admin`, who may everything.
    pub async fn ask(&self, request: DeployRequest) -> DeploymentId {
        deployments::request(&self.app, &admin(), request)
            .await
            .unwrap()
            .id()
    }

    /// Deploys a commit to dev and waits for its end.
    pub async fn deploy(&self, commit: &str) -> Deployment {
        let id = self.ask(Self::request(commit)).await;
        self.end(id).await
    }

    /// Waits until a deployment has ended.
    pub async fn end(&self, id: DeploymentId) -> Deployment {
        self.until(id, "it has ended", |deployment| deployment.state.is_final())
            .await
    }

    /// Waits until a deployment is as it should be.
    pub async fn until(
        &self,
        id: DeploymentId,
        what: &str,
        is_so: impl Fn(&Deployment) -> bool,
    ) -> Deployment {
        let start = Instant::now();
        loop {
            let deployment = deployer::store::deployments::by_id(&self.store, id)
                .await
                .unwrap();
            if is_so(&deployment) {
                return deployment;
            }
            assert!(
                start.elapsed() < END_LIMIT,
                "waited in vain until {what}: {deployment:#?}\n{}",
                self.log(id).await
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn parts(&self, id: DeploymentId) -> Vec<ServerPart> {
        deployer::store::deployments::servers(&self.store, id)
            .await
            .unwrap()
    }

    pub async fn steps(&self, id: DeploymentId) -> Vec<Step> {
        deployer::store::steps::list(&self.store, id).await.unwrap()
    }

    pub async fn lines(&self, id: DeploymentId) -> Vec<LogLine> {
        log::read(&self.store, id, 1, 100_000, &log::Filter::default())
            .await
            .unwrap()
    }

    /// The log as a person would read it.
    pub async fn log(&self, id: DeploymentId) -> String {
        let lines = self.lines(id).await;
        let line = |line: &LogLine| {
            let step = line.kind.map_or("", |kind| kind.as_str());
            format!(
                "{}/{step}: {}",
                if line.server.is_empty() {
                    "here"
                } else {
                    &line.server
                },
                line.text
            )
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a deployment's log holds `text`.
    pub async fn until_it_says(&self, id: DeploymentId, text: &str) {
        let start = Instant::now();
        loop {
            let said = self.log(id).await;
            if said.contains(text) {
                return;
            }
            assert!(start.elapsed() < END_LIMIT, "it never said {text:?}: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A path below a server's home; servers count from 1.
    pub fn home(&self, server: usize, path: &str) -> PathBuf {
        self.servers[server - 1].home().join(path)
    }

    /// What a file on a server says; empty when it is not there.
    pub fn read(&self, server: usize, path: &str) -> String {
        std::fs::read_to_string(self.home(server, path)).unwrap_or_default()
    }
}

/// The user that the shipped policy lets do everything.
pub fn admin() -> Actor {
    Actor::user("admin", "127.0.0.1")
}

/// The use cases over an empty store, with no key to log in anywhere.
pub async fn bare_app(dir: &Path) -> App {
    let wishes = Wishes {
        workers: 0,
        ..Wishes::default()
    };
    app(dir, &dir.join("no-key"), &wishes).await.0
}

async fn app(dir: &Path, key: &Path, wishes: &Wishes) -> (App, app::Parts) {
    let url = format!("sqlite://{}", dir.join("deployer.db").display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let access = Arc::new(match wishes.policy {
        None => Access::builtin(),
        Some(policy) => access(dir, policy),
    });
    let mirrors = Mirrors::new(dir.join("mirrors"), GitOptions::default());
    let ssh = Pool::new(deployer::ssh::Options {
        key_files: vec![key.to_owned()],
        keepalive: wishes.keepalive,
        ..Default::default()
    });
    let clock = wishes.clock.clone();
    let settings = Settings {
        instance: "test".into(),
        workers: wishes.workers,
        work_dir: dir.join("work"),
        lease: Duration::from_secs(20),
        secrets: Vec::new(),
    };
    let engine = Engine::new(Parts {
        store: store.clone(),
        access: Arc::clone(&access),
        mirrors: mirrors.clone(),
        ssh: ssh.clone(),
        clock: clock.clone(),
        balancers: wishes.balancers.clone(),
        settings,
    });
    engine.start().await.unwrap();
    let parts = app::Parts {
        store,
        access,
        mirrors,
        ssh,
        engine,
        clock,
        config: Arc::new(Config::default()),
    };
    (App::new(parts.clone()), parts)
}

/// The shipped policy with further lines.
pub fn access(dir: &Path, lines: &str) -> Access {
    let policies = dir.join("policies");
    std::fs::create_dir(&policies).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    for file in ["model.conf", "calendar.toml", "tests.toml"] {
        std::fs::copy(shipped.join(file), policies.join(file)).unwrap();
    }
    let policy = std::fs::read_to_string(shipped.join("policy.csv")).unwrap();
    std::fs::write(policies.join("policy.csv"), format!("{policy}\n{lines}\n")).unwrap();
    Access::load(&policies).unwrap()
}

/// A change that the host's command line makes.
pub async fn change(store: &Store) -> Change {
    let operator = Access::local_operator("test", Clock::System.now());
    store.change(&operator, Clock::System.now()).await.unwrap()
}

/// Makes a change durable, as history that was brought in.
pub async fn bring_in(change: Change) {
    let event = Event::new(EventKind::HistoryBroughtIn, serde_json::json!({}));
    change.commit(event).await.unwrap();
}
