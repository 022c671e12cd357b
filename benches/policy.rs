//! What a long policy costs: 10,000 lines, 2,000 of them for every project, over 500 projects with
//! three environments each, and 2,000 people in its roles. Measured are loading and reading it again, the
//! comparison with another such policy, a check, who may do what at one place, single decisions, and the
//! overview for somebody with two groups when no decision is known yet and when all are.
//!
//! `--quick` takes a tenth of everything: to see that it works.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and ends when something is wrong"
)]

#[path = "seed/place.rs"]
mod place;

use std::path::Path;
use std::time::{Duration, Instant};

use deployer::access::{Access, OpenedPolicy};
use deployer::app::overview::overview;
use deployer::app::{App, start};
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::{Action, Actor, Event, EventKind, Resource};
use deployer::store::{Store, StoreOptions, environments, projects};

const ROLES: usize = 100;
/// People in those roles.
const PEOPLE: usize = 2_000;
/// Decisions that are measured one by one.
const DECISIONS: usize = 20_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (project_count, lines) = if quick { (30, 1_000) } else { (500, 10_000) };
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let policies = dir.path().join("policies");
    write_policy(&policies, project_count, lines, 0);
    println!("| | took |\n| --- | ---: |");
    let begun = Instant::now();
    let access = Access::load(&policies).unwrap();
    println!("| loading {lines} lines | {} |", ms(begun.elapsed()));
    let begun = Instant::now();
    access.reload().unwrap();
    println!("| reading them again | {} |", ms(begun.elapsed()));
    decisions(&access, project_count);
    let begun = Instant::now();
    let place = Resource::Environment("project-7".to_owned(), place::NAMES[1].to_owned());
    let rows = access
        .answers()
        .table(&place, Action::ALL, Clock::System.now())
        .rows
        .len();
    println!(
        "| who may do what at one place: {rows} rows | {} |",
        ms(begun.elapsed())
    );
    let other = dir.path().join("other");
    write_policy(&other, project_count, lines, ROLES / 2);
    compared(&policies, &other);
    let app = runtime.block_on(app(dir.path(), project_count, access));
    let somebody = Actor {
        groups: vec!["team-1".to_owned(), "team-2".to_owned()],
        ..Actor::user("user-7", "192.0.2.1")
    };
    for (name, actor) in [
        ("somebody of two groups", somebody),
        ("an administrator", Actor::user("admin", "")),
    ] {
        for state in ["cold", "warm"] {
            let begun = Instant::now();
            let seen = runtime.block_on(overview(&app, &actor)).unwrap().rows.len();
            let took = ms(begun.elapsed());
            println!("| overview of {project_count} projects for {name}, {state}: {seen} seen | {took} |");
        }
    }
}

/// Two policies, compared; and one of them, looked through for what is hardly meant.
fn compared(policies: &std::path::Path, other: &std::path::Path) {
    let begun = Instant::now();
    let (old, new) = (
        OpenedPolicy::open(Some(policies)),
        OpenedPolicy::open(Some(other)),
    );
    let (old, new) = (
        old.unwrap_or_else(|_| panic!("it opened before")),
        new.unwrap_or_else(|_| panic!("it has no error")),
    );
    println!("| opening two of them | {} |", ms(begun.elapsed()));
    let now = Clock::System.now();
    let begun = Instant::now();
    let changes = old.diff(&new, now).differences.len();
    println!(
        "| comparing them: {changes} differences | {} |",
        ms(begun.elapsed())
    );
    let begun = Instant::now();
    let problems = old.check(now, None).problems.len();
    println!(
        "| looking for what is hardly meant: {problems} found | {} |",
        ms(begun.elapsed())
    );
}

/// Single decisions of different people about different places, each measured: when none is known, and when
/// all are.
fn decisions(access: &Access, project_count: usize) {
    let now = Clock::System.now();
    let actions = [Action::View, Action::Deploy, Action::Rollback, Action::Lock];
    for state in ["cold", "warm"] {
        let mut took: Vec<Duration> = (0..DECISIONS)
            .map(|number| {
                // Steps that share no factor with what they go round.
                let actor = Actor::user(format!("person-{}", number * 7 % PEOPLE), "192.0.2.1");
                let project = format!("project-{}", number * 13 % project_count);
                let environment = place::NAMES[number % place::NAMES.len()].to_owned();
                let (action, place) = (actions[number % 4], Resource::Environment(project, environment));
                let begun = Instant::now();
                let _ = access.may(&actor, action, &place, now);
                begun.elapsed()
            })
            .collect();
        took.sort_unstable();
        let (half, most) = (took[DECISIONS / 2], took[DECISIONS * 99 / 100]);
        println!(
            "| {DECISIONS} decisions, {state}: median {}, p99 | {} |",
            us(half),
            us(most)
        );
    }
}

fn us(length: Duration) -> String {
    format!("{:.1} µs", length.as_secs_f64() * 1_000_000.0)
}

fn ms(length: Duration) -> String {
    format!("{:.1} ms", length.as_secs_f64() * 1000.0)
}

/// The shipped files with `lines` lines: a fifth for every project, the others for one each.
fn write_policy(dir: &Path, project_count: usize, lines: usize, shift: usize) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    std::fs::create_dir_all(dir).unwrap();
    for entry in std::fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
        }
    }
    let mut text = std::fs::read_to_string(dir.join("policy.csv")).unwrap();
    for number in 0..lines {
        let role = (number + shift * (number % 7)) % ROLES;
        let place = place::NAMES[number % place::NAMES.len()];
        let action = ["view", "deploy", "rollback", "lock"][number % 4];
        let project = match number % 5 {
            0 => "*".to_owned(),
            _ => format!("project-{}", number % project_count),
        };
        // Lines that say the same would be warnings: each has a subject of its own now and then.
        let subject = match number % 3 {
            0 => format!("user-{number}"),
            _ => format!("role:team-{role}"),
        };
        text.push_str(&format!(
            "p, {subject}, {project}, {place}, {action}, always, allow\n"
        ));
    }
    for role in 0..ROLES {
        text.push_str(&format!("g, group:team-{role}, role:team-{role}\n"));
    }
    for person in 0..PEOPLE {
        text.push_str(&format!("g, person-{person}, role:team-{}\n", person % ROLES));
    }
    std::fs::write(dir.join("policy.csv"), text).unwrap();
}

async fn app(dir: &Path, project_count: usize, access: Access) -> App {
    let url = format!("sqlite://{}", dir.join("deployer.db").display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let now = Clock::System.now();
    let change = store
        .change(&Access::local_operator("bench", now), now)
        .await
        .unwrap();
    for number in 0..project_count {
        let project = place::project(number, "https://git.example.org/shop.git".into());
        let project = projects::insert(&change, &project).await.unwrap();
        for (position, name) in place::NAMES.into_iter().enumerate() {
            let environment = place::environment(&project, (position, name), Vec::new());
            environments::insert(&change, &environment).await.unwrap();
        }
    }
    change
        .commit(Event::new(EventKind::HistoryBroughtIn, serde_json::json!({})))
        .await
        .unwrap();
    let config = Config {
        data_dir: dir.join("data"),
        ..Config::default()
    };
    start::assemble(config, store, access, Clock::System)
}
