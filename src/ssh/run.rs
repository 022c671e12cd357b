//! Running a command on a session.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use super::{Command, Error, Session};

/// Where a command's output goes. The command is read no faster than these futures finish.
///
/// Chunks break anywhere, also inside a line or a character.
pub trait Output: Send {
    /// Takes a piece of standard output.
    fn stdout(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
    /// Takes a piece of standard error.
    fn stderr(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
}

/// What a command reads.
#[derive(Default)]
pub enum Stdin {
    /// Nothing. The command runs under a guard that ends its whole process group when it is
    /// cancelled, runs out of time or loses its connection.
    #[default]
    Empty,
    /// These bytes, then end of file. Such a command is not guarded: it is ended by its input.
    Bytes(Bytes),
    /// What can be read here, then end of file. Not guarded either. When reading fails the
    /// channel is closed, which the command sees as an early end of file.
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

/// How to run a command.
#[derive(Default)]
pub struct Run {
    /// Limit for the whole command, waiting for a free channel included.
    pub timeout: Option<Duration>,
    /// Ends the command when cancelled.
    pub cancel: CancellationToken,
    /// What it reads.
    pub stdin: Stdin,
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

/// All that a short command printed.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
}

impl Session {
    /// Runs `command` to its end, streaming what it prints into `output`.
    ///
    /// # Errors
    /// When it could not be started or did not come to its own end; an exit status other than 0
    /// is no error here.
    pub async fn run(&self, command: &Command, how: Run, output: &mut impl Output) -> Result<Exit, Error> {
        let _ = (command, how, output);
        todo!()
    }

    /// Runs a short `command` and keeps what it prints, at most `limit` bytes of each stream.
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::TooMuchOutput`].
    pub async fn capture(&self, command: &Command, how: Run, limit: usize) -> Result<Captured, Error> {
        let _ = (command, how, limit);
        todo!()
    }
}
