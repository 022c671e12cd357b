//! The signals on which the program stops cleanly.

use tokio::signal::unix::{SignalKind, signal};

use crate::domain::{Error, Result};

/// Resolves at a SIGTERM (systemd), a SIGINT (Ctrl-C) or a SIGHUP (the terminal closed). SIGHUP stays
/// ignored where the parent ignored it (nohup).
///
/// # Errors
/// When signals cannot be listened for.
pub(super) fn stop() -> Result<impl Future<Output = ()>> {
    let no_signals = |cause| Error::unavailable("The system tells us of no signals.").because(cause);
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(signal(SignalKind::hangup()).map_err(no_signals)?),
    };
    let hung_up = async move {
        match &mut hangup {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = hung_up => {}
        }
    })
}

/// Whether this process was started with the signal ignored, according to the kernel.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
