//! The log: what steps print, in lines numbered per deployment from 1 without gaps.

use serde::{Deserialize, Serialize};

use super::step::StepKind;
use super::{Instant, StepId};

/// What logs and addresses call the deployer's host; no server may be called so.
pub const HERE: &str = "here";

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// A script's standard output.
    Stdout,
    /// A script's standard error.
    Stderr,
    /// The deployer itself.
    Info,
}

impl Stream {
    /// The letter that stands for it in the store.
    pub fn letter(self) -> char {
        match self {
            Self::Stdout => 'o',
            Self::Stderr => 'e',
            Self::Info => 'i',
        }
    }

    /// The reverse of [`Self::letter`].
    pub fn from_letter(letter: char) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::Info]
            .into_iter()
            .find(|stream| stream.letter() == letter)
    }
}

/// Begins a line that is the rest of the one before it of the same step and stream: what printed them did
/// not end that one. Pages and downloads leave it out, as all control characters.
pub const CONTINUES: char = '\u{1f}';

/// One line about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it came from.
    pub stream: Stream,
    /// Its text, secrets masked, without a line end.
    pub text: String,
}

/// Lines of one step that belong together, about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The step; `None` for what the deployer says between steps.
    pub step: Option<StepId>,
    /// The step's server; empty for the deployer's host.
    pub server: String,
    /// The step's kind.
    pub kind: Option<StepKind>,
    /// When the first of them came.
    pub at: Instant,
    /// The lines, in order; never empty.
    pub lines: Vec<Line>,
}

/// A stored chunk: its lines have the numbers from `first_line` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedChunk {
    /// The number of its first line.
    pub first_line: i64,
    /// The lines and where they came from.
    pub chunk: Chunk,
}

impl NumberedChunk {
    /// The number of its last line.
    pub fn last_line(&self) -> i64 {
        self.first_line + i64::try_from(self.chunk.lines.len()).unwrap_or(i64::MAX) - 1
    }

    /// Its lines, each by itself.
    pub fn lines(self) -> impl DoubleEndedIterator<Item = LogLine> + ExactSizeIterator {
        let Self { first_line, chunk } = self;
        let Chunk {
            server,
            kind,
            at,
            lines,
            ..
        } = chunk;
        lines.into_iter().enumerate().map(move |(offset, line)| LogLine {
            number: first_line + i64::try_from(offset).unwrap_or(i64::MAX),
            at,
            server: server.clone(),
            kind,
            stream: line.stream,
            text: line.text,
        })
    }
}

/// One line of a deployment's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number within the deployment, from 1.
    pub number: i64,
    /// When it came, to the batch.
    pub at: Instant,
    /// The server it came from; empty for the deployer's host.
    pub server: String,
    /// The step it belongs to; `None` between steps.
    pub kind: Option<StepKind>,
    /// Where it came from there.
    pub stream: Stream,
    /// Its text, without a line end.
    pub text: String,
}

impl LogLine {
    /// Whether it is the rest of the line before it of the same step and stream.
    pub fn continues(&self) -> bool {
        self.text.starts_with(CONTINUES)
    }

    /// The server it came from, or [`HERE`].
    pub fn place(&self) -> &str {
        match self.server.as_str() {
            "" => HERE,
            server => server,
        }
    }
}
