//! `deployer demo`: a whole installation on this machine, to look around in.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::outcome::CommandFailure;
use super::signals;
use crate::config::Config;
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

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    // The logins must not drown in a line per request.
    let mut log = Config::default().log;
    log.filter = "warn".to_owned();
    telemetry::start(&log);
    let shutdown = CancellationToken::new();
    let (stop, token) = (signals::stop_or_hangup()?, shutdown.clone());
    tokio::spawn(async move {
        stop.await;
        token.cancel();
    });
    let options = demo::Options {
        dir: args.dir.clone(),
        bind: args.bind,
    };
    Ok(demo::run(options, shutdown).await?)
}
