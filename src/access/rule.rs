//! A line of the policy, read and valid by itself.

use crate::domain::PolicyLine;

/// Stands for every project, environment or subject, and in a deny line for every action.
pub(super) const ANY: &str = "*";
/// A `p` line: who may, or may not, do what where and when.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub subject: String,
    /// A project, a group of projects, an area or [`ANY`], as written.
    pub project: String,
    /// The same as casbin knows it.
    pub key: String,
    pub environment: String,
    pub action: String,
    pub window: String,
    pub deny: bool,
    /// Of whom a second person has to be, who approves; `None`: nobody else is needed.
    pub second: Option<String>,
    pub line: PolicyLine,
}

impl Rule {
    /// The columns, as casbin takes them. It does not know about second persons.
    pub fn row(&self) -> Vec<String> {
        let effect = if self.deny { "deny" } else { "allow" };
        let window = window_key(&self.window);
        let columns = [&self.subject, &self.key, &self.environment, &self.action, &window];
        columns.into_iter().cloned().chain([effect.to_owned()]).collect()
    }
}

/// A `g` line (who has which role), a `g2` line (which action implies which) or a `g3` line (which
/// project is in which group).
#[derive(Debug, Clone)]
pub(super) struct PolicyLink {
    pub from: String,
    pub to: String,
    pub line: u32,
}

impl PolicyLink {
    pub(super) fn new(from: &str, to: &str, line: u32) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            line,
        }
    }
}

/// A window as it is passed to casbin, in a list with blanks between: the name of a freeze may have
/// some.
pub(super) fn window_key(window: &str) -> String {
    window.replace(' ', "\u{1f}")
}
