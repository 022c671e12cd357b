//! Builds a [`World`]: a project, its environments, and the servers they are deployed to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use deployer::access::Access;
use deployer::app::{self, App};
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::confinement::{Confinement, ConfinementOptions};
use deployer::domain::{
    Cluster, Environment, EnvironmentOptions, Extras, OnFailure, Project, ProjectId, Server, Strategy,
    SyncMethod,
};
use deployer::engine::{self, Engine, LogLimits, Settings};
use deployer::git::Mirrors;
use deployer::handshake::keys::KeyFiles;
use deployer::ssh::Connections;
use deployer::store::{Store, StoreOptions, clusters, environments, projects, servers};
use tempfile::TempDir;

use super::databases::{Database, TestDatabase, sealing_key};
use super::disk::SmallDisk;
use super::sshd::{Sshd, keygen};
use super::world::{World, access, bring_in, change};
use crate::git::support::{Origin, anywhere};

/// What a test wants; [`World::project`] begins one.
pub struct Setup {
    method: SyncMethod,
    extras: Extras,
    clusters: Vec<usize>,
    environments: Vec<&'static str>,
    options: EnvironmentOptions,
    fail_on_failed_tests: bool,
    policy: Option<&'static str>,
    workers: usize,
    balancers: deployer::balancer::Options,
    keepalive: Duration,
    clock: Clock,
    database: Database,
    log: LogLimits,
    tree_limit: u64,
    confinement: Option<ConfinementOptions>,
    /// The program that the first sshd is started with, and the directory of all targets.
    on_disk: Option<(Vec<OsString>, PathBuf)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            method: SyncMethod::Symlink,
            extras: Extras::default(),
            clusters: vec![1],
            environments: vec!["dev"],
            options: EnvironmentOptions::default(),
            fail_on_failed_tests: true,
            policy: None,
            workers: 4,
            balancers: Default::default(),
            keepalive: deployer::ssh::Options::default().keepalive,
            clock: Clock::System,
            database: Database::Sqlite,
            log: LogLimits::default(),
            tree_limit: 64 << 30,
            confinement: None,
            on_disk: None,
        }
    }
}

impl Setup {
    /// Bytes that the tree of a deployment may have.
    pub fn tree_limit(mut self, bytes: u64) -> Self {
        self.tree_limit = bytes;
        self
    }

    pub fn method(mut self, method: SyncMethod) -> Self {
        self.method = method;
        self
    }

    pub fn in_place(self) -> Self {
        self.method(SyncMethod::InPlace)
    }

    /// What the project fetches beside its repository.
    pub fn extras(mut self, extras: Extras) -> Self {
        self.extras = extras;
        self
    }

    /// Servers per cluster.
    pub fn clusters(mut self, sizes: &[usize]) -> Self {
        self.clusters = sizes.to_vec();
        self
    }

    /// One more environment, on the same clusters.
    pub fn environment(mut self, name: &'static str) -> Self {
        self.environments.push(name);
        self
    }

    /// These environments instead of `dev`.
    pub fn environments(mut self, names: &[&'static str]) -> Self {
        self.environments = names.to_vec();
        self
    }

    /// Options of every environment; replaces those set one by one.
    pub fn options(mut self, options: EnvironmentOptions) -> Self {
        self.options = options;
        self
    }

    pub fn approval_hours(mut self, hours: u32) -> Self {
        self.options.approval_hours = Some(hours);
        self
    }

    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.options.rollout.strategy = strategy;
        self
    }

    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.options.rollout.on_failure = on_failure;
        self
    }

    pub fn drain_limit(mut self, seconds: u64) -> Self {
        self.options.rollout.drain_limit = seconds;
        self
    }

    pub fn up_limit(mut self, seconds: u64) -> Self {
        self.options.rollout.up_limit = seconds;
        self
    }

    pub fn fail_on_failed_tests(mut self, fail: bool) -> Self {
        self.fail_on_failed_tests = fail;
        self
    }

    /// Lines beside the shipped policy.
    pub fn policy(mut self, lines: &'static str) -> Self {
        self.policy = Some(lines);
        self
    }

    /// How many deployments run at once; with none the queue stands still.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// How balancers are spoken to.
    pub fn balancers(mut self, options: deployer::balancer::Options) -> Self {
        self.balancers = options;
        self
    }

    /// How long a silent server is left alone before it is asked whether it is there.
    pub fn keepalive(mut self, period: Duration) -> Self {
        self.keepalive = period;
        self
    }

    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How much of what scripts print is kept.
    pub fn log_limits(mut self, limits: LogLimits) -> Self {
        self.log = limits;
        self
    }

    /// How scripts on this host are confined. Unless told so, they may write below the test's directory.
    pub fn confinement(mut self, options: ConfinementOptions) -> Self {
        self.confinement = Some(options);
        self
    }

    /// The targets are on a disk of one megabyte, as the first server sees it.
    pub fn on_small_disk(mut self, disk: &SmallDisk) -> Self {
        self.on_disk = Some((disk.program(), disk.path()));
        self
    }

    fn confinement_in(&self, dir: &Path) -> ConfinementOptions {
        let options = self.confinement.clone().unwrap_or_else(|| ConfinementOptions {
            writable: vec![dir.to_owned()],
            ..ConfinementOptions::default()
        });
        ConfinementOptions {
            scratch: dir.join("work/trees"),
            ..options
        }
    }

    /// What the installation is kept in.
    pub fn database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Starts the servers and the engine, and stores the rows.
    pub async fn start(self) -> World {
        let dir = TempDir::new().unwrap();
        let key = keygen(dir.path(), "deployer", "ed25519");
        let mut servers = Vec::new();
        // Each has a home of its own, so that `~/shop` is another place on each.
        let mut within = self.on_disk.iter().map(|(program, _)| program.clone());
        for _ in 0..self.clusters.iter().sum() {
            let within = within.next().unwrap_or_default();
            servers.push(Sshd::builder().accept(&key).within(within).start().await);
        }
        let database = match self.database {
            Database::Sqlite => None,
            server => Some(TestDatabase::prepared(server).await),
        };
        let url = database.as_ref().map(|database| database.url.clone());
        let parts = self.parts(dir.path(), &key, url, "test").await;
        let world = World {
            app: App::new(parts.clone()),
            store: parts.store.clone(),
            ssh: parts.ssh.clone(),
            clock: parts.clock.clone(),
            parts,
            repository: Origin::new(),
            servers,
            dir,
            database,
        };
        self.fill(&world).await;
        for name in self.people() {
            // Before any time that a test sets its clock to.
            world.account_since(name, chrono::DateTime::UNIX_EPOCH).await;
        }
        world
    }

    fn target_of(&self, environment: &str) -> String {
        let below = self
            .on_disk
            .as_ref()
            .map_or("~".into(), |(_, disk)| disk.to_string_lossy());
        format!("{below}/{environment}/shop")
    }

    /// Those whom lines of the policy name: who requests a deployment has an account.
    fn people(&self) -> impl Iterator<Item = &str> {
        let lines = self.policy.into_iter().flat_map(str::lines);
        let named = lines.filter_map(|line| line.split(',').nth(1));
        let is_person = |name: &&str| !name.contains([':', '*']) && !["auto", "default"].contains(name);
        named.map(str::trim).filter(is_person).chain(["admin"])
    }

    async fn fill(&self, world: &World) {
        let tx = change(&world.store).await;
        let project = Project {
            id: ProjectId(0),
            name: "shop".parse().unwrap(),
            description: String::new(),
            git_url: world.repository.url(),
            method: self.method,
            extras: self.extras,
            notify: Vec::new(),
            key: None,
        };
        let project = projects::insert(&tx, &project).await.unwrap();
        let (mut ids, mut hosts) = (Vec::new(), (1..).zip(&world.servers));
        for (number, &size) in (1..).zip(&self.clusters) {
            let mut members = Vec::new();
            for (number, sshd) in hosts.by_ref().take(size) {
                let server = Server {
                    port: sshd.port,
                    ..super::store::server(&format!("web{number}"))
                };
                let server = servers::insert(&tx, &server).await.unwrap();
                servers::pin_host_key(&tx, server.id, &sshd.host_key)
                    .await
                    .unwrap();
                members.push(server);
            }
            let cluster = Cluster {
                backends: Vec::new(),
                ..super::store::cluster(&format!("cluster{number}"), &members)
            };
            ids.push(clusters::insert(&tx, &cluster).await.unwrap().id);
        }
        for (name, position) in self.environments.iter().zip(1..) {
            let environment = Environment {
                target_path: self.target_of(name).parse().unwrap(),
                remote_user: world.servers[0].user.clone(),
                position,
                fail_on_failed_tests: self.fail_on_failed_tests,
                clusters: ids.clone(),
                options: self.options.clone(),
                ..super::store::environment(&project, name)
            };
            environments::insert(&tx, &environment).await.unwrap();
        }
        bring_in(tx).await;
    }

    /// An installation of its own in `dir`, over the database at `url` or an SQLite file.
    pub async fn parts(&self, dir: &Path, key: &Path, url: Option<String>, instance: &str) -> app::AppParts {
        let url = url.unwrap_or_else(|| format!("sqlite://{}", dir.join("deployer.db").display()));
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.set_sealing_keys(vec![sealing_key()]);
        store.migrate().await.unwrap();
        let access = Arc::new(match self.policy {
            None => Access::builtin(),
            Some(policy) => access(dir, policy),
        });
        let mirrors = Mirrors::new(dir.join("mirrors"), anywhere());
        // Where a test puts keys that are to be named.
        let directory = Some(dir.join("keys"));
        let ssh = Connections::new(deployer::ssh::Options {
            keys: KeyFiles {
                directory: directory.clone(),
                ..super::sshd::keys(&[key])
            },
            keepalive: self.keepalive,
            ..Default::default()
        });
        let settings = Settings {
            instance: instance.into(),
            workers: self.workers,
            work_dir: dir.join("work"),
            lease: Duration::from_secs(20),
            secrets: Vec::new(),
            log: self.log,
            tree_limit: self.tree_limit,
            groups_max_age: Duration::from_secs(24 * 3600),
        };
        let engine = Engine::new(engine::EngineParts {
            store: store.clone(),
            access: Arc::clone(&access),
            mirrors: mirrors.clone(),
            ssh: ssh.clone(),
            clock: self.clock.clone(),
            balancers: self.balancers.clone(),
            confinement: Confinement::new(self.confinement_in(dir)),
            settings,
        });
        engine.start().await.unwrap();
        let mut config = Config {
            data_dir: dir.to_owned(),
            ..Config::default()
        };
        config.engine.work_dir = Some(dir.join("work"));
        config.git.local_directories = anywhere().local_directories;
        config.git.key_directory.clone_from(&directory);
        config.ssh.key_directory = directory;
        app::AppParts {
            store,
            access,
            mirrors,
            ssh,
            engine,
            clock: self.clock.clone(),
            config: Arc::new(config),
        }
    }
}
