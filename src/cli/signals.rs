//! The signals on which the program stops cleanly.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::domain::{Error, Result};

/// Resolves at a SIGTERM (systemd) or a SIGINT (Ctrl-C).
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves like [`stop`], and at a SIGHUP: the terminal closed. SIGHUP stays ignored where the parent
/// ignored it (nohup).
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn stop_or_hangup() -> Result<impl Future<Output = ()>> {
    let stop = stop()?;
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(hangup()?),
    };
    let hung_up = async move {
        match &mut hangup {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            () = stop => {}
            () = hung_up => {}
        }
    })
}

/// Receives every SIGHUP, which asks a server to reload its files.
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn hangup() -> Result<Signal> {
    listen(SignalKind::hangup())
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|cause| Error::unavailable("The system delivers no signals.").because(cause))
}

/// Whether this process was started with the signal ignored, according to the kernel.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
