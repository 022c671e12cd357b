//! How long pages take with 100,000 deployments and 10 million log lines in SQLite, and whether
//! that grows with the table: the same pages over a hundredth of it stand beside.
//!
//! Pages are asked for over HTTP, one after the other, from a server that has one thread; each
//! number is what a client waits. The filled databases stay under `target/bench` for the next run.
//! `--quick` fills much less: to see that it works.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends when something is wrong"
)]

mod seed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::access::Access;
use deployer::app::accounts::{self, NewUser};
use deployer::app::start;
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::store::{Store, StoreOptions};
use deployer::web::{self, Site};
use reqwest::Client;
use reqwest::redirect::Policy;
use seed::Amount;

/// How many of the twenty projects somebody sees who may not see all.
const SEEN_PROJECTS: usize = 8;
const PASSWORD: &str = "correct horse battery";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (big, asks) = if quick {
        (
            Amount {
                deployments: 500,
                lines: 50_000,
            },
            20,
        )
    } else {
        (
            Amount {
                deployments: 100_000,
                lines: 10_000_000,
            },
            500,
        )
    };
    let small = Amount {
        deployments: big.deployments / 100,
        lines: big.lines / 100,
    };
    let (small, big) = (measure(small, asks), measure(big, asks));
    println!(
        "\n| page | p50 small | p99 small | p50 | p99 | bytes |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for (small, big) in small.iter().zip(&big) {
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            big.name,
            ms(small.p50),
            ms(small.p99),
            ms(big.p50),
            ms(big.p99),
            big.bytes
        );
    }
}

fn ms(length: Duration) -> String {
    format!("{:.1} ms", length.as_secs_f64() * 1000.0)
}

/// What one page took.
struct Took {
    name: &'static str,
    p50: Duration,
    p99: Duration,
    bytes: usize,
}

/// Fills a database, serves it, and asks for each page `asks` times.
fn measure(amount: Amount, asks: usize) -> Vec<Took> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&dir).unwrap();
    let seeding = tokio::runtime::Runtime::new().unwrap();
    let start = Instant::now();
    let file = seeding.block_on(seed::file(&dir, amount));
    println!(
        "{} deployments, {} log lines ready after {:?}",
        amount.deployments,
        amount.lines,
        start.elapsed()
    );
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let one_thread = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        one_thread.block_on(serve(&file, &told));
    });
    let url = address.recv().unwrap();
    let client = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    client.block_on(ask_all(&url, amount, asks))
}

/// Serves for as long as the process lives.
async fn serve(file: &Path, told: &std::sync::mpsc::Sender<String>) {
    let url = format!("sqlite://{}", file.display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let operator = Access::local_operator("bench", Clock::System.now());
    for name in ["admin", "viewer"] {
        let new = NewUser {
            name: name.parse().unwrap(),
            display_name: String::new(),
            email: String::new(),
            password: Some(PASSWORD.to_owned()),
            keeping: accounts::Keeping::ForGood,
        };
        // It is there already when the file was filled earlier.
        let _ = accounts::add(&store, &operator, new).await;
    }
    let mut config = Config {
        data_dir: file.with_extension("data"),
        ..Config::default()
    };
    // The seed's repository lies beside the file.
    let beside = file.parent().expect("the file is in a directory");
    config.git.local_directories = vec![beside.to_owned()];
    let app = start::assemble(config, store.clone(), access(file), Clock::System);
    for project in deployer::store::projects::list(&store).await.unwrap() {
        let stop = tokio_util::sync::CancellationToken::new();
        app.mirror(&project).unwrap().fetch(&stop).await.unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    told.send(format!("http://{}", listener.local_addr().unwrap()))
        .unwrap();
    web::serve(Arc::new(Site::new(app)), listener, std::future::pending())
        .await
        .unwrap();
}

/// The shipped policy, and a line for each project that “viewer” may see.
fn access(file: &Path) -> Access {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let dir = file.with_extension("policies");
    std::fs::create_dir_all(&dir).unwrap();
    for entry in std::fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let policy = dir.join("policy.csv");
    let mut text = std::fs::read_to_string(&policy).unwrap();
    for number in 1..=SEEN_PROJECTS {
        text.push_str(&format!("p, viewer, project-{number}, *, view, always, allow\n"));
    }
    std::fs::write(&policy, text).unwrap();
    Access::load(&dir).unwrap()
}

async fn ask_all(url: &str, amount: Amount, asks: usize) -> Vec<Took> {
    let browser = Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .build()
        .unwrap();
    log_in(&browser, url, "admin").await;
    let restricted = Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .build()
        .unwrap();
    log_in(&restricted, url, "viewer").await;
    let mut all = Vec::new();
    for (name, path) in pages(amount) {
        all.push(ask(&browser, name, &format!("{url}{path}"), asks).await);
    }
    for (name, path) in pages_of_some(amount) {
        all.push(ask(&restricted, name, &format!("{url}{path}"), asks).await);
    }
    all
}

/// What somebody asks for who may see everything.
fn pages(amount: Amount) -> Vec<(&'static str, String)> {
    let long = amount.long_deployment();
    let (middle, line) = (amount.deployments / 2, amount.long_lines() / 2);
    vec![
        ("overview", "/".to_owned()),
        ("project", "/projects/project-1".to_owned()),
        ("activity", "/activity".to_owned()),
        ("history, newest", "/history".to_owned()),
        ("history, in the middle", format!("/history?before={middle}")),
        (
            "history of a project's failures",
            "/history?project=project-3&state=failed".to_owned(),
        ),
        (
            "history of a user in a month",
            "/history?user=user-7&from=2026-03-01&to=2026-03-31".to_owned(),
        ),
        ("history of a rare kind", "/history?kind=rollback".to_owned()),
        ("deployment", format!("/deployments/{middle}")),
        ("longest log, its end", format!("/deployments/{long}")),
        (
            "longest log, its middle",
            format!("/deployments/{long}?from={line}"),
        ),
        (
            "longest log, one server",
            format!("/deployments/{long}?server=web-2&before={line}"),
        ),
    ]
}

/// What somebody asks for who may see some projects only.
fn pages_of_some(amount: Amount) -> Vec<(&'static str, String)> {
    let middle = amount.deployments / 2;
    vec![
        ("overview, of some projects", "/".to_owned()),
        ("history, of some projects", "/history".to_owned()),
        (
            "history, of some, in the middle",
            format!("/history?before={middle}"),
        ),
        (
            "history, of some, of a user in a month",
            "/history?user=user-7&from=2026-03-01&to=2026-03-31".to_owned(),
        ),
        ("history, of some, failures", "/history?state=failed".to_owned()),
        (
            "history, of some, a rare kind",
            "/history?kind=rollback".to_owned(),
        ),
    ]
}

/// Asks for one page over and over.
async fn ask(browser: &Client, name: &'static str, address: &str, asks: usize) -> Took {
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..=asks {
        let start = Instant::now();
        let answer = browser.get(address).send().await.unwrap();
        let status = answer.status();
        bytes = answer.bytes().await.unwrap().len();
        times.push(start.elapsed());
        if !status.is_success() {
            println!("{address} answered {status}");
            break;
        }
    }
    // The first finds caches cold; a page is asked for more than once.
    times.remove(0);
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let (p50, p99) = (at(50), at(99));
    Took {
        name,
        p50,
        p99,
        bytes,
    }
}

async fn log_in(browser: &Client, url: &str, name: &str) {
    let address = format!("{url}/login");
    let page = browser.get(&address).send().await.unwrap().text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let form = [("csrf", token), ("name", name), ("password", PASSWORD)];
    let answer = browser.post(&address).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 303, "logged in");
}
