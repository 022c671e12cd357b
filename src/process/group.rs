//! A started process as the leader of a group of its own: starting it, signalling the group, waiting for the
//! leader without reaping it, reaping it. Dropping a [`ProcessGroup`] before that kills the group at once, so
//! an aborted task leaves nothing running.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::command::Command;
use super::error::Error;
use super::monitor::{self, Birthplace};

/// How often a program that is “busy” is tried again: another thread that forks just while we
/// write a script holds it open for a moment, and the kernel then refuses to run it.
const BUSY_TRIES: u32 = 10;

/// The pause between those tries.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The first file that is not one of the three which every program has.
const FIRST_OTHER_FILE: i32 = 3;

/// Closes to all programs that we start what we were given open ourselves, by a shell or a supervisor: the
/// standard library opens nothing for them, but what was there before us stays open in them. Call it
/// first.
pub fn keep_open_files_to_ourselves() {
    close_fds::set_fds_cloexec_threadsafe(FIRST_OTHER_FILE, &[]);
}

/// A started process, leader of its own group, not reaped yet.
pub(super) struct ProcessGroup {
    pub(super) child: Child,
    /// The leader's number and the group's; `None` once it is reaped and may be somebody else's.
    pid: Option<Pid>,
    /// How many monitors it is behind.
    monitors: usize,
    /// The thread that a monitor was started from.
    birthplace: Option<Birthplace>,
}

impl ProcessGroup {
    /// Signals every process of the group. One that is gone already is not an error. Behind a monitor it
    /// is the session of its child: killing that ends the whole namespace, and the monitor after it. Of several
    /// monitors the last one's child is asked politely; the first one's is killed, and the others are below it.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        let depth = match signal {
            Signal::SIGKILL => 1,
            _ => self.monitors,
        };
        let session = self
            .birthplace
            .as_ref()
            .filter(|_| !crate::sabotage::on("c21"))
            .and_then(|_| monitor::session(pid, depth));
        if session.is_none_or(|session| !send(session, signal)) {
            send(pid, signal);
        }
    }

    /// Returns once the leader has ended, and leaves it unreaped.
    pub(super) async fn exited(&self) -> io::Result<()> {
        let Some(pid) = self.pid else { return Ok(()) };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let mut children = signal(SignalKind::child())?;
        while waitid(Id::Pid(pid), flags)? == WaitStatus::StillAlive {
            children.recv().await;
        }
        Ok(())
    }

    /// How the leader ended. The group must have been signalled for the last time.
    pub(super) async fn reap(mut self) -> io::Result<ExitStatus> {
        self.pid = None;
        self.child.wait().await
    }
}

/// Signals every process of a group. One that is gone already is not an error.
fn send(group: Pid, signal: Signal) -> bool {
    let sent = killpg(group, signal);
    if let Err(error) = &sent {
        tracing::debug!(%group, %signal, %error, "the process group could not be signalled");
    }
    sent.is_ok()
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // A monitor that is started just now goes with its birthplace.
        self.signal(Signal::SIGKILL);
    }
}

/// Starts `command` as the leader of a new group.
pub(super) async fn start(command: &Command) -> Result<ProcessGroup, Error> {
    let mut busy = 0;
    let source = loop {
        let started = match (prepared(command), command.monitors > 0) {
            (Ok(prepared), true) => monitor::spawn(prepared)
                .await
                .map(|(child, place)| (child, Some(place))),
            (Ok(mut prepared), false) => prepared.spawn().map(|child| (child, None)),
            (Err(error), _) => Err(error),
        };
        match started {
            Ok((child, birthplace)) => {
                let pid = child
                    .id()
                    .and_then(|pid| i32::try_from(pid).ok())
                    .map(Pid::from_raw);
                return Ok(ProcessGroup {
                    child,
                    pid,
                    monitors: command.monitors,
                    birthplace,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && busy < BUSY_TRIES => {
                busy += 1;
                sleep(BUSY_PAUSE).await;
            }
            Err(error) => break error,
        }
    };
    let reason = match (&command.dir, source.kind()) {
        (Some(dir), _) if !dir.is_dir() => format!("its directory “{}” does not exist", dir.display()),
        (_, io::ErrorKind::NotFound) => "there is no such program, or no interpreter for it".to_owned(),
        (_, io::ErrorKind::PermissionDenied) => "it may not be executed".to_owned(),
        _ => source.to_string(),
    };
    let program = command.program.display().to_string();
    Err(Error::Start {
        program,
        reason,
        source,
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the place that may")]
fn prepared(command: &Command) -> io::Result<tokio::process::Command> {
    let input = match &command.input {
        Some(input) => Stdio::from(in_memory(input)?),
        None => Stdio::null(),
    };
    let mut prepared = tokio::process::Command::new(&command.program);
    prepared
        .args(&command.args)
        .env_clear()
        .envs(command.environment())
        .envs(crate::sabotage::on("c20").then(|| std::env::var_os("SSH_AUTH_SOCK").map(|value| ("SSH_AUTH_SOCK", value))).flatten())
        .process_group(0)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(dir) = &command.dir {
        prepared.current_dir(dir);
    }
    Ok(prepared)
}

/// A file without a name that holds `bytes`, at its beginning.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
