//! What the engine itself adds per server: a deployment to 100 real sshds beside the same remote
//! work without an engine, over the same connections.
//!
//! `cargo bench --bench overhead` prints both wall times and what remains per server, and where the
//! deployment's steps spent their time. Needs sshd. How it measures stands in `benches/README.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench may"
)]

#[allow(dead_code)]
#[path = "../tests/git/support.rs"]
mod git_support;
#[path = "../tests/support/mod.rs"]
mod support;

/// Where the files above look for each other.
mod git {
    pub(crate) use crate::git_support as support;
}

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::domain::{
    Deployment, DeploymentId, DeploymentState, EnvironmentOptions, Project, Share, Strategy,
};
use deployer::ssh::Endpoint;
use deployer::store::{environments, projects};
use deployer::sync::{
    self, Delivery, KnownTrees, Layout, Limits, Manifest, Retention, Scan, Stamp, TreeSource, Trust,
};
use futures_util::stream::{self, StreamExt};
use support::sshd::Sshd;
use support::world::World;
use tokio_util::sync::CancellationToken;

/// Servers at once, for both.
const PARALLEL: u32 = 20;
/// Files in the tree: as few as a tree has.
const FILES: usize = 10;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (servers, rounds) = if quick { (10, 1) } else { (100, 5) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(servers, rounds));
}

async fn measure(servers: usize, rounds: usize) {
    let options = EnvironmentOptions {
        parallel: PARALLEL,
        ..EnvironmentOptions::default()
    };
    let strategy = Strategy::Rolling {
        batch: Share::Count(PARALLEL),
        keep: None,
    };
    let project = World::project().clusters(&[servers]).options(options);
    let mut world = project.strategy(strategy).start().await;
    let mut bare = Bare::new(&world).await;
    // Connects, and fills the target for the first time.
    deploy(&mut world, 0).await;
    bare.round(0).await;

    let (mut engine, mut without) = (Vec::new(), Vec::new());
    let mut last = None;
    for round in 1..=rounds {
        let deployment = deploy(&mut world, round).await;
        let took = deployment.finished_at.zip(deployment.started_at);
        engine.push(took.map(|(end, begin)| (end - begin).to_std().unwrap()).unwrap());
        without.push(bare.round(round).await);
        last = Some(deployment);
    }
    engine.sort();
    without.sort();
    let (engine, without) = (engine[rounds / 2], without[rounds / 2]);
    let added = engine.saturating_sub(without).as_secs_f64() * 1000.0 / servers as f64;
    println!("{servers} servers, {PARALLEL} at once, median of {rounds} rounds");
    println!("deployment {:>8.2} s", engine.as_secs_f64());
    println!("without    {:>8.2} s", without.as_secs_f64());
    println!("added      {added:>8.1} ms per server");
    if let Some(deployment) = last {
        profile(&world, deployment.id).await;
    }
}

async fn deploy(world: &mut World, round: usize) -> Deployment {
    for number in 0..FILES {
        world
            .repository
            .write(&format!("file{number}"), content(number, round));
    }
    let commit = world.commit(&format!("Round {round}")).await;
    let deployment = world.deploy(&commit).await;
    assert_eq!(
        deployment.state,
        DeploymentState::Succeeded,
        "{}",
        deployment.outcome
    );
    deployment
}

fn content(number: usize, round: usize) -> String {
    // One file changes.
    let round = if number == 0 { round } else { 0 };
    format!("{number} {round}\n")
}

/// How long the steps of each kind took, from their first write to their last: they overlap.
async fn profile(world: &World, id: DeploymentId) {
    let mut kinds: BTreeMap<String, (usize, Duration)> = BTreeMap::new();
    for step in world.steps(id).await {
        if let Some((end, begin)) = step.finished_at.zip(step.started_at) {
            let kind = kinds.entry(step.kind.as_str().to_owned()).or_default();
            kind.0 += 1;
            kind.1 += (end - begin).to_std().unwrap_or_default();
        }
    }
    println!("{:<14} {:>6} {:>10}", "step", "count", "mean");
    for (kind, (count, sum)) in kinds {
        let mean = sum.as_secs_f64() * 1000.0 / count as f64;
        println!("{kind:<14} {count:>6} {mean:>7.1} ms");
    }
}

/// The remote work of a deployment, and nothing else.
struct Bare {
    world_ssh: deployer::ssh::Connections,
    endpoints: Vec<Endpoint>,
    layout: Layout,
    tree: PathBuf,
    known: Vec<Arc<Manifest>>,
    _dir: tempfile::TempDir,
}

impl Bare {
    async fn new(world: &World) -> Self {
        let store = &world.store;
        let project: Project = projects::by_name(store, "shop").await.unwrap();
        let mut environment = environments::by_name(store, project.id, "dev").await.unwrap();
        environment.target_path = "~/bare/shop".parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let endpoint = |(number, server): (usize, &Sshd)| Endpoint {
            name: format!("web{number}"),
            ..server.endpoint()
        };
        Self {
            world_ssh: world.ssh.clone(),
            endpoints: (1..).zip(&world.servers).map(endpoint).collect(),
            layout: Layout::new(&project, &environment).unwrap(),
            tree: dir.path().to_owned(),
            known: Vec::new(),
            _dir: dir,
        }
    }

    async fn round(&mut self, round: usize) -> Duration {
        for number in 0..FILES {
            std::fs::write(self.tree.join(format!("file{number}")), content(number, round)).unwrap();
        }
        let begun = Instant::now();
        let known = KnownTrees::new(self.known.clone());
        let at = chrono::DateTime::from_timestamp(1_700_000_000 + round as i64, 0).unwrap();
        let rules = self.layout.rules.clone();
        let scan = Scan {
            root: self.tree.clone(),
            rules,
            commit_time: at,
            limit: u64::MAX,
            cancel: CancellationToken::new(),
        };
        let manifest = Manifest::scan(scan, known.clone()).await.unwrap();
        let manifest = Arc::new(manifest);
        let source = TreeSource::open(self.tree.clone(), Arc::clone(&manifest), known);
        let stamp = Stamp {
            deployment: DeploymentId(round as i64 + 1),
            branch: "main".parse().unwrap(),
            commit: "0".repeat(40).parse().unwrap(),
            at,
        };
        let jobs = self
            .endpoints
            .iter()
            .map(|endpoint| self.server(endpoint, &source, &stamp));
        let parallel = usize::try_from(PARALLEL).unwrap();
        stream::iter(jobs)
            .buffer_unordered(parallel)
            .collect::<Vec<()>>()
            .await;
        self.known.insert(0, manifest);
        self.known.truncate(6);
        begun.elapsed()
    }

    async fn server(&self, endpoint: &Endpoint, source: &TreeSource, stamp: &Stamp) {
        let limits = Limits::default();
        let session = self.world_ssh.session(endpoint).await.unwrap();
        let inspection = sync::inspect(&session, &self.layout, &limits).await.unwrap();
        let delivery = Delivery {
            session: &session,
            layout: &self.layout,
            inspection: &inspection,
            stamp,
            trust: Trust::Times,
            limits: &limits,
            progress: &|_| {},
        };
        let delivered = source.deliver(&delivery).await.unwrap();
        let id = stamp.deployment;
        sync::activate(&session, &self.layout, &delivered.directory, id, &limits)
            .await
            .unwrap();
        let retention = Retention {
            keep: 5,
            keep_for: None,
            never: &[],
            now: stamp.at,
        };
        sync::prune(&session, &self.layout, &retention, &limits)
            .await
            .unwrap();
    }
}
