//! Some weeks of made-up deployments that are consistent with each other.
//!
//! [`live_through`] walks each environment's commits from the oldest to the newest and decides, with
//! a fixed seed, which were deployed, when, by whom and how that ended; `details` adds steps and
//! output. Only a success changes what is on a server, so the last one decides what `targets` puts
//! there. These are plain values; `seed` stores them.

mod details;
mod shapes;

use chrono::{Datelike, Duration, Timelike, Weekday};

use super::fleet::{FLEET, SampleEnvironment};
use super::moments::Chance;
use super::repositories::{Sample, SampleCommit};
use crate::domain::{CommitId, DeploymentState, Instant, Kind, StepKind};
use details::TEXTS;
use shapes::{Past, PlannedEnd};
pub use shapes::{SampleDeployment, SampleServer};

/// The environment in which one server has a newer commit than the other.
pub const DRIFTING: (&str, &str) = ("site", "beta");

/// Commits before this one have no scripts yet, or nothing that could be deployed.
const FIRST_DEPLOYABLE: usize = 3;
/// No deployment is made up in the last minutes, which belong to the visitor.
const QUIET: Duration = Duration::minutes(6);

/// All deployments until `now`, in the order of their requests.
pub fn live_through(samples: &[Sample], now: Instant) -> Vec<SampleDeployment> {
    let mut all: Vec<SampleDeployment> = Vec::new();
    for (place, number) in FLEET.environments.iter().zip(1..) {
        let Some(sample) = samples.iter().find(|sample| sample.project.name == place.project) else {
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
        life.live(sample.commits(&place.branch), &all);
        all.extend(life.done);
    }
    all.sort_by_key(|deployment| deployment.queued_at);
    all
}

/// The history of one environment.
struct Life {
    place: &'static SampleEnvironment,
    now: Instant,
    chance: Chance,
    on_servers: Vec<(&'static str, CommitId)>,
    free_from: Instant,
    done: Vec<SampleDeployment>,
}

impl Life {
    fn live(&mut self, commits: &[SampleCommit], before: &[SampleDeployment]) {
        let place = self.place;
        let drifts = place.is(DRIFTING.0, DRIFTING.1);
        let mut candidates = candidates(place, commits, before);
        let newest = commits.last().map(|commit| commit.id.clone());
        let strays = if drifts {
            candidates.split_off(candidates.len().saturating_sub(3))
        } else {
            Vec::new()
        };
        for (commit, ready) in candidates {
            let is_newest = Some(&commit.id) == newest.as_ref();
            match (place.project.as_str(), place.name.as_str()) {
                ("orders-api", "dev") if is_newest => {
                    self.deploy(commit, ready + Duration::minutes(9), PlannedEnd::LocalTests);
                }
                ("mobile-backend", "preview") if is_newest => {
                    let at = (ready + Duration::minutes(20)).max(self.now - Duration::hours(5));
                    self.deploy(commit, at, PlannedEnd::LastServer);
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
            self.deploy_to(commit, at, PlannedEnd::Good, only);
        }
    }

    fn maybe_deploy(&mut self, commit: SampleCommit, ready: Instant) {
        let (keep, least, most) = match self.place.name.as_str() {
            "dev" => (100, 60, 10 * 60),
            "prod" => (60, 3 * 3600, 28 * 3600),
            _ => (70, 40 * 60, 5 * 3600),
        };
        let wanted = self.chance.percent(keep);
        let at = ready + self.chance.seconds(least, most);
        let at = if self.place.name == "dev" {
            at
        } else {
            in_business_hours(at, &mut self.chance)
        };
        let fate = self.fate();
        if !wanted || at < self.free_from || at > self.now - QUIET {
            return;
        }
        self.deploy(commit, at, fate);
        let bad_luck = self.place.name == "prod" && self.chance.percent(18);
        if bad_luck && fate == PlannedEnd::Good {
            self.roll_back();
        }
    }

    fn fate(&mut self) -> PlannedEnd {
        match self.chance.below(100) {
            _ if self.on_servers.is_empty() => PlannedEnd::Good,
            0..=4 => PlannedEnd::Unreachable,
            5..=10 if !details::lacks(&self.place.project, StepKind::LocalTests) => PlannedEnd::LocalTests,
            11..=15 => PlannedEnd::Cancelled,
            _ => PlannedEnd::Good,
        }
    }

    fn deploy(&mut self, commit: SampleCommit, at: Instant, fate: PlannedEnd) {
        self.deploy_to(commit, at, fate, None);
    }

    fn deploy_to(&mut self, commit: SampleCommit, at: Instant, fate: PlannedEnd, only: Option<&'static str>) {
        let kind = match self.place.source() {
            Some(_) => Kind::Promotion,
            None => Kind::Regular,
        };
        let actor = match (self.place.name.as_str(), self.chance.below(3)) {
            _ if only.is_some() => "ines",
            ("prod", 0) => "admin",
            ("prod", _) => "ines",
            (_, 0) => "dora",
            _ => "tom",
        };
        let reason = if only.is_some() {
            &TEXTS.one_server
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
        let which = self.chance.below(TEXTS.reasons.len() as u64);
        let which = usize::try_from(which).unwrap_or_default();
        TEXTS.reasons.get(which).map_or("", String::as_str)
    }

    /// Rolls back a little later.
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
            reason: &TEXTS.rolled_back,
            at,
            fate: PlannedEnd::Good,
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

/// The commits that may go to `place`, each with the instant from which it may: when it was made,
/// or when it had succeeded one lower in the chain.
fn candidates(
    place: &'static SampleEnvironment,
    commits: &[SampleCommit],
    before: &[SampleDeployment],
) -> Vec<(SampleCommit, Instant)> {
    let deployable = commits.iter().skip(FIRST_DEPLOYABLE.min(commits.len() / 3));
    let Some(source) = place.source() else {
        return deployable.map(|commit| (commit.clone(), commit.at)).collect();
    };
    let succeeded = |commit: &SampleCommit| {
        before
            .iter()
            .filter(|past| std::ptr::eq(past.place, source))
            .filter(|past| past.state == DeploymentState::Succeeded)
            .find(|past| past.commit.id == commit.id)
            .map(|past| past.finished_at)
    };
    deployable
        .filter_map(|commit| Some((commit.clone(), succeeded(commit)?)))
        .collect()
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
