//! Finds out what is on a server whose deployer was killed, from the journal and the server's reply.
//!
//! The journal says which steps had begun and which had ended; the last one may have done anything between
//! nothing and all of its work. The server says which release is in use and whether it is complete. Together
//! they mostly leave one possibility. Where they leave several, the finding is the cautious one.

use super::history::ServerHistory;
use crate::domain::deployment::Service;
use crate::domain::standing::Trial;
use crate::domain::{CommitId, OnServer, Step, StepKind, StepState, SyncMethod};
use crate::sync::Looked;

/// A server's reply.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing; why, as a sentence.
    Silent(String),
    /// What was seen on it.
    Seen(Box<Looked>),
}

impl ServerHistory<'_> {
    /// What is on the server.
    pub fn judge(&self, reply: &Reply) -> OnServer {
        let looked = match reply {
            Reply::Seen(looked) => looked,
            // A step that never began has changed nothing.
            Reply::Silent(_) if self.is_untouched() => return self.was_half_changed().unwrap_or(self.old()),
            Reply::Silent(_) if self.method.is_none() => return OnServer::Unknown,
            Reply::Silent(_) => return self.journal(),
        };
        let runs_new = commit(looked) == Some(self.commit.as_str()) && is_complete(looked);
        match self.journal() {
            _ if self.is_new(looked) => OnServer::New,
            _ if self.is_old(looked) => self.old(),
            _ if self.is_untouched()
                && !is_complete(looked)
                && let Some(on) = self.was_half_changed() =>
            {
                on
            }
            _ if self.is_returned(looked) => OnServer::Returned,
            on if on.is_new() && self.is_gone(looked) => OnServer::Gone,
            _ if self.is_ours_in_use(looked) && !self.began(StepKind::Deploy) => OnServer::NotRun,
            on @ (OnServer::NotRun | OnServer::Failed(_) | OnServer::NotEnded(_)) if runs_new => on,
            // The marker says so only once the whole tree was summed.
            OnServer::Mixed | OnServer::Switching if runs_new => OnServer::NotRun,
            on @ (OnServer::Mixed | OnServer::Switching) => on,
            // The server contradicts the journal.
            _ => OnServer::Unknown,
        }
    }

    /// Whether a server may serve with this on it. One that was put back with its new release, did not come
    /// up and was taken out again may not.
    pub fn may_serve(&self, on: OnServer) -> bool {
        let mut restored = self.steps.iter().filter(|step| step.kind == StepKind::Restore);
        let was_down =
            self.part.service == Service::Out && restored.any(|step| step.state == StepState::Failed);
        on.is_old() || on == OnServer::New && !was_down
    }

    /// What an earlier deployment left on it, if it was half changed when this one began.
    fn was_half_changed(&self) -> Option<OnServer> {
        self.part.on_server.filter(|on| *on == OnServer::LeftMixed)
    }

    fn old(&self) -> OnServer {
        match self.began(StepKind::Sync) {
            true => OnServer::Old,
            false => OnServer::Untouched,
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

    /// Whether every step but putting it back succeeded, and the server agrees.
    fn is_new(&self, looked: &Looked) -> bool {
        let runs_it = commit(looked) == Some(self.commit.as_str());
        let well = |step: &&Step| step.kind == StepKind::Restore || is_well(step);
        runs_it
            && is_complete(looked)
            && self.began(StepKind::Sync)
            && self.steps.iter().copied().all(|step| well(&step))
    }

    /// The steps that have to be run before the server counts as new: its tests and health check, where
    /// everything before them is done and the server agrees.
    pub fn left_to_prove(&self, looked: &Looked) -> Vec<(Trial, &Step)> {
        let proves = |step: &Step| matches!(step.kind, StepKind::Tests | StepKind::Health);
        let open = |step: &Step| !step.state.is_final();
        let ours = match self.method {
            Some(SyncMethod::Symlink) => self.is_ours_in_use(looked),
            Some(SyncMethod::InPlace) => commit(looked) == Some(self.commit.as_str()),
            None => false,
        };
        let is_done =
            |step: &&Step| step.kind == StepKind::Restore || is_well(step) || proves(step) && open(step);
        if !ours || !is_complete(looked) || !self.began(StepKind::Deploy) && !self.began(StepKind::Tests) {
            return Vec::new();
        }
        match self.steps.iter().all(is_done) {
            true => {
                let left = self
                    .steps
                    .iter()
                    .copied()
                    .filter(|step| proves(step) && open(step));
                left.filter_map(|step| Some((Trial::of(step.kind)?, step)))
                    .collect()
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

    /// Whether the release of before is in use again, after scripts of the new one have run.
    fn is_returned(&self, looked: &Looked) -> bool {
        let before = self.part.previous_commit.as_ref().map(CommitId::as_str);
        self.method == Some(SyncMethod::Symlink)
            && before.is_some_and(|before| before != self.commit.as_str())
            && commit(looked) == before
            && is_complete(looked)
            && !self.is_ours_in_use(looked)
    }

    /// Whether no release is in use any more.
    fn is_gone(&self, looked: &Looked) -> bool {
        self.method == Some(SyncMethod::Symlink) && looked.resolved.is_none()
    }

    /// Whether the release of this deployment is in use.
    fn is_ours_in_use(&self, looked: &Looked) -> bool {
        let number = looked.resolved.as_deref().and_then(|dir| dir.rsplit('_').next());
        number == Some(self.deployment.to_string().as_str())
    }

    /// What follows from the journal alone.
    pub fn journal(&self) -> OnServer {
        let begun = self.steps.iter().filter(|step| step.started_at.is_some());
        // Taking out and putting back change nothing on the server.
        let telling = begun.filter(|step| !matches!(step.kind, StepKind::Drain | StepKind::Restore));
        let Some(last) = telling.max_by_key(|step| step.position) else {
            return OnServer::Untouched;
        };
        let (is_done, in_place) = (is_well(last), self.method == Some(SyncMethod::InPlace));
        match (last.kind, Trial::of(last.kind)) {
            (_, Some(trial)) if last.state == StepState::Failed => OnServer::Failed(trial),
            (_, Some(_)) => self.next_trial().map_or(OnServer::New, OnServer::NotEnded),
            (StepKind::Sync, _) if !in_place => OnServer::Old,
            (StepKind::Sync, _) if !is_done => OnServer::Mixed,
            (StepKind::Activate, _) if !is_done => OnServer::Switching,
            (StepKind::Sync | StepKind::Activate, _) => OnServer::NotRun,
            _ => OnServer::Untouched,
        }
    }

    /// The first trial that is not done.
    fn next_trial(&self) -> Option<Trial> {
        let open = self.steps.iter().filter(|step| !is_well(step));
        open.filter_map(|step| Some((step.position, Trial::of(step.kind)?)))
            .min_by_key(|(position, _)| *position)
            .map(|(_, trial)| trial)
    }
}

fn is_well(step: &Step) -> bool {
    matches!(
        step.state,
        StepState::Succeeded | StepState::Warned | StepState::Skipped
    )
}

fn commit(looked: &Looked) -> Option<&str> {
    looked.release.as_ref().map(|release| release.commit.as_str())
}

fn is_complete(looked: &Looked) -> bool {
    looked.release.as_ref().is_none_or(|release| !release.in_progress)
}

#[cfg(test)]
mod tests;
