//! What comes of a command: what it prints, and how it ends.

use bytes::Bytes;

/// Where a command's output goes. The command is read no faster than these futures finish.
///
/// Chunks break anywhere, also inside a line or a character.
pub trait Output: Send {
    /// Takes a piece of standard output.
    fn stdout(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
    /// Takes a piece of standard error.
    fn stderr(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(u32),
    /// A signal ended it: `TERM`, `KILL`, … without `SIG`.
    Signal(String),
}

impl Exit {
    /// Whether it exited with status 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}
