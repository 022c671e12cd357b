//! What is on a server after a deployment, in the words of the store.

use serde::{Deserialize, Serialize};

use crate::domain::step::StepKind;
use crate::domain::words::words;

words! {
    /// A step that a new release has to pass once it is in use.
    Trial {
        Deploy = "deploy", "deploy.sh";
        Tests = "tests", "its tests";
        Health = "health", "its health check";
    }
}

impl Trial {
    /// `None` for the other steps.
    pub fn of(kind: StepKind) -> Option<Self> {
        match kind {
            StepKind::Deploy => Some(Self::Deploy),
            StepKind::Tests => Some(Self::Tests),
            StepKind::Health => Some(Self::Health),
            _ => None,
        }
    }

    /// The step and the verb of a sentence about how it went: `its tests were`.
    pub fn was(self) -> &'static str {
        match self {
            Self::Deploy => "deploy.sh was",
            Self::Tests => "its tests were",
            Self::Health => "its health check was",
        }
    }
}

/// What is on a server: the release of the deployment, the one before, or something between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnServer {
    /// The deployment does not concern it; the cause says why.
    LeftAlone,
    /// The previous release; nothing was done.
    Untouched,
    /// The previous release, complete; the new one was begun and is not in use.
    Old,
    /// The previous release again: an earlier attempt had put the new one in use.
    Returned,
    /// No release at all: an earlier attempt had put the new one in use, and it was taken out of use.
    Withdrawn,
    /// No release at all: the new one was in use, and a script of its own deleted it.
    Gone,
    /// Files of both releases.
    Mixed,
    /// Files of two releases, as an earlier deployment left it half changed; this one has changed nothing.
    LeftMixed,
    /// Either release: nobody knows whether the switch was made.
    Switching,
    /// The new release, whole, but none of its scripts was run.
    NotRun,
    /// The new release, which failed in this step.
    Failed(Trial),
    /// The new release; this step may not have finished.
    NotEnded(Trial),
    /// The new release, with all its steps done.
    New,
    /// Neither the server nor the journal tells which release it is.
    Unknown,
}

impl OnServer {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::LeftAlone,
            Self::Untouched,
            Self::Old,
            Self::Returned,
            Self::Withdrawn,
            Self::Gone,
            Self::Mixed,
            Self::LeftMixed,
            Self::Switching,
            Self::NotRun,
            Self::New,
            Self::Unknown,
        ];
        let failed = Trial::ALL.iter().copied().map(Self::Failed);
        let open = Trial::ALL.iter().copied().map(Self::NotEnded);
        plain.into_iter().chain(failed).chain(open)
    }

    /// As the store writes it: a word, and the step that belongs to it.
    pub fn as_words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::LeftAlone => ("left_alone", None),
            Self::Untouched => ("untouched", None),
            Self::Old => ("old", None),
            Self::Returned => ("returned", None),
            Self::Withdrawn => ("withdrawn", None),
            Self::Gone => ("gone", None),
            Self::Mixed => ("mixed", None),
            Self::LeftMixed => ("left_mixed", None),
            Self::Switching => ("switching", None),
            Self::NotRun => ("not_run", None),
            Self::Failed(trial) => ("failed", Some(trial.as_str())),
            Self::NotEnded(trial) => ("not_ended", Some(trial.as_str())),
            Self::New => ("new", None),
            Self::Unknown => ("unknown", None),
        }
    }

    /// The reverse of [`Self::as_words`].
    pub fn parse(word: &str, step: Option<&str>) -> Option<Self> {
        Self::all().find(|one| one.as_words() == (word, step))
    }

    /// Whether the files of the deployment are in use, all of them.
    pub fn is_new(self) -> bool {
        matches!(
            self,
            Self::NotRun | Self::Failed(_) | Self::NotEnded(_) | Self::New
        )
    }

    /// Whether its files are of two releases.
    pub fn is_half_changed(self) -> bool {
        matches!(self, Self::Mixed | Self::LeftMixed)
    }

    /// Whether the deployment has changed nothing on it.
    pub fn is_unchanged(self) -> bool {
        self.is_old() || self == Self::LeftMixed
    }

    /// Whether the previous release is in use, complete and unchanged.
    pub fn is_old(self) -> bool {
        matches!(self, Self::LeftAlone | Self::Untouched | Self::Old)
    }
}
