//! Messages for the next page: what was done, shown once after the redirect.

use serde::{Deserialize, Serialize};

use super::look::Tone;

/// A message that is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    pub tone: Tone,
    /// One sentence.
    pub text: String,
    /// What to do next: the words of a link, and its address.
    #[serde(default)]
    pub next: Option<(String, String)>,
}

impl Flash {
    /// Something was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Good,
            text: text.into(),
            next: None,
        }
    }

    /// What comes next.
    pub fn next(text: impl Into<String>, label: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            tone: Tone::Info,
            text: text.into(),
            next: Some((label.into(), url.into())),
        }
    }

    /// Something needs a look.
    pub fn warning(text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Warn,
            text: text.into(),
            next: None,
        }
    }

    /// Something did not work.
    pub fn failed(text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Bad,
            text: text.into(),
            next: None,
        }
    }
}
