//! A tree of 10,000 files (80 MB) brought to 40 targets: our sync beside `rsync -az --delete` over
//! ssh, 20 at a time, in the same run on the same sshd.
//!
//! `cargo bench --bench sync` prints wall time and the controller's CPU time of both, for a tree in
//! which nothing changed and one in which 1 % of the files changed. Needs sshd, ssh and rsync. How
//! it measures stands in `benches/README.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may"
)]

#[allow(dead_code)]
#[path = "../tests/support/leftovers.rs"]
mod leftovers;
#[allow(dead_code)]
#[path = "../tests/support/ssh_keys.rs"]
mod ssh_keys;
#[allow(dead_code, unused_imports)]
#[path = "../tests/support/sshd.rs"]
mod sshd;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::domain::{
    DeploymentId, Environment, EnvironmentId, EnvironmentOptions, Extras, Project, ProjectId, SyncMethod,
};
use deployer::ssh::{Connections, Endpoint};
use deployer::sync::{self, Delivery, KnownTrees, Layout, Limits, Manifest, Scan, Stamp, TreeSource, Trust};
use futures_util::stream::{self, StreamExt};
use sshd::Sshd;
use tokio_util::sync::CancellationToken;

/// Servers at once, for both.
const PARALLEL: usize = 20;

struct Size {
    files: usize,
    targets: usize,
    rounds: usize,
}

#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    /// Of the controller's side alone.
    cpu: Duration,
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let size = if quick {
        Size {
            files: 500,
            targets: 6,
            rounds: 1,
        }
    } else {
        Size {
            files: 10_000,
            targets: 40,
            rounds: 3,
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(compare(&size));
}

async fn compare(size: &Size) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    plant(&tree, size.files);
    let sshds = fleet(dir.path(), size.targets).await;
    let mut ours = Ours::new(&sshds, dir.path(), tree.clone());
    let theirs = Theirs::new(&sshds, dir.path(), &tree);
    ours.sync().await;
    theirs.sync();

    println!(
        "{} files to {} targets, median of {} rounds",
        size.files, size.targets, size.rounds
    );
    println!(
        "{:<18} {:>10} {:>12} {:>10} {:>12}",
        "", "ours", "ours, CPU", "rsync", "rsync, CPU"
    );
    for (name, changed) in [("nothing changed", 0), ("1 % changed", size.files / 100)] {
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for round in 0..size.rounds {
            change(&tree, changed, round);
            us.push(ours.sync().await);
            them.push(theirs.sync());
        }
        report(name, median(us), median(them));
    }
    ours.verify(&tree);
}

/// Servers with `targets` ports in all; one sshd listens on 16 at the most.
async fn fleet(dir: &Path, targets: usize) -> Vec<Sshd> {
    let key = sshd::keygen(dir, "controller", "ed25519");
    let mut sshds = Vec::new();
    let mut left = targets;
    while left > 0 {
        let ports = left.min(10);
        left -= ports;
        let builder = Sshd::builder()
            .accept(&key)
            .listeners(ports)
            .line("MaxStartups 200");
        sshds.push(builder.start().await);
    }
    sshds
}

fn report(name: &str, us: Took, them: Took) {
    let seconds = [us.wall, us.cpu, them.wall, them.cpu].map(|took| took.as_secs_f64());
    let [our_wall, our_cpu, their_wall, their_cpu] = seconds;
    println!(
        "{name:<18} {our_wall:>8.2} s {our_cpu:>10.2} s {their_wall:>8.2} s {their_cpu:>10.2} s   wall ÷ {:.1}, CPU ÷ {:.1}",
        their_wall / our_wall,
        their_cpu / our_cpu,
    );
}

fn median(mut rounds: Vec<Took>) -> Took {
    rounds.sort_by_key(|took| took.wall);
    let wall = rounds[rounds.len() / 2].wall;
    rounds.sort_by_key(|took| took.cpu);
    Took {
        wall,
        cpu: rounds[rounds.len() / 2].cpu,
    }
}

fn file(tree: &Path, number: usize) -> PathBuf {
    tree.join(format!("dir{:03}/file{number:05}.txt", number % 200))
}

/// Files of 8 KB whose text compresses about as well as source code does.
fn plant(tree: &Path, files: usize) {
    for number in 0..files {
        let path = file(tree, number);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content(number, 0)).unwrap();
    }
}

fn change(tree: &Path, files: usize, round: usize) {
    for number in (0..files).map(|n| n * 97) {
        std::fs::write(file(tree, number), content(number, round + 1)).unwrap();
    }
}

fn content(number: usize, round: usize) -> String {
    let mut text = String::with_capacity(8_200);
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round as u64;
    while text.len() < 8_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!(
            "let value_{} = compute({});\n",
            state >> 48,
            (state >> 32) & 0xffff
        ));
    }
    text
}

/// CPU time of this process, and of its children that have ended, in that order.
fn cpu() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Ticks of 10 ms; fields 14 to 17 of proc(5), of which two stand before the parenthesis.
    let ticks = |n: usize| Duration::from_millis(fields[n - 3].parse::<u64>().unwrap() * 10);
    (ticks(14) + ticks(15), ticks(16) + ticks(17))
}

struct Ours {
    pool: Connections,
    endpoints: Vec<Endpoint>,
    layouts: Vec<Layout>,
    tree: PathBuf,
    known: Vec<Arc<Manifest>>,
    deployments: i64,
}

impl Ours {
    fn new(sshds: &[Sshd], dir: &Path, tree: PathBuf) -> Self {
        let endpoints: Vec<Endpoint> = sshds
            .iter()
            .flat_map(|sshd| {
                sshd.ports.iter().map(|&port| Endpoint {
                    port,
                    ..sshd.endpoint()
                })
            })
            .collect();
        let layout = |number| layout(&dir.join(format!("ours/{number}")));
        Self {
            pool: sshds[0].pool(),
            layouts: (0..endpoints.len()).map(layout).collect(),
            endpoints,
            tree,
            known: Vec::new(),
            deployments: 0,
        }
    }

    /// What the engine does for one deployment: scan, look at every server, deliver to it.
    async fn sync(&mut self) -> Took {
        self.deployments += 1;
        let (start, before) = (Instant::now(), cpu().0);
        let known = KnownTrees::new(self.known.clone());
        let at = chrono::DateTime::from_timestamp(1_700_000_000 + self.deployments, 0).unwrap();
        let scan = Scan {
            root: self.tree.clone(),
            rules: self.layouts[0].rules.clone(),
            commit_time: at,
            limit: u64::MAX,
            cancel: CancellationToken::new(),
        };
        let manifest = Arc::new(Manifest::scan(scan, known.clone()).await.unwrap());
        let source = TreeSource::open(self.tree.clone(), Arc::clone(&manifest), known);
        let stamp = Stamp {
            deployment: DeploymentId(self.deployments),
            branch: "main".parse().unwrap(),
            commit: "0".repeat(40).parse().unwrap(),
            at,
        };
        let jobs = self.endpoints.iter().zip(&self.layouts);
        let jobs = jobs.map(|(endpoint, layout)| deliver(&self.pool, &source, &stamp, endpoint, layout));
        stream::iter(jobs)
            .buffer_unordered(PARALLEL)
            .collect::<Vec<()>>()
            .await;
        self.known.insert(0, manifest);
        self.known.truncate(6);
        Took {
            wall: start.elapsed(),
            cpu: cpu().0 - before,
        }
    }

    fn verify(&self, tree: &Path) {
        for layout in &self.layouts {
            let difference = Command::new("diff")
                .args(["-r", "-x", ".git_release", "-x", ".deployer_release"])
                .arg(tree)
                .arg(layout.target.as_str())
                .output()
                .unwrap();
            assert!(
                difference.status.success(),
                "{}",
                String::from_utf8_lossy(&difference.stdout)
            );
        }
    }
}

async fn deliver(
    pool: &Connections,
    source: &TreeSource,
    stamp: &Stamp,
    endpoint: &Endpoint,
    layout: &Layout,
) {
    let limits = Limits::default();
    let session = pool.session(endpoint).await.unwrap();
    let inspection = sync::inspect(&session, layout, &limits).await.unwrap();
    let delivery = Delivery {
        session: &session,
        layout,
        inspection: &inspection,
        stamp,
        trust: Trust::Times,
        limits: &limits,
        progress: &|_| {},
    };
    source.deliver(&delivery).await.unwrap();
}

fn layout(target: &Path) -> Layout {
    let project = Project {
        id: ProjectId(1),
        name: "bench".parse().unwrap(),
        description: String::new(),
        git_url: "file:///nowhere".to_owned(),
        method: SyncMethod::InPlace,
        extras: Extras::default(),
        key: None,
        notify: Vec::new(),
    };
    let environment = Environment {
        id: EnvironmentId(1),
        project_id: ProjectId(1),
        name: "prod".parse().unwrap(),
        branch: "main".parse().unwrap(),
        target_path: target.display().to_string().parse().unwrap(),
        remote_user: "bench".to_owned(),
        position: 1,
        auto_deploy: false,
        fail_on_failed_tests: false,
        clusters: Vec::new(),
        options: EnvironmentOptions::default(),
    };
    Layout::new(&project, &environment).unwrap()
}

struct Theirs {
    script: PathBuf,
}

impl Theirs {
    /// A script that runs one rsync per target, 20 at a time, each over an ssh of its own.
    fn new(sshds: &[Sshd], dir: &Path, tree: &Path) -> Self {
        let script = dir.join("rsync.sh");
        let options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let key = sshds[0].client_key.display();
        let (user, tree) = (&sshds[0].user, tree.display());
        let mut lines = String::new();
        for (number, port) in sshds.iter().flat_map(|sshd| &sshd.ports).enumerate() {
            let target = dir.join(format!("rsync/{number}"));
            std::fs::create_dir_all(&target).unwrap();
            lines.push_str(&format!(
                "rsync -az --delete -e \"ssh -i {key} {options} -p {port}\" {tree}/ {user}@127.0.0.1:{}/\n",
                target.display()
            ));
        }
        std::fs::write(&script, lines).unwrap();
        Self { script }
    }

    fn sync(&self) -> Took {
        let (start, before) = (Instant::now(), cpu().1);
        let command = format!(
            "xargs -P {PARALLEL} -d '\\n' -n 1 sh -c 'eval \"$0\"' < {}",
            self.script.display()
        );
        let status = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(status.success(), "rsync failed");
        Took {
            wall: start.elapsed(),
            cpu: cpu().1 - before,
        }
    }
}
