//! `deployer demo`: comes up by itself, and leaves nothing behind however early it is ended.
#![expect(
    clippy::print_stdout,
    reason = "how long it takes is worth knowing and too much of this machine to be judged"
)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::{LOOK_AGAIN, PATIENCE, Ran, Running, names, program};
use crate::support::haproxy::free_ports;

/// The demo with everything it makes below `dir`.
fn demo(dir: &Path) -> Running {
    let port = free_ports(1)[0];
    let mut command: Command = program();
    let bind = format!("127.0.0.1:{port}");
    command.args(["demo", "--bind", &bind]).env("TMPDIR", dir);
    Running::start(&mut command, port)
}

#[track_caller]
fn nothing_is_left(dir: &Path, ended: &Ran) {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(names(dir), Vec::<String>::new());
    let text = dir.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ours: Vec<_> = processes
        .filter(|process| {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(text)
        })
        .collect();
    assert!(ours.is_empty(), "still there: {ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_starts_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut running = demo(dir.path());
    running.answers().await;
    println!("the demo answered after {:?}", begun.elapsed());
    let ended = running.end(Signal::SIGINT);
    assert!(ended.out.contains("Ctrl-C stops it"), "{ended:#?}");
    nothing_is_left(dir.path(), &ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_terminal_in_the_middle_of_the_start_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let running = demo(dir.path());
    let begun = Instant::now();
    // Its directory is there, so it has begun; its signals were listened to before that.
    while names(dir.path()).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it does not begin");
        tokio::time::sleep(LOOK_AGAIN / 10).await;
    }
    let asked = Instant::now();
    let ended = running.end(Signal::SIGHUP);
    println!("the demo ended after {:?}", asked.elapsed());
    assert_eq!(ended.out, "", "it came up all the same");
    nothing_is_left(dir.path(), &ended);
}
