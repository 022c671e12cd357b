//! `deployer demo`: a whole installation on this machine, to look around in.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, serve};
use crate::config::Config;
use crate::domain::{Error, Result};
use crate::{demo, telemetry};

/// Show a working deployer with sample projects, history and SSH targets on this machine.
///
/// Needs nothing but this program. Pressing Deploy there does what it does in production. Ctrl-C,
/// or closing the terminal, ends it and removes everything it made.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep everything in this directory and use it again next time [default: a temporary one,
    /// removed at the end].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    // Whoever looks around wants to read the logins, not a line per request.
    let mut log = Config::default().log;
    log.filter = "warn".to_owned();
    telemetry::start(&log);
    let shutdown = CancellationToken::new();
    let (stop, hung_up, token) = (serve::stop_signal()?, hung_up()?, shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stop => {}
            () = hung_up => {}
        }
        token.cancel();
    });
    let options = demo::Options {
        dir: args.dir.clone(),
        bind: args.bind,
    };
    Ok(demo::run(options, shutdown).await?)
}

/// Comes true at a SIGHUP: the terminal is gone, and with it whoever looked around. Never, where
/// whoever started us had that ignored (nohup).
fn hung_up() -> Result<impl Future<Output = ()>> {
    let no_signals = |cause| Error::unavailable("The system tells us of no signals.").because(cause);
    let mut signals = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(signal(SignalKind::hangup()).map_err(no_signals)?),
    };
    Ok(async move {
        match &mut signals {
            Some(signals) => drop(signals.recv().await),
            None => std::future::pending().await,
        }
    })
}

/// Whether this process was started with the signal ignored, as the kernel tells.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
