//! What is on a server whose deployer was killed: the journal's word against the server's own.
//!
//! The journal says what had been begun and what was seen to end; what was begun last may have done
//! anything between nothing and all of its work. The server says which release is in use and
//! whether its files are whole. Together they mostly leave one answer, and where they don't, the
//! answer is the careful one: it may be half of each.

use super::before;
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::{CommitId, DeploymentId, Step, StepKind, StepState, SyncMethod};
use crate::sync::Looked;

/// A server of a deployment that nobody carries on.
pub(super) struct Case<'a> {
    pub deployment: DeploymentId,
    pub commit: &'a CommitId,
    /// `None` once the project is deleted.
    pub method: Option<SyncMethod>,
    pub part: &'a ServerPart,
    pub steps: Vec<&'a Step>,
}

/// What the server said.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing, and why, as a sentence.
    Silent(String),
    /// What stands on it.
    Seen(Box<Looked>),
}

/// What is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// What was on it before, entirely.
    Old,
    /// The new release, and everything was done that belongs to it.
    New,
    /// Neither, or perhaps not entirely.
    Between,
    /// It could not be asked.
    Unknown,
}

impl Case<'_> {
    pub fn began(&self, kind: StepKind) -> bool {
        let mut own = self.steps.iter().filter(|step| step.kind == kind);
        own.any(|step| step.started_at.is_some())
    }

    /// Whether its last word has been said already.
    pub fn is_over(&self) -> bool {
        !matches!(self.part.state, ServerState::Waiting | ServerState::Running)
    }

    pub fn judge(&self, found: &Found) -> What {
        let looked = match found {
            Found::Seen(looked) => looked,
            // What was never begun cannot have changed anything.
            Found::Silent(_) if self.is_untouched() => return What::Old,
            Found::Silent(_) => return What::Unknown,
        };
        if self.is_new(looked) {
            What::New
        } else if self.is_old(looked) {
            What::Old
        } else {
            What::Between
        }
    }

    /// Nothing was begun that changes what is in use on it.
    fn is_untouched(&self) -> bool {
        let changing = match self.method {
            Some(SyncMethod::InPlace) => StepKind::Sync,
            Some(SyncMethod::Symlink) => StepKind::Activate,
            None => return false,
        };
        !self.began(changing) && !self.began(StepKind::Deploy)
    }

    /// Everything but putting it back was seen to end well, and the server agrees. One that was put
    /// back, did not come up and was taken out for it is not well.
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

    /// No script has run on the new files, and the files in use are still the old ones.
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

    /// Whether the release that this deployment made is in use.
    fn is_ours_in_use(&self, looked: &Looked) -> bool {
        let number = looked.resolved.as_deref().and_then(|dir| dir.rsplit('_').next());
        number == Some(self.deployment.to_string().as_str())
    }

    /// What is on it and what to do, in sentences.
    pub fn words(&self, what: What, found: &Found) -> String {
        let before = before(self.part);
        match (what, found) {
            (What::New, _) => String::new(),
            (What::Old, Found::Silent(why)) => format!("{} It was not asked: {why}", self.journal()),
            (What::Old, _) if self.began(StepKind::Sync) => {
                format!("It runs {before}; the new release was not put in use.")
            }
            (What::Old, _) => format!("Not touched: it runs {before}."),
            (_, Found::Silent(why)) => format!("{} It was not asked: {why}", self.journal()),
            (_, Found::Seen(looked)) if self.is_ours_in_use(looked) && !self.began(StepKind::Deploy) => {
                format!(
                    "It runs {}, but its deploy.sh and tests were not run. Deploy again to run them.",
                    self.commit.short()
                )
            }
            _ => self.journal(),
        }
    }

    /// What follows from the journal alone.
    pub fn journal(&self) -> String {
        let begun = self.steps.iter().filter(|step| step.started_at.is_some());
        // Taking out and putting back say nothing about what is on the server.
        let telling = begun.filter(|step| !matches!(step.kind, StepKind::Drain | StepKind::Restore));
        let last = telling.max_by_key(|step| step.position);
        let (commit, before) = (self.commit.short(), before(self.part));
        let in_place = self.method == Some(SyncMethod::InPlace);
        match last.map(|step| {
            (
                step.kind,
                step.state.is_final() && step.state != StepState::Interrupted,
            )
        }) {
            None | Some((StepKind::Inspect, _)) => format!("Not touched: it runs {before}."),
            Some((StepKind::Sync, _)) if !in_place => {
                format!("It runs {before}; the new release was not put in use.")
            }
            Some((StepKind::Sync, false)) => format!(
                "Its files were being changed to {commit}: some may be new and some old. Deploy again to make them whole."
            ),
            Some((StepKind::Activate, false)) => format!(
                "The switch to {commit} was being made: it runs either that or {before}. Deploy again to be sure."
            ),
            Some((StepKind::Sync | StepKind::Activate, true)) => {
                format!(
                    "It runs {commit}, but its deploy.sh and tests were not run. Deploy again to run them."
                )
            }
            Some((kind, false)) => format!(
                "It runs {commit}, but {} was not seen to end. Deploy again to run it whole.",
                kind.title()
            ),
            Some((kind, true)) => format!(
                "It runs {commit}; {} was the last thing done there.",
                kind.title()
            ),
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
