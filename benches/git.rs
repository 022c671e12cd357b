//! Pages of commits from a mirror with 100,000 commits: what the project page asks for.
//!
//! `cargo bench --bench git` makes the history with `git fast-import`, fetches it once, and times
//! the first page of 150 commits, one from the middle, and a search.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deployer::domain::{BranchName, ProjectId};
use deployer::git::{GitOptions, Mirror, Mirrors, check_url};
use tokio_util::sync::CancellationToken;

/// Commits on one page, as the project page's data asks for them.
const PAGE: usize = 150;
/// Times each question is asked.
const ROUNDS: usize = 50;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let commits = if quick { 2_000 } else { 100_000 };
    let dir = tempfile::tempdir().unwrap();
    let origin = dir.path().join("origin.git");
    write_history(&origin, commits);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(dir.path(), &origin, commits));
}

async fn measure(dir: &Path, origin: &Path, commits: usize) {
    let url = check_url(&format!("file://{}", origin.display())).unwrap();
    let options = GitOptions {
        local_directories: vec![dir.to_owned()],
        ..GitOptions::default()
    };
    let mirror = Mirrors::new(dir.join("mirrors"), options).mirror(ProjectId(1), &url);
    std::fs::create_dir_all(dir.join("mirrors")).unwrap();
    let start = Instant::now();
    mirror.fetch(&CancellationToken::new()).await.unwrap();
    println!(
        "{commits} commits, fetched in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let branch: BranchName = "main".parse().unwrap();
    report("first 150 commits", first_pages(&mirror, &branch).await);
    report(
        "150 commits from the middle",
        middle_pages(&mirror, &branch, commits).await,
    );
    report("search for a text", searches(&mirror, &branch).await);
}

async fn first_pages(mirror: &Mirror, branch: &BranchName) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let page = mirror.commits(branch, None, PAGE).await.unwrap();
        took.push(start.elapsed());
        assert_eq!(page.commits.len(), PAGE);
    }
    took
}

async fn middle_pages(mirror: &Mirror, branch: &BranchName, commits: usize) -> Vec<Duration> {
    let (mut far, mut passed) = (None, 0);
    while passed < commits / 2 {
        let page = mirror.commits(branch, far, 1_000).await.unwrap();
        (far, passed) = (page.next, passed + page.commits.len());
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let page = mirror.commits(branch, far.clone(), PAGE).await.unwrap();
        took.push(start.elapsed());
        assert_eq!(page.commits.len(), PAGE);
    }
    took
}

async fn searches(mirror: &Mirror, branch: &BranchName) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS.min(10) {
        let start = Instant::now();
        mirror.search(branch, "number 777 ", None, 1).await.unwrap();
        took.push(start.elapsed());
    }
    took
}

fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    println!(
        "{what:<28} median {:>8.1} ms, worst {:>8.1} ms",
        millis(took[took.len() / 2]),
        millis(took[took.len() - 1])
    );
}

/// A branch of `commits` commits, each changing one small file.
fn write_history(origin: &Path, commits: usize) {
    let status = Command::new("git")
        .args(["init", "-q", "--bare", "-b", "main"])
        .arg(origin)
        .status();
    assert!(status.unwrap().success());
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(origin)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = std::io::BufWriter::new(import.stdin.take().unwrap());
    for number in 0..commits {
        let time = 1_600_000_000 + number * 60;
        let (message, content) = (format!("Commit number {number} of many"), format!("{number}\n"));
        write!(
            input,
            "commit refs/heads/main\ncommitter Ada <ada@example.com> {time} +0000\ndata {}\n{message}\n\
             M 100644 inline file{}\ndata {}\n{content}\n",
            message.len(),
            number % 50,
            content.len()
        )
        .unwrap();
    }
    drop(input);
    assert!(import.wait().unwrap().success());
}
