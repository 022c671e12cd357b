//! Problems of a policy directory, by file and line.
//!
//! Every check adds to one list instead of stopping at the first fault, because a sysadmin who
//! mends a file wants to see all of it at once.

use std::fmt;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look; the policy takes effect all the same.
    Warning,
    /// The policy does not take effect.
    Error,
}

/// Something wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File name, without folders.
    pub file: String,
    /// Counted from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// A sentence that says what is wrong and what to do.
    pub message: String,
    /// Whether it keeps the policy from taking effect.
    pub severity: Severity,
}

impl Problem {
    /// A problem that keeps the policy from taking effect.
    pub(super) fn error(file: &str, line: u32, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
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

    /// Whether it keeps the policy from taking effect.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.is_error() { "" } else { "warning: " };
        write!(f, "{}:{}: {warning}{}", self.file, self.line, self.message)
    }
}

/// The result of checking a policy directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyReport {
    /// By file, then by line.
    pub problems: Vec<Problem>,
    /// How many expectations of `tests.toml` were tried.
    pub tests_run: usize,
}

impl PolicyReport {
    /// Whether the policy would take effect.
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}
