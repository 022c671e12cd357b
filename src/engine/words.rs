//! The sentences of the engine for people: outcomes of deployments, and what is on a server that was
//! not finished.

use super::stop::StopReason;
use crate::domain::deployment::ServerPart;
use crate::domain::{CommitId, Lock, PauseReason, StepKind};

/// A server was put back and is up.
pub(super) const BACK: &str = "It is back in service.";
/// A server was not put back, as what it ran before the deployment was not complete.
pub(super) const STAYS_LEFT_OUT: &str = "It stays out of service, as an earlier deployment left it.";
/// A server is out because its release may be incomplete.
pub(super) const OUT_UNTIL_THEN: &str = "It is out of service until then.";

/// `1 server`, `3 servers`.
pub(super) fn servers(count: usize) -> String {
    match count {
        1 => "1 server".to_owned(),
        _ => format!("{count} servers"),
    }
}

/// The outcome of a deployment that was stopped.
pub(super) fn stopped(reason: Option<StopReason>, cancelled_by: Option<&str>) -> String {
    match reason {
        Some(StopReason::Cancelled) => format!("Cancelled by {}.", cancelled_by.unwrap_or("somebody")),
        Some(StopReason::LogBroken) => "Stopped, because its log could not be stored.".to_owned(),
        Some(StopReason::LeaseLost) => {
            "Interrupted: the database could not be reached for too long.".to_owned()
        }
        Some(StopReason::Shutdown) | None => {
            "Interrupted: the deployer stopped while it ran. Each server says what is on it.".to_owned()
        }
    }
}

/// What a paused deployment waits for.
pub(super) fn paused(reason: &PauseReason) -> String {
    match reason {
        PauseReason::Person { by } => format!("Paused by {by}."),
        PauseReason::Canary => "Canary deployed; waiting for someone to continue or stop.".to_owned(),
        PauseReason::Failure { servers } => {
            format!("{} failed; waiting for someone to decide.", servers.join(", "))
        }
        PauseReason::Policy { why } => format!("It may not continue now: {why}"),
    }
}

/// Why a lock stops a deployment. People seldom end their reason with a full stop.
pub(super) fn locked(lock: &Lock) -> String {
    let reason = lock.reason.trim().trim_end_matches('.');
    format!("{} has locked this: {reason}.", lock.author)
}

/// What may be on a server: the commit of the deployment, or what was there before.
pub(super) struct OnServer {
    commit: String,
    /// Completes `it runs …`: `28d27557 as before`.
    before: String,
    /// What a person can do.
    advice: &'static str,
}

impl OnServer {
    /// `before` is the commit that was on the server, if there was one.
    pub fn new(commit: &CommitId, before: Option<&str>) -> Self {
        Self {
            commit: commit.short().to_owned(),
            before: match before {
                Some(before) => format!("{} as before", before.get(..8).unwrap_or(before)),
                None => "what it ran before".to_owned(),
            },
            advice: match before {
                Some(_) => "Deploy again, or roll back.",
                None => "Deploy again.",
            },
        }
    }

    /// The same for a server as the store knows it.
    pub fn of(commit: &CommitId, part: &ServerPart) -> Self {
        Self::new(commit, part.previous_commit.as_ref().map(CommitId::as_str))
    }

    pub fn untouched(&self) -> String {
        format!("Not touched: it runs {}.", self.before)
    }

    pub fn untouched_because(&self, why: &str) -> String {
        format!("Not touched, because {why}: it runs {}.", self.before)
    }

    pub fn runs_old(&self) -> String {
        format!("It runs {}.", self.before)
    }

    pub fn still_runs_old(&self) -> String {
        format!("It still runs {}.", self.before)
    }

    pub fn not_put_in_use(&self) -> String {
        format!("It runs {}; the new release was not put in use.", self.before)
    }

    pub fn half(&self) -> String {
        format!(
            "Its files were being changed to {}: some may be new and some old. Deploy again to make them whole.",
            self.commit
        )
    }

    pub fn switching(&self) -> String {
        format!(
            "The switch to {} was being made: it runs either that or {}. Deploy again to be sure.",
            self.commit, self.before
        )
    }

    pub fn in_use(&self) -> String {
        format!("The files of {} are in use there. {}", self.commit, self.advice)
    }

    pub fn scripts_not_run(&self) -> String {
        format!(
            "It runs {}, but its deploy.sh and tests were not run. Deploy again to run them.",
            self.commit
        )
    }

    pub fn not_seen_to_end(&self, step: StepKind) -> String {
        format!(
            "It runs {}, but {} was not seen to end. Deploy again to run it whole.",
            self.commit,
            step.title()
        )
    }

    pub fn last_done(&self, step: StepKind) -> String {
        format!(
            "It runs {}; {} was the last thing done there.",
            self.commit,
            step.title()
        )
    }

    pub fn all_done(&self) -> String {
        format!(
            "All steps of {} are done there. Find out what is wrong between it and the balancer, then deploy again or put it back by hand.",
            self.commit
        )
    }

    pub fn tried_before(&self) -> String {
        format!(
            "An attempt before this one had put {} on it. {}",
            self.commit, self.advice
        )
    }

    pub fn withdrawn(&self) -> String {
        format!(
            "Nothing is in use there: an attempt before this one had put {} on it, and was taken back. Deploy again.",
            self.commit
        )
    }
}
