//! From a line printed on a target to the streams of 500 viewers; and what a script that prints a
//! million lines costs in memory.
//!
//! Real sshd, real engine, real store, real HTTP, all on this machine: a printed line holds the time
//! at which it was printed, so each viewer can tell how long it took. Viewers are streams on a
//! handful of HTTP/2 connections and read in this same process, so their work counts too.
//! `--quick` does less of everything: to see that it works.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    dead_code,
    reason = "a measurement prints, and ends when something is wrong; what it shares with the tests it does not use in full"
)]

#[path = "../tests/git/support.rs"]
mod origin;
#[path = "../tests/web/support.rs"]
mod site;
#[path = "../tests/support/mod.rs"]
mod support;

/// Where the shared files look for it.
mod git {
    pub(crate) use crate::origin as support;
}

use std::time::{Duration, Instant};

use deployer::clock::Clock;
use deployer::domain::DeploymentId;
use deployer::engine::LogLimits;
use reqwest::{Client, Response};
use site::{PASSWORD, TestSite};
use support::world::World;

/// Streams on one connection: fewer than a server admits.
const STREAMS: usize = 100;

/// How much is done.
struct Amount {
    viewers: usize,
    timed_lines: usize,
    many_lines: usize,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let amount = if quick {
        Amount {
            viewers: 50,
            timed_lines: 20,
            many_lines: 20_000,
        }
    } else {
        Amount {
            viewers: 500,
            timed_lines: 400,
            many_lines: 1_000_000,
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(memory(&amount));
    runtime.block_on(latency(&amount));
}

async fn begin(script: &str) -> (World, TestSite, DeploymentId) {
    // A million lines have to come through.
    let limits = LogLimits {
        step: 1 << 40,
        deployment: 1 << 40,
    };
    let mut world = World::project().log_limits(limits).start().await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    assert_eq!(site.log_in("admin", PASSWORD).await.status(), 303);
    // It begins when everybody watches.
    world.script(
        "deploy.sh",
        &format!("while [ ! -e ~/go ]; do sleep 0.05; done\n{script}"),
    );
    let commit = world.commit("Print").await;
    let id = world.ask(World::request(&commit)).await;
    world
        .until(id, "it runs", |one| {
            one.state == deployer::domain::DeploymentState::Running
        })
        .await;
    (world, site, id)
}

fn go(world: &World) {
    std::fs::write(world.home(1, "go"), "").unwrap();
}

async fn view(browser: &Client, site: &TestSite, id: DeploymentId) -> Response {
    let request = browser
        .get(format!("{}/deployments/{id}/events", site.url))
        .header("cookie", site.session_cookie());
    let stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    stream
}

/// Reads a stream to its end, message by message.
async fn read(mut stream: Response, mut told: impl FnMut(&str)) {
    let mut rest = String::new();
    while let Some(bytes) = stream.chunk().await.unwrap() {
        rest.push_str(&String::from_utf8_lossy(&bytes));
        while let Some(end) = rest.find("\n\n") {
            told(&rest[..end]);
            rest.drain(..end + 2);
        }
    }
}

async fn latency(amount: &Amount) {
    let script = format!(
        "i=0; while [ $i -lt {} ]; do i=$((i+1)); date '+printed-at-%s%N-'; sleep 0.02; done",
        amount.timed_lines
    );
    let (world, site, id) = begin(&script).await;
    let mut readers = Vec::new();
    for first in (0..amount.viewers).step_by(STREAMS) {
        let browser = Client::builder().http2_prior_knowledge().build().unwrap();
        for _ in first..(first + STREAMS).min(amount.viewers) {
            let stream = view(&browser, &site, id).await;
            readers.push(tokio::spawn(async move {
                let mut late = Vec::new();
                read(stream, |message| late.extend(lateness(message))).await;
                late
            }));
        }
    }
    go(&world);
    let mut late = Vec::new();
    for reader in readers {
        late.extend(reader.await.unwrap());
    }
    assert_eq!(
        late.len(),
        amount.viewers * amount.timed_lines,
        "every viewer saw every line"
    );
    late.sort_unstable();
    let at = |share: usize| late[(late.len() * share / 100).min(late.len() - 1)];
    println!("| viewers | lines | p50 | p99 | worst |\n| ---: | ---: | ---: | ---: | ---: |");
    println!(
        "| {} | {} | {:?} | {:?} | {:?} |",
        amount.viewers,
        amount.timed_lines,
        at(50),
        at(99),
        at(100)
    );
}

/// How long ago the lines in a message were printed.
fn lateness(message: &str) -> Vec<Duration> {
    let now = Clock::System.now();
    let printed = message.split("printed-at-").skip(1);
    printed
        .map(|rest| {
            let nanos: i64 = rest.split_once('-').unwrap().0.parse().unwrap();
            let late = now - chrono::DateTime::from_timestamp_nanos(nanos);
            late.to_std().unwrap_or_default()
        })
        .collect()
}

async fn memory(amount: &Amount) {
    let (world, site, id) = begin(&format!(
        "seq -f 'line number %.0f of very many' {}",
        amount.many_lines
    ))
    .await;
    let before = resident("VmRSS");
    // From here on the peak counts.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let reader = tokio::spawn({
        let stream = view(&site.browser, &site, id).await;
        async move {
            let mut lines = 0;
            read(stream, |message| lines += message.matches("line number ").count()).await;
            lines
        }
    });
    // One who never reads.
    let asleep = view(&Client::new(), &site, id).await;
    let start = Instant::now();
    go(&world);
    let seen = reader.await.unwrap();
    let took = start.elapsed();
    let deployment = deployer::store::deployments::by_id(&world.store, id)
        .await
        .unwrap();
    assert!(seen >= amount.many_lines, "the viewer saw {seen} lines");
    assert!(deployment.state.is_final());
    println!("| lines | took | resident before | peak |\n| ---: | ---: | ---: | ---: |");
    println!(
        "| {} | {took:.1?} | {before} | {} |\n",
        amount.many_lines,
        resident("VmHWM")
    );
    drop(asleep);
}

/// A line of `/proc/self/status`.
fn resident(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line
        .trim_matches([':', ' ', '\t'])
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .unwrap();
    format!("{} MiB", kib / 1024)
}
