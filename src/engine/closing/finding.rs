//! Finds out what is on a server whose deployer was killed, from the journal and the server's reply.
//!
//! The journal says which steps had begun and which had ended; the last one may have done anything between
//! nothing and all of its work. The server says which release is in use and whether it is complete.
//! Together they mostly leave one possibility. Where they don't, the finding is the careful one: mixed.

use super::history::ServerHistory;
use crate::domain::deployment::Service;
use crate::domain::{CommitId, Step, StepKind, StepState, SyncMethod};
use crate::engine::words::OnServer;
use crate::sync::Looked;

/// A server's reply.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing; why, as a sentence.
    Silent(String),
    /// What was seen on it.
    Seen(Box<Looked>),
}

/// What is on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The old release, complete.
    Old,
    /// The new release, with all its steps done.
    New,
    /// Neither of the two, or one that may be incomplete.
    Mixed,
    /// It did not answer.
    Unknown,
}

impl ServerHistory<'_> {
    pub fn judge(&self, reply: &Reply) -> Finding {
        let looked = match reply {
            Reply::Seen(looked) => looked,
            // A step that never began has changed nothing.
            Reply::Silent(_) if self.is_untouched() => return Finding::Old,
            Reply::Silent(_) => return Finding::Unknown,
        };
        if self.is_new(looked) {
            Finding::New
        } else if self.is_old(looked) {
            Finding::Old
        } else {
            Finding::Mixed
        }
    }

    /// Whether no step began that changes the release in use.
    fn is_untouched(&self) -> bool {
        let changing = match self.method {
            Some(SyncMethod::InPlace) => StepKind::Sync,
            Some(SyncMethod::Symlink) => StepKind::Activate,
            None => return false,
        };
        !self.began(changing) && !self.began(StepKind::Deploy)
    }

    /// Whether every step but putting it back succeeded, and the server agrees. A server that was put
    /// back, did not come up and was taken out again is not fine.
    fn is_new(&self, looked: &Looked) -> bool {
        let was_down = |step: &Step| step.state == StepState::Failed && self.part.service == Service::Out;
        let well = |step: &&Step| {
            step.kind == StepKind::Restore && !was_down(step)
                || matches!(
                    step.state,
                    StepState::Succeeded | StepState::Warned | StepState::Skipped
                )
        };
        let runs_it = commit(looked) == Some(self.commit.as_str());
        runs_it
            && is_complete(looked)
            && self.began(StepKind::Sync)
            && self.steps.iter().copied().all(|step| well(&step))
    }

    /// The steps that have to be run before the server counts as new: its tests and health check, where
    /// everything before them is done and the server agrees.
    pub fn left_to_prove(&self, looked: &Looked) -> Vec<&Step> {
        let proves = |step: &Step| matches!(step.kind, StepKind::Tests | StepKind::Health);
        let well = |step: &Step| {
            matches!(
                step.state,
                StepState::Succeeded | StepState::Warned | StepState::Skipped
            )
        };
        let open = |step: &Step| !step.state.is_final();
        let ours = match self.method {
            Some(SyncMethod::Symlink) => self.is_ours_in_use(looked),
            Some(SyncMethod::InPlace) => commit(looked) == Some(self.commit.as_str()),
            None => false,
        };
        let is_done =
            |step: &&Step| step.kind == StepKind::Restore || well(step) || proves(step) && open(step);
        if !ours || !is_complete(looked) || !self.began(StepKind::Deploy) && !self.began(StepKind::Tests) {
            return Vec::new();
        }
        match self.steps.iter().all(is_done) {
            true => {
                let left = self.steps.iter().copied();
                left.filter(|step| proves(step) && open(step)).collect()
            }
            false => Vec::new(),
        }
    }

    /// Whether no script has run on the new files, and the old files are still in use.
    fn is_old(&self, looked: &Looked) -> bool {
        if self.began(StepKind::Deploy) || !is_complete(looked) {
            return false;
        }
        let before = self.part.previous_commit.as_ref().map(CommitId::as_str);
        let same = commit(looked) == before;
        match self.method {
            Some(SyncMethod::InPlace) => same || !self.began(StepKind::Sync),
            Some(SyncMethod::Symlink) => {
                !self.began(StepKind::Activate) || same && !self.is_ours_in_use(looked)
            }
            None => false,
        }
    }

    /// Whether the release of this deployment is in use.
    fn is_ours_in_use(&self, looked: &Looked) -> bool {
        let number = looked.resolved.as_deref().and_then(|dir| dir.rsplit('_').next());
        number == Some(self.deployment.to_string().as_str())
    }

    /// What is on it and what to do.
    pub fn words(&self, finding: Finding, reply: &Reply) -> String {
        let there = OnServer::of(self.commit, self.part);
        match (finding, reply) {
            (Finding::New, _) => String::new(),
            (_, Reply::Silent(why)) => format!("{} It was not asked: {why}", self.journal()),
            (Finding::Old, _) if self.began(StepKind::Sync) => there.not_put_in_use(),
            (Finding::Old, _) => there.untouched(),
            (_, Reply::Seen(looked)) if self.is_ours_in_use(looked) && !self.began(StepKind::Deploy) => {
                there.scripts_not_run()
            }
            _ => self.journal(),
        }
    }

    /// What follows from the journal alone.
    pub fn journal(&self) -> String {
        let begun = self.steps.iter().filter(|step| step.started_at.is_some());
        // Taking out and putting back change nothing on the server.
        let telling = begun.filter(|step| !matches!(step.kind, StepKind::Drain | StepKind::Restore));
        let there = OnServer::of(self.commit, self.part);
        let Some(last) = telling.max_by_key(|step| step.position) else {
            return there.untouched();
        };
        let ended = last.state.is_final() && last.state != StepState::Interrupted;
        let in_place = self.method == Some(SyncMethod::InPlace);
        match (last.kind, ended) {
            (StepKind::Inspect, _) => there.untouched(),
            (StepKind::Sync, _) if !in_place => there.not_put_in_use(),
            (StepKind::Sync, false) => there.half(),
            (StepKind::Activate, false) => there.switching(),
            (StepKind::Sync | StepKind::Activate, true) => there.scripts_not_run(),
            (kind, false) => there.not_seen_to_end(kind),
            (kind, true) => there.last_done(kind),
        }
    }
}

fn commit(looked: &Looked) -> Option<&str> {
    looked.release.as_ref().map(|release| release.commit.as_str())
}

fn is_complete(looked: &Looked) -> bool {
    looked.release.as_ref().is_none_or(|release| !release.in_progress)
}

#[cfg(test)]
mod tests;
