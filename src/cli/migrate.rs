//! `deployer migrate`: brings the database's schema up to date, or checks whether it is.

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::config::Config;

const UP_TO_DATE: &str = "The schema is up to date.";

/// Bring the database's schema up to date.
///
/// “serve” does this at its start; this command does it beforehand.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; print what would be changed, and exit with 1 if there is anything.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let config = args.config.load()?;
    if args.check {
        return check(&config).await;
    }
    let store = data::open(&config).await?;
    let pending = store.pending_migrations().await?;
    if pending.is_empty() {
        say(UP_TO_DATE);
        return Ok(());
    }
    let _lock = store.serve_lock()?;
    store.migrate().await?;
    for name in &pending {
        say(name);
    }
    say(format_args!("Changes made: {}.", pending.len()));
    Ok(())
}

async fn check(config: &Config) -> Result<(), CommandFailure> {
    let Some(store) = data::open_existing(config).await? else {
        say("There is no database yet. Run “deployer migrate”, or start the server, to create it.");
        return Err(CommandFailure::Printed);
    };
    let pending = store.pending_migrations().await?;
    // Without this SQLite would leave its log beside the file.
    store.close().await?;
    if pending.is_empty() {
        say(UP_TO_DATE);
        return Ok(());
    }
    for name in &pending {
        say(name);
    }
    say(format_args!(
        "Changes to be made: {}. Run “deployer migrate”, or start the server.",
        pending.len()
    ));
    Err(CommandFailure::Printed)
}
