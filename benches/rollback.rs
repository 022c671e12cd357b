//! How long going back takes beside the deployment it undoes: a tree of 10,000 files (80 MB) on 40
//! real sshds, of which 1 % changed.
//!
//! `cargo bench --bench rollback` prints the wall time of both and their ratio. Needs sshd. How it
//! measures stands in `benches/README.md`.

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

use std::time::Duration;

use deployer::app::deployments;
use deployer::domain::{Deployment, DeploymentId, DeploymentState};
use deployer::store::deployments as store;
use support::world::{World, admin};

/// Bytes of a file.
const FILE_SIZE: usize = 8 * 1024;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (servers, files, rounds) = if quick { (6, 500, 1) } else { (40, 10_000, 3) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(servers, files, rounds));
}

async fn measure(servers: usize, files: usize, rounds: usize) {
    let mut world = World::project().clusters(&[servers]).start().await;
    for number in 0..files {
        world.repository.write(&path(number), content(number, 0));
    }
    world.script("deploy.sh", "true");
    // Connects, and fills the targets for the first time.
    let first = world.commit("Round 0").await;
    took(&deploy(&world, &first).await);
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for number in (0..files).step_by(100) {
            world.repository.write(&path(number), content(number, round));
        }
        let commit = world.commit(&format!("Round {round}")).await;
        let deployment = deploy(&world, &commit).await;
        there.push(took(&deployment));
        let id = deployments::roll_back(&world.app, &admin(), deployment.id)
            .await
            .unwrap()
            .id();
        back.push(took(&end(&world, id).await));
    }
    there.sort();
    back.sort();
    let (there, back) = (there[rounds / 2].as_secs_f64(), back[rounds / 2].as_secs_f64());
    println!("{files} files on {servers} servers, median of {rounds} rounds");
    println!("deployment {there:>8.2} s");
    println!("rollback   {back:>8.2} s   {:.0} %", 100.0 * back / there);
}

async fn deploy(world: &World, commit: &str) -> Deployment {
    let id = world.ask(World::request(commit)).await;
    end(world, id).await
}

/// Waits as long as it takes: a fleet on one machine is slow.
async fn end(world: &World, id: DeploymentId) -> Deployment {
    loop {
        let deployment = store::by_id(&world.store, id).await.unwrap();
        if deployment.state.is_final() {
            return deployment;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn path(number: usize) -> String {
    format!("d{}/file{number}", number % 100)
}

fn content(number: usize, round: usize) -> String {
    let line = format!("{number} {round} of a file that is neither short nor long\n");
    line.repeat(FILE_SIZE / line.len() + 1)
}

/// From its first act to its last.
fn took(deployment: &Deployment) -> Duration {
    assert_eq!(
        deployment.state,
        DeploymentState::Succeeded,
        "{}",
        deployment.outcome
    );
    let times = deployment.finished_at.zip(deployment.started_at);
    times.map(|(end, begin)| (end - begin).to_std().unwrap()).unwrap()
}
