//! Makes the steps of a past deployment and their output.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::Duration;
use serde::Deserialize;

use super::super::data;
use super::super::fleet::{SampleEnvironment, method};
use super::super::moments::Chance;
use super::super::repositories::SampleCommit;
use super::shapes::{Past, PlannedEnd, SampleDeployment, SampleServer};
use crate::domain::deployment::ServerState;
use crate::domain::standing::Trial;
use crate::domain::{
    CommitId, DeploymentState, Instant, Line, OnServer, Phase, StepKind, StepState, Stream, SyncMethod,
};
use crate::store::deployments::PastStep;

/// The texts of past deployments.
pub(super) static TEXTS: LazyLock<Texts> = LazyLock::new(|| data::read("past.toml"));

/// Reasons of deployments, and the output of steps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    pub reasons: Vec<String>,
    /// The reason of a deployment to a single server.
    pub one_server: String,
    /// The reason of rollbacks.
    pub rolled_back: String,
    steps: BTreeMap<StepKind, StepText>,
}

/// What a step of one kind prints, with placeholders.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StepText {
    /// Milliseconds, from and to.
    took: (u64, u64),
    lines: Vec<String>,
    /// Other lines, by project.
    of_project: BTreeMap<String, Vec<String>>,
    /// A line for each server of the deployment.
    each_server: String,
    /// The sentence of a step that failed…
    failed: String,
    /// …and what it printed before.
    failed_lines: Vec<String>,
}

/// Done once, before servers are touched.
const BEFORE: [StepKind; 5] = [
    StepKind::Check,
    StepKind::Fetch,
    StepKind::Export,
    StepKind::Predeploy,
    StepKind::LocalTests,
];
/// Done on each server.
const ON_SERVER: [StepKind; 5] = [
    StepKind::Inspect,
    StepKind::Sync,
    StepKind::Activate,
    StepKind::Deploy,
    StepKind::Tests,
];

/// The script that a step runs.
fn script(kind: StepKind) -> Option<&'static str> {
    match kind {
        StepKind::Predeploy => Some("predeploy.sh"),
        StepKind::LocalTests => Some("tests/run_local_tests.sh"),
        StepKind::Deploy => Some("deploy.sh"),
        StepKind::Tests => Some("tests/run_tests.sh"),
        _ => None,
    }
}

/// Whether the project lacks the script of such a step.
pub(super) fn lacks(project: &str, kind: StepKind) -> bool {
    script(kind).is_some_and(|script| !data::exists(&format!("{project}/{script}")))
}

/// Makes the deployment of `commit` to `place`, with the commits `before` on the servers.
pub(super) fn write(
    place: &'static SampleEnvironment,
    commit: SampleCommit,
    past: Past,
    before: &[(&'static str, CommitId)],
    chance: &mut Chance,
) -> SampleDeployment {
    let there = |server: &str| {
        before
            .iter()
            .find(|(name, _)| *name == server)
            .map(|(_, commit)| commit.clone())
    };
    let servers: Vec<SampleServer> = place
        .active_servers()
        .filter(|(server, _)| past.only.is_none_or(|only| only == *server))
        .map(|(name, cluster)| SampleServer {
            name,
            cluster,
            state: ServerState::Succeeded,
            previous: there(name),
            on_server: None,
            cause: String::new(),
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
    writer.write();
    let (servers, steps, clock) = (writer.servers, writer.steps, writer.clock);
    let (state, phase, outcome) = ending(past.fate, past.actor, &servers);
    let previous = servers.first().and_then(|server| server.previous.clone());
    SampleDeployment {
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
        cancelled_by: (past.fate == PlannedEnd::Cancelled).then_some(past.actor),
        outcome,
        servers,
        steps,
    }
}

fn ending(fate: PlannedEnd, actor: &str, servers: &[SampleServer]) -> (DeploymentState, Phase, String) {
    let count = |number: usize| match number {
        1 => "1 server".to_owned(),
        number => format!("{number} servers"),
    };
    let last = servers.last().map_or("", |server| server.name);
    match fate {
        PlannedEnd::Good => (
            DeploymentState::Succeeded,
            Phase::Finish,
            format!("{} deployed.", count(servers.len())),
        ),
        PlannedEnd::Unreachable => (
            DeploymentState::Failed,
            Phase::Check,
            format!("{last} could not be reached. No server was touched."),
        ),
        PlannedEnd::LocalTests => (
            DeploymentState::Failed,
            Phase::Prepare,
            "tests/run_local_tests.sh ended with exit code 1. No server was touched.".to_owned(),
        ),
        PlannedEnd::LastServer => (
            DeploymentState::Failed,
            Phase::RollOut,
            format!("Failed on {last}. Deployed to {}.", count(servers.len() - 1)),
        ),
        PlannedEnd::Cancelled => (
            DeploymentState::Cancelled,
            Phase::Prepare,
            format!("Cancelled by {actor}."),
        ),
    }
}

/// Makes steps one after the other and advances a clock.
struct Writer<'a> {
    place: &'static SampleEnvironment,
    commit: &'a SampleCommit,
    fate: PlannedEnd,
    servers: Vec<SampleServer>,
    steps: Vec<PastStep>,
    clock: Instant,
    chance: &'a mut Chance,
    /// Whether the deployment has ended; further steps are skipped.
    over: bool,
}

impl Writer<'_> {
    fn write(&mut self) {
        for kind in BEFORE {
            self.step(None, kind);
        }
        for server in 0..self.servers.len() {
            for kind in ON_SERVER {
                let in_place = method(&self.place.project) == SyncMethod::InPlace;
                if !(in_place && kind == StepKind::Activate) {
                    self.step(Some(server), kind);
                }
            }
        }
        self.step(None, StepKind::Finish);
    }

    fn step(&mut self, server: Option<usize>, kind: StepKind) {
        let text = TEXTS.steps.get(&kind).expect("every kind of step has its text");
        let mut step = PastStep {
            server,
            kind,
            state: StepState::Skipped,
            started_at: None,
            finished_at: None,
            exit_code: None,
            detail: String::new(),
            lines: Vec::new(),
        };
        let lacks = lacks(&self.place.project, kind);
        if let Some(script) = script(kind).filter(|_| lacks) {
            step.detail = format!("There is no {script}.");
        }
        let numbers = match kind {
            StepKind::Sync => (1 + self.chance.below(9), 900 + self.chance.below(9000)),
            _ => (0, 0),
        };
        let bad_end = self.bad_end(server, kind).filter(|_| !self.over);
        let took = match (bad_end, kind) {
            (None, _) => self.usual_time(text, lacks),
            (Some(_), StepKind::Export) => self.usual_time(text, lacks) + self.chance.seconds(1, 3),
            (Some(_), StepKind::LocalTests) => self.chance.seconds(2, 4) + self.chance.seconds(1, 3),
            (Some(_), _) => self.chance.seconds(1, 3),
        };
        if !self.over {
            step.started_at = Some(self.clock);
            self.clock += took;
            step.finished_at = Some(self.clock);
        }
        match bad_end {
            Some(state) => self.end_badly(&mut step, state, text),
            None if self.over || lacks => {}
            None => {
                step.state = StepState::Succeeded;
                step.exit_code = script(kind).map(|_| 0);
                let own = text.of_project.get(&self.place.project);
                step.lines = self.filled(own.unwrap_or(&text.lines), server, numbers);
                if !text.each_server.is_empty() {
                    let line =
                        |server: &SampleServer| printed(text.each_server.replace("{server}", server.name));
                    step.lines.extend(self.servers.iter().map(line));
                }
            }
        }
        self.steps.push(step);
    }

    fn usual_time(&mut self, text: &StepText, lacks: bool) -> Duration {
        let (least, most) = if lacks { (5, 20) } else { text.took };
        let took = least + self.chance.below(most - least);
        Duration::milliseconds(i64::try_from(took).unwrap_or_default())
    }

    /// How this step ends when the deployment ends with it.
    fn bad_end(&self, server: Option<usize>, kind: StepKind) -> Option<StepState> {
        let cancelled_in = if lacks(&self.place.project, StepKind::Predeploy) {
            StepKind::Export
        } else {
            StepKind::Predeploy
        };
        match (self.fate, kind) {
            (PlannedEnd::Unreachable, StepKind::Check) | (PlannedEnd::LocalTests, StepKind::LocalTests) => {
                Some(StepState::Failed)
            }
            (PlannedEnd::LastServer, StepKind::Tests) if server == self.last() => Some(StepState::Failed),
            (PlannedEnd::Cancelled, _) if kind == cancelled_in => Some(StepState::Cancelled),
            _ => None,
        }
    }

    /// Ends the deployment with `step`.
    fn end_badly(&mut self, step: &mut PastStep, state: StepState, text: &StepText) {
        step.state = state;
        let failing = step.server.or(self.last());
        if state == StepState::Cancelled {
            step.detail = "Ended by a person.".to_owned();
        } else {
            step.detail = text.failed.replace("{server}", self.name(failing));
            step.exit_code = script(step.kind).map(|_| 1);
            step.lines = self.filled(&text.failed_lines, step.server, (0, 0));
        }
        step.lines.push(printed(step.detail.clone()));
        self.over = true;
        for (at, one) in self.servers.iter_mut().enumerate() {
            if step.server.is_none() {
                one.state = ServerState::Skipped;
                one.released = false;
                one.on_server = Some(OnServer::Untouched);
            } else if Some(at) == failing {
                one.state = ServerState::Failed;
                one.on_server = Trial::of(step.kind).map(OnServer::Failed);
                one.cause.clone_from(&step.detail);
            }
        }
    }

    /// The server that fails, if one does.
    fn last(&self) -> Option<usize> {
        self.servers.len().checked_sub(1)
    }

    fn name(&self, server: Option<usize>) -> &'static str {
        let server = server.and_then(|at| self.servers.get(at));
        server.map_or("", |server| server.name)
    }

    /// The lines with their placeholders replaced; the numbers are files and bytes.
    fn filled(&self, lines: &[String], server: Option<usize>, (files, bytes): (u64, u64)) -> Vec<Line> {
        let fill = |line: &String| {
            let text = line
                .replace("{environment}", &self.place.name)
                .replace("{branch}", &self.place.branch)
                .replace("{commit}", self.commit.id.as_str())
                .replace("{short}", self.commit.id.short())
                .replace("{title}", &self.commit.title)
                .replace("{server}", self.name(server))
                .replace("{files}", &files.to_string())
                .replace("{bytes}", &bytes.to_string());
            printed(text)
        };
        lines.iter().map(fill).collect()
    }
}

fn printed(text: String) -> Line {
    Line {
        stream: Stream::Stdout,
        text,
    }
}
