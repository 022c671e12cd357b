//! Makes an [`App`] from a configuration and starts its background work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::refusals::COUNTED_FOR;
use super::{App, cleaner, drift, policy, pushes, sessions};
use crate::access::Access;
use crate::balancer;
use crate::clock::Clock;
use crate::config::{Config, ScriptConfinement, ScriptNetwork, Secret};
use crate::confinement::{Confinement, ConfinementOptions, PROCESSES, ProgramNetwork, WriteLimits};
use crate::domain::{DatabaseUrl, Event, EventKind, Result};
use crate::engine::{self, Engine, EngineParts};
use crate::git::{GitOptions, Mirrors, Proxies};
use crate::handshake::keys::KeyFiles;
use crate::handshake::login::Agent;
use crate::ssh::{self, Connections};
use crate::store::{Right, Store};

/// Where the configuration is by default.
const CONFIG_DIR: &str = "/etc/deployer";

/// How long the periodic work may take to end.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How often to look for repeated refusals whose hour has ended.
const LOOK_FOR_REFUSALS: Duration = Duration::from_secs(60);

/// Between two heads of the audit log.
const BETWEEN_HEADS: Duration = Duration::from_secs(3600);

/// Assembles an application over an open store whose schema is up to date. Its engine does nothing
/// before [`App::start`].
pub fn assemble(config: Config, store: Store, access: Access, clock: Clock) -> App {
    let access = Arc::new(access);
    let mirrors = Mirrors::new(config.mirror_dir(), git_options(&config));
    let ssh = Connections::new(ssh_options(&config));
    let engine = Engine::new(EngineParts {
        store: store.clone(),
        access: Arc::clone(&access),
        mirrors: mirrors.clone(),
        ssh: ssh.clone(),
        clock: clock.clone(),
        balancers: balancer_options(&config),
        confinement: Confinement::new(confinement_options(&config)),
        settings: engine_settings(&config),
    });
    App::new(super::AppParts {
        store,
        access,
        mirrors,
        ssh,
        engine,
        clock,
        config: Arc::new(config),
    })
}

/// Says how scripts of repositories run on this host, and records it where they are not confined.
pub async fn tell_of_scripts(app: &App) -> Result<()> {
    let confinement = app.engine.confinement();
    let protection = confinement.protection().await;
    match protection.is_confined {
        true => tracing::info!("{}", protection.sentence),
        false => tracing::warn!("{}", protection.sentence),
    }
    for lack in &protection.lacks {
        tracing::warn!("{lack}");
    }
    if !confinement.is_off() {
        return Ok(());
    }
    let right = Right::of_this_program("scripts");
    let change = app.store.change(right, app.now()).await?;
    let detail = json!({ "setting": "scripts.confinement = \"unconfined\"" });
    change
        .commit(Event::new(EventKind::ScriptsUnconfined, detail))
        .await
}

/// The periodic work beside requests and deployments. It ends when this is dropped.
pub struct Background {
    stop: DropGuard,
    tasks: TaskTracker,
}

impl Background {
    /// Ends it, and waits a moment until what was begun is done: a policy that came into force is recorded.
    pub async fn end(self) {
        drop(self.stop);
        self.tasks.close();
        if tokio::time::timeout(LAST_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some of the periodic work did not end in time");
        }
    }
}

/// Starts the periodic work beside requests and deployments.
pub fn watch(app: &App) -> Background {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(drift::watch(app.clone(), stop.clone()));
    tasks.spawn(cleaner::watch(app.clone(), stop.clone()));
    tasks.spawn(sessions::watch(app.clone(), stop.clone()));
    tasks.spawn(pushes::watch(app.clone(), stop.clone()));
    tasks.spawn(policy::follow(app.clone(), stop.clone()));
    tasks.spawn(watch_refusals(app.clone(), stop.clone()));
    tasks.spawn(hand_out_heads(app.clone(), stop.clone()));
    Background {
        stop: stop.drop_guard(),
        tasks,
    }
}

/// Records repeated refusals when their hour has ended, until `stop`.
async fn watch_refusals(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_FOR_REFUSALS) => {}
        }
        if let Err(error) = app.record_repeated_refusals(app.now() - COUNTED_FOR).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "repeated refusals could not be recorded"
            );
        }
    }
}

/// Hands out heads of the audit log now and then, until `stop`.
async fn hand_out_heads(app: App, stop: CancellationToken) {
    loop {
        app.hand_out_head().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BETWEEN_HEADS) => {}
        }
    }
}

/// How Git remotes are reached.
pub fn git_options(config: &Config) -> GitOptions {
    GitOptions {
        entry_limit: config.engine.tree_entries.into(),
        fetch_timeout: config.git.fetch_timeout,
        keys: KeyFiles {
            files: config.git.key_files.clone(),
            directory: config.git.key_directory.clone(),
        },
        agent: config.git.use_agent.then_some(Agent::OfEnvironment),
        known_hosts: config.known_hosts(),
        local_directories: config.git.local_directories.clone(),
        https_credentials: config.git.https_credentials.clone(),
        https_certificates: config.git.https_certificates.clone(),
        other_hosts: config.git.other_hosts.clone(),
        proxies: git_proxies(config),
        pack_limit: mebibytes(config.git.pack_limit_mib),
        lfs_object_limit: mebibytes(config.git.lfs_object_limit_mib),
        lfs_project_limit: mebibytes(config.git.lfs_project_limit_mib),
        keep_free: mebibytes(config.engine.keep_free_mib),
        ..GitOptions::default()
    }
}

/// The proxy for https: that of the configuration, or else of the environment.
fn git_proxies(config: &Config) -> Proxies {
    let variable = |names: [&'static str; 2]| {
        let mut set = names
            .into_iter()
            .filter_map(|name| Some((name, std::env::var(name).ok()?)));
        set.find(|(_, value)| !value.trim().is_empty())
    };
    let proxy = match &config.git.https_proxy {
        Some(proxy) => Some(("git.https_proxy", proxy.expose().to_owned())),
        None => variable(["https_proxy", "HTTPS_PROXY"]),
    };
    let except = variable(["no_proxy", "NO_PROXY"]).map_or_else(String::new, |(_, value)| value);
    let proxy = proxy.as_ref().map(|(name, address)| (*name, address.as_str()));
    let mut proxies = Proxies::for_https(proxy, except.split(','));
    if !config.git.no_proxy.is_empty() {
        proxies.except.clone_from(&config.git.no_proxy);
    }
    proxies
}

/// How servers are reached.
pub fn ssh_options(config: &Config) -> ssh::Options {
    ssh::Options {
        keys: KeyFiles {
            files: config.ssh.key_files.clone(),
            directory: config.ssh.key_directory.clone(),
        },
        agent: config.ssh.use_agent.then_some(Agent::OfEnvironment),
        known_hosts: config.ssh.known_hosts.clone(),
        connect_timeout: config.ssh.connect_timeout,
        open_timeout: config.ssh.open_timeout,
        keepalive: config.ssh.keepalive,
        idle_timeout: config.ssh.idle_timeout,
        max_channels: config.ssh.max_channels as usize,
        max_new_connections: config.ssh.max_new_connections as usize,
    }
}

/// How balancers are reached.
pub fn balancer_options(config: &Config) -> balancer::Options {
    balancer::Options {
        credentials: config.balancer.credentials.clone(),
        certificates: config.balancer.certificates.clone(),
        limits: balancer::Limits::default(),
    }
}

/// How what repositories bring runs on this host.
pub fn confinement_options(config: &Config) -> ConfinementOptions {
    ConfinementOptions {
        is_off: config.scripts.confinement == ScriptConfinement::Unconfined,
        network: match config.scripts.network {
            ScriptNetwork::Host => ProgramNetwork::Host,
            ScriptNetwork::Outside => ProgramNetwork::Outside,
            ScriptNetwork::None => ProgramNetwork::None,
        },
        processes: PROCESSES,
        writing: WriteLimits {
            written: mebibytes(config.engine.tree_limit_mib),
            free: mebibytes(config.engine.keep_free_mib),
        },
        readable: config.scripts.readable.clone(),
        writable: config.scripts.writable.clone(),
        hidden: our_own(config),
        scratch: config.work_dir().join("trees"),
    }
}

/// What scripts of repositories never see, whatever they may read: what we keep, and what we are told
/// secrets by.
fn our_own(config: &Config) -> Vec<PathBuf> {
    let mut own = vec![
        PathBuf::from(CONFIG_DIR),
        config.data_dir.clone(),
        config.mirror_dir(),
        config.work_dir(),
    ];
    own.extend(config.file.clone());
    own.extend(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from));
    own.extend(config.access.policies.clone());
    own.extend([config.key_file(), config.audit_key_file()]);
    own.extend(config.git.key_files.iter().chain(&config.ssh.key_files).cloned());
    own.extend(
        config
            .git
            .key_directory
            .iter()
            .chain(&config.ssh.key_directory)
            .cloned(),
    );
    own.extend(config.git.https_credentials.clone());
    own.extend(config.balancer.credentials.clone());
    if let Ok(DatabaseUrl::Sqlite(file)) = config.store_url().expose().parse() {
        own.extend(["", "-wal", "-shm"].map(|end| {
            let mut name = file.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        }));
    }
    own
}

/// So many mebibytes, in bytes.
fn mebibytes(count: u32) -> u64 {
    u64::from(count) << 20
}

fn engine_settings(config: &Config) -> engine::Settings {
    engine::Settings {
        instance: instance(),
        workers: config.engine.workers as usize,
        work_dir: config.work_dir(),
        lease: config.engine.lease,
        log: engine::LogLimits {
            step: mebibytes(config.engine.step_log_mib),
            deployment: mebibytes(config.engine.deployment_log_mib),
        },
        tree_limit: mebibytes(config.engine.tree_limit_mib),
        groups_max_age: config.access.groups_max_age,
        secrets: config
            .masking
            .secrets
            .iter()
            .map(Secret::expose)
            .map(str::to_owned)
            .collect(),
    }
}

/// A name that is unique to this start of the instance. The random part is needed because containers
/// share host names and process numbers.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let start = hex::encode(rand::random::<[u8; 4]>());
    format!("{}-{}-{start}", host.trim(), std::process::id())
}
