//! One command on a demo server: from the request to its exit status.
//!
//! It runs in a process group of its own, and the group does not outlive the command: what is left
//! of the group is killed before the leader is reaped, while its process id cannot be reused. So a
//! demo that is closed leaves nothing running.
//!
//! Input, output and errors flow side by side, each no faster than its other end. A command that
//! sends back several megabytes of its own input in one go would block itself (the protocol
//! library reads all channels in turn); nothing the deployer runs does that.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::BytesMut;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Size of pieces in which output is read: one packet.
const CHUNK: usize = 32 * 1024;

/// SSH's number for standard error among a channel's data.
const STDERR: u32 = 1;

/// Waits for the channel's command and runs it; the channel is closed after it.
pub(super) async fn serve(channel: Channel<Msg>, session: Handle, home: Arc<Path>, stop: CancellationToken) {
    let (mut read, write) = channel.split();
    let command = loop {
        let message = tokio::select! {
            message = read.wait() => message,
            () = stop.cancelled() => return,
        };
        match message {
            Some(ChannelMsg::Exec { command, .. }) => break command,
            Some(ChannelMsg::Close) | None => return,
            // Without a command there is nothing to do here: no shell, no file transfer.
            Some(ChannelMsg::RequestShell { .. } | ChannelMsg::RequestSubsystem { .. }) => {
                let _ = write.close().await;
                return;
            }
            Some(_) => {}
        }
    };
    let ran = tokio::select! {
        ran = run(&command, &home, &session, &mut read, &write) => ran,
        () = stop.cancelled() => return,
    };
    if let Err(error) = ran {
        tracing::debug!(%error, "a command on a demo server broke off");
    }
    // It fails only when the connection is gone.
    let _ = write.close().await;
}

async fn run(
    command: &[u8],
    home: &Path,
    session: &Handle,
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
) -> io::Result<()> {
    let mut group = Group::start(command, home)?;
    let stdin = group.child.stdin.take();
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    let output = async {
        tokio::join!(send(stdout, None, write), send(stderr, Some(STDERR), write));
    };
    let conduct = async {
        tokio::join!(output, async {
            let exited = exited(group.pid).await;
            // A process that still holds the output open would delay its end.
            group.kill();
            exited
        })
        .1
    };
    tokio::select! {
        exited = conduct => exited?,
        () = receive(read, stdin) => return Ok(()),
    }
    let status = group.reap().await?;
    tell(session, write, status).await;
    Ok(())
}

/// The leader of a process group, and the group as long as the leader is not reaped.
struct Group {
    child: Child,
    pid: Pid,
    reaped: bool,
}

impl Group {
    #[allow(
        clippy::disallowed_methods,
        reason = "a server's command is fed and read as it runs, which process:: does not offer"
    )]
    fn start(command: &[u8], home: &Path) -> io::Result<Self> {
        let kept = ["PATH", "LANG", "USER", "LOGNAME", "TZ"];
        let kept = kept
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(command))
            .current_dir(home)
            .env_clear()
            .envs(kept)
            .env("HOME", home)
            .env("SHELL", "/bin/sh")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            child,
            pid: Pid::from_raw(pid),
            reaped: false,
        })
    }

    fn kill(&self) {
        if let Err(error) = killpg(self.pid, Signal::SIGKILL) {
            tracing::debug!(%error, "a process group on a demo server was gone already");
        }
    }

    async fn reap(mut self) -> io::Result<ExitStatus> {
        self.reaped = true;
        self.child.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

/// Returns once the leader has ended, and leaves it unreaped.
async fn exited(pid: Pid) -> io::Result<()> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut children = signal(SignalKind::child())?;
    while waitid(Id::Pid(pid), flags)? == WaitStatus::StillAlive {
        children.recv().await;
    }
    Ok(())
}

/// Feeds the command; returns when the client has gone.
async fn receive(read: &mut ChannelReadHalf, mut stdin: Option<ChildStdin>) {
    loop {
        match read.wait().await {
            Some(ChannelMsg::Data { data }) => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            Some(ChannelMsg::Eof) => stdin = None,
            Some(ChannelMsg::Close) | None => return,
            Some(_) => {}
        }
    }
}

/// Sends what the command prints, to its end.
async fn send(pipe: Option<impl AsyncRead + Unpin>, stream: Option<u32>, write: &ChannelWriteHalf<Msg>) {
    let Some(mut pipe) = pipe else { return };
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        // A read error counts as the end of the pipe.
        if pipe.read_buf(&mut chunk).await.unwrap_or(0) == 0 {
            return;
        }
        let sent = match stream {
            None => write.data_bytes(chunk.freeze()).await,
            Some(stream) => write.extended_data_bytes(stream, chunk.freeze()).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Sends the client the exit status, after all output.
async fn tell(session: &Handle, write: &ChannelWriteHalf<Msg>, status: ExitStatus) {
    // Each of these fails only when the connection is gone.
    let _ = write.eof().await;
    let _ = match (status.code(), status.signal()) {
        (Some(code), _) => write.exit_status(code.unsigned_abs()).await.is_ok(),
        (None, signal) => {
            let name = signal_name(signal.unwrap_or_default());
            let told = session.exit_signal_request(write.id(), name, false, String::new(), String::new());
            told.await.is_ok()
        }
    };
}

fn signal_name(number: i32) -> Sig {
    let name = Signal::try_from(number).map_or("KILL", |signal| signal.as_str().trim_start_matches("SIG"));
    Sig::Custom(name.to_owned())
}
