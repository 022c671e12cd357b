//! Local processes: the deployer's own scripts and programs, run so that they can be ended.
//!
//! [`run`] starts a [`Command`] in a process group of its own, with an environment that holds only a
//! few of our variables, listed by name, without a file that we have open, and hands what it prints to an
//! [`Output`] as it comes. A
//! time limit or a cancelled token ends the **whole group**: a polite signal, a grace, then the one
//! that cannot be ignored. What the process leaves behind in its group is ended too, so that no step
//! keeps working after it was reported as done; a process that means to outlive its step has to
//! leave the group (`setsid`), and then we wait only shortly for pipes it may still hold. Where that must
//! not be either, the command is behind a [`monitor`], whose PID namespace ends with it.
//!
//! Two futures run side by side: `conduct` decides (exit, limit, cancel, signals), `pump` carries
//! bytes. A slow [`Output`] stops the pump, the pipe fills and the process waits: memory does not
//! grow with the output. It does not stop the conductor, so a cancel works even then.
//!
//! The leader ([`group`]) stays unreaped until its group was signalled for the last time. Its number, which is
//! also the group's, can therefore not belong to somebody else when we signal it.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::group::{ProcessGroup, start};

mod command;
mod error;
mod group;
mod monitor;
mod system_calls;
#[cfg(test)]
mod tests;

pub use self::command::{Command, KEPT_VARIABLES, find_program};
pub use self::error::Error;
pub use self::group::keep_open_files_to_ourselves;
pub use self::monitor::can_close_abstract_sockets;

/// How long a group has between the polite signal and the final one, unless told otherwise:
/// enough for a script's `trap` to clean up, short enough for somebody who waits for a cancel.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long we wait, after the process itself has ended, for background processes of its group to
/// end by themselves and close the pipes.
const ORPHAN_WAIT: Duration = Duration::from_secs(2);

/// How long a pipe may stay silent after the last signal before we call it held by a stranger.
const LAST_SILENCE: Duration = Duration::from_millis(100);

/// How many bytes we still read after the last signal: more than two pipes hold, so nothing of the
/// group's is lost, and an end, should a process outside the group go on printing.
const LAST_BYTES: usize = 1024 * 1024;

/// How long an [`Output`] may take to accept the rest after a cancel or a time limit.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// Bytes read at once from a pipe: what a pipe holds by default on Linux.
const CHUNK: usize = 64 * 1024;

/// Where the output of a program goes, here or on a server. Nothing more is read before these futures
/// are done, so the program waits.
pub trait Output: Send {
    /// Takes the next piece of standard output, cut anywhere, also inside a line or a character.
    fn stdout(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
    /// Takes the next piece of standard error, cut anywhere.
    fn stderr(&mut self, data: Bytes) -> impl Future<Output = ()> + Send;
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal, named without “SIG”.
    Signal(String),
}

impl Exit {
    /// Whether it ended with code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }

    /// The code, where it ended by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Signal(_) => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// How long a process may take, and what may end it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The longest it may run; `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// Ends it when cancelled.
    pub cancel: CancellationToken,
    /// The time between the polite signal and the final one.
    pub grace: Duration,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            timeout: None,
            cancel: CancellationToken::new(),
            grace: GRACE,
        }
    }
}

impl Run {
    /// At most `limit`, with the usual grace.
    pub fn within(limit: Duration) -> Self {
        Self {
            timeout: Some(limit),
            ..Self::default()
        }
    }
}

/// Runs `command` to its end and hands what it prints to `output`. Standard input is empty, unless the
/// command says otherwise.
///
/// Dropping the returned future ends the group at once, without grace.
///
/// # Errors
/// See [`Error`]. A process that ends with a code other than 0 or by a signal that was not ours is
/// not an error but an [`Exit`].
pub async fn run<O: Output>(command: &Command, run: Run, output: &mut O) -> Result<Exit, Error> {
    let program = || command.shown();
    let mut group = start(command).await?;
    let pipes = (group.child.stdout.take(), group.child.stderr.take());
    let signs = Signs::default();
    let pump = async {
        signs
            .give_up
            .run_until_cancelled(pump(pipes, output, &signs.last))
            .await;
        signs.done.cancel();
    };
    let ((), stopped) = tokio::join!(pump, conduct(&group, &run, &signs));
    let lost = |source| Error::Lost {
        program: program(),
        source,
    };
    let status = group.reap().await.map_err(lost)?;
    match stopped.map_err(lost)? {
        Some(Stop::Timeout(after)) => Err(Error::TimedOut {
            program: program(),
            after,
        }),
        Some(Stop::Cancel) => Err(Error::Cancelled { program: program() }),
        None => Ok(exit_of(status)),
    }
}

/// Why we ended it.
enum Stop {
    Timeout(Duration),
    Cancel,
}

/// What the conductor and the pump tell each other.
#[derive(Default)]
struct Signs {
    /// From the pump: both pipes are closed, or it gave up on them.
    done: CancellationToken,
    /// From the conductor: nobody of the group is left, only read what the pipes still hold.
    last: CancellationToken,
    /// From the conductor: stop, even in the middle of a write.
    give_up: CancellationToken,
}

/// Waits for the end, or brings it about.
async fn conduct(group: &ProcessGroup, run: &Run, signs: &Signs) -> io::Result<Option<Stop>> {
    let limit = async {
        match run.timeout {
            Some(limit) => {
                sleep(limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    let stopped = tokio::select! {
        biased;
        exited = group.exited() => exited.map(|()| None),
        () = run.cancel.cancelled() => Ok(Some(Stop::Cancel)),
        limit = limit => Ok(Some(Stop::Timeout(limit))),
    };
    match stopped {
        Ok(None) => _ = timeout(ORPHAN_WAIT, signs.done.cancelled()).await,
        Ok(Some(_)) => {
            group.signal(Signal::SIGTERM);
            let gone = async { tokio::join!(group.exited(), signs.done.cancelled()) };
            _ = timeout(run.grace, gone).await;
        }
        Err(_) => {}
    }
    group.signal(Signal::SIGKILL);
    signs.last.cancel();
    if !matches!(stopped, Ok(None)) {
        _ = timeout(LAST_WRITE, signs.done.cancelled()).await;
        signs.give_up.cancel();
    }
    stopped
}

/// Carries bytes from both pipes to `output`, in the order they are seen, until both are closed or,
/// after `last`, until they are silent.
async fn pump<O: Output>(
    (mut stdout, mut stderr): (Option<impl AsyncRead + Unpin>, Option<impl AsyncRead + Unpin>),
    output: &mut O,
    last: &CancellationToken,
) {
    let (mut out, mut err) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut allowed = LAST_BYTES;
    while (stdout.is_some() || stderr.is_some()) && allowed > 0 {
        let silence = async {
            last.cancelled().await;
            sleep(LAST_SILENCE).await;
        };
        let (data, is_out) = tokio::select! {
            data = read(&mut stdout, &mut out) => (data, true),
            data = read(&mut stderr, &mut err) => (data, false),
            () = silence => return,
        };
        if last.is_cancelled() {
            allowed = allowed.saturating_sub(data.len());
        }
        match is_out {
            _ if data.is_empty() => {}
            true => output.stdout(data).await,
            false => output.stderr(data).await,
        }
    }
}

/// Reads some bytes; none when the pipe is closed, which then becomes `None`. Never ready for
/// `None`.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> Bytes {
    let Some(open) = pipe else {
        return std::future::pending().await;
    };
    let bytes = open.read(buffer).await.unwrap_or(0);
    if bytes == 0 {
        *pipe = None;
    }
    Bytes::copy_from_slice(&buffer[..bytes])
}

/// What the system's status means.
fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => Exit::Signal(signal.as_str().trim_start_matches("SIG").to_owned()),
            Err(_) => Exit::Signal(number.to_string()),
        },
        (None, None) => Exit::Signal("unknown".to_owned()),
    }
}
