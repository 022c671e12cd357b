//! What the demo's servers have been through: some weeks of deployments, made up but consistent.
//!
//! [`live_through`] walks each environment's commits from the oldest on and decides, with a fixed
//! seed, which were deployed when, by whom and how it ended; `details` writes down what happened
//! on the way. Only what succeeded changes what is on a server, so the last success (or what is
//! said of a server otherwise) is what `targets` puts there. These are plain values: `seed` brings
//! them into the store.

mod details;

use chrono::{Datelike, Duration, Timelike, Weekday};

use super::fleet::{PLACES, Place};
use super::moments::Chance;
use super::repositories::{Sample, SampleCommit};
use crate::domain::deployment::ServerState;
use crate::domain::{CommitId, DeploymentState, Instant, Kind, Phase, StepKind, StepState};

/// A deployment that happened.
#[derive(Debug, Clone)]
pub struct PastDeployment {
    /// Where to.
    pub place: &'static Place,
    /// The one server it was meant for; `None`: all of them.
    pub only: Option<&'static str>,
    /// What was deployed.
    pub commit: SampleCommit,
    /// What most servers had before.
    pub previous: Option<CommitId>,
    /// How it came about.
    pub kind: Kind,
    /// How it ended.
    pub state: DeploymentState,
    /// Where it ended.
    pub phase: Phase,
    /// Who asked.
    pub actor: &'static str,
    /// Why; may be empty.
    pub reason: &'static str,
    /// When it was asked for.
    pub queued_at: Instant,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub finished_at: Instant,
    /// Who ended it.
    pub cancelled_by: Option<&'static str>,
    /// A sentence.
    pub outcome: String,
    /// Its servers, in order.
    pub servers: Vec<PastServer>,
    /// Its steps, in order.
    pub steps: Vec<PastStep>,
}

/// A server's part.
#[derive(Debug, Clone)]
pub struct PastServer {
    /// Its name.
    pub name: &'static str,
    /// The cluster's.
    pub cluster: &'static str,
    /// How it ended there.
    pub state: ServerState,
    /// What was on it before.
    pub previous: Option<CommitId>,
    /// What is on it and what to do; may be empty.
    pub detail: String,
    /// Whether the commit's files have been in use there since.
    pub released: bool,
}

/// A step that was done, or left out.
#[derive(Debug, Clone)]
pub struct PastStep {
    /// The server; `None`: the deployer's host.
    pub server: Option<&'static str>,
    /// What.
    pub kind: StepKind,
    /// How it ended.
    pub state: StepState,
    /// When, from and to; `None` when it was never begun.
    pub times: Option<(Instant, Instant)>,
    /// Of a script.
    pub exit_code: Option<i32>,
    /// A sentence; may be empty.
    pub detail: String,
    /// What it printed.
    pub lines: Vec<String>,
}

/// How a deployment is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    /// A server does not answer: nothing is touched.
    Unreachable,
    /// Tests on the deployer's host fail: nothing is touched.
    LocalTests,
    /// Tests on the last server fail: the files are in use all the same.
    LastServer,
    /// A person ends it before servers are touched.
    Cancelled,
}

/// The environment that drifts: one of its servers has a newer commit than the other.
pub const DRIFTING: (&str, &str) = ("site", "beta");

/// Commits before this one have no scripts yet, or nothing that could be deployed.
const FIRST_DEPLOYABLE: usize = 3;
/// Nothing is made up about the last minutes: they are the visitor's.
const QUIET: Duration = Duration::minutes(6);

/// All deployments until `now`, in the order they were asked for.
pub fn live_through(samples: &[Sample], now: Instant) -> Vec<PastDeployment> {
    let mut all: Vec<PastDeployment> = Vec::new();
    for (place, number) in PLACES.iter().zip(1..) {
        let Some(sample) = samples.iter().find(|sample| sample.name == place.project) else {
            continue;
        };
        let mut life = Life {
            place,
            now,
            chance: Chance::new(number),
            on_servers: Vec::new(),
            free_from: Instant::UNIX_EPOCH,
            done: Vec::new(),
        };
        life.live(sample.commits(place.branch), &all);
        all.extend(life.done);
    }
    all.sort_by_key(|deployment| deployment.queued_at);
    all
}

/// One environment's weeks.
struct Life {
    place: &'static Place,
    now: Instant,
    chance: Chance,
    on_servers: Vec<(&'static str, CommitId)>,
    free_from: Instant,
    done: Vec<PastDeployment>,
}

impl Life {
    fn live(&mut self, commits: &[SampleCommit], before: &[PastDeployment]) {
        let place = self.place;
        let drifts = (place.project, place.environment) == DRIFTING;
        let mut candidates = candidates(place, commits, before);
        let newest = commits.last().map(|commit| commit.id.clone());
        let strays = if drifts {
            candidates.split_off(candidates.len().saturating_sub(3))
        } else {
            Vec::new()
        };
        for (commit, ready) in candidates {
            let is_newest = Some(&commit.id) == newest.as_ref();
            match (place.project, place.environment) {
                ("orders-api", "dev") if is_newest => {
                    self.deploy(commit, ready + Duration::minutes(9), Fate::LocalTests);
                }
                ("mobile-backend", "preview") if is_newest => {
                    let at = (ready + Duration::minutes(20)).max(self.now - Duration::hours(5));
                    self.deploy(commit, at, Fate::LastServer);
                }
                // What nobody has deployed yet waits for the visitor.
                ("mobile-backend" | "handbook", "dev") if is_newest => {}
                _ => self.maybe_deploy(commit, ready),
            }
        }
        // The newest but one went to a single server, to be tried out there.
        if let Some((commit, ready)) = strays.into_iter().rev().nth(1) {
            let at = (ready + Duration::minutes(10)).max(self.now - Duration::minutes(200));
            let only = place.active_servers().next().map(|(server, _)| server);
            self.deploy_to(commit, at, Fate::Good, only);
        }
    }

    fn maybe_deploy(&mut self, commit: SampleCommit, ready: Instant) {
        let (keep, least, most) = match self.place.environment {
            "dev" if self.place.auto_deploy => (100, 20, 40),
            "dev" => (85, 4 * 60, 50 * 60),
            "prod" => (60, 3 * 3600, 28 * 3600),
            _ => (70, 40 * 60, 5 * 3600),
        };
        let wanted = self.chance.percent(keep);
        let at = ready + self.chance.seconds(least, most);
        let at = if self.place.environment == "dev" {
            at
        } else {
            in_business_hours(at, &mut self.chance)
        };
        let fate = self.fate();
        if !wanted || at < self.free_from || at > self.now - QUIET {
            return;
        }
        self.deploy(commit, at, fate);
        let bad_luck = self.place.environment == "prod" && self.chance.percent(18);
        if bad_luck && fate == Fate::Good {
            self.roll_back();
        }
    }

    fn fate(&mut self) -> Fate {
        match self.chance.below(100) {
            _ if self.on_servers.is_empty() => Fate::Good,
            0..=4 => Fate::Unreachable,
            5..=10 if details::has_local_tests(self.place.project) => Fate::LocalTests,
            11..=15 => Fate::Cancelled,
            _ => Fate::Good,
        }
    }

    fn deploy(&mut self, commit: SampleCommit, at: Instant, fate: Fate) {
        self.deploy_to(commit, at, fate, None);
    }

    fn deploy_to(&mut self, commit: SampleCommit, at: Instant, fate: Fate, only: Option<&'static str>) {
        let kind = match (self.place.auto_deploy, self.place.source()) {
            (true, _) => Kind::Automatic,
            (false, Some(_)) => Kind::Promotion,
            (false, None) => Kind::Regular,
        };
        let actor = match (kind, self.place.environment, self.chance.below(3)) {
            (Kind::Automatic, ..) => "auto",
            _ if only.is_some() => "ines",
            (_, "prod", 0) => "admin",
            (_, "prod", _) => "ines",
            (_, _, 0) => "dora",
            _ => "tom",
        };
        let reason = if only.is_some() {
            "Trying the new checkout on one server with the payment provider"
        } else if kind == Kind::Automatic {
            "Pushed to main"
        } else {
            self.reason()
        };
        let past = Past {
            kind,
            actor,
            reason,
            at,
            fate,
            only,
        };
        self.record(commit, past);
    }

    fn reason(&mut self) -> &'static str {
        const WHY: [&str; 10] = [
            "",
            "",
            "",
            "",
            "For the demo on Thursday",
            "Requested by support, ticket 4711",
            "Weekly release",
            "Together with the new price list",
            "Needed by the warehouse",
            "Ready for the people in Copenhagen",
        ];
        let which = self.chance.below(WHY.len() as u64);
        usize::try_from(which)
            .ok()
            .and_then(|which| WHY.get(which))
            .copied()
            .unwrap_or("")
    }

    /// Back to what was there before, a little later.
    fn roll_back(&mut self) {
        let at = self.free_from + self.chance.seconds(15 * 60, 50 * 60);
        let mut good = self
            .done
            .iter()
            .rev()
            .filter(|past| past.state == DeploymentState::Succeeded);
        let Some(now_there) = good.next().map(|past| past.commit.id.clone()) else {
            return;
        };
        let Some(before) = good.find(|past| past.commit.id != now_there) else {
            return;
        };
        if at > self.now - QUIET {
            return;
        }
        let past = Past {
            kind: Kind::Rollback,
            actor: "ines",
            reason: "More errors than before, going back until we know why",
            at,
            fate: Fate::Good,
            only: None,
        };
        let commit = before.commit.clone();
        self.record(commit, past);
    }

    fn record(&mut self, commit: SampleCommit, past: Past) {
        let deployment = details::write(self.place, commit, past, &self.on_servers, &mut self.chance);
        for server in deployment.servers.iter().filter(|server| server.released) {
            self.on_servers.retain(|(name, _)| *name != server.name);
            self.on_servers.push((server.name, deployment.commit.id.clone()));
        }
        self.free_from = deployment.finished_at + Duration::minutes(2);
        self.done.push(deployment);
    }
}

/// What is known of a deployment before it begins.
struct Past {
    kind: Kind,
    actor: &'static str,
    reason: &'static str,
    at: Instant,
    fate: Fate,
    only: Option<&'static str>,
}

/// The commits that may go to `place`, each with the instant from which it may: when it was made,
/// or when it had succeeded one lower in the chain.
fn candidates(
    place: &'static Place,
    commits: &[SampleCommit],
    before: &[PastDeployment],
) -> Vec<(SampleCommit, Instant)> {
    let deployable = commits.iter().skip(FIRST_DEPLOYABLE.min(commits.len() / 3));
    let Some(source) = place.source() else {
        return deployable.map(|commit| (commit.clone(), commit.at)).collect();
    };
    let succeeded = |commit: &SampleCommit| {
        before
            .iter()
            .filter(|past| std::ptr::eq(past.place, source) || same_place(past.place, source))
            .filter(|past| past.state == DeploymentState::Succeeded)
            .find(|past| past.commit.id == commit.id)
            .map(|past| past.finished_at)
    };
    deployable
        .filter_map(|commit| Some((commit.clone(), succeeded(commit)?)))
        .collect()
}

fn same_place(one: &Place, other: &Place) -> bool {
    (one.project, one.environment) == (other.project, other.environment)
}

/// `at`, or the next working morning when `at` lies outside the hours of the shipped calendar.
fn in_business_hours(at: Instant, chance: &mut Chance) -> Instant {
    let mut at = at;
    // Three days at most lie between two working days.
    for _ in 0..5 {
        let minute = at.hour() * 60 + at.minute();
        let closes = match at.weekday() {
            Weekday::Sat | Weekday::Sun => 0,
            Weekday::Fri => 13 * 60 + 50,
            _ => 18 * 60 + 20,
        };
        if (8 * 60..closes).contains(&minute) {
            return at;
        }
        let day = if minute < 8 * 60 && closes > 0 {
            at
        } else {
            at + Duration::days(1)
        };
        let midnight = day.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        at = midnight + Duration::minutes(8 * 60 + 10) + chance.seconds(0, 2 * 3600);
    }
    at
}

#[cfg(test)]
mod tests;
