//! The output of commands: results on standard output, and why a command failed.

use std::fmt;
use std::io::{self, Write};

use crate::config;
use crate::domain::{Error, ErrorKind};

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CommandFailure {
    /// The configuration is wrong.
    Config(config::Error),
    /// The command failed.
    Failed(Error),
    /// The question makes no sense.
    Usage(Error),
    /// The result is bad, and was printed already.
    Printed,
    /// The same, with an exit code of its own.
    Exit(u8),
    /// The command failed in a way that has an exit code of its own.
    Told { code: u8, error: Error },
}

impl CommandFailure {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Failed(_) | Self::Printed => 1,
            Self::Exit(code) | Self::Told { code, .. } => *code,
        }
    }
}

impl From<config::Error> for CommandFailure {
    fn from(error: config::Error) -> Self {
        Self::Config(error)
    }
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "The configuration cannot be used:\n{error}"),
            Self::Failed(error) | Self::Usage(error) | Self::Told { error, .. } => {
                f.write_str(error.message())?;
                causes(error)
                    .iter()
                    .try_for_each(|cause| write!(f, "\n  because: {cause}"))
            }
            Self::Printed | Self::Exit(_) => Ok(()),
        }
    }
}

/// The causes of an error that say more than its sentence; none for wrong input.
fn causes(error: &Error) -> Vec<String> {
    if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) {
        return Vec::new();
    }
    let mut told = vec![error.message().to_owned()];
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !told.iter().any(|known| known.contains(&text)) {
            told.push(text);
        }
        cause = deeper.source();
    }
    told.split_off(1)
}

/// Writes a line to standard output. Ignores a reader that went away (`| head`).
pub(super) fn say(line: impl fmt::Display) {
    _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line to standard error.
pub(super) fn complain(line: impl fmt::Display) {
    _ = writeln!(io::stderr(), "deployer: {line}");
}
