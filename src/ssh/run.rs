//! Running a command on a session.
//!
//! Three futures run side by side in one task: one receives what the command prints and how it
//! ends, one feeds its input, one waits for the reason to stop it. None of them waits for another,
//! so that a command that prints while it is fed, or one that is cancelled while its output is
//! stuck, cannot block itself.
//!
//! Output is taken no faster than the [`Output`] takes it. What is under way is bounded: a hundred
//! packets per channel, then the connection as a whole stops reading. A slow output thus slows its
//! neighbours on the same server, and never fills memory.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::channel::{CommandChannel, Incoming};
use super::guard::{END_LIMIT, Mark, guarded, unguarded};
use super::mark::AfterMark;
use super::{Command, Error, Exit, Output, Session};

/// The exit status can overtake the last output, so we go on reading after it; but a daemon that a
/// script left behind may hold the output open for ever. This much waiting in sum is enough.
const LINGER: Duration = Duration::from_secs(3);

/// Size of pieces in which input is read: two full packets.
const CHUNK: usize = 64 * 1024;

/// What a command reads.
#[derive(Default)]
pub enum Stdin {
    /// Nothing. The command runs under a guard that ends its whole process group when it is
    /// cancelled, runs out of time or loses its connection.
    #[default]
    Empty,
    /// These bytes, then end of file. Such a command is not guarded: it is ended by its input.
    Bytes(Bytes),
    /// What can be read here, then end of file. Not guarded either. When reading fails and when the
    /// command is cancelled or times out, it sees an early end of file: the input needs a mark at its
    /// end, so that a part is not taken for the whole.
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

/// How to run a command.
#[derive(Default)]
pub struct Run {
    /// Limit for the whole command, waiting for a connection and a free channel included.
    pub timeout: Option<Duration>,
    /// Ends the command when cancelled.
    pub cancel: CancellationToken,
    /// What it reads.
    pub stdin: Stdin,
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

impl Run {
    /// At most `limit`, with nothing to read.
    pub fn within(limit: Duration) -> Self {
        Self {
            timeout: Some(limit),
            ..Self::default()
        }
    }
}

impl Session {
    /// Runs `command` to its end, streaming what it prints into `output`.
    ///
    /// When it is cancelled or out of time, what it still prints while ending is delivered too.
    ///
    /// # Errors
    /// When it could not be started or did not come to its own end; an exit status other than 0
    /// is no error here.
    pub async fn run(&self, command: &Command, how: Run, output: &mut impl Output) -> Result<Exit, Error> {
        command.check()?;
        let Run {
            timeout,
            cancel,
            stdin,
        } = how;
        let mark = Mark::new();
        let program = match stdin {
            Stdin::Empty => guarded(command, &mark),
            _ => unguarded(command, &mark),
        };
        let stop = Stop {
            server: &self.endpoint().name,
            cancel,
            limit: timeout,
            start: Instant::now(),
        };
        let mut channel = self.start_or(program.line, &stop).await?;

        let (incoming, write) = channel.split();
        let reason = OnceLock::new();
        let fed = CancellationToken::new();
        let conduct = async {
            let _ = reason.set(stop.reason().await);
            fed.cancel();
            // It fails only when the connection is gone, and then so is the command.
            let _ = write.eof().await;
            sleep(END_LIMIT).await;
        };
        let feed = async {
            match fed.run_until_cancelled(feed(write, program.input, stdin)).await {
                Some(Err(cause)) => cause,
                _ => std::future::pending().await,
            }
        };
        let mut answer = AfterMark::new(&mark, output);
        let ended = tokio::select! {
            ended = receive(incoming, &mut answer, stop.server) => ended,
            () = conduct => Err(self.lost()),
            cause = feed => Err(Error::Input { server: stop.server.to_owned(), cause }),
        };
        match reason.into_inner() {
            Some(reason) => Err(reason),
            None => answer.demand(ended?, stop.server),
        }
    }

    /// Runs a short `command` and keeps what it prints, at most `limit` bytes of each stream.
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::TooMuchOutput`].
    pub async fn capture(&self, command: &Command, how: Run, limit: usize) -> Result<Captured, Error> {
        // A child: overflowing must not cancel anything else that uses the caller's token.
        let overflow = how.cancel.child_token();
        let mut kept = Kept {
            stdout: Vec::new(),
            stderr: Vec::new(),
            limit,
            full: false,
            overflow,
        };
        let how = Run {
            cancel: kept.overflow.clone(),
            ..how
        };
        let exit = self.run(command, how, &mut kept).await;
        if kept.full {
            return Err(Error::TooMuchOutput {
                server: self.endpoint().name.clone(),
                limit,
            });
        }
        Ok(Captured {
            stdout: kept.stdout,
            stderr: kept.stderr,
            exit: exit?,
        })
    }

    /// Starts `line`, unless there is a reason to stop first.
    ///
    /// Starting goes on in a task of its own: dropped half-way, an opened channel would belong to
    /// nobody and stay open for the life of the connection.
    async fn start_or(&self, line: Vec<u8>, stop: &Stop<'_>) -> Result<CommandChannel, Error> {
        let unwanted = CancellationToken::new();
        let _at_the_latest_when_dropped = unwanted.clone().drop_guard();
        let starting = tokio::spawn(self.clone().start(line, unwanted));
        tokio::select! {
            biased;
            reason = stop.reason() => Err(reason),
            started = starting => started.unwrap_or_else(|_| Err(self.lost())),
        }
    }

    async fn start(self, line: Vec<u8>, unwanted: CancellationToken) -> Result<CommandChannel, Error> {
        let mut channel = self.channel().await?;
        if unwanted.is_cancelled() {
            return Err(self.lost());
        }
        let lost = |cause: russh::Error| Error::ConnectionLost {
            server: self.endpoint().name.clone(),
            cause: Some(cause.into()),
        };
        channel.split().1.exec(true, line).await.map_err(lost)?;
        Ok(channel)
    }

    fn lost(&self) -> Error {
        Error::ConnectionLost {
            server: self.endpoint().name.clone(),
            cause: None,
        }
    }
}

/// The reasons to end a command early.
struct Stop<'a> {
    server: &'a str,
    cancel: CancellationToken,
    limit: Option<Duration>,
    start: Instant,
}

impl Stop<'_> {
    async fn reason(&self) -> Error {
        let server = self.server.to_owned();
        let Some(limit) = self.limit else {
            self.cancel.cancelled().await;
            return Error::Cancelled { server };
        };
        let rest = limit.saturating_sub(self.start.elapsed());
        match timeout(rest, self.cancel.cancelled()).await {
            Ok(()) => Error::Cancelled { server },
            Err(_) => Error::TimedOut { server, limit },
        }
    }
}

/// Carries what the command prints until it has ended and its output is over.
async fn receive(mut incoming: Incoming<'_>, output: &mut impl Output, server: &str) -> Result<Exit, Error> {
    let mut exit = None;
    let mut patience = LINGER;
    loop {
        let message = if exit.is_none() {
            incoming.next().await
        } else {
            let waiting = Instant::now();
            let Ok(message) = timeout(patience, incoming.next()).await else {
                break;
            };
            patience = patience.saturating_sub(waiting.elapsed());
            message
        };
        match message {
            Some(ChannelMsg::Data { data }) => output.stdout(data).await,
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => output.stderr(data).await,
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                exit = Some(Exit::Code(i32::try_from(exit_status).unwrap_or(i32::MAX)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => exit = Some(Exit::Signal(name(signal_name))),
            Some(ChannelMsg::Failure) => {
                let reason = "it denied the request to run it".to_owned();
                return Err(Error::ChannelRefused {
                    server: server.to_owned(),
                    reason,
                });
            }
            Some(_) => {}
            None => break,
        }
    }
    exit.ok_or_else(|| Error::ConnectionLost {
        server: server.to_owned(),
        cause: None,
    })
}

fn name(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}

/// Sends the program, then its input. A command may end without reading all of it, which is no error.
async fn feed(write: &ChannelWriteHalf<Msg>, program: Vec<u8>, stdin: Stdin) -> std::io::Result<()> {
    if write.data_bytes(Bytes::from(program)).await.is_err() {
        return Ok(());
    }
    let mut reader = match stdin {
        // The guard watches the input: it has to stay open.
        Stdin::Empty => return Ok(()),
        Stdin::Bytes(bytes) => {
            if write.data_bytes(bytes).await.is_ok() {
                let _ = write.eof().await;
            }
            return Ok(());
        }
        Stdin::Reader(reader) => reader,
    };
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if reader.read_buf(&mut chunk).await? == 0 {
            let _ = write.eof().await;
            return Ok(());
        }
        if write.data_bytes(chunk.freeze()).await.is_err() {
            return Ok(());
        }
    }
}

/// The output of a short command.
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    limit: usize,
    full: bool,
    overflow: CancellationToken,
}

impl Kept {
    fn keep(&mut self, data: &[u8], stream: fn(&mut Self) -> &mut Vec<u8>) {
        if stream(self).len() + data.len() > self.limit {
            self.full = true;
            self.overflow.cancel();
        } else {
            stream(self).extend_from_slice(data);
        }
    }
}

impl Output for Kept {
    async fn stdout(&mut self, data: Bytes) {
        self.keep(&data, |kept| &mut kept.stdout);
    }

    async fn stderr(&mut self, data: Bytes) {
        self.keep(&data, |kept| &mut kept.stderr);
    }
}
