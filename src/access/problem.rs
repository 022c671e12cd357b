//! Problems of a policy directory, by file and line.
//!
//! Every check adds to one list instead of stopping at the first fault, because a sysadmin who
//! corrects a file wants to see every fault at once.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// The longest message, in characters: a few lines of a page.
pub(super) const MESSAGE_CHARS: usize = 600;
/// Problems of one report: nobody mends more before looking again.
const PROBLEMS: usize = 200;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It could be written better.
    Note,
    /// Worth a look; the policy takes effect all the same.
    Warning,
    /// The policy does not take effect.
    Error,
}

/// Something wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File name, without folders.
    pub file: String,
    /// Counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// A sentence that says what is wrong and what to do.
    pub message: String,
    /// Whether it keeps the policy from taking effect.
    pub severity: Severity,
}

impl Problem {
    /// A problem that keeps the policy from taking effect.
    pub(super) fn error(file: &str, line: u32, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.contains(['\n', '\r', '\0']) {
            message = message.replace(['\n', '\r', '\0'], " ").trim_end().to_owned();
        }
        // A line of the file may be quoted in it.
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS) {
            let end = message[..end].char_indices().next_back().map_or(0, |(at, _)| at);
            message.truncate(end);
            message.push('…');
        }
        Self {
            file: file.to_owned(),
            line,
            message,
            severity: Severity::Error,
        }
    }

    /// A problem that is only reported.
    pub(super) fn warning(file: &str, line: u32, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, line, message)
        }
    }

    /// What could be written better.
    pub(super) fn note(file: &str, line: u32, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::error(file, line, message)
        }
    }

    /// Whether it only says what could be written better.
    pub fn is_note(&self) -> bool {
        self.severity == Severity::Note
    }

    /// Whether it keeps the policy from taking effect.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Error => "",
        };
        write!(f, "{}:{}: {severity}{}", self.file, self.line, self.message)
    }
}

/// The result of checking a policy directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyReport {
    /// By file, then by line.
    pub problems: Vec<Problem>,
    /// How many expectations of `tests.toml` were tried.
    pub tests_run: usize,
    /// The names of the files that were looked for, whether they are there or not.
    pub(super) looked_for: BTreeSet<String>,
}

impl PolicyReport {
    /// Sorts the problems, and leaves out those beyond what anybody reads.
    pub(super) fn arrange(&mut self) {
        // Errors first, so that a cut report of a bad policy does not look good.
        let errors_first = |one: &Problem| std::cmp::Reverse(one.severity);
        self.problems.sort_by_key(errors_first);
        let more = self.problems.len().saturating_sub(PROBLEMS);
        let file = self.problems.get(PROBLEMS).map(|problem| problem.file.clone());
        self.problems.truncate(PROBLEMS);
        self.problems
            .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        if let Some(file) = file {
            let message = format!("{more} more problems are not shown; mend these first.");
            let severity = self.problems.iter().map(|one| one.severity).max();
            self.problems.push(Problem {
                severity: severity.unwrap_or(Severity::Warning),
                ..Problem::error(&file, 0, message)
            });
        }
    }

    /// Whether the policy would take effect.
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}
