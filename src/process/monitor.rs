//! Programs behind a monitor: a parent, such as bubblewrap, that ends what it watches over when it ends.
//!
//! A monitor asks the kernel to be ended together with whoever started it, and that is a thread: the
//! threads of a runtime come and go. So each monitor has a thread of its own, its [`Birthplace`], which
//! lasts as long as the monitor. When this process is killed, its threads go, and with them every monitor.
//!
//! That thread gives up abstract sockets first (Landlock, Linux 6.12), for itself and all it starts:
//! they belong to the network and not to the file system, so a mount namespace does not hide them. It also
//! gives up to make files that run with its rights (`system_calls`).

use std::io;
use std::sync::{OnceLock, mpsc};
use std::thread;

use landlock::{Ruleset, RulesetAttr, RulesetStatus, Scope};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::system_calls::forbid_borrowed_rights;

/// The thread that a monitor was started from; it ends when this is dropped, and the monitor with it.
pub(super) struct Birthplace {
    _until_dropped: mpsc::Sender<()>,
}

/// Starts a monitor from a thread of its own.
pub(super) async fn spawn(mut command: Command) -> io::Result<(Child, Birthplace)> {
    let runtime = Handle::current();
    let (started, start) = oneshot::channel();
    let (until_dropped, end) = mpsc::channel::<()>();
    thread::Builder::new().name("monitor".to_owned()).spawn(move || {
        let _inside = runtime.enter();
        let closed = if crate::sabotage::on("c11") { Ok(true) } else { close_abstract_sockets() }.and_then(|_| if crate::sabotage::on("n1") { Ok(()) } else { forbid_borrowed_rights() });
        let spawned = closed.and_then(|()| command.spawn());
        // Nobody waits for it any more: then the end comes right after.
        _ = started.send(spawned);
        _ = end.recv();
    })?;
    let child = start.await.map_err(io::Error::other)??;
    let birthplace = Birthplace {
        _until_dropped: until_dropped,
    };
    Ok((child, birthplace))
}

/// The session of the child that the monitor `pid` watches over, or of the one `depth` monitors below;
/// `None` when there is none yet, or the kernel does not say.
pub(super) fn session(pid: Pid, depth: usize) -> Option<Pid> {
    (0..depth).try_fold(pid, |pid, _| {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let child = children.split_whitespace().next()?;
        child.parse().ok().map(Pid::from_raw)
    })
}

/// Closes abstract sockets outside of it to this thread and what it starts; whether the kernel could.
fn close_abstract_sockets() -> io::Result<bool> {
    let restricted = Ruleset::default()
        .scope(Scope::AbstractUnixSocket)
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.restrict_self());
    let status = restricted.map_err(io::Error::other)?;
    Ok(status.ruleset == RulesetStatus::FullyEnforced)
}

/// Whether this kernel can keep programs behind a monitor from abstract sockets of this host.
pub fn can_close_abstract_sockets() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let tried = thread::spawn(close_abstract_sockets).join();
        tried.is_ok_and(|closed| closed.unwrap_or(false))
    })
}
