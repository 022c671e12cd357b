//! The deployer as a process of its own, killed in the middle and started again.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may start the program it is about"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentState, StepState};
use deployer::store::queue;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::databases::SEALING_KEY;
use crate::support::world::World;

/// From the start of the program to what it does first, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// `deployer serve` over the files of a world; killed with it.
pub struct Served(Child);

impl Served {
    pub fn start(world: &World) -> Self {
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
            .env("DEPLOYER__SECRETS__KEY", SEALING_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// As a power failure would: no goodbye.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// As a service manager ends it: it may say goodbye.
    pub fn terminate(mut self) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
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

pub fn log_file(world: &World) -> PathBuf {
    world.dir.path().join("serve.log")
}

pub async fn standing_still() -> World {
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

/// Whether a program with these arguments runs anywhere on this host.
fn runs(arguments: &[&str]) -> bool {
    let wanted = arguments.iter().map(|one| format!("{one}\0")).collect::<String>();
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = lines.map(|one| std::fs::read(one.path().join("cmdline")).unwrap_or_default());
    lines.any(|line| line == wanted.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_on_this_host_ends_with_a_killed_deployer() {
    let mut world = standing_still().await;
    let seconds = format!("1{:09}", std::process::id());
    let sleeps = ["sleep", &seconds];
    world.script("predeploy.sh", &format!("setsid sleep {seconds} & wait"));
    let commit = world.commit("Waits").await;
    world.ask(World::request(&commit)).await;
    let served = Served::start(&world);
    let start = Instant::now();
    let until = async |is_there: bool| {
        while runs(&sleeps) != is_there {
            assert!(start.elapsed() < PATIENCE, "it runs: {}", !is_there);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until(true).await;
    served.kill();
    until(false).await;
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

/// Puts a program before the server's own one of that name. It is slow when `~/slow` is there: it
/// removes that, makes `~/reached`, and sleeps.
fn slow_program(world: &World, name: &str, real: &str) {
    let bin = world.home(1, "bin");
    std::fs::create_dir_all(&bin).unwrap();
    let text = format!(
        "#!/bin/sh\nif rm ~/slow 2>/dev/null; then touch ~/reached; exec sleep 60; fi\nexec {real} \"$@\"\n"
    );
    std::fs::write(bin.join(name), text).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("export PATH={}:$PATH\n", bin.display());
    std::fs::write(world.home(1, ".bashrc"), path).unwrap();
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_place_that_are_whole_after_a_kill_are_not_called_half_changed() {
    // Killed when the new files are in place and being summed, and before the first of them is put there.
    for (program, real, is_new) in [("sort", "/usr/bin/sort", true), ("cp", "/bin/cp", false)] {
        let mut world = World::project().in_place().workers(0).start().await;
        world.repository.write("version", "1");
        world.script("deploy.sh", "exit 0");
        let first = world.commit("First").await;
        let id = world.ask(World::request(&first)).await;
        let served = Served::start(&world);
        let deployed = world.end(id).await;
        world.assert_succeeded(&deployed).await;
        slow_program(&world, program, real);
        std::fs::write(world.home(1, "slow"), "").unwrap();
        world.repository.write("version", "2");
        let second = world.commit("Second").await;
        let id = world.ask(World::request(&second)).await;
        let reached = world.home(1, "reached");
        until("the program is slow", || reached.exists()).await;
        served.kill();

        let _again = Served::start(&world);

        assert_eq!(world.end(id).await.state, DeploymentState::Interrupted);
        let told = &world.parts(id).await[0].detail;
        let expected = match is_new {
            true => format!(
                "It runs {}, but deploy.sh and the tests were not run.",
                &second[..8]
            ),
            false => format!("It still runs {}.", &first[..8]),
        };
        assert!(told.contains(&expected), "{program}: {told}");
        let marker = world.read(1, "dev/shop/.git_release");
        let commit = if is_new { &second } else { &first };
        let lines: Vec<&str> = marker.lines().collect();
        assert_eq!(
            (lines.len(), lines[1]),
            (4, commit.as_str()),
            "{program}: {marker}"
        );
        let version = if is_new { "2" } else { "1" };
        assert_eq!(world.read(1, "dev/shop/version"), version);
        assert!(
            !world.home(1, "dev/shop/deploy.sh").exists(),
            "{program}: deploy.sh is left on the server"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_on_a_server_that_is_silent_at_the_close_is_told_and_deleted_when_it_answers() {
    let mut world = standing_still().await;
    world.script("deploy.sh", "echo begun; sleep 60");
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "begun").await;
    first.kill();
    world.servers[0].go_down();

    let _second = Served::start(&world);

    assert_eq!(world.end(id).await.state, DeploymentState::Interrupted);
    let part = &world.parts(id).await[0];
    assert!(
        part.detail.contains("The server could not be asked: "),
        "{}",
        part.detail
    );
    assert!(
        part.remains_told().contains("once the server answers"),
        "{part:?}"
    );
    let script = world.home(1, "dev/shop/deploy.sh");
    assert!(script.exists(), "there was nothing to delete");

    world.servers[0].come_back();

    until("deploy.sh is deleted", || !script.exists()).await;
    let start = Instant::now();
    while world.parts(id).await[0].remains.is_some() {
        assert!(start.elapsed() < PATIENCE, "it is still told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
