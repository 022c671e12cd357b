//! The deployer as a process of its own, killed in the middle and started again.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may start the program it is about"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentState, StepState};
use deployer::store::queue;

use crate::support::world::World;

/// From the start of the program to what it does first, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// `deployer serve` over the files of a world; killed with it.
pub(super) struct Served(Child);

impl Served {
    pub(super) fn start(world: &World) -> Self {
        let dir = world.dir.path();
        let config = dir.join("deployer.toml");
        let text = format!(
            "data_dir = \"{0}\"\n[http]\nbind = \"127.0.0.1:{1}\"\n[store]\nurl = \"sqlite://{0}/deployer.db\"\n\
             [ssh]\nkey_files = [\"{0}/deployer\"]\n",
            dir.display(),
            free_port()
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log_file(world))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_deployer"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// As a power failure would: no goodbye.
    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// The most memory it ever used, in bytes.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(super) fn log_file(world: &World) -> PathBuf {
    world.dir.path().join("serve.log")
}

async fn standing_still() -> World {
    World::project().workers(0).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_deployer_reports_the_truth_at_its_next_start_and_carries_on() {
    let mut world = standing_still().await;
    let pid = world.dir.path().join("pid");
    world.script(
        "deploy.sh",
        &format!("echo $$ > {}; echo begun; sleep 60; echo never", pid.display()),
    );
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "begun").await;
    first.kill();
    let script: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();

    let _second = Served::start(&world);

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Interrupted);
    assert!(
        deployment
            .outcome
            .starts_with("Interrupted: the deployer stopped"),
        "{}",
        deployment.outcome
    );
    let part = &world.parts(id).await[0];
    assert_eq!(part.state, ServerState::Interrupted);
    assert!(
        part.detail.contains("deploy.sh was not seen to end"),
        "{}",
        part.detail
    );
    world.assert_steps_ended(id).await;
    let steps = world.steps(id).await;
    assert!(steps.iter().any(|step| step.state == StepState::Interrupted));
    assert!(queue::holders(&world.store).await.unwrap().is_empty());
    let gone = || !std::path::Path::new(&format!("/proc/{script}")).exists();
    let start = Instant::now();
    while !gone() {
        assert!(
            start.elapsed() < PATIENCE,
            "the script runs on without its deployer"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    assert!(
        !world.home(1, "dev/shop/deploy.sh").exists(),
        "deploy.sh is left on the server"
    );

    world.script("deploy.sh", "echo well");
    let next = world.commit("Well").await;
    let next = world.deploy(&next).await;
    world.assert_succeeded(&next).await;
    let trees = world.dir.path().join("work/trees");
    let start = Instant::now();
    while std::fs::read_dir(&trees).unwrap().next().is_some() {
        assert!(start.elapsed() < PATIENCE, "an exported tree was left behind");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_killed_in_the_tests_runs_them_again_at_its_next_start() {
    let mut world = standing_still().await;
    world.script("deploy.sh", "exit 0");
    world.script(
        "tests/run_tests.sh",
        "[ -e ~/again ] || { touch ~/again; echo testing; sleep 60; }; echo proven",
    );
    let commit = world.commit("Tested").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "testing").await;
    first.kill();

    let _second = Served::start(&world);

    assert_eq!(world.end(id).await.state, DeploymentState::Interrupted);
    let log = world.log(id).await;
    assert!(log.contains("proven"), "{log}");
    let part = &world.parts(id).await[0];
    assert_eq!(part.state, ServerState::Succeeded, "{}", part.detail);
    world.assert_steps_ended(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loud_script_does_not_fill_the_memory() {
    let mut world = standing_still().await;
    let lines = 150_000;
    world.script(
        "deploy.sh",
        &format!("yes 'a line of output that is neither short nor long' | head -n {lines}"),
    );
    let commit = world.commit("Loud").await;
    let id = world.ask(World::request(&commit)).await;
    let served = Served::start(&world);

    let deployment = world.end(id).await;

    world.assert_succeeded(&deployment).await;
    assert!(deployment.last_line >= lines, "{}", deployment.last_line);
    assert!(served.peak() < 200 * 1024 * 1024, "{} bytes", served.peak());
}
