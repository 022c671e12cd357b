//! How a state looks: an icon, a tone and a word, never colour alone.
//!
//! One place gives every state of the domain its look; the component `state` of
//! `templates/components/ui.html` draws it. A tone is a CSS class `t-…` in `app.css`.

use serde::{Deserialize, Serialize};

use crate::domain::deployment::ServerState;
use crate::domain::{DeploymentState, StepState};

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Nothing to say: waiting, left alone.
    Quiet,
    /// Worth knowing.
    Info,
    /// In progress.
    Busy,
    /// As it should be.
    Good,
    /// Needs attention, or a person.
    Warn,
    /// Not as it should be.
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

/// Something that is drawn as a state badge.
pub trait Look {
    /// The icon's name.
    fn icon(&self) -> &'static str;
    /// The meaning of its colour.
    fn tone(&self) -> Tone;
    /// The word beside the icon.
    fn word(&self) -> &'static str;
}

impl Look for DeploymentState {
    fn icon(&self) -> &'static str {
        match self {
            Self::Awaiting => "user-check",
            Self::Scheduled => "calendar-time",
            Self::Queued => "hourglass",
            Self::Running => "loader-2",
            Self::Paused => "player-pause",
            Self::Succeeded => "circle-check",
            Self::Failed => "circle-x",
            Self::Cancelled => "ban",
            Self::Interrupted => "plug-connected-x",
        }
    }

    fn tone(&self) -> Tone {
        match self {
            Self::Scheduled => Tone::Later,
            Self::Queued | Self::Cancelled => Tone::Quiet,
            Self::Running => Tone::Busy,
            Self::Paused | Self::Awaiting => Tone::Warn,
            Self::Succeeded => Tone::Good,
            Self::Failed | Self::Interrupted => Tone::Bad,
        }
    }

    fn word(&self) -> &'static str {
        self.title()
    }
}

impl Look for StepState {
    fn icon(&self) -> &'static str {
        match self {
            Self::Waiting => "circle-dotted",
            Self::Running => "loader-2",
            Self::Succeeded => "circle-check",
            Self::Warned => "alert-triangle",
            Self::Failed => "circle-x",
            Self::Skipped => "circle-minus",
            Self::Cancelled => "ban",
            Self::Interrupted => "bolt",
        }
    }

    fn tone(&self) -> Tone {
        match self {
            Self::Waiting | Self::Skipped | Self::Cancelled => Tone::Quiet,
            Self::Running => Tone::Busy,
            Self::Succeeded => Tone::Good,
            Self::Warned | Self::Interrupted => Tone::Warn,
            Self::Failed => Tone::Bad,
        }
    }

    fn word(&self) -> &'static str {
        self.title()
    }
}

impl Look for ServerState {
    fn icon(&self) -> &'static str {
        match self {
            Self::Waiting => "circle-dotted",
            Self::Running => "loader-2",
            Self::Succeeded => "circle-check",
            Self::Failed => "circle-x",
            Self::Skipped => "circle-minus",
            Self::Cancelled => "ban",
            Self::Interrupted => "bolt",
        }
    }

    fn tone(&self) -> Tone {
        match self {
            Self::Waiting | Self::Skipped | Self::Cancelled => Tone::Quiet,
            Self::Running => Tone::Busy,
            Self::Succeeded => Tone::Good,
            Self::Interrupted => Tone::Warn,
            Self::Failed => Tone::Bad,
        }
    }

    fn word(&self) -> &'static str {
        self.title()
    }
}

impl<T: Look + ?Sized> Look for &T {
    fn icon(&self) -> &'static str {
        (**self).icon()
    }

    fn tone(&self) -> Tone {
        (**self).tone()
    }

    fn word(&self) -> &'static str {
        (**self).word()
    }
}
