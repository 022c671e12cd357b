//! Processes that outlive their test.
#![allow(
    clippy::disallowed_methods,
    reason = "a test that ends may wait on its thread"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a process that was told to end may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fails while a process has to do with `dir`, which is a temporary directory of one test: it stands
/// in its environment or its command line, or the process works there. Such processes are killed.
pub fn assert_none(dir: &Path) {
    let start = Instant::now();
    let mut left = below(dir);
    while !left.is_empty() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        left = below(dir);
    }
    for (pid, _) in &left {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    assert!(left.is_empty(), "still running: {left:#?}");
}

/// The processes that have to do with `dir`, each with its command line.
fn below(dir: &Path) -> Vec<(i32, String)> {
    let name = dir.as_os_str().as_encoded_bytes();
    let is_named = |file: &[u8]| file.windows(name.len()).any(|part| part == name);
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let command = read("cmdline");
        let works_there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
        // One that only waits to be reaped has no command line.
        if !command.is_empty() && (works_there || is_named(&command) || is_named(&read("environ"))) {
            found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

#[tokio::test]
#[should_panic(expected = "still running")]
async fn a_process_left_behind_fails_its_test() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let mut command = tokio::process::Command::new("sleep");
    let _left = command
        .arg("60")
        .current_dir(dir.path())
        .spawn()
        .expect("it starts");
    assert_none(dir.path());
}
