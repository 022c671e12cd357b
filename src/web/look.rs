//! How a state looks: an icon, a tone and a word, never colour alone.
//!
//! One place gives every state of the domain its look; the component `state` of
//! `templates/components/ui.html` draws it. A tone is a CSS class `t-…` in `app.css`.

use serde::{Deserialize, Serialize};

use crate::domain::{DeploymentState, StepState};

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Waiting, or left alone.
    Quiet,
    /// Worth knowing.
    Info,
    /// In progress.
    Busy,
    Good,
    /// Needs attention, or a person.
    Warn,
    Bad,
    /// Later, by the calendar.
    Later,
}

impl Tone {
    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Quiet => "t-quiet",
            Self::Info => "t-info",
            Self::Busy => "t-busy",
            Self::Good => "t-good",
            Self::Warn => "t-warn",
            Self::Bad => "t-bad",
            Self::Later => "t-later",
        }
    }

    /// The icon of a message in this tone.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Good => "circle-check",
            Self::Warn => "alert-triangle",
            Self::Bad => "exclamation-circle",
            _ => "info-circle",
        }
    }
}

/// How a state is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    pub icon: &'static str,
    pub tone: Tone,
    pub word: &'static str,
}

/// Short for constructing a [`Sign`] in a table of them.
pub const fn sign(icon: &'static str, tone: Tone, word: &'static str) -> Sign {
    Sign { icon, tone, word }
}

/// What a browser's tab shows of a page beside its title.
#[derive(Debug, Clone, Default)]
pub struct TabSign {
    /// Stands before the title; may be empty.
    pub word: String,
    tone: Option<Tone>,
}

impl TabSign {
    pub fn new(word: impl Into<String>, tone: Tone) -> Self {
        Self {
            word: word.into(),
            tone: Some(tone),
        }
    }

    /// The sign of a page about several deployments: those that need a person before those that run.
    pub fn of_all(states: impl Iterator<Item = DeploymentState>) -> Self {
        let (mut paused, mut running) = (0, 0);
        for state in states {
            paused += usize::from(state == DeploymentState::Paused);
            running += usize::from(state == DeploymentState::Running);
        }
        match (paused, running) {
            (0, 0) => Self::default(),
            (0, running) => Self::new(format!("{running} running"), Tone::Busy),
            (paused, _) => Self::new(format!("{paused} paused"), Tone::Warn),
        }
    }

    /// The file of the tab's icon: the logo with a dot in the tone's colour.
    pub fn icon(&self) -> &'static str {
        match self.tone {
            None | Some(Tone::Quiet | Tone::Info | Tone::Later) => "logo.svg",
            Some(Tone::Busy) => "logo-busy.svg",
            Some(Tone::Good) => "logo-good.svg",
            Some(Tone::Warn) => "logo-warn.svg",
            Some(Tone::Bad) => "logo-bad.svg",
        }
    }
}

/// Something that is drawn as a state badge.
pub trait Look {
    fn sign(&self) -> Sign;
}

impl Look for Sign {
    fn sign(&self) -> Sign {
        *self
    }
}

impl Look for DeploymentState {
    fn sign(&self) -> Sign {
        let (icon, tone) = match self {
            Self::Awaiting => ("user-check", Tone::Warn),
            Self::Scheduled => ("calendar-time", Tone::Later),
            Self::Queued => ("hourglass", Tone::Quiet),
            Self::Running => ("loader-2", Tone::Busy),
            Self::Paused => ("player-pause", Tone::Warn),
            Self::Succeeded => ("circle-check", Tone::Good),
            Self::Failed => ("circle-x", Tone::Bad),
            Self::Cancelled => ("ban", Tone::Quiet),
            Self::Interrupted => ("plug-connected-x", Tone::Bad),
        };
        sign(icon, tone, self.title())
    }
}

impl Look for StepState {
    fn sign(&self) -> Sign {
        let (icon, tone) = match self {
            Self::Waiting => ("circle-dotted", Tone::Quiet),
            Self::Running => ("loader-2", Tone::Busy),
            Self::Succeeded => ("circle-check", Tone::Good),
            Self::Warned => ("alert-triangle", Tone::Warn),
            Self::Failed => ("circle-x", Tone::Bad),
            Self::Skipped => ("circle-minus", Tone::Quiet),
            Self::Cancelled => ("ban", Tone::Quiet),
            Self::Interrupted => ("bolt", Tone::Warn),
        };
        sign(icon, tone, self.title())
    }
}

impl<T: Look + ?Sized> Look for &T {
    fn sign(&self) -> Sign {
        (**self).sign()
    }
}
