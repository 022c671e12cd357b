//! `deployer migrate`: brings the database's schema up to date, or tells whether it is.

use super::{ConfigArgs, Failure, data, say};

/// Bring the database's schema up to date.
///
/// “serve” does this by itself at its start; this command is for doing it beforehand.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; tell what would be changed, and exit with 1 if that is anything.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let store = data::open(&args.config.load()?).await?;
    let pending = store.pending_migrations().await?;
    if pending.is_empty() {
        say("The schema is up to date.");
        return Ok(());
    }
    if args.check {
        for name in &pending {
            say(name);
        }
        say(format_args!(
            "Changes to be made: {}. Run “deployer migrate”, or start the server.",
            pending.len()
        ));
        return Err(Failure::Told);
    }
    let _lock = store.serve_lock()?;
    store.migrate().await?;
    for name in &pending {
        say(name);
    }
    say(format_args!("Changes made: {}.", pending.len()));
    Ok(())
}
