//! What it costs to verify a long audit log: 300,000 events, 60,000 of them about a deployment each, which is
//! compared with its event. Measured are the time, and how much memory the process takes more than before.
//!
//! `--quick` takes a hundredth: to see that it works.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends when something is wrong"
)]

#[path = "seed/mod.rs"]
mod seed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deployer::app::audit::verification::{Evidence, prove};
use deployer::app::audit::{heads, keys};
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::{Event, EventKind};
use deployer::store::{Right, Store, StoreOptions};
use serde_json::json;

/// Events recorded by one transaction.
const BATCH: usize = 1_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (deployments, others) = if quick { (600, 2_400) } else { (60_000, 240_000) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(deployments, others));
}

async fn measure(deployments: i64, others: usize) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: dir.path().to_owned(),
        ..Config::default()
    };
    let amount = seed::Amount {
        deployments,
        lines: 0,
    };
    let file = seed::file(dir.path(), amount).await;
    let url = format!("sqlite://{}", file.display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    keys::prepare(&config, &store, Clock::System.now()).await.unwrap();
    let begun = Instant::now();
    append(&store, others).await;
    println!("| | |\n| --- | ---: |");
    let each = begun.elapsed().as_secs_f64() * 1e6 / (others as f64);
    println!("| appending one of {BATCH} events in a transaction | {each:.0} µs |");
    let now = Clock::System.now();
    let head = heads::present((&config, &store), now).await.unwrap();
    let (before, most) = (memory(), watched());
    let begun = Instant::now();
    let evidence = Evidence {
        heads: vec![head.unwrap()],
        ..Evidence::default()
    };
    let found = prove((&config, &store), evidence).await.unwrap();
    assert!(found.is_whole(), "{:?} {:?}", found.faults, found.differences);
    println!(
        "| verifying {} events and {deployments} deployments | {:.1} s |",
        found.last,
        begun.elapsed().as_secs_f64()
    );
    let more = most.load(Ordering::Relaxed).saturating_sub(before);
    println!(
        "| memory that it takes meanwhile, without the mapped file | {} MiB |",
        more / 1024
    );
    store.close().await.unwrap();
}

async fn append(store: &Store, count: usize) {
    let now = Clock::System.now();
    for _ in 0..count / BATCH {
        let mut change = store.change(Right::of_this_program("bench"), now).await.unwrap();
        for number in 1..BATCH {
            let detail = json!({ "answer": "continue", "reason": format!("Reason number {number}") });
            change.also(Event::new(EventKind::DeploymentAnswered, detail).about("project-1/prod"));
        }
        change
            .commit(Event::new(EventKind::Logout, json!({})))
            .await
            .unwrap();
    }
}

/// The memory of this process that no file stands behind, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The most of [`memory`] from now on, looked at twenty times a second.
fn watched() -> Arc<AtomicU64> {
    let most = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&most);
    std::thread::spawn(move || {
        loop {
            seen.fetch_max(memory(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    most
}
