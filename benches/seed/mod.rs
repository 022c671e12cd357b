//! A database with much in it: a year of deployments of twenty projects, one of them with a tenth of
//! all log lines.

mod place;

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::domain::deployment::ServerState;
use deployer::domain::{
    Actor, Author, Cluster, ClusterId, CommitId, Deployment, DeploymentState, Environment, Event, Instant,
    Kind, Line, Member, Phase, Project, Server, ServerId, StepKind, StepState, Stream,
};
use deployer::store::deployments::{NewDeployment, NewPart, PastDeployment, PastStep, insert_past};
use deployer::store::{Change, Store, StoreOptions, clusters, environments, projects, servers};

const PROJECTS: usize = 20;
const SERVERS: usize = 4;
const PEOPLE: usize = 30;
/// Deployments stored by one transaction: few enough that a killed run loses little.
const BATCH: i64 = 2_000;

/// How much.
#[derive(Clone, Copy)]
pub struct Amount {
    pub deployments: i64,
    pub lines: i64,
}

impl Amount {
    /// The deployment with the longest log.
    pub fn long_deployment(self) -> i64 {
        self.deployments * 3 / 4
    }

    /// How long its log is.
    pub fn long_lines(self) -> i64 {
        self.lines / 10
    }

    /// How many lines each other one has.
    fn short_lines(self) -> i64 {
        (self.lines - self.long_lines()) / self.deployments
    }
}

/// The filled database, from an earlier run or made now.
pub async fn file(dir: &Path, amount: Amount) -> PathBuf {
    let file = dir.join(format!("filled-{}-{}.db", amount.deployments, amount.lines));
    if file.exists() {
        return file;
    }
    let repository = dir.join("repository.git");
    let commits = repository_with_commits(&repository);
    // Renamed when it is whole: a killed run leaves nothing that looks finished.
    let unfinished = dir.join("unfinished.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("unfinished.db{suffix}")));
    }
    let url = format!("sqlite://{}", unfinished.display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let tx = change(&store).await;
    let inventory = Inventory::fill(&tx, &repository, commits).await;
    bring_in(tx).await;
    let mut next = 1;
    while next <= amount.deployments {
        let mut tx = change(&store).await;
        let end = (next + BATCH).min(amount.deployments + 1);
        for number in next..end {
            let past = inventory.past(number, amount);
            let id = insert_past(&tx, &past).await.unwrap();
            let stored = Deployment {
                id,
                ..past.ended.deployment
            };
            tx.also_then(Author::of(&stored), stored.queued_at, Event::requested(&stored));
        }
        bring_in(tx).await;
        next = end;
    }
    store.close().await.unwrap();
    std::fs::rename(&unfinished, &file).unwrap();
    file
}

/// What deployments are about.
struct Inventory {
    places: Vec<(Project, Environment)>,
    servers: Vec<Server>,
    commits: Vec<CommitId>,
}

fn host(number: usize) -> Server {
    Server {
        id: ServerId(0),
        name: format!("web-{number}").parse().unwrap(),
        address: "127.0.0.1".into(),
        port: 22,
        active: true,
        host_key: None,
        key: None,
        legacy: false,
        via: Vec::new(),
    }
}

impl Inventory {
    async fn fill(tx: &Change, repository: &Path, commits: Vec<CommitId>) -> Self {
        let mut hosts = Vec::new();
        for number in 1..=SERVERS {
            hosts.push(servers::insert(tx, &host(number)).await.unwrap());
        }
        let member = |server: &Server| Member {
            server: server.id,
            balancer_name: None,
        };
        let cluster = Cluster {
            id: ClusterId(0),
            name: "web".parse().unwrap(),
            balancer: None,
            backends: Vec::new(),
            members: hosts.iter().map(member).collect(),
            projects: Vec::new(),
            via: Vec::new(),
        };
        let cluster = clusters::insert(tx, &cluster).await.unwrap().id;
        let mut places = Vec::new();
        for number in 1..=PROJECTS {
            let git_url = format!("file://{}", repository.display());
            let project = place::project(number, git_url);
            let project = projects::insert(tx, &project).await.unwrap();
            for (position, name) in place::NAMES.into_iter().enumerate() {
                let environment = place::environment(&project, (position, name), vec![cluster]);
                let environment = environments::insert(tx, &environment).await.unwrap();
                places.push((project.clone(), environment));
            }
        }
        Self {
            places,
            servers: hosts,
            commits,
        }
    }

    /// The `number`th deployment, of a year in which they are evenly spread.
    fn past(&self, number: i64, amount: Amount) -> PastDeployment {
        let pick = usize::try_from(number).unwrap();
        let year = TimeDelta::days(326).num_seconds();
        let at = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()
            + TimeDelta::seconds(year * number / amount.deployments);
        let (project, environment) = &self.places[pick * 7 % self.places.len()];
        let failed = pick.is_multiple_of(11);
        let (state, end) = if failed {
            (DeploymentState::Failed, ServerState::Failed)
        } else {
            (DeploymentState::Succeeded, ServerState::Succeeded)
        };
        let lines = if number == amount.long_deployment() {
            amount.long_lines()
        } else {
            amount.short_lines()
        };
        PastDeployment {
            ended: self.ended(pick, (project, environment), at, (state, end)),
            steps: (0..SERVERS).map(|server| step(server, at, lines / 4)).collect(),
            releases: Vec::new(),
        }
    }

    fn ended(
        &self,
        pick: usize,
        (project, environment): (&Project, &Environment),
        at: Instant,
        (state, end): (DeploymentState, ServerState),
    ) -> NewDeployment {
        let part = |server: &Server| NewPart {
            state: end,
            ..NewPart::new(server.id, server.name.as_str(), "web")
        };
        let commit = self.commits[pick % self.commits.len()].clone();
        let actor = Actor::user(format!("user-{}", pick % PEOPLE), "127.0.0.1");
        let deployment = Deployment {
            commit_title: format!("Change number {pick}, which says what it is about"),
            kind: if pick.is_multiple_of(97) {
                Kind::Rollback
            } else {
                Kind::Regular
            },
            state,
            phase: Phase::Finish,
            started_at: Some(at),
            finished_at: Some(at + TimeDelta::seconds(42)),
            outcome: "It ended.".into(),
            ..Deployment::new(project, environment, commit, &actor, at)
        };
        NewDeployment::new(deployment, self.servers.iter().map(part).collect())
    }
}

fn step(server: usize, at: Instant, lines: i64) -> PastStep {
    let line = |number| Line {
        stream: if number % 40 == 0 {
            Stream::Stderr
        } else {
            Stream::Stdout
        },
        text: format!("\u{1b}[32m✓\u{1b}[0m unpacked file number {number} of many"),
    };
    PastStep {
        server: Some(server),
        kind: StepKind::Sync,
        state: StepState::Succeeded,
        started_at: Some(at),
        finished_at: Some(at + TimeDelta::seconds(40)),
        exit_code: Some(0),
        detail: String::new(),
        lines: (0..lines).map(line).collect(),
    }
}

/// A bare repository with 300 commits on `main`, written in one go.
fn repository_with_commits(path: &Path) -> Vec<CommitId> {
    let _ = std::fs::remove_dir_all(path);
    let mut stream = String::new();
    for number in 0..300_i64 {
        let seconds = 1_767_225_600 + number * 90_000;
        let (text, message) = (number.to_string(), format!("Change number {number}"));
        stream.push_str(&format!(
            "commit refs/heads/main\ncommitter Ada <ada@example.org> {seconds} +0000\n\
             data {}\n{message}\nM 644 inline file\ndata {}\n{text}\n\n",
            message.len(),
            text.len()
        ));
    }
    let input = path.with_extension("stream");
    std::fs::write(&input, stream).unwrap();
    let script = "git init -q --bare -b main \"$1\" && git -C \"$1\" fast-import --quiet <\"$2\" && \
                  git -C \"$1\" log --format=%H main";
    let made = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(path)
        .arg(&input)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let hashes = String::from_utf8(made.stdout).unwrap();
    hashes.lines().map(|hash| hash.parse().unwrap()).collect()
}

async fn change(store: &Store) -> Change {
    let now = deployer::clock::Clock::System.now();
    let operator = deployer::access::Access::local_operator("bench", now);
    store.change(&operator, now).await.unwrap()
}

async fn bring_in(change: Change) {
    let kind = deployer::domain::EventKind::HistoryBroughtIn;
    let event = deployer::domain::Event::new(kind, serde_json::json!({}));
    change.commit(event).await.unwrap();
}
