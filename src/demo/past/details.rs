//! What a deployment of the past did, step by step, and what it printed.

use chrono::Duration;

use super::super::fleet::{Place, method};
use super::super::moments::Chance;
use super::super::repositories::SampleCommit;
use super::{Fate, Past, PastDeployment, PastServer, PastStep};
use crate::domain::deployment::ServerState;
use crate::domain::{CommitId, DeploymentState, Instant, Phase, StepKind, StepState, SyncMethod};

/// Whether the project has tests for the deployer's host.
pub fn has_local_tests(project: &str) -> bool {
    has(project, StepKind::LocalTests)
}

fn has(project: &str, kind: StepKind) -> bool {
    match kind {
        StepKind::Predeploy => matches!(project, "webshop" | "site"),
        StepKind::LocalTests => matches!(project, "webshop" | "orders-api"),
        StepKind::Deploy => project != "site",
        StepKind::Tests => matches!(project, "webshop" | "orders-api" | "mobile-backend"),
        _ => true,
    }
}

/// Writes down the deployment of `commit` to `place`, with `before` on the servers.
pub(super) fn write(
    place: &'static Place,
    commit: SampleCommit,
    past: Past,
    before: &[(&'static str, CommitId)],
    chance: &mut Chance,
) -> PastDeployment {
    let there = |server: &str| {
        before
            .iter()
            .find(|(name, _)| *name == server)
            .map(|(_, commit)| commit.clone())
    };
    let servers: Vec<PastServer> = place
        .active_servers()
        .filter(|(server, _)| past.only.is_none_or(|only| only == *server))
        .map(|(name, cluster)| PastServer {
            name,
            cluster,
            state: ServerState::Succeeded,
            previous: there(name),
            detail: String::new(),
            released: true,
        })
        .collect();
    let started_at = past.at + chance.seconds(0, 2);
    let mut writer = Writer {
        place,
        commit: &commit,
        fate: past.fate,
        servers,
        steps: Vec::new(),
        clock: started_at,
        chance,
        over: false,
    };
    writer.prepare();
    writer.roll_out();
    let (servers, steps, clock) = (writer.servers, writer.steps, writer.clock);
    let (state, phase, outcome) = ending(past.fate, past.actor, &servers);
    let previous = servers.first().and_then(|server| server.previous.clone());
    PastDeployment {
        place,
        only: past.only,
        commit,
        previous,
        kind: past.kind,
        state,
        phase,
        actor: past.actor,
        reason: past.reason,
        queued_at: past.at,
        started_at,
        finished_at: clock,
        cancelled_by: (past.fate == Fate::Cancelled).then_some(past.actor),
        outcome,
        servers,
        steps,
    }
}

fn ending(fate: Fate, actor: &str, servers: &[PastServer]) -> (DeploymentState, Phase, String) {
    let count = |number: usize| match number {
        1 => "1 server".to_owned(),
        number => format!("{number} servers"),
    };
    let last = servers.last().map_or("", |server| server.name);
    match fate {
        Fate::Good => (
            DeploymentState::Succeeded,
            Phase::Finish,
            format!("{} deployed.", count(servers.len())),
        ),
        Fate::Unreachable => (
            DeploymentState::Failed,
            Phase::Check,
            format!("{last} could not be reached. No server was touched."),
        ),
        Fate::LocalTests => (
            DeploymentState::Failed,
            Phase::Prepare,
            "tests/run_local_tests.sh ended with exit code 1. No server was touched.".to_owned(),
        ),
        Fate::LastServer => (
            DeploymentState::Failed,
            Phase::RollOut,
            format!("Failed on {last}. Deployed to {}.", count(servers.len() - 1)),
        ),
        Fate::Cancelled => (
            DeploymentState::Cancelled,
            Phase::Prepare,
            format!("Cancelled by {actor}."),
        ),
    }
}

/// Writes steps one after the other and moves a clock on.
struct Writer<'a> {
    place: &'static Place,
    commit: &'a SampleCommit,
    fate: Fate,
    servers: Vec<PastServer>,
    steps: Vec<PastStep>,
    clock: Instant,
    chance: &'a mut Chance,
    /// Nothing is begun any more.
    over: bool,
}

impl Writer<'_> {
    fn prepare(&mut self) {
        let (project, commit) = (self.place.project, self.commit.id.clone());
        let environment = self.place.environment;
        match self.fate {
            Fate::Unreachable => {
                let last = self.servers.last().map_or("", |server| server.name);
                let detail = format!("{last} could not be reached: no answer within 10 seconds.");
                self.end(None, StepKind::Check, StepState::Failed, detail, None);
                self.give_up(ServerState::Skipped);
            }
            _ => {
                let lines = self
                    .servers
                    .iter()
                    .map(|server| format!("{}: reached, its host key is the pinned one.", server.name))
                    .collect();
                self.done(None, StepKind::Check, (600, 1900), lines);
            }
        }
        self.done(
            None,
            StepKind::Fetch,
            (300, 1800),
            vec!["The mirror is up to date.".to_owned()],
        );
        let exported = format!("Exported {} “{}”.", commit.short(), self.commit.title);
        self.done(None, StepKind::Export, (80, 500), vec![exported]);
        let built = match project {
            "webshop" => shop_build(environment, &commit),
            _ => vec![
                format!("$ predeploy.sh {environment} {commit}"),
                "rendered \u{1b}[36mpublic/index.html\u{1b}[0m".to_owned(),
            ],
        };
        if self.fate == Fate::Cancelled {
            let kind = if has(project, StepKind::Predeploy) {
                StepKind::Predeploy
            } else {
                StepKind::Export
            };
            self.steps.retain(|step| step.kind != kind);
            self.end(
                None,
                kind,
                StepState::Cancelled,
                "Ended by a person.".to_owned(),
                None,
            );
            self.give_up(ServerState::Skipped);
        }
        self.script(None, StepKind::Predeploy, (1800, 4200), built);
        if self.fate == Fate::LocalTests {
            self.fail_local_tests();
        }
        let passed = vec!["\u{1b}[1;32m5 passed\u{1b}[0m".to_owned()];
        self.script(None, StepKind::LocalTests, (1200, 2600), passed);
    }

    fn fail_local_tests(&mut self) {
        let (environment, commit) = (self.place.environment, self.commit.id.clone());
        let lines = vec![
            format!(
                "$ tests/run_local_tests.sh {environment} localhost {} {commit}",
                self.place.branch
            ),
            "\u{1b}[31mE   wanted 15, got 20\u{1b}[0m".to_owned(),
            "\u{1b}[31m=== 1 failed, 4 passed ===\u{1b}[0m".to_owned(),
        ];
        let detail = "tests/run_local_tests.sh ended with exit code 1.".to_owned();
        self.clock += self.chance.seconds(2, 4);
        self.end(None, StepKind::LocalTests, StepState::Failed, detail, Some(1));
        if let Some(step) = self.steps.last_mut() {
            step.lines.splice(0..0, lines);
        }
        self.give_up(ServerState::Skipped);
    }

    fn roll_out(&mut self) {
        let names: Vec<&'static str> = self.servers.iter().map(|server| server.name).collect();
        let last = names.last().copied();
        for name in names {
            let fails = self.fate == Fate::LastServer && Some(name) == last;
            self.server(name, fails);
        }
        self.done(None, StepKind::Finish, (40, 200), Vec::new());
    }

    fn server(&mut self, name: &'static str, fails: bool) {
        let at = Some(name);
        let (place, commit) = (self.place, self.commit.id.clone());
        self.done(at, StepKind::Inspect, (60, 240), Vec::new());
        let sent = format!(
            "{} files sent ({} bytes on the wire); it was verified.",
            self.chance.below(9) + 1,
            900 + self.chance.below(9000)
        );
        self.done(at, StepKind::Sync, (180, 900), vec![sent]);
        if method(place.project) == SyncMethod::Symlink {
            let lines = vec![format!("Switched to the release of {}.", commit.short())];
            self.done(at, StepKind::Activate, (30, 90), lines);
        }
        let lines = vec![
            format!("$ deploy.sh {} {name} {commit}", place.environment),
            format!("Reloading on \u{1b}[1m{name}\u{1b}[0m … \u{1b}[32mok\u{1b}[0m"),
        ];
        self.script(at, StepKind::Deploy, (1200, 3200), lines);
        let arguments = format!("{} {name} {} {commit}", place.environment, place.branch);
        let asked = format!("$ tests/run_tests.sh {arguments}");
        if !fails {
            let lines = vec![asked, format!("\u{1b}[32m✓\u{1b}[0m {name} answers")];
            self.script(at, StepKind::Tests, (600, 1600), lines);
            return;
        }
        let why = "tests/run_tests.sh ended with exit code 1.";
        let lines = vec![
            asked,
            format!("Asking the push gateway from {name} …"),
            format!("\u{1b}[1;31m✗ the gateway refuses {name}: its certificate ended yesterday\u{1b}[0m"),
        ];
        self.end(at, StepKind::Tests, StepState::Failed, why.to_owned(), Some(1));
        if let Some(step) = self.steps.last_mut() {
            step.lines.splice(0..0, lines);
        }
        if let Some(server) = self.servers.iter_mut().find(|server| server.name == name) {
            server.state = ServerState::Failed;
            server.detail = format!(
                "{why} The files of {} are in use there. Deploy again, or roll back.",
                commit.short()
            );
        }
        self.over = true;
    }

    /// A step that went well, unless nothing is begun any more or its end is told already.
    fn done(&mut self, server: Option<&'static str>, kind: StepKind, took: (u64, u64), lines: Vec<String>) {
        if self
            .steps
            .iter()
            .any(|step| (step.server, step.kind) == (server, kind))
        {
            return;
        }
        let took = self.chance.below(took.1 - took.0) + took.0;
        let took = Duration::milliseconds(i64::try_from(took).unwrap_or_default());
        let times = (!self.over).then(|| (self.clock, self.clock + took));
        if let Some((_, end)) = times {
            self.clock = end;
        }
        self.steps.push(PastStep {
            server,
            kind,
            state: if self.over {
                StepState::Skipped
            } else {
                StepState::Succeeded
            },
            times,
            exit_code: None,
            detail: String::new(),
            lines: if self.over { Vec::new() } else { lines },
        });
    }

    /// A script's step, skipped where the project has no such script.
    fn script(&mut self, server: Option<&'static str>, kind: StepKind, took: (u64, u64), lines: Vec<String>) {
        let there = has(self.place.project, kind);
        let (took, lines) = if there {
            (took, lines)
        } else {
            ((5, 20), Vec::new())
        };
        let steps = self.steps.len();
        self.done(server, kind, took, lines);
        let Some(step) = self.steps.get_mut(steps) else {
            return;
        };
        if !there {
            step.state = StepState::Skipped;
            step.detail = format!("There is no {}.", script_name(kind));
        } else if step.state == StepState::Succeeded {
            step.exit_code = Some(0);
        }
    }

    /// A step that did not go well.
    fn end(
        &mut self,
        server: Option<&'static str>,
        kind: StepKind,
        state: StepState,
        detail: String,
        exit_code: Option<i32>,
    ) {
        let begun = self.clock;
        self.clock += self.chance.seconds(1, 3);
        let times = Some((begun, self.clock));
        let lines = vec![detail.clone()];
        self.steps.push(PastStep {
            server,
            kind,
            state,
            times,
            exit_code,
            detail,
            lines,
        });
    }

    /// Nothing more is begun, and no server was touched.
    fn give_up(&mut self, state: ServerState) {
        self.over = true;
        for server in &mut self.servers {
            server.state = state;
            server.released = false;
            server.detail = match &server.previous {
                Some(commit) => format!("Not touched: it runs {}.", commit.short()),
                None => "Not touched.".to_owned(),
            };
        }
    }
}

fn script_name(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Predeploy => "predeploy.sh",
        StepKind::LocalTests => "tests/run_local_tests.sh",
        StepKind::Deploy => "deploy.sh",
        _ => "tests/run_tests.sh",
    }
}

fn shop_build(environment: &str, commit: &CommitId) -> Vec<String> {
    vec![
        format!("$ predeploy.sh {environment} {commit}"),
        format!("\u{1b}[1;34m==>\u{1b}[0m \u{1b}[1mBuilding the assets for {environment}\u{1b}[0m"),
        "    \u{1b}[36mstyles/base.css\u{1b}[0m".to_owned(),
        "    \u{1b}[36mstyles/basket.css\u{1b}[0m".to_owned(),
        "\u{1b}[1;34m==>\u{1b}[0m \u{1b}[1mBundling src\u{1b}[0m".to_owned(),
        "\u{1b}[32m✓\u{1b}[0m public/assets/shop.css".to_owned(),
        "\u{1b}[32m✓\u{1b}[0m public/assets/shop.js".to_owned(),
    ]
}
