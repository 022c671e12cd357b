//! What a command prints, and how it ends.

pub use crate::process::Output;

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
