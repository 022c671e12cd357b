//! Problems of a configuration, by file and line or by variable.

use std::fmt;
use std::io;
use std::path::Path;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In a file, on a line counted from 1; line 0 means the file as a whole.
    File {
        /// The path as given.
        file: String,
        line: usize,
    },
    /// In the environment, by this variable.
    Variable(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0 } => f.write_str(file),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A problem of a configuration, with its origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// Where.
    pub place: Origin,
    /// The key, as `http.bind`; empty when no single key is meant.
    pub key: String,
    /// A sentence about it, without its place. Never holds a secret.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, message } = self;
        match key.as_str() {
            "" => write!(f, "{place}: {message}"),
            key => write!(f, "{place}: {key} {message}"),
        }
    }
}

/// All problems; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// By place.
    pub problems: Vec<ConfigProblem>,
}

impl Error {
    pub(super) fn unreadable(path: &Path, source: &io::Error) -> Self {
        let message = match source.kind() {
            io::ErrorKind::NotFound => {
                "There is no such file. Copy deployer.sample.toml there, or give another path with --config."
                    .to_owned()
            }
            io::ErrorKind::InvalidData => "The file is not UTF-8 text.".to_owned(),
            _ => format!("The file cannot be read: {source}."),
        };
        let place = Origin::File {
            file: path.display().to_string(),
            line: 0,
        };
        Self {
            problems: vec![ConfigProblem {
                place,
                key: String::new(),
                message,
            }],
        }
    }
}

impl Error {
    /// The error for variables that set our keys and are not UTF-8.
    pub fn not_text(variables: impl IntoIterator<Item = String>) -> Self {
        let problem = |name| ConfigProblem {
            place: Origin::Variable(name),
            key: String::new(),
            message: "is not UTF-8 text, so it cannot be read; set it to text, or unset it.".to_owned(),
        };
        let mut problems: Vec<ConfigProblem> = variables.into_iter().map(problem).collect();
        problems.sort();
        Self { problems }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(ConfigProblem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Error {}
